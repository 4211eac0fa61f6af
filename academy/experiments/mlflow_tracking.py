"""MLflow's tracking store, with the workspace of the request behind it.

Imported by MLflow's server alone, in its own time: importing MLflow takes seconds.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

import mlflow.store.db.utils as mlflow_db
import sqlalchemy
from mlflow.entities import Experiment, LoggedModel, LoggedModelOutput, LoggedModelStatus, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.name_utils import _generate_random_name
from sqlalchemy.orm import sessionmaker

from academy.experiments import runs
from academy.experiments.artifacts import EXPERIMENTS_ROOT, logged_model_uri, relative_path
from academy.experiments.database import TrackingDatabase
from academy.experiments.logged_models import show_in_run
from academy.experiments.mlflow_errors import in_mlflow_terms
from academy.experiments.runs import RUN_NAME_TAG, NewRun
from academy.experiments.scope import CURRENT

ManagedSessions = Callable[..., Any]


class WorkspaceTrackingStore(SqlAlchemyStore):  # type: ignore[misc]
    """MLflow's SQL store over as many databases as there are workspaces.

    Every method of the base class reaches its database through ``engine`` and ``ManagedSessionMaker``;
    here these are those of the request's workspace.
    """

    def __init__(self) -> None:
        AbstractStore.__init__(self)  # the base class would open one database here
        self.artifact_root_uri = EXPERIMENTS_ROOT
        self.read_engine = None
        self._opened: dict[TrackingDatabase, tuple[sqlalchemy.Engine, ManagedSessions]] = {}
        self._opening = threading.Lock()

    @property
    def db_uri(self) -> str:
        return CURRENT.get().database.url.render_as_string(hide_password=False)

    @property
    def db_type(self) -> str:
        return CURRENT.get().database.url.get_backend_name()

    @property
    def engine(self) -> sqlalchemy.Engine:
        return self._current()[0]

    @property
    def ManagedSessionMaker(self) -> ManagedSessions:  # noqa: N802 - MLflow's name
        return self._current()[1]

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: list[Any] | None = None
    ) -> str:
        """Create an experiment; its files are the workspace's, so a location of one's own is refused."""
        if artifact_location:
            raise MlflowException.invalid_parameter_value(
                f"The artifact_location {artifact_location!r} cannot be had: as on Azure, the artifacts of "
                "all experiments lie in the workspace's storage. Leave artifact_location out."
            )
        return str(super().create_experiment(name, None, tags))

    @in_mlflow_terms
    def create_run(
        self,
        experiment_id: str,
        user_id: str,
        start_time: int,
        tags: list[RunTag] | None,
        run_name: str | None,
    ) -> Run:
        """Create a run whose artifacts lie where Azure puts those of a run."""
        experiment: Experiment = self.get_experiment(experiment_id)
        self._check_experiment_is_active(experiment)
        given = {tag.key: tag.value for tag in tags or []}
        tagged = given.get(RUN_NAME_TAG)
        if run_name and tagged and run_name != tagged:
            raise MlflowException.invalid_parameter_value(
                "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
                f"(run_name='{run_name}', mlflow.runName='{tagged}')."
            )
        run = NewRun(
            run_id=uuid.uuid4().hex,
            name=run_name or tagged or _generate_random_name(),
            user=user_id or CURRENT.get().who,
            tags=given,
            started_ms=start_time,
        )
        number = int(experiment.experiment_id)
        CURRENT.get().database.write(lambda session: runs.insert_run(session, number, run))
        return self.get_run(run.run_id)

    def delete_run(self, run_id: str) -> None:
        """Mark a run as deleted, and say so in the audit log."""
        super().delete_run(run_id)
        CURRENT.get().record("delete", "runs", run_id)

    def restore_run(self, run_id: str) -> None:
        """Take that mark away."""
        super().restore_run(run_id)
        CURRENT.get().record("restore", "runs", run_id)

    def delete_experiment(self, experiment_id: str) -> None:
        """Mark an experiment and its runs as deleted, and say so in the audit log."""
        super().delete_experiment(experiment_id)
        CURRENT.get().record("delete", "experiments", str(experiment_id))

    def restore_experiment(self, experiment_id: str) -> None:
        """Take that mark away."""
        super().restore_experiment(experiment_id)
        CURRENT.get().record("restore", "experiments", str(experiment_id))

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        **details: Any,
    ) -> LoggedModel:
        """Create an MLflow 3 model in a folder of its name.

        A job that logs a model before it started a run names no run: the model belongs to the job's.
        """
        scope = CURRENT.get()
        if not source_run_id and scope.job is not None and self._run_exists(scope.job):
            source_run_id = scope.job
        made = super().create_logged_model(
            experiment_id=experiment_id, name=name, source_run_id=source_run_id, **details
        )
        # Killed before this, the model stays where MLflow puts it, and all else works with that too.
        with self.ManagedSessionMaker(read_only=False) as session:
            record = self._get_logged_model_record(session, made.model_id)
            record.artifact_location = logged_model_uri(made.model_id, made.name)
            return record.to_mlflow_entity()

    @in_mlflow_terms
    def finalize_logged_model(self, model_id: str, status: LoggedModelStatus) -> LoggedModel:
        """Show the model under its name among its run's artifacts, then mark it as whole.

        MLflow 2 logs models there, and ``azureml://jobs/…/paths/NAME`` leads there. In this order, a
        service that is killed in between leaves no whole model that its run does not show.
        """
        model = self.get_logged_model(model_id)
        ready = status == LoggedModelStatus.READY and model.source_run_id
        if ready:
            show_in_run(CURRENT.get(), model.model_id, relative_path(model.artifact_location), model.name)
            self._link_to_run(model)
        return super().finalize_logged_model(model_id, status)

    def _link_to_run(self, model: LoggedModel) -> None:
        known = {output.model_id for output in self.get_run(model.source_run_id).outputs.model_outputs}
        if model.model_id not in known:
            self.log_outputs(model.source_run_id, [LoggedModelOutput(model.model_id, step=0)])

    def _run_exists(self, run_id: str) -> bool:
        run = CURRENT.get().database.read(lambda session: runs.find_run(session, run_id))
        return run is not None and run.lifecycle == "active"

    def _current(self) -> tuple[sqlalchemy.Engine, ManagedSessions]:
        database = CURRENT.get().database
        found = self._opened.get(database)
        if found is not None:
            return found
        with self._opening:
            if database not in self._opened:
                self._opened[database] = self._open(database)
                database.on_close(lambda: self._forget(database))
            return self._opened[database]

    def _open(self, database: TrackingDatabase) -> tuple[sqlalchemy.Engine, ManagedSessions]:
        # MLflow's own engine, because its searches need the SQL functions that it adds to SQLite.
        url = database.url.render_as_string(hide_password=False)
        engine = mlflow_db.create_sqlalchemy_engine(url)
        # Errors are logged and answered; what a script logged is not to be among them.
        engine.hide_parameters = True
        sessions = mlflow_db._get_managed_session_maker(sessionmaker(bind=engine), self.db_type)
        return engine, sessions

    def _forget(self, database: TrackingDatabase) -> None:
        self._opened.pop(database)[0].dispose()
