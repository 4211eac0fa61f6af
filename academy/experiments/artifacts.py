"""Where runs and models keep their files, and MLflow's names for it.

MLflow clients see ``mlflow-artifacts:/CONTAINER/PATH``, relative to the tracking URI: the service hands
the files over, so no client needs a storage key. On disk it is the workspace's storage account, laid
out as on Azure: a run's artifacts are ``azureml/ExperimentRun/dcid.RUN/``.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from academy.datasets.datastores import ARTIFACT_CONTAINER, account_name, run_prefix
from academy.datasets.mlmodel import MLMODEL
from academy.errors import Conflict, Forbidden, NotFound
from academy.paths import Home, confined
from academy.store.ids import Workspace

SCHEME = "mlflow-artifacts"

# Where MLflow puts what belongs to an experiment and to no run, such as traces.
EXPERIMENTS_ROOT = f"{SCHEME}:/{ARTIFACT_CONTAINER}/Experiments"

# What may be deleted lies inside one run, one model or one experiment.
_DELETABLE = re.compile(
    rf"{ARTIFACT_CONTAINER}/"
    rf"(?:(?P<run>{re.escape(run_prefix(''))}[^/]+)|LoggedModels/m-[^/]+|Experiments/[^/]+)"
    r"/(?P<first>[^/]+)(?:/.*)?",
    re.DOTALL,
)

# The record of what a run did.
_LOGS = frozenset({"user_logs", "system_logs", "azureml-logs"})

_LOGGED_MODELS = f"{ARTIFACT_CONTAINER}/LoggedModels"
_IN_LOGGED_MODEL = re.compile(rf"{_LOGGED_MODELS}/(?P<model>m-[0-9a-f]+)/(?P<name>[^/]+)/(?P<path>.+)")


@dataclass(frozen=True)
class Entry:
    """One file or folder of a listing; ``size`` is in bytes, None for a folder."""

    name: str
    size: int | None


@dataclass(frozen=True)
class InLoggedModel:
    """A file of an MLflow 3 model: the model's id, its name, and the path inside it."""

    model_id: str
    name: str
    path: str


def run_uri(run_id: str) -> str:
    """Return the artifact URI of a run."""
    return f"{SCHEME}:/{ARTIFACT_CONTAINER}/{run_prefix(run_id)}"


def logged_model_uri(model_id: str, name: str) -> str:
    """Return where an MLflow 3 model lies: in a folder of its name, as ``AZUREML_MODEL_DIR`` will show it."""
    return f"{SCHEME}:/{_LOGGED_MODELS}/{model_id}/{name}"


def in_logged_model(relative: str) -> InLoggedModel | None:
    """Return which file of which MLflow 3 model a path is, or None."""
    match = _IN_LOGGED_MODEL.fullmatch(relative)
    return InLoggedModel(match["model"], match["name"], match["path"]) if match else None


def relative_path(uri: str) -> str | None:
    """Return the path of an ``mlflow-artifacts:`` URI, or None for any other."""
    parts = urlsplit(uri)
    return unquote(parts.path).lstrip("/") if parts.scheme == SCHEME else None


class Upload:
    """A file that is being written beside its place; ``finish`` or ``abandon`` ends it."""

    def __init__(self, target: Path, beside: Path) -> None:
        self._target = target
        self._beside = beside
        self._file = beside.open("xb")

    def write(self, chunks: Iterable[bytes]) -> None:
        """Add to the end."""
        self._file.writelines(chunks)

    def finish(self) -> None:
        """Put the file in its place, replacing what is there."""
        self._file.close()
        _put_in_place(self._beside, self._target)

    def abandon(self) -> None:
        """Leave everything as it was; it is no error after ``finish``."""
        self._file.close()
        self._beside.unlink(missing_ok=True)


