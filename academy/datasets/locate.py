"""Find where a URI's data lies: a path on this machine, or a foreign URL."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from academy.datasets import uris
from academy.datasets.datastores import (
    ARTIFACT_STORE,
    BLOB_STORE,
    Datastores,
    foreign_account,
    run_prefix,
)
from academy.datasets.uris import (
    AssetUri,
    DatastoreUri,
    JobOutputUri,
    LocalPath,
    RegistryUri,
    StorageUri,
    WebUri,
)
from academy.errors import InvalidField, NotFound, Unsupported, choices
from academy.paths import Home, confined
from academy.store.documents import Documents
from academy.store.ids import Workspace
from academy.store.versions import Versions

# The property that says where a version's content is.
_CONTENT = {"data": "dataUri", "models": "modelUri", "codes": "codeUri"}

# The outputs of a job that are its artifact folder and not a named output.
ARTIFACT_OUTPUTS = frozenset({uris.ARTIFACTS, "default"})

# Assets may name job outputs and job outputs datastore paths; more hops than this go in a circle.
_HOPS = 8


@dataclass(frozen=True)
class Location:
    """Where data lies: ``path`` on this machine or else ``url``; ``uri`` means the same everywhere."""

    uri: str
    path: Path | None = None
    url: str | None = None

    def missing(self, asked: str, *, what: str) -> str | None:
        """Say that nothing is at ``path``, and what comes nearest; None when something is.

        ``what`` refers to the data, by the URI ``asked``.
        """
        if self.path is None or self.path.exists():
            return None
        reached = "" if self.uri == asked else f", which is {self.uri}"
        return f"{what} is {asked!r}{reached}, but nothing is there. {_nearest(self.path)}"


class Locator:
    """Turns references into locations, by way of the documents; it reads no data."""

    def __init__(self, home: Home, documents: Documents, versions: Versions, datastores: Datastores) -> None:
        self._home = home
        self._documents = documents
        self.versions = versions
        self.datastores = datastores

    def locate(self, workspace: Workspace, uri: str, *, collection: str = "data") -> Location:
        """Return where ``uri`` lies, whether or not anything is there.

        ``collection`` is where ``azureml:NAME:VERSION``, which does not say, is looked for.

        Raises
        ------
        NotFound
            When a datastore, asset version or job that it names does not exist.
        InvalidField, Unsupported
            When it is malformed, or names something that is out of reach from here.
        """
        text, where, kind = uri, workspace, collection
        for _ in range(_HOPS):
            named = uris.parse(text)
            if isinstance(named, AssetUri):
                where, text = self._content_of(where, named, kind)
            elif isinstance(named, JobOutputUri):
                where = self._workspace(named.workspace, where)
                text = self._output_of(where, named)
            else:
                return self._end(where, named, text)
        raise InvalidField(f"{uri!r} leads back to itself: {text!r} was reached after {_HOPS} steps.")

    def existing(self, workspace: Workspace, uri: str, *, what: str, collection: str = "data") -> Location:
        """Return where ``uri`` lies, and make sure that something is there.

        Raises
        ------
        NotFound
            Naming ``what`` refers to it, what was looked for and the nearest names that exist.
        """
        location = self.locate(workspace, uri, collection=collection)
        missing = location.missing(uri, what=what)
        if missing:
            raise NotFound(missing, target=uri)
        return location

    def datastore_uri(self, workspace: Workspace, uri: str, *, collection: str = "data") -> str:
        """Return the long ``azureml://subscriptions/…/datastores/…`` form, or the URL of foreign data."""
        return self.locate(workspace, uri, collection=collection).uri

    def artifacts(self, workspace: Workspace, job: str) -> Location:
        """Return the folder of a job's artifacts."""
        return self._datastore(workspace, DatastoreUri(ARTIFACT_STORE, run_prefix(job)))

    def _end(
        self,
        workspace: Workspace,
        named: DatastoreUri | StorageUri | WebUri | LocalPath | RegistryUri,
        text: str,
    ) -> Location:
        match named:
            case DatastoreUri():
                return self._datastore(workspace, named)
            case StorageUri():
                return self._storage(workspace, named)
            case WebUri():
                return Location(named.url, url=named.url)
            case LocalPath():
                raise InvalidField(
                    f"{text!r} is a path on the caller's machine, which a service does not read. The SDK "
                    "uploads local paths given to Input(path=…) or Data(path=…); or name a datastore path."
                )
            case RegistryUri():
                raise Unsupported(
                    f"{text!r} is in the registry {named.registry!r}, which holds no {named.collection} "
                    "here. Register the asset in this workspace and name it azureml:NAME:VERSION."
                )

    def _datastore(self, workspace: Workspace, named: DatastoreUri) -> Location:
        owner = self._workspace(named.workspace, workspace)
        path = confined(self.datastores.root(owner, named.datastore), named.path)
        return Location(uris.datastore_uri(owner, named.datastore, named.path), path)

    def _storage(self, workspace: Workspace, named: StorageUri) -> Location:
        if self.datastores.is_ours(workspace, named.account):
            return Location(
                named.text, confined(self._home.container(named.account, named.container), named.path)
            )
        if urlsplit(named.text).scheme in ("http", "https"):
            return Location(named.text, url=named.text)
        raise foreign_account(named.account, repr(named.text))

    def _content_of(self, workspace: Workspace, named: AssetUri, collection: str) -> tuple[Workspace, str]:
        owner = self._workspace(named.workspace, workspace)
        if named.workspace_guid not in (None, owner.guid):
            raise NotFound(
                f"No workspace with the id {named.workspace_guid!r} is known here; "
                f"{owner.name!r} has the id {owner.guid!r}."
            )
        kind = named.collection or collection
        if kind not in _CONTENT:
            raise InvalidField(
                f"{kind}/{named.name} is no data: only {choices(_CONTENT)} can be read by a job."
            )
        version = self.versions.resolve(owner, kind, named.name, named.reference)
        content = version.properties.get(_CONTENT[kind])
        if not content:
            raise NotFound(
                f"{kind}/{named.name} version {version.name!r} says nothing of where its content is.",
                target=version.id,
            )
        return owner, str(content)

    def _output_of(self, workspace: Workspace, named: JobOutputUri) -> str:
        if named.output in ARTIFACT_OUTPUTS:
            # Also runs that are no jobs (made by MLflow in a notebook) have an artifact folder.
            return self._below(DatastoreUri(ARTIFACT_STORE, run_prefix(named.job), workspace), named.path)
        outputs = self._documents.get(workspace.child("jobs", named.job)).properties.get("outputs") or {}
        if named.output not in outputs:
            raise NotFound(
                f"The job {named.job!r} has no output {named.output!r}. "
                f"It has: {choices([*outputs, uris.ARTIFACTS])}.",
                target=workspace.child("jobs", named.job),
            )
        given = (outputs[named.output] or {}).get("uri")
        base = uris.parse(given) if given else DatastoreUri(BLOB_STORE, f"azureml/{named.job}/{named.output}")
        if isinstance(base, DatastoreUri):
            return self._below(replace(base, workspace=base.workspace or workspace), named.path)
        return f"{str(given).rstrip('/')}/{named.path}".rstrip("/") if named.path else str(given)

    def _below(self, base: DatastoreUri, path: str) -> str:
        assert base.workspace is not None
        return uris.datastore_uri(base.workspace, base.datastore, uris.join(base.path, path))

    def _workspace(self, named: Workspace | None, current: Workspace) -> Workspace:
        # Ids compare without regard to case; the spelling of the current workspace wins.
        return current if named is None or named.id.lower() == current.id.lower() else named


def _nearest(path: Path) -> str:
    """Say what there is instead: the folder that does exist, and the names in it that come closest."""
    folder, missing = path.parent, path.name
    while not folder.is_dir() and folder != folder.parent:
        folder, missing = folder.parent, folder.name
    names = sorted(item.name for item in folder.iterdir())
    close = difflib.get_close_matches(missing, names, n=3, cutoff=0.5)
    where = f"no {missing!r} in the folder {PurePosixPath(folder.name)!s}"
    if close:
        return f"There is {where}; did you mean {choices(close)}?"
    return f"There is {where}; it holds {choices(names[:10])}."
