"""Records made by hand, in a chain: data, job, model, deployment."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from academy.audit.chain import Head, Sealed, seal
from academy.audit.record import Kind, Link, Record, Relation
from academy.evidence import digests
from academy.evidence.evidence import Data, Evidence, Git, Gpu, Machine, Software
from academy.evidence.packages import packages
from academy.store.ids import DEFAULT_WORKSPACE

WORKSPACE = DEFAULT_WORKSPACE.id
DATA = f"{WORKSPACE}/data/iris/versions/1"
JOB = f"{WORKSPACE}/jobs/brave_sail"
MODEL = f"{WORKSPACE}/models/iris/versions/1"
ENDPOINT = f"{WORKSPACE}/onlineEndpoints/iris"
DEPLOYMENT = f"{ENDPOINT}/deployments/blue"

MACHINE = Machine(
    host="ws-17",
    system="Linux",
    release="6.8.0",
    distribution="Debian GNU/Linux 12",
    architecture="x86_64",
    processor="AMD EPYC 7763",
    cores=8,
    memory_bytes=32 * 10**9,
    gpus=(Gpu("NVIDIA H200", "570.86", 143 * 10**9),),
)


@dataclass(frozen=True)
class Kept:
    """A ledger that only is read, for what readers need of one."""

    records: tuple[Sealed, ...]

    def read(self, *, id: str | None = None, after: int = 0) -> Sequence[Sealed]:
        wanted = [one for one in self.records if one.sequence > after]
        return [one for one in wanted if id is None or one.body["id"].lower() == id.lower()]

    def head(self) -> Head:
        last = self.records[-1] if self.records else None
        return Head(last.sequence, last.hash) if last else Head()


def sealed(*records: Record) -> Kept:
    """Return a ledger of the records; each link gets the hash of its target's newest record before it."""
    head, done, newest = Head(), list[Sealed](), dict[str, str]()
    for record in records:
        links = tuple(replace(link, record=newest.get(link.target)) for link in record.links)
        body = replace(record, links=links).to_json()
        # As it is read back: from JSON, and so with lists.
        at = f"2026-11-21T10:00:{len(done):02}+00:00"
        one = Sealed.from_json(json.loads(json.dumps(seal(body, at=at, after=head).to_json())))
        done.append(one)
        newest[record.id] = one.hash
        head = Head(one.sequence, one.hash)
    return Kept(tuple(done))


def chain(folder: Path) -> tuple[Record, ...]:
    """Return the records of a job, its model and a deployment of it, whose files lie in ``folder``."""
    return job(folder), model(folder), deployment(folder)


def write(folder: Path) -> Path:
    """Write the files that the records of ``chain`` name, and a site-packages folder with one package."""
    for name, text in (
        ("data/iris.csv", "a,b\n1,2\n"),
        ("code/train.py", "print('train')\n"),
        ("code/lib/model.py", "depth = 3\n"),
        ("model/model.pkl", "weights"),
        ("model/MLmodel", "flavors: {}\n"),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    install(folder / "site", "tiny", "1.0")
    return folder


def install(site: Path, name: str, version: str) -> None:
    """Install a package of one file, as an installer does."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (site / f"{name}.py").write_text(f"version = {version!r}\n")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        f"{file.relative_to(site)},{_recorded(file)}," for file in (site / f"{name}.py", info / "METADATA")
    ]
    (info / "RECORD").write_text("\n".join([*lines, f"{info.name}/RECORD,,"]) + "\n")


def job(folder: Path) -> Record:
    evidence = Evidence(
        machine=MACHINE,
        software=Software(
            python="3.11.9",
            implementation="CPython",
            executable="/env/bin/python",
            site=str(folder / "site"),
            packages=packages(folder / "site"),
            environment="sklearn-1.5:33",
            environment_id=f"{WORKSPACE}/environments/sklearn-1.5/versions/33",
            image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04",
            requirements=("tiny>=1",),
            lock_sha256="ab" * 32,
        ),
        command="python train.py --data data/iris.csv --depth 3",
        code=digests.tree(folder / "code"),
        inputs=(
            Data("iris", "uri_file", DATA, tree=digests.tree(folder / "data/iris.csv")),
            Data("depth", "literal", value="3"),
        ),
        outputs=(Data("model", "mlflow_model", str(folder / "model"), tree=digests.tree(folder / "model")),),
        variables=("SEED",),
    )
    return Record(
        kind=Kind.JOB,
        name="brave_sail",
        id=JOB,
        who="ada",
        status="Completed",
        created_at="2026-11-21T09:58:00+00:00",
        started_at="2026-11-21T09:58:05+00:00",
        ended_at="2026-11-21T09:59:10.500000+00:00",
        exit_code=0,
        description="Petals & <sepals>",
        git=Git("0123456789abcdef0123456789abcdef01234567", "https://example.org/iris.git", "main", True),
        parameters={"depth": "3"},
        metrics={"accuracy": 0.96, "loss": float("nan")},
        evidence=evidence,
        links=(Link(Relation.READ, DATA, sha256=digests.tree(folder / "data/iris.csv").sha256),),
    )


def model(folder: Path) -> Record:
    return Record(
        kind=Kind.MODEL,
        name="iris:1",
        id=MODEL,
        who="ada",
        status="Ready",
        created_at="2026-11-21T10:00:00+00:00",
        model=digests.tree(folder / "model"),
        flavors=("python_function", "sklearn"),
        links=(Link(Relation.FROM_JOB, JOB),),
    )


def deployment(folder: Path) -> Record:
    found = job(folder).evidence
    assert found is not None
    evidence = replace(
        found, command=None, code=None, inputs=(), outputs=(), model=digests.tree(folder / "model")
    )
    content = digests.tree(folder / "model").sha256
    return Record(
        kind=Kind.DEPLOYMENT,
        name="iris/blue",
        id=DEPLOYMENT,
        who="grace",
        status="Succeeded",
        created_at="2026-11-21T10:00:01+00:00",
        evidence=evidence,
        links=(Link(Relation.MODEL, MODEL, sha256=content), Link(Relation.ENDPOINT, ENDPOINT)),
    )


def deletion(of: Record) -> Record:
    return Record(
        kind=Kind.DELETION,
        name=of.name,
        id=of.id,
        who="linus",
        status="Deleted",
        links=(Link(Relation.DELETED, of.id),),
    )


def _recorded(file: Path) -> str:
    digest = hashlib.sha256(file.read_bytes()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