class Artifacts:
    """The files of one workspace's runs and models, by paths relative to its storage account."""

    def __init__(self, home: Home, workspace: Workspace) -> None:
        account = account_name(workspace)
        self.root = home.account(account)
        self._staging = home.blob_staging(account)

    def path(self, relative: str) -> Path:
        """Return the file or folder at ``relative``, there or not.

        Raises
        ------
        UserError
            When the path leaves the account.
        """
        if not relative.strip("/") or relative.lstrip("/").startswith("."):
            raise NotFound(f"{relative!r} names no container. Artifacts are below {ARTIFACT_CONTAINER!r}.")
        return confined(self.root, relative.strip("/"))

    def uri(self, path: Path) -> str | None:
        """Return the URI by which clients read ``path``, or None when it is in no container of ours."""
        if not path.is_relative_to(self.root):
            return None
        return f"{SCHEME}:/{path.relative_to(self.root).as_posix()}"

    def file(self, relative: str) -> Path:
        """Return an existing file."""
        path = self.path(relative)
        if not path.is_file():
            raise NotFound(f"There is no artifact {relative!r}.")
        return path

    def entries(self, relative: str) -> list[Entry]:
        """Return what is in a folder, sorted by name; nothing when there is no such folder."""
        folder = self.path(relative)
        if not folder.is_dir():
            return []
        with os.scandir(folder) as found:
            entries = [Entry(item.name, None if item.is_dir() else item.stat().st_size) for item in found]
        return sorted(entries, key=lambda entry: entry.name)

    def upload(self, relative: str) -> Upload:
        """Begin to write a file, which takes its place at ``relative`` whole or not at all."""
        target = self._writable(relative)
        self._staging.mkdir(parents=True, exist_ok=True)
        return Upload(target, self._staging / f"artifact.{uuid.uuid4().hex}")

    def deletable(self, relative: str) -> Path:
        """Return the file or folder at ``relative`` if it may be deleted, there or not.

        Raises
        ------
        Forbidden
            For all of a run, a model or an experiment, or more; and for a run's logs.
        """
        path = self._writable(relative)
        # Where it really is: a link inside a run may lead to another one. A link itself may go.
        real = path.parent.resolve() / path.name
        root = self.root.resolve()
        match = _DELETABLE.fullmatch(real.relative_to(root).as_posix()) if real.is_relative_to(root) else None
        if match is None:
            raise Forbidden(
                f"{relative!r} cannot be deleted: only what lies inside one run, model or experiment can, "
                f"such as '{ARTIFACT_CONTAINER}/{run_prefix('RUN')}/outputs'."
            )
        if match["run"] and match["first"].lower() in _LOGS:
            raise Forbidden(f"{relative!r} cannot be deleted: the logs of a run are kept.")
        return real

    def delete(self, relative: str) -> None:
        """Delete a file or a folder that may be deleted; it is no error when there is none."""
        path = self.deletable(relative)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def mirror(self, source: str, target: str) -> None:
        """Show the files of the folder ``source`` in ``target`` too, as hard links.

        A file that is there gives way; a file that only ``target`` has stays. Doing it again mends
        what an earlier, interrupted call left.
        """
        origin = self.path(source)
        files = [path for path in origin.rglob("*") if path.is_file()]
        # A reader that finds MLmodel finds the rest of the model.
        for path in sorted(files, key=lambda path: path.name == MLMODEL):
            relative = path.relative_to(origin).as_posix()
            self.mirror_file(f"{source}/{relative}", f"{target}/{relative}")

    def mirror_file(self, source: str, target: str) -> None:
        """Show one file in a second place, replacing what is there."""
        path, place = self.path(source), self._writable(target)
        self._staging.mkdir(parents=True, exist_ok=True)
        beside = self._staging / f"link.{uuid.uuid4().hex}"
        try:
            try:
                os.link(path, beside)
            except OSError:  # a file system without hard links, or too many of them
                shutil.copyfile(path, beside)
            _put_in_place(beside, place)
        finally:
            # Renaming a link over another link of the same file leaves both names.
            beside.unlink(missing_ok=True)

    def _writable(self, relative: str) -> Path:
        parts = PurePosixPath(relative.strip("/")).parts
        if len(parts) < 2 or parts[0] != ARTIFACT_CONTAINER:
            raise Forbidden(
                f"{relative!r} cannot be written as an artifact: only what is below "
                f"{ARTIFACT_CONTAINER!r} can. Other containers are written through the blob service."
            )
        return self.path(relative)


def _put_in_place(beside: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(beside, target)
    except (FileExistsError, NotADirectoryError) as error:
        raise Conflict(
            f"{target.name!r} cannot be put below {target.parent.name!r}: that is a file."
        ) from error
    except IsADirectoryError as error:
        raise Conflict(f"{target.name!r} is a folder; a file cannot take its place.") from error
