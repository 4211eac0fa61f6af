"""Turn the ``inputs`` and ``outputs`` of a job document into plans.

Everything that can be said of them before the job starts is said here: unknown kinds, modes that Azure
does not have for a kind, fields that are not supported, and references that lead nowhere. Data at a
path need not be there yet; the plan notes what was missing, for the job to say when it starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from academy.datasets import mltable, uris
from academy.datasets.datastores import BLOB_STORE
from academy.datasets.fields import Port
from academy.datasets.locate import ARTIFACT_OUTPUTS, Location, Locator
from academy.datasets.ports import InputMode, InputPlan, OutputMode, OutputPlan, PortKind
from academy.datasets.uris import DatastoreUri, StorageUri
from academy.errors import Conflict, NotFound, Unsupported, choices
from academy.paths import checked_name
from academy.store.ids import Workspace
from academy.store.versions import version_id

_LITERAL_FIELDS = frozenset({"jobInputType", "value", "description"})
_INPUT_FIELDS = frozenset({"jobInputType", "uri", "mode", "description"})
_OUTPUT_FIELDS = frozenset({"jobOutputType", "uri", "mode", "description", "assetName", "assetVersion"})

_INPUT_KINDS = [kind.value for kind in PortKind]
_OUTPUT_KINDS = [kind.value for kind in PortKind if kind is not PortKind.LITERAL]

# Azure writes through to data only where the data is a path; the others are delivered read-only.
_WRITABLE = frozenset({PortKind.URI_FILE, PortKind.URI_FOLDER})


def plan_inputs(locator: Locator, workspace: Workspace, inputs: Mapping[str, Any]) -> tuple[InputPlan, ...]:
    """Return the plans of a job's inputs; a literal without a value counts as not given.

    Raises
    ------
    InvalidField, Unsupported, NotFound
        Naming the field, as ``properties.inputs.NAME.…``.
    """
    plans = (_input(locator, workspace, name, given) for name, given in inputs.items())
    return tuple(plan for plan in plans if plan is not None)


def plan_outputs(
    locator: Locator, workspace: Workspace, job_name: str, outputs: Mapping[str, Any]
) -> tuple[OutputPlan, ...]:
    """Return the plans of a job's outputs.

    An output without a URI goes to ``azureml/JOB/OUTPUT/`` in the default datastore, as on Azure; one
    that is named ``artifacts`` or ``default`` is the job's artifact folder.
    ``${{name}}``, ``${{output_name}}`` and ``${{default_datastore}}`` in a URI are filled in.

    Raises
    ------
    InvalidField, Unsupported, NotFound, Conflict
        Naming the field, as ``properties.outputs.NAME.…``.
    """
    return tuple(
        _output(locator, workspace, job_name, name, given if given is not None else {})
        for name, given in outputs.items()
    )


def _input(locator: Locator, workspace: Workspace, name: str, given: object) -> InputPlan | None:
    if given is None:
        return None
    port = Port.of("inputs", name, given)
    kind = port.kind("jobInputType", _INPUT_KINDS)
    if kind is PortKind.LITERAL:
        return _literal(port)
    port.refuse_others(_INPUT_FIELDS)
    mode = InputMode(port.mode("mode", [mode.value for mode in InputMode], InputMode.READ_ONLY_MOUNT.value))
    _check_mode(port, kind, mode)
    uri = port.text("uri")
    if not uri:
        port.fail("uri", f"The input {name!r} has no uri.")
    uri = port.filled("uri", uri, {"default_datastore": BLOB_STORE})
    with port.explaining(uri):
        location = locator.locate(workspace, uri, collection=kind.collection)
    if location.url is not None:
        return InputPlan(name, kind, mode, url=_file_url(port, kind, mode, location.url), uri=location.url)
    if mode is InputMode.READ_WRITE_MOUNT:
        _check_writable(port, uri)
    missing = location.missing(uri, what=f"The input {name!r}")
    evaluates = mode.evaluates and not missing
    return InputPlan(
        name,
        kind,
        mode,
        path=location.path,
        uri=location.uri,
        references=_references(locator, workspace, port, location.path) if evaluates else (),
        missing=missing,
    )


def _literal(port: Port) -> InputPlan | None:
    port.refuse_others(_LITERAL_FIELDS)
    value = port.given.get("value")
    if value is None:
        return None
    if not isinstance(value, str | int | float):
        port.fail("value", f"The value of a literal input must be a text or a number; it is {value!r}.")
    return InputPlan(port.name, PortKind.LITERAL, value=str(value))


def _check_mode(port: Port, kind: PortKind, mode: InputMode) -> None:
    if mode.evaluates and kind is not PortKind.MLTABLE:
        port.fail(
            "mode", f"The mode {mode.value!r} is only for inputs of type 'mltable', not {kind.value!r}."
        )
    if mode is InputMode.READ_WRITE_MOUNT and kind not in _WRITABLE:
        port.fail(
            "mode",
            f"The mode {mode.value!r} is only for inputs of type {choices(k.value for k in _WRITABLE)}, not "
            f"{kind.value!r}. Use 'ReadOnlyMount' or 'Download'.",
        )


def _check_writable(port: Port, uri: str) -> None:
    if not isinstance(uris.parse(uri), DatastoreUri | StorageUri):
        port.fail(
            "mode",
            f"{uri!r} cannot be mounted for writing: versions of assets and outputs of jobs are immutable. "
            "Name a datastore path, or write to an output.",
        )


def _file_url(port: Port, kind: PortKind, mode: InputMode, url: str) -> str:
    """Refuse folders on the web, which cannot be listed, and modes that a web address has not."""
    last = urlsplit(url).path.rsplit("/", 1)[-1]
    if mode is InputMode.READ_WRITE_MOUNT:
        port.fail("mode", f"{url!r} cannot be mounted for writing. Use 'ReadOnlyMount' or 'Download'.")
    if mode is not InputMode.DIRECT and kind is not PortKind.URI_FILE and "." not in last:
        raise Unsupported(
            f"The input {port.name!r} is {kind.value!r} at {url!r}. Folders on the web cannot be read; name "
            "a file, or register a local copy of the folder as a data asset.",
            target=port.target("uri"),
        )
    return url


def _references(
    locator: Locator, workspace: Workspace, port: Port, folder: Path | None
) -> tuple[tuple[str, str], ...]:
    """Check an MLTable that is to be evaluated, and locate the URIs in it."""
    assert folder is not None
    found = []
    with port.explaining(f"the MLTable in {folder.name}"):
        for path in mltable.read(folder).paths:
            there = locator.locate(workspace, path.value) if path.is_uri else None
            if there is not None and there.path is None:
                raise Unsupported(
                    f"It names {path.value!r}, which is not on this machine and cannot be evaluated. Use "
                    "mode 'Direct', or a local copy."
                )
            if there is not None:
                found.append((path.value, str(there.path)))
    return tuple(found)


def _output(locator: Locator, workspace: Workspace, job: str, name: str, given: object) -> OutputPlan:
    port = Port.of("outputs", name, given)
    kind = port.kind("jobOutputType", _OUTPUT_KINDS, default=PortKind.URI_FOLDER.value)
    port.refuse_others(_OUTPUT_FIELDS)
    mode = OutputMode(
        port.mode("mode", [mode.value for mode in OutputMode], OutputMode.READ_WRITE_MOUNT.value)
    )
    location = _destination(locator, workspace, port, kind, job)
    assert location.path is not None
    asset_name, asset_version = port.text("assetName"), port.text("assetVersion")
    _check_asset(locator, workspace, port, kind, location)
    return OutputPlan(
        name,
        kind,
        mode,
        target=location.path,
        uri=location.uri,
        asset_name=asset_name,
        asset_version=asset_version,
        description=port.text("description"),
    )


def _destination(locator: Locator, workspace: Workspace, port: Port, kind: PortKind, job: str) -> Location:
    is_file = kind is PortKind.URI_FILE
    default = f"azureml://datastores/{BLOB_STORE}/paths/azureml/{job}/{port.name}" + ("" if is_file else "/")
    if port.name in ARTIFACT_OUTPUTS and not port.text("uri"):
        return locator.artifacts(workspace, job)
    values = {"name": job, "output_name": port.name, "default_datastore": BLOB_STORE}
    uri = port.filled("uri", port.text("uri") or default, values)
    named = uris.parse(uri)
    if not isinstance(named, DatastoreUri | StorageUri):
        port.fail(
            "uri",
            f"{uri!r} is not a place to write to. Give a datastore path, "
            "azureml://datastores/DATASTORE/paths/PATH, or leave it out for the default.",
        )
    location = locator.locate(workspace, uri)
    if location.path is None:
        raise Unsupported(
            f"The output {port.name!r} goes to {uri!r}, which is not on this machine. Give a datastore path.",
            target=port.target("uri"),
        )
    if is_file and (location.path.is_dir() or uri.endswith("/")):
        port.fail(
            "uri", f"{uri!r} names a folder, and the output {port.name!r} is a uri_file. Add a file name."
        )
    if not is_file and location.path.is_file():
        port.fail("uri", f"{uri!r} names a file, and the output {port.name!r} is a folder.")
    return location


def _check_asset(
    locator: Locator, workspace: Workspace, port: Port, kind: PortKind, location: Location
) -> None:
    name, version = port.text("assetName"), port.text("assetVersion")
    if name:
        checked_name(name)
    elif version:
        port.fail("assetVersion", f"The output {port.name!r} has an assetVersion but no assetName.")
    if not name or not version:
        return
    container = workspace.child(kind.collection, name)
    try:
        existing = locator.versions.get(container, version)
    except NotFound:
        return
    # The same job planned again, after it registered its output, finds its own version.
    if location.uri not in (existing.properties.get("dataUri"), existing.properties.get("modelUri")):
        raise Conflict(
            f"The output {port.name!r} is to be registered as {kind.collection}/{name} version {version!r}, "
            "which exists, and versions are immutable. Leave the version out to get the next one.",
            target=version_id(container, version),
        )
