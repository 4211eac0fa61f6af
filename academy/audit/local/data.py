"""What a local run read and wrote, as named on its command line: noted before it starts, hashed once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from academy.audit.local.foreground import asked_to_end
from academy.audit.local.mlflow_runs import LoggedModel
from academy.environments.folders import kept_hashes
from academy.errors import InvalidField
from academy.evidence import digests, sightings
from academy.evidence.credentials import printable, without_credentials
from academy.evidence.evidence import Data, Tree
from academy.evidence.hashes import Hasher, Memory, Stopped
from academy.evidence.sightings import Lost, Sighting
from academy.paths import AuditFolder

FILE, FOLDER, ADDRESS, MODEL = "uri_file", "uri_folder", "uri", "mlflow_model"
# The file that the metrics are from; a run is repeated with the same one.
METRICS = "metrics"

T = TypeVar("T")

# More than this is read when the command has ended: its start is not to wait.
READ_AT_ONCE_BYTES = 64 << 20


@dataclass(frozen=True)
class Watched:
    """A path named with --data or --output, as given and as it was before the command started."""

    name: str
    path: Path
    before: Sighting | None = None


class LocalData:
    """The data and the outputs of one run. ``warnings`` are for who runs it; ``notes`` for the record."""

    def __init__(self, folder: Path, hasher: Hasher | None = None) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self._folder = folder
        self._hasher = hasher or Hasher(Memory(kept_hashes()), asked_to_end)

    def given(self, names: Sequence[str]) -> list[Watched]:
        """Note the data as it is before the command starts; what is not large is read at once.

        Raises
        ------
        InvalidField
            There is no such path, or it cannot be read.
        """
        return [self._given(name) for name in dict.fromkeys(names)]

    def expected(self, names: Sequence[str]) -> list[Watched]:
        """Note what is there of the outputs before the command starts."""
        return [self._expected(name) for name in dict.fromkeys(names)]

    def inputs(self, data: Sequence[Watched]) -> Iterator[Data]:
        """Yield the data as the command saw it, as far as that can be known now."""
        for one in data:
            if one.before is None:
                self.notes.append(f"The data {one.name!r} is an address: what was read from it is not known.")
                yield Data(printable(one.name), ADDRESS, printable(without_credentials(one.name)))
                continue
            seen = one.before
            found = self._tried(f"The data {one.name!r}", partial(sightings.read, seen, self._hasher))
            if found is not None and found[1]:
                when = "before it started" if seen.tree is not None else "at its end"
                self.notes.append(
                    f"The data {one.name!r} was changed while it ran ({sightings.named(found[1])}): the "
                    f"hashes are of what was there {when}."
                )
            yield _data(one, found[0] if found else None)

    def outputs(self, expected: Sequence[Watched]) -> Iterator[Data]:
        """Yield what is there of the outputs now that the command has ended."""
        for one in expected:
            if not one.path.exists():
                self._say(f"The output {one.name!r} is not there: the command did not write {one.path}.")
                yield Data(printable(one.name), FILE, one.path.as_uri())
                continue
            if _is_untouched(one):
                self._say(f"The output {one.name!r} was there before, and the command did not change it.")
            tree = self._tried(f"The output {one.name!r}", partial(self._tree, one.path))
            yield _data(one, tree)

    def models(self, logged: Sequence[LoggedModel], taken: Sequence[str]) -> Iterator[Data]:
        """Yield the models that were logged to MLflow."""
        names = set(taken)
        for model in logged:
            name = next(name for name in _numbered(printable(model.name)) if name not in names)
            names.add(name)
            if model.folder is None or not model.folder.is_dir():
                self.notes.append(
                    f"The model {name!r} is at {without_credentials(model.location)}: it is not hashed."
                )
                yield Data(name, MODEL, printable(without_credentials(model.location)))
                continue
            tree = self._tried(f"The model {name!r}", partial(self._tree, model.folder))
            yield Data(name, MODEL, model.folder.as_uri(), tree=tree)

    def metrics_file(self, file: Watched | None) -> Iterator[Data]:
        """Yield the metrics file, if one was named, whether it was written or not."""
        if file is not None:
            what = f"The metrics file {file.name!r}"
            tree = self._tried(what, partial(self._tree, file.path)) if file.path.exists() else None
            yield Data(printable(file.name), METRICS, file.path.as_uri(), tree=tree)

    def metrics(self, file: Watched | None) -> dict[str, float]:
        """Return the numbers of a metrics file that the command wrote; say what of it is none."""
        if file is None:
            return {}
        if _is_untouched(file):
            self._say(f"The metrics are not taken from {file.name!r}: the command did not write it.")
            return {}
        try:
            value = json.loads(file.path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else f"it is no JSON ({error})"
            self._say(f"The metrics are not taken from {file.name!r}: {why}.")
            return {}
        if not isinstance(value, Mapping):
            self._say(
                f"The metrics are not taken from {file.name!r}: it is no JSON object, such as "
                '{"accuracy": 0.9}.'
            )
            return {}
        numbers = {name: number for name, one in value.items() if (number := _number(one)) is not None}
        others = [name for name in value if name not in numbers]
        if others:
            self._say(f"Of {file.name!r}, what is no number is not taken: {sightings.named(others)}.")
        return numbers

    def _given(self, name: str) -> Watched:
        if "://" in name:
            return Watched(name, Path(name))
        path = self._path(name, "--data")
        try:
            seen = sightings.sight(path)
            if sightings.size(seen) <= READ_AT_ONCE_BYTES:
                seen = replace(seen, tree=sightings.read(seen, self._hasher)[0])
        except FileNotFoundError as error:
            raise InvalidField(
                f"--data {name}: there is no such file or folder ({path}). Nothing was run.", target="data"
            ) from error
        except OSError as error:
            raise InvalidField(
                f"--data {name} cannot be read: {error}. Nothing was run.", target="data"
            ) from error
        return Watched(name, path, seen)

    def _expected(self, name: str) -> Watched:
        path = self._path(name, "--output")
        return Watched(name, path, sightings.sight(path) if path.exists() else None)

    def _path(self, name: str, option: str) -> Path:
        path = (self._folder / name).absolute()
        audit = self._folder / AuditFolder.NAME
        if audit.is_relative_to(path.resolve()) or path.resolve().is_relative_to(audit.resolve()):
            raise InvalidField(
                f"{option} {name}: the audit trail is in it ({audit}), and cannot be part of what it "
                "records. Name the files or the folder of the data itself. Nothing was run.",
                target=option.strip("-"),
            )
        return path

    def _tree(self, path: Path) -> Tree:
        return digests.tree(path, hasher=self._hasher)

    def _tried(self, what: str, look: Callable[[], T]) -> T | None:
        try:
            return look()
        except Stopped:
            self.notes.append(f"{what} was not read to its end: it was interrupted.")
        except Lost as error:
            self.notes.append(f"{what} is not known: {error} was changed or deleted while it ran.")
        except OSError as error:
            self.notes.append(f"{what} cannot be looked at: {printable(str(error))}.")
        return None

    def _say(self, text: str) -> None:
        self.notes.append(text)
        self.warnings.append(text)


def _data(watched: Watched, tree: Tree | None) -> Data:
    kind = FOLDER if watched.path.is_dir() else FILE
    return Data(printable(watched.name), kind, watched.path.as_uri(), tree=tree)


def _is_untouched(watched: Watched) -> bool:
    """Return whether what was there before the command started is there still, not written to since."""
    try:
        return watched.before is not None and sightings.sight(watched.path).files == watched.before.files
    except OSError:
        return False


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{number}" for number in itertools.count(2))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
