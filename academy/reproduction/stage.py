"""The temporary folder where a local run is repeated: its code, its data, and its command line for there."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

from academy.audit.local import snapshot
from academy.audit.local.data import METRICS, MODEL
from academy.audit.local.request import Request
from academy.environments.built import BuiltEnvironment
from academy.evidence.evidence import Data, Evidence
from academy.paths import AuditFolder

_PYTHON = re.compile(r"(python|pypy)(\d+(\.\d+)?)?")

# Data is copied, so that a script that writes to it does so to the copy; more than this is linked.
_MOST_COPIED_BYTES = 1 << 30


@dataclass(frozen=True)
class Stage:
    """Where it is repeated. ``work`` is as far below ``root`` as names of data and outputs lead up."""

    root: Path
    work: Path
    evidence: Evidence
    places: Mapping[str, Path]

    @classmethod
    def below(cls, root: Path, evidence: Evidence, places: Mapping[str, Path]) -> Stage:
        """Return the stage in a folder; ``places`` says where data is now, by its name."""
        names = [item.name for item in (*evidence.inputs, *_files(evidence.outputs))]
        most_up = max((PurePath(name).parts.count("..") for name in names), default=0)
        return cls(root, root.joinpath(*["up"] * most_up, "work"), evidence, places)

    def set(self, audit: AuditFolder) -> None:
        """Put the code and the data there.

        Raises
        ------
        AcademyError
            A copy of the code is missing, or was changed.
        """
        self.work.mkdir(parents=True)
        if self.evidence.code is not None:
            snapshot.restore(audit, self.evidence.code, self.work)
        for item in self.evidence.inputs:
            source = self.places.get(item.name)
            if source is not None and not PurePath(item.name).is_absolute():
                _place(source, self.work / item.name, item.tree.size if item.tree else 0)
        for item in _files(self.evidence.outputs):
            # It was there when the run was made; git and the copies of code know no empty folders.
            (self.work / self._moved(item.name)).parent.mkdir(parents=True, exist_ok=True)

    def request(self, built: BuiltEnvironment) -> Request:
        """Return what to run there."""
        outputs = _files(self.evidence.outputs)
        metrics = [item.name for item in self.evidence.outputs if item.kind == METRICS]
        return Request(
            command=tuple(self._word(word, built) for word in shlex.split(self.evidence.command or "")),
            folder=self.work,
            data=tuple(self._moved(item.name) for item in self.evidence.inputs),
            outputs=tuple(self._moved(item.name) for item in outputs if item.kind != METRICS),
            metrics_file=self._moved(metrics[0]) if metrics else None,
        )

    def named(self, name: str) -> str:
        """Return the name on record of data or an output that has another one here."""
        names = [item.name for item in (*self.evidence.inputs, *self.evidence.outputs)]
        return next((one for one in names if self._moved(one) == name), name)

    def _moved(self, name: str) -> str:
        """Return the name that data or an output has here: what is absolute, and was moved, has another."""
        if not PurePath(name).is_absolute():
            return name
        if name in self.places:
            return str(self.places[name])
        if any(item.name == name for item in self.evidence.outputs):
            return str(self.root / "outputs" / name.lstrip("/"))
        return name

    def _word(self, word: str, built: BuiltEnvironment) -> str:
        software, code = self.evidence.software, self.evidence.code
        origin = Path(code.path) if code else self.work
        if "/" in word and (origin / word).parent == Path(software.executable).parent:
            # A program of the environment that is built anew: its Python, or one beside it.
            name = PurePath(word).name
            return str(built.python if _PYTHON.fullmatch(name) else built.bins[0] / name)
        for item in (*self.evidence.inputs, *_files(self.evidence.outputs)):
            moved = self._moved(item.name)
            if moved != item.name:
                word = re.sub(rf"{re.escape(item.name)}(?=$|[/:,])", moved.replace("\\", r"\\"), word)
        return word


def unmoved_outputs(evidence: Evidence) -> list[str]:
    """Return the outputs at absolute paths that the command line does not name: nothing can move them."""
    words = evidence.command or ""
    absolute = (item.name for item in _files(evidence.outputs) if PurePath(item.name).is_absolute())
    return [name for name in absolute if name not in words]


def place_of(item: Data) -> Path | None:
    """Return where an input was on this machine, or None when it is an address."""
    parts = urlsplit(item.uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _files(outputs: Sequence[Data]) -> list[Data]:
    return [item for item in outputs if item.kind != MODEL]


def _place(source: Path, target: Path, size: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if size > _MOST_COPIED_BYTES:
        target.symlink_to(source)
    elif source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)
