"""What a job's inputs and outputs are once every reference in them is resolved.

Plans are plain values: the service computes them from documents, the supervisor carries them out
with nothing but the file system. Kinds and modes are spelled as in Azure ML's REST API.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class PortKind(enum.Enum):
    """``jobInputType`` and ``jobOutputType``."""

    LITERAL = "literal"
    URI_FILE = "uri_file"
    URI_FOLDER = "uri_folder"
    MLTABLE = "mltable"
    MLFLOW_MODEL = "mlflow_model"
    CUSTOM_MODEL = "custom_model"
    TRITON_MODEL = "triton_model"

    @property
    def is_model(self) -> bool:
        """Whether such an asset lives in ``models`` and not in ``data``."""
        return self in (PortKind.MLFLOW_MODEL, PortKind.CUSTOM_MODEL, PortKind.TRITON_MODEL)

    @property
    def collection(self) -> str:
        """The collection that assets of this kind are registered in."""
        return "models" if self.is_model else "data"


class InputMode(enum.Enum):
    """How an input reaches the job."""

    READ_ONLY_MOUNT = "ReadOnlyMount"
    READ_WRITE_MOUNT = "ReadWriteMount"
    DOWNLOAD = "Download"
    DIRECT = "Direct"
    EVAL_MOUNT = "EvalMount"
    EVAL_DOWNLOAD = "EvalDownload"

    @property
    def evaluates(self) -> bool:
        """Whether the job gets the files that an MLTable selects instead of the MLTable itself."""
        return self in (InputMode.EVAL_MOUNT, InputMode.EVAL_DOWNLOAD)


class OutputMode(enum.Enum):
    """How an output leaves the job."""

    READ_WRITE_MOUNT = "ReadWriteMount"
    UPLOAD = "Upload"
    DIRECT = "Direct"


@dataclass(frozen=True)
class InputPlan:
    """One input: a literal ``value``, or data at a local ``path`` or a foreign ``url``.

    ``uri`` is what ``direct`` hands to the job. ``references`` maps each URI inside an MLTable that
    is to be evaluated to the local path it stands for, because the supervisor has no database.
    ``missing`` says what was looked for when nothing was at ``path`` at the time of planning; it may
    still come before the job starts.
    """

    name: str
    kind: PortKind
    mode: InputMode | None = None
    value: str | None = None
    path: Path | None = None
    url: str | None = None
    uri: str = ""
    references: tuple[tuple[str, str], ...] = ()
    missing: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "mode": self.mode.value if self.mode else None,
            "value": self.value,
            "path": str(self.path) if self.path else None,
            "url": self.url,
            "uri": self.uri,
            "references": [list(pair) for pair in self.references],
            "missing": self.missing,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> InputPlan:
        """Return the plan that ``to_json`` wrote."""
        return cls(
            name=value["name"],
            kind=PortKind(value["kind"]),
            mode=InputMode(value["mode"]) if value["mode"] else None,
            value=value["value"],
            path=Path(value["path"]) if value["path"] else None,
            url=value["url"],
            uri=value["uri"],
            references=tuple((uri, path) for uri, path in value["references"]),
            missing=value["missing"],
        )


@dataclass(frozen=True)
class OutputPlan:
    """One output: ``target`` is the file or folder in a datastore that ``uri`` names.

    ``asset_name`` is set when the output is to be registered; ``asset_version`` None then means the
    next one.
    """

    name: str
    kind: PortKind
    mode: OutputMode
    target: Path
    uri: str
    asset_name: str | None = None
    asset_version: str | None = None
    description: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "mode": self.mode.value,
            "target": str(self.target),
            "uri": self.uri,
            "asset_name": self.asset_name,
            "asset_version": self.asset_version,
            "description": self.description,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> OutputPlan:
        """Return the plan that ``to_json`` wrote."""
        given = dict(value)
        given.update(
            kind=PortKind(value["kind"]), mode=OutputMode(value["mode"]), target=Path(value["target"])
        )
        return cls(**given)
