"""Every folder and file under the home is named here, and nowhere else.

The home is what one service owns: its documents, blobs, job folders and endpoints. Two services
with two homes share nothing but the cache of built environments.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import platformdirs

from academy.errors import AcademyError, UserError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")


class HomeError(AcademyError):
    """The home folder cannot be used: it is read-only, full, or not a folder."""

    http_status = 507
    code = "HomeNotUsable"
    exit_status = 5


@dataclass(frozen=True)
class Home:
    """The folder of one service; each property names one thing in it."""

    root: Path

    @classmethod
    def locate(cls, home: str | os.PathLike[str] | None = None) -> Home:
        """Return the home given, or that of ``ACADEMY_HOME``, or the platform's default."""
        chosen = home or os.environ.get("ACADEMY_HOME") or platformdirs.user_data_dir("academy")
        return cls(Path(chosen).expanduser().absolute())

    @property
    def service_file(self) -> Path:
        """What the running service says of itself: pid, address, version, when it started."""
        return self.root / "service.json"

    @property
    def settings_file(self) -> Path:
        """What the home remembers between starts: the port, the default workspace."""
        return self.root / "settings.json"

    @property
    def lock_file(self) -> Path:
        """Held (flock) by the service while it lives."""
        return self.root / "service.lock"

    @property
    def log_file(self) -> Path:
        return self.root / "service.log"

    @property
    def key_file(self) -> Path:
        """32 random bytes that sign tokens and URLs, mode 0600."""
        return self.root / "key"

    @property
    def token_file(self) -> Path:
        """The owner's token, mode 0600."""
        return self.root / "token"

    @property
    def database_file(self) -> Path:
        return self.root / "academy.db"

    def tracking_database(self, workspace_key: str) -> Path:
        """One MLflow database a workspace: a job's name is its run's id, and two workspaces may both have it."""
        return self.root / "mlflow" / f"{checked_name(workspace_key)}.db"

    @property
    def storage(self) -> Path:
        """Storage accounts: one folder each, one folder a container below, blobs as plain files."""
        return self.root / "storage"

    def container(self, account: str, container: str) -> Path:
        return self.storage / checked_name(account) / checked_name(container)

    def account(self, account: str) -> Path:
        """Return the folder of one storage account. What is not a container in it begins with a dot."""
        return self.storage / checked_name(account)

    def blob_properties(self, account: str, container: str) -> Path:
        """Return where metadata and content types lie of the container's blobs that have any."""
        return self.account(account) / ".properties" / checked_name(container)

    def blob_staging(self, account: str) -> Path:
        """Return the folder of uploads that have not ended: on the blobs' disk, so that a rename ends them."""
        return self.account(account) / ".staging"

    def job(self, workspace_key: str, name: str) -> JobFolder:
        return JobFolder(self.root / "jobs" / checked_name(workspace_key) / checked_name(name))

    def jobs(self, workspace_key: str) -> Path:
        return self.root / "jobs" / checked_name(workspace_key)

    def online_endpoint(self, workspace_key: str, endpoint: str) -> Path:
        return self.root / "online" / checked_name(workspace_key) / checked_name(endpoint)

    def online_deployment(self, workspace_key: str, endpoint: str, deployment: str) -> DeploymentFolder:
        return DeploymentFolder(self.online_endpoint(workspace_key, endpoint) / checked_name(deployment))

    def executed_notebook(self, name: str) -> Path:
        """The last executed copy of a notebook, outputs and all."""
        return self.root / "notebooks" / f"{checked_name(name)}.ipynb"

    def prepare(self) -> None:
        """Make the home with mode 0700; say plainly why it cannot be used when it cannot."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = self.root / f".probe-{os.getpid()}"
            write_atomic(probe, b"x" * 4096)
            probe.unlink()
        except OSError as error:
            raise HomeError(
                f"The home folder {self.root} cannot be written: {error.strerror}. "
                "Free space or mend its permissions, or choose another with --home or ACADEMY_HOME."
            ) from error


@dataclass(frozen=True)
class JobFolder:
    """The record of one job. The supervisor writes it; the file that means done comes last."""

    root: Path

    @property
    def plan_file(self) -> Path:
        return self.root / "plan.json"

    @property
    def state_file(self) -> Path:
        """Status, times and process ids, replaced whole at each transition."""
        return self.root / "state.json"

    @property
    def state_draft(self) -> Path:
        """The next state, until it is renamed to the state file."""
        return self.root / "state.draft"

    @property
    def done_file(self) -> Path:
        """The end: status, exit code, error. Written last, never changed."""
        return self.root / "done.json"

    @property
    def cancel_file(self) -> Path:
        """Its presence asks the supervisor to end the job."""
        return self.root / "cancel"

    @property
    def supervisor_log(self) -> Path:
        return self.root / "supervisor.log"

    @property
    def work(self) -> Path:
        """The working directory of the job's process: a private copy of its code."""
        return self.root / "wd"

    @property
    def environment(self) -> Path:
        """A thin environment over the shared one: what the job installs itself lands there."""
        return self.root / "env"

    @property
    def inputs(self) -> Path:
        return self.root / "inputs"

    @property
    def outputs(self) -> Path:
        return self.root / "outputs"


