"""A record's software, code, data and model as a CycloneDX bill of materials, version 1.6.

The same record gives the same bytes: identifiers and times are the record's own.
https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime

from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from academy import __version__
from academy.audit.export import Export, readable
from academy.audit.record import Kind, Record
from academy.evidence.evidence import Data, Evidence, FileHash, Package, Tree

# Under which names are made from a record's hash, so that every release makes the same ones.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:academy:audit")
_RUNS = (Kind.JOB, Kind.RUN)


def bill(export: Export, *, xml: bool = False) -> str:
    """Return the bill of materials of what a record is about, as JSON or XML.

    It lists the packages of the record's own run; those of the job that made it, for a model. Models,
    code and data are those of the whole chain up to it.
    """
    bom = Bom(
        serial_number=uuid.uuid5(_NAMESPACE, export.sealed.hash),
        metadata=BomMetaData(
            timestamp=_time(export),
            component=_subject(export),
            tools=ToolRepository(components=[_academy()]),
            properties=_about(export),
        ),
        components=_once(_parts(export)),
    )
    subject = bom.metadata.component
    if subject is not None:
        bom.register_dependency(subject, list(bom.components))
    form = OutputFormat.XML if xml else OutputFormat.JSON
    return make_outputter(bom, form, SchemaVersion.V1_6).output_as_string(indent=2) + "\n"


def _parts(export: Export) -> Iterator[Component]:
    evidence = _software_of(export)
    if evidence is not None:
        for package in (*evidence.software.packages, *evidence.software.own_packages):
            yield _package(package)
        yield _python(evidence)
    for record in _upstream(export):
        if record.model is not None and record.id != export.record.id:
            yield _model(record.name, record.model, record.flavors)
        found = record.evidence
        if found is None:
            continue
        if found.model is not None and not _same_model(export, found.model):
            yield _model(found.model.path.rsplit("/", 1)[-1], found.model, ())
        if found.code is not None:
            yield _code(record, found.code)
        for data in found.inputs:
            if data.value is None:
                yield _data(data)


def _upstream(export: Export) -> Sequence[Record]:
    """Return the records of what the thing came from, and its own."""
    return [*(record for _, record in readable(export.before())), export.record]


def _software_of(export: Export) -> Evidence | None:
    if export.record.evidence is not None:
        return export.record.evidence
    runs = [record for record in _upstream(export) if record.kind in _RUNS and record.evidence]
    return runs[-1].evidence if runs else None


def _same_model(export: Export, model: Tree) -> bool:
    """Tell whether a model on record in the chain has this content: it is listed by its name then."""
    return any(
        record.model is not None and record.model.sha256 == model.sha256
        for record in export.records_of(Kind.MODEL)
    )


def _subject(export: Export) -> Component:
    record, model = export.record, export.record.model
    if record.kind is Kind.MODEL and model is not None:
        return _model(record.name, model, record.flavors)
    return Component(
        name=record.name,
        version=str(export.sealed.sequence),
        type=ComponentType.APPLICATION,
        bom_ref=record.id,
        description=record.description,
        properties=[Property(name="academy:kind", value=record.kind)],
    )


def _academy() -> Component:
    return Component(
        name="academy", version=__version__, type=ComponentType.APPLICATION, bom_ref=f"academy@{__version__}"
    )


def _about(export: Export) -> list[Property]:
    record = export.record
    found = {
        "academy:record": str(export.sealed.sequence),
        "academy:record-sha256": export.sealed.hash,
        "academy:id": record.id,
        "academy:who": record.who,
        "academy:status": record.status,
    }
    evidence = _software_of(export)
    if evidence is not None:
        machine = evidence.machine
        found["academy:machine"] = f"{machine.distribution}, {machine.architecture}, {machine.processor}"
    return [Property(name=name, value=value) for name, value in found.items()]


def _package(package: Package) -> Component:
    purl = PackageURL("pypi", None, canonicalize_name(package.name), package.version)
    where = package.origin
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=purl.to_string(),
        hashes=_hashes(package.sha256),
        properties=[Property(name="academy:hash-is-of", value="the list of installed files (RECORD)")]
        if package.sha256
        else [],
        external_references=[ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(where))]
        if where
        else [],
    )


def _python(evidence: Evidence) -> Component:
    software = evidence.software
    return Component(
        name=software.implementation,
        version=software.python,
        type=ComponentType.PLATFORM,
        bom_ref=f"python@{software.python}",
    )


def _model(name: str, tree: Tree, flavors: Sequence[str]) -> Component:
    called, _, version = name.partition(":")
    return Component(
        name=called,
        version=version or None,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"model:{name}@{tree.sha256}",
        hashes=_hashes(tree.sha256),
        properties=[Property(name="academy:flavor", value=flavor) for flavor in flavors],
        components=_files(f"model:{name}", tree.files if tree.count > 1 else ()),
    )


def _code(record: Record, tree: Tree) -> Component:
    git = record.git
    return Component(
        name=f"code of {record.kind} {record.name}",
        version=git.commit if git else None,
        type=ComponentType.APPLICATION,
        bom_ref=f"code:{record.id}@{tree.sha256}",
        hashes=_hashes(tree.sha256),
        components=_files(f"code:{record.id}", tree.files),
        external_references=[ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(git.repository))]
        if git and git.repository
        else [],
    )


def _data(data: Data) -> Component:
    return Component(
        name=data.name,
        type=ComponentType.DATA,
        bom_ref=f"data:{data.name}:{data.uri}@{data.tree.sha256 if data.tree else 'not-hashed'}",
        hashes=_hashes(data.tree.sha256 if data.tree else None),
        properties=[
            Property(name="academy:uri", value=data.uri),
            Property(name="academy:type", value=data.kind),
        ],
    )


def _files(of: str, files: Sequence[FileHash]) -> list[Component]:
    return [
        Component(
            name=file.name,
            type=ComponentType.FILE,
            bom_ref=f"{of}/{file.name}@{file.sha256}",
            hashes=_hashes(file.sha256),
        )
        for file in files
    ]


def _hashes(sha256: str | None) -> list[HashType]:
    return [HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else []


def _once(components: Iterator[Component]) -> list[Component]:
    """Return each component once: a job that reads the same data twice has it once in the bill."""
    return list({str(component.bom_ref.value): component for component in components}.values())


def _time(export: Export) -> datetime:
    return datetime.fromisoformat(export.sealed.at)
