"""ARM resource ids: what the SDK calls things, parsed and built in one place.

Ids compare without regard to case, as in ARM; they are shown as they were first written.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from academy.errors import InvalidField

PROVIDER = "Microsoft.MachineLearningServices"

_WORKSPACE = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<resource_group>[^/]+)"
    rf"/providers/{re.escape(PROVIDER)}/workspaces/(?P<name>[^/]+)(?P<rest>/.*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Workspace:
    """The scope that nearly every resource lives in."""

    subscription: str
    resource_group: str
    name: str

    @property
    def id(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/{PROVIDER}/workspaces/{self.name}"
        )

    @property
    def guid(self) -> str:
        """The workspace's ``workspaceId``, always the same for the same ARM id."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, self.id.lower()))

    @property
    def key(self) -> str:
        """A readable folder name that no other workspace of this service has."""
        return f"{self.name.lower()}-{self.guid[:8]}"

    def child(self, *segments: str) -> str:
        """Return the id of a resource below: ``child("jobs", "a")`` is ``…/jobs/a``."""
        return "/".join((self.id, *segments))


# The workspace that every home comes with, and that `academy.connect()` names when it is told no other.
DEFAULT_WORKSPACE = Workspace("00000000-0000-0000-0000-000000000001", "academy", "academy")


@dataclass(frozen=True)
class ResourceId:
    """An id below a workspace: ``…/data/iris/versions/1`` is path ``("data", "iris", "versions", "1")``."""

    workspace: Workspace
    path: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> ResourceId:
        """Parse an ARM id, with or without the ``azureml:`` prefix.

        Raises
        ------
        InvalidField
            When the text is not an id below a workspace.
        """
        match = _WORKSPACE.fullmatch(text.removeprefix("azureml:").rstrip("/"))
        if match is None:
            raise InvalidField(
                f"{text!r} is not the ARM id of a workspace resource. It has the form "
                f"/subscriptions/S/resourceGroups/R/providers/{PROVIDER}/workspaces/W/COLLECTION/NAME."
            )
        workspace = Workspace(match["subscription"], match["resource_group"], match["name"])
        rest = (match["rest"] or "").strip("/")
        # The SDK resolves "azureml:iris@latest" to an id whose name still has the prefix.
        return cls(
            workspace, tuple(part.removeprefix("azureml:") for part in rest.split("/")) if rest else ()
        )

    @property
    def id(self) -> str:
        return self.workspace.child(*self.path)


def collection_of(id: str) -> str:
    """Return the id of the collection that ``id`` is a member of: all but the last segment."""
    return id.rsplit("/", 1)[0]


def type_of(id: str) -> str:
    """Return the ARM type: ``Microsoft.MachineLearningServices/workspaces/data/versions``."""
    after = re.split(rf"/providers/{re.escape(PROVIDER)}/", id, flags=re.IGNORECASE)[-1]
    return "/".join((PROVIDER, *after.split("/")[::2]))
