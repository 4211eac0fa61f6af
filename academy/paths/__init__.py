"""Every folder and file under the home is named in this room, and nowhere else."""

from academy.paths.files import checked_name, confined, read_json, write_atomic, write_json, writing
from academy.paths.folders import (
    ArtifactFolder,
    AuditFolder,
    DeploymentFolder,
    JobFolder,
    ReplicaFolder,
    beside,
    collecting,
)
from academy.paths.home import (
    Home,
    HomeError,
    environment_cache,
    tracking_template,
    writable_environment_cache,
)

__all__ = [
    "ArtifactFolder",
    "AuditFolder",
    "DeploymentFolder",
    "Home",
    "HomeError",
    "JobFolder",
    "ReplicaFolder",
    "beside",
    "checked_name",
    "collecting",
    "confined",
    "environment_cache",
    "read_json",
    "tracking_template",
    "writable_environment_cache",
    "write_atomic",
    "write_json",
    "writing",
]
