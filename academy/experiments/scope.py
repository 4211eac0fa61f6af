"""What MLflow's handlers work on: the workspace of the request.

MLflow's server has one tracking store and one model registry for the whole process, kept in module
globals. Ours look up here which workspace the request at hand is for.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from academy.datasets.locate import Locator
from academy.experiments.artifacts import Artifacts
from academy.experiments.database import TrackingDatabase
from academy.store.audit import AuditLog
from academy.store.ids import Workspace


@dataclass(frozen=True)
class Scope:
    """One request's workspace, and who makes the request."""

    workspace: Workspace
    who: str
    database: TrackingDatabase
    artifacts: Artifacts
    locator: Locator
    audit: AuditLog

    def record(self, action: str, *segments: str) -> None:
        """Add an act to the audit log; ``segments`` name its resource below the workspace."""
        self.audit.append(self.who, action, self.workspace.child(*segments))

    @property
    def job(self) -> str | None:
        """The job that makes the request, when it is one."""
        kind, _, name = self.who.partition("/")
        return name if kind == "job" and name else None


CURRENT: ContextVar[Scope] = ContextVar("academy_mlflow_scope")
