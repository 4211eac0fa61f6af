"""The folders that are records: of a job, its artifacts, a deployment and its replicas."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
    def evidence_file(self) -> Path:
        """What was seen of the run: machine, packages, code, data. Written before the done file."""
        return self.root / "evidence.json"

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
    def fresh_environments(self) -> Path:
        """Stands for the cache of environments in a job that has its own built anew."""
        return self.root / "fresh"

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
    """What a job leaves for its readers, as on Azure: ``ExperimentRun/dcid.NAME/`` in the artifact store."""

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

    @property
    def evidence_file(self) -> Path:
        """What the replicas run on: machine, packages, code, model. Written before they start."""
        return self.root / "evidence.json"

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


@dataclass(frozen=True)
class AuditFolder:
    """The audit trail of a folder of scripts, outside the service: ``.academy-audit`` in it."""

    root: Path

    NAME = ".academy-audit"

    @property
    def ledger_file(self) -> Path:
        """One sealed record a line."""
        return self.root / "ledger.jsonl"

    @property
    def head_file(self) -> Path:
        """The last record's number and hash, noted apart from the records."""
        return self.root / "head.json"

    @property
    def lock_file(self) -> Path:
        """Held (flock) while a record is added."""
        return self.root / "lock"

    @property
    def gitignore_file(self) -> Path:
        """Tells git what of the folder is worth keeping."""
        return self.root / ".gitignore"

    @property
    def objects(self) -> Path:
        """The code files of all runs, each once, under the SHA-256 of its content."""
        return self.root / "objects"

    def object_file(self, sha256: str) -> Path:
        return self.objects / sha256

    def tracking_file(self, label: str = "") -> Path:
        """A database for MLflow, for scripts that were not told another one."""
        return self.root / (f"mlflow-{label}.db" if label else "mlflow.db")

    def tracking_folder(self, label: str = "") -> Path:
        """The same for versions of MLflow that keep runs in a folder."""
        return self.root / (f"mlruns-{label}" if label else "mlruns")

    @property
    def artifacts(self) -> Path:
        """What runs in a database log to MLflow: files and models."""
        return self.root / "mlartifacts"

    @property
    def claims(self) -> Path:
        """The names of the runs that are under way; each file is held (flock) by its run."""
        return self.root / "running"
