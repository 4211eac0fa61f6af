"""Tracking for the other rooms: a job's run, its tags, its end, its metrics."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping

from academy.datasets.locate import Locator
from academy.errors import InvalidField, NotFound
from academy.experiments import runs
from academy.experiments.artifacts import Artifacts
from academy.experiments.database import TrackingDatabase, TrackingDatabases
from academy.experiments.mlflow_loading import ServerLoader
from academy.experiments.runs import RUN_NAME_TAG, NewRun, Run
from academy.experiments.scope import Scope
from academy.paths import Home
from academy.store.audit import AuditLog
from academy.store.ids import PROVIDER, Workspace

# MLflow's own rule; the length is that of the widest column.
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,254}", re.ASCII)

# After the address: what Azure's tracking URIs have after their host.
_PREFIX = "/mlflow/v1.0"
_WORKSPACE_PATH = re.compile(
    r"/v1\.0/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<resource_group>[^/]+)"
    rf"/providers/{re.escape(PROVIDER)}/workspaces/(?P<name>[^/]+)(?=/|$)",
    re.IGNORECASE,
)


class Tracking:
    """The experiments, runs and MLflow registry of every workspace of a home.

    Parameters
    ----------
    default_workspace
        Whose runs answer at plain ``/mlflow``.
    database_url
        A PostgreSQL URL; None for one SQLite file a workspace in the home.
    """

    def __init__(
        self,
        home: Home,
        locator: Locator,
        *,
        default_workspace: Workspace,
        database_url: str | None = None,
    ) -> None:
        self._home = home
        self._locator = locator
        self._audit = AuditLog(locator.versions.documents.engine)
        self._default = default_workspace
        self._databases = TrackingDatabases(home, database_url)
        self.server = ServerLoader()

    def start(self) -> None:
        """Get ready in the background: the default workspace's database, then MLflow's server."""
        threading.Thread(target=self._get_ready, name="tracking-start", daemon=True).start()

    def close(self) -> None:
        """Write what waits, and close the databases."""
        self._databases.close()

    def _get_ready(self) -> None:
        self._databases.open(self._default)
        self.server.start()

    def uri(self, workspace: Workspace, address: str) -> str:
        """Return the workspace's tracking URI, ``mlFlowTrackingUri`` of its document."""
        return f"{address}{_PREFIX}{workspace.id}"

    def addressed(self, path: str) -> tuple[Workspace, str]:
        """Return whose runs a path below ``/mlflow`` is about, and what is left of the path."""
        match = _WORKSPACE_PATH.match(path)
        if match is None:
            return self._default, path
        workspace = Workspace(match["subscription"], match["resource_group"], match["name"])
        return workspace, path[match.end() :]

    def opened(self, workspace: Workspace, who: str) -> Scope | None:
        """Return what a request works with, or None when that has to be opened first."""
        database = self._databases.find(workspace)
        if database is None:
            return None
        return self._scope(workspace, who, database)

    def scope(self, workspace: Workspace, who: str) -> Scope:
        """Return what a request on the workspace works with; this may wait for MLflow's migrations.

        Raises
        ------
        NotFound
            When there is no such workspace.
        """
        if self._locator.versions.documents.find(workspace.id) is None:
            raise NotFound(
                f"There is no workspace {workspace.id}. ml_client.workspaces.get(NAME).mlflow_tracking_uri "
                "gives the tracking URI of one that exists."
            )
        database = self._databases.open(workspace)
        return self._scope(workspace, who, database)

    def _scope(self, workspace: Workspace, who: str, database: TrackingDatabase) -> Scope:
        artifacts = Artifacts(self._home, workspace)
        return Scope(workspace, who, database, artifacts, self._locator, self._audit)

    def create_run(
        self,
        workspace: Workspace,
        *,
        run_id: str,
        experiment: str,
        display_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        who: str,
    ) -> None:
        """Make the run of a job, under the job's name as its id; doing it again changes nothing.

        Raises
        ------
        InvalidField
            When MLflow would not take the job's name as a run's id.
        """
        if not _RUN_ID.fullmatch(run_id):
            raise InvalidField(
                f"{run_id!r} cannot be the id of a run. Job names begin with a letter or a digit and hold "
                "at most 255 letters, digits, '_' and '-'.",
                target="name",
            )
        given = {key: str(value) for key, value in (tags or {}).items()}
        # The tags by which Azure marks the run of a job.
        own = {"mlflow.user": who, "mlflow.source.type": "JOB", "mlflow.rootRunId": run_id}
        run = NewRun(run_id, display_name or given.get(RUN_NAME_TAG) or run_id, who, {**own, **given})
        self._databases.open(workspace).write(
            lambda session: runs.insert_run(session, runs.ensure_experiment(session, experiment), run)
        )

    def end_run(self, workspace: Workspace, run_id: str, status: str) -> None:
        """End a run, with MLflow's word for it (``FINISHED``) or that of the job (``Completed``).

        Nested runs that its process left open end the same way.
        """
        self._databases.open(workspace).write(lambda session: runs.end_run(session, run_id, status))

    def set_tags(self, workspace: Workspace, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run; ``mlflow.runName`` renames it."""
        given = {key: str(value) for key, value in tags.items()}
        self._databases.open(workspace).write(lambda session: runs.set_tags(session, run_id, given))

    def find_run(self, workspace: Workspace, run_id: str) -> Run | None:
        """Return a run, or None."""
        return self._databases.open(workspace).read(lambda session: runs.find_run(session, run_id))

    def get_run(self, workspace: Workspace, run_id: str) -> Run:
        """Return a run; ``NotFound`` when there is none."""
        found = self.find_run(workspace, run_id)
        if found is None:
            raise runs.no_run(run_id)
        return found

    def metrics(self, workspace: Workspace, run_id: str) -> dict[str, float]:
        """Return the latest value of each of a run's metrics."""
        database = self._databases.open(workspace)
        return database.read(lambda session: runs.latest_metrics(session, run_id))

    def job_environment(
        self, workspace: Workspace, *, run_id: str, experiment: str, address: str, token: str
    ) -> dict[str, str]:
        """Return the variables by which MLflow in the job's process finds its run."""
        database = self._databases.open(workspace)
        experiment_id = database.read(lambda session: runs.find_experiment(session, experiment))
        if experiment_id is None:
            experiment_id = database.write(lambda session: runs.ensure_experiment(session, experiment))
        uri = self.uri(workspace, address)
        return {
            "MLFLOW_TRACKING_URI": uri,
            # The same anyway; where it is not named, each call of MLflow 3 looks for Spark to ask it.
            "MLFLOW_REGISTRY_URI": uri,
            "MLFLOW_TRACKING_TOKEN": token,
            "MLFLOW_EXPERIMENT_NAME": experiment,
            "MLFLOW_EXPERIMENT_ID": str(experiment_id),
            "MLFLOW_RUN_ID": run_id,
            # Nothing that runs here calls out.
            "MLFLOW_DISABLE_TELEMETRY": "true",
            # MLflow would end each log with links that open only for who is signed in.
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
            "DO_NOT_TRACK": "true",
            **{name: _without_proxy(os.environ.get(name, "")) for name in ("NO_PROXY", "no_proxy")},
        }


def _without_proxy(hosts: str) -> str:
    # Behind a company's proxy, a job's calls of this service would leave the machine.
    missing = [host for host in ("127.0.0.1", "localhost") if host not in hosts.split(",")]
    return ",".join([*filter(None, [hosts]), *missing])
