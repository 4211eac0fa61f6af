"""Where the facts of a record are: documents, folders, MLflow runs; what of them several records tell."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from academy.audit.ledger import ServiceLedger
from academy.audit.record import Link, Relation
from academy.datasets import uris
from academy.datasets.locate import Locator
from academy.datasets.uris import AssetUri, JobOutputUri
from academy.errors import AcademyError
from academy.evidence.credentials import without_credentials
from academy.evidence.evidence import Evidence, Git
from academy.evidence.secrecy import masked
from academy.experiments.runs import Run
from academy.experiments.tracking import Tracking
from academy.paths import Home, read_json
from academy.store.audit import AuditLog
from academy.store.documents import Document, Documents
from academy.store.ids import Workspace

# What the SDK sends with a job that was submitted from a git repository, and MLflow tags its runs with.
GIT_COMMIT, GIT_BRANCH, GIT_REPOSITORY = (
    f"mlflow.source.git.{name}" for name in ("commit", "branch", "repoURL")
)
GIT_DIRTY = "azureml.git.dirty"


@dataclass(frozen=True)
class Sources:
    """The rooms that a recorder looks into."""

    home: Home
    documents: Documents
    locator: Locator
    tracking: Tracking
    log: AuditLog
    ledger: ServiceLedger

    def evidence(self, file: Path) -> tuple[Evidence | None, tuple[str, ...]]:
        """Return what a supervisor saw, or None and why there is none."""
        try:
            value = read_json(file)
            if value is not None:
                return Evidence.from_json(value), ()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            return None, (f"{file.name} cannot be read ({type(error).__name__}).",)
        return None, (f"There is no evidence: {file} is not there.",)

    def run(self, workspace: Workspace, run_id: str) -> tuple[Run | None, tuple[str, ...]]:
        """Return the MLflow run of an id, or None, and why it cannot be read."""
        try:
            return self.tracking.find_run(workspace, run_id), ()
        except (AcademyError, OSError, SQLAlchemyError, sqlite3.Error) as error:
            return None, (f"The MLflow run {run_id!r} cannot be read ({type(error).__name__}).",)

    def link(self, relation: Relation, target: str, sha256: str | None = None) -> Link:
        """Return a link that names the newest record of its target."""
        found = self.ledger.newest(target)
        return Link(relation, target, sha256, found.hash if found else None)

    def named(self, workspace: Workspace, uri: str, collection: str = "data") -> str:
        """Return the ARM id of the version or the job that a URI leads to; otherwise the URI."""
        try:
            found = uris.parse(uri)
        except AcademyError:
            return without_credentials(uri)
        if isinstance(found, AssetUri):
            return self._version(found.workspace or workspace, found, collection)
        if isinstance(found, JobOutputUri):
            return self.job_or_run(found.workspace or workspace, found.job)
        return without_credentials(uri)

    def job_or_run(self, workspace: Workspace, run_id: str) -> str:
        """Return the ARM id of the job whose run, or nested run, this is; ``runs:/ID`` for that of no job."""
        job, seen = run_id, set[str]()
        while job not in seen:
            seen.add(job)
            id = workspace.child("jobs", job)
            found = self.documents.find(id)
            if found is not None or self.ledger.newest(id) is not None:
                return found.id if found else id
            run, _ = self.run(workspace, job)
            job = run.tags.get("mlflow.parentRunId", job) if run else job
        return f"runs:/{run_id}"

    def _version(self, workspace: Workspace, found: AssetUri, collection: str) -> str:
        collection = found.collection or collection
        try:
            return self.locator.versions.resolve(workspace, collection, found.name, found.reference).id
        except AcademyError:  # deleted since
            return workspace.child(collection, found.name, "versions", found.reference)


def git_of(properties: Mapping[str, Any]) -> Git | None:
    """Return where code came from, as the properties of a job or the tags of a run say."""
    commit = properties.get(GIT_COMMIT)
    if not commit:
        return None
    repository, branch = properties.get(GIT_REPOSITORY), properties.get(GIT_BRANCH)
    dirty = {"true": True, "false": False}.get(str(properties.get(GIT_DIRTY)).lower())
    return Git(
        str(commit),
        without_credentials(str(repository)) if repository else None,
        str(branch) if branch else None,
        dirty,
    )


def description_of(found: Document) -> str | None:
    """Return what somebody wrote on a document, with what looks like a secret masked."""
    text = found.properties.get("description")
    return masked([str(text)]).command[0] if text else None


def parameters_of(run: Run | None) -> Mapping[str, str]:
    """Return what a run logged, with what looks like a secret masked."""
    return masked([]).masked(run.params) if run else {}


def creator(found: Document) -> str:
    """Return who created a document."""
    return str((found.body.get("systemData") or {}).get("createdBy", ""))