def collecting(staged: Path) -> Path:
    """Return the name of a job's staged output from the moment on when it is being collected."""
    return staged.with_name(f".{staged.name}.collecting")


def beside(target: Path) -> Path:
    """Return where something is made that is to replace ``target`` by renaming."""
    return target.with_name(f".{target.name}.partial")


@dataclass(frozen=True)
class ArtifactFolder:
    """What a job leaves for its readers, named as on Azure: ``ExperimentRun/dcid.NAME/`` in the artifact store."""

    root: Path

    @property
    def user_log(self) -> Path:
        """Standard output and error of the job's command."""
        return self.root / "user_logs" / "std_log.txt"

    @property
    def build_log(self) -> Path:
        """How the environment was built; ``stream`` shows it until there is a user log."""
        return self.root / "azureml-logs" / "20_image_build_log.txt"

    @property
    def system_log(self) -> Path:
        """The steps of the job around its command, with times."""
        return self.root / "system_logs" / "lifecycler" / "lifecycler.log"


@dataclass(frozen=True)
class DeploymentFolder:
    """The record of one online deployment: a replica folder for each generation that was put."""

    root: Path

    @property
    def record_file(self) -> Path:
        """Which generation serves, and which one is on its way."""
        return self.root / "deployment.json"

    def generation(self, number: int) -> ReplicaFolder:
        return ReplicaFolder(self.root / str(number))


@dataclass(frozen=True)
class ReplicaFolder:
    """The record of one generation of an online deployment: what its replicas run, and how they are."""

    root: Path

    @property
    def plan_file(self) -> Path:
        return self.root / "plan.json"

    @property
    def state_file(self) -> Path:
        return self.root / "state.json"

    @property
    def stop_file(self) -> Path:
        """Its presence asks the replica's supervisor to end."""
        return self.root / "stop"

    def server_config(self, number: int) -> Path:
        return self.root / f"server-{number}.json"

    def server_status(self, number: int) -> Path:
        return self.root / f"server-{number}.status.json"

    @property
    def log_file(self) -> Path:
        return self.root / "inference-server.log"

    @property
    def supervisor_log(self) -> Path:
        return self.root / "storage-initializer.log"

    @property
    def environment(self) -> Path:
        """A thin environment over the shared one, as a job has."""
        return self.root / "env"

    @property
    def model(self) -> Path:
        return self.root / "azureml-models"

    @property
    def code(self) -> Path:
        return self.root / "code"


def environment_cache() -> Path:
    """Return the folder of built environments, shared by all homes of this user.

    Its entries are keyed by content, so sharing is safe; ``ACADEMY_ENVIRONMENT_CACHE`` moves it.
    """
    chosen = os.environ.get("ACADEMY_ENVIRONMENT_CACHE")
    base = Path(chosen) if chosen else Path(platformdirs.user_cache_dir("academy")) / "environments"
    return base.expanduser().absolute()


def tracking_template(mlflow_version: str) -> Path:
    """Return the empty database that MLflow's own migrations made, once a machine: they take seconds."""
    return environment_cache() / "mlflow" / f"{mlflow_version}.db"


def checked_name(name: str) -> str:
    """Return ``name`` if it can stand as one path segment, else refuse it."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"The name {name!r} is not valid. Names hold 1 to 255 letters, digits, '_', '-' or '.', "
            "and begin with a letter, a digit or '_'."
        )
    return name


def confined(root: Path, relative: str) -> Path:
    """Return ``root / relative``, refusing absolute paths, ``..`` and links that lead outside.

    Raises
    ------
    UserError
        When the path would leave ``root``.
    """
    parts = PurePosixPath(relative).parts
    if "\x00" in relative or "\\" in relative or relative.startswith("/") or ".." in parts:
        raise UserError(f"The path {relative!r} leaves its folder. Give a relative path without '..'.")
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root.resolve()):
        raise UserError(f"The path {relative!r} leads outside its folder through a link.")
    return path


def write_atomic(path: Path, content: bytes | str, *, mode: int = 0o644, durable: bool = True) -> None:
    """Write beside ``path`` and rename over it, so that a reader sees the old or the new, whole.

    ``durable`` also waits for the disk (fsync), so that the content outlives a power failure.
    """
    data = content.encode() if isinstance(content, str) else content
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def write_json(path: Path, value: Mapping[str, Any], *, mode: int = 0o644, durable: bool = True) -> None:
    """Write ``value`` as JSON, atomically."""
    write_atomic(path, json.dumps(value, indent=1), mode=mode, durable=durable)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in ``path``, or None when there is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    value: dict[str, Any] = json.loads(text)
    return value
