"""The home: what one service owns. Two homes share nothing but the caches."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from academy.errors import AcademyError
from academy.paths.files import checked_name
from academy.paths.folders import DeploymentFolder, JobFolder


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

    @property
    def audit_head_file(self) -> Path:
        """The number and hash of the audit trail's last record, noted apart from the database."""
        return self.root / "audit-head.json"

    def audit_head_of(self, database: str) -> Path:
        """Return where the head is noted of the audit trail in a database that is not the home's own."""
        return self.root / f"audit-head-{hashlib.sha256(database.encode()).hexdigest()[:12]}.json"

    def tracking_database(self, workspace_key: str) -> Path:
        """One MLflow database a workspace: two of them may have a job, and so a run, of one name."""
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
        """Return the folder of unfinished uploads: on the blobs' disk, so that a rename ends them."""
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

    @property
    def work(self) -> Path:
        """The learner's own copies of labs; ``ACADEMY_WORK`` moves them."""
        chosen = os.environ.get("ACADEMY_WORK")
        return Path(chosen).expanduser().absolute() if chosen else self.root / "work"

    @property
    def kernels(self) -> Path:
        """One small file for each live kernel that has a lab open: how to reach it."""
        return self.root / "kernels"

    def prepare(self) -> None:
        """Make the home with mode 0700; say plainly why it cannot be used when it cannot."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = self.root.stat()
            if found.st_uid == os.geteuid() and found.st_mode & 0o077:
                self.root.chmod(0o700)  # it was there before, and open to others
            with tempfile.TemporaryFile(dir=self.root) as probe:
                probe.write(b"x" * 4096)
                probe.flush()
                os.fsync(probe.fileno())
        except OSError as error:
            raise HomeError(
                f"The home folder {self.root} cannot be written: {error.strerror}. "
                "Free space or mend its permissions, or choose another with --home or ACADEMY_HOME."
            ) from error


def environment_cache() -> Path:
    """Return the folder of built environments, shared by all homes of this user.

    Its entries are keyed by content, so sharing is safe; ``ACADEMY_ENVIRONMENT_CACHE`` moves it.
    """
    chosen = os.environ.get("ACADEMY_ENVIRONMENT_CACHE")
    return Path(chosen).expanduser().absolute() if chosen else _own_environment_cache()


def writable_environment_cache() -> Path:
    """Return where environments are built that are in no cache yet.

    That is the cache, or this user's own one where the cache is shared read-only, as in a classroom.
    """
    cache = environment_cache()
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    return cache if os.access(there, os.W_OK | os.X_OK) else _own_environment_cache()


def _own_environment_cache() -> Path:
    return (Path(platformdirs.user_cache_dir("academy")) / "environments").absolute()


def tracking_template(mlflow_version: str) -> Path:
    """Return the empty database that MLflow's own migrations made, once a machine: they take seconds."""
    name = Path("mlflow", f"{mlflow_version}.db")
    shared = environment_cache() / name
    return shared if shared.exists() else writable_environment_cache() / name
