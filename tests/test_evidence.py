"""The evidence of runs: what real supervisors write down, against what other tools say of the same."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from azure.ai.ml import Input, Output, command

from academy.datasets import views
from academy.datasets.ports import InputMode, InputPlan, OutputMode, OutputPlan, PortKind
from academy.endpoints.plan import DeploymentPlan, ModelPlan
from academy.endpoints.record import ReplicaStatus
from academy.endpoints.record import State as Replicas
from academy.endpoints.supervision import Supervisors
from academy.environments import curated
from academy.environments.build import BuiltEnvironment, build
from academy.environments.built import normalised
from academy.environments.definition import EnvironmentSpec
from academy.evidence import digests, hashes, kept_packages, packages, software
from academy.evidence.code import git
from academy.evidence.collect import Collector, Ports
from academy.evidence.credentials import without_credentials
from academy.evidence.evidence import Evidence, Machine, Tree
from academy.evidence.hashes import Hasher, Memory
from academy.evidence.machine import machine
from academy.evidence.secrecy import known, without_secrets
from academy.evidence.serving import Placed, Serving
from academy.evidence.serving import evidence as evidence_of_replicas
from academy.jobs.forkserver import ForkServer
from academy.jobs.plan import TOKEN_VARIABLE, CommandPlan
from academy.jobs.processes import ProcessId
from academy.jobs.record import Done, JobStatus, State
from academy.jobs.signals import CANCEL_SIGNAL
from academy.paths import ArtifactFolder, JobFolder, ReplicaFolder
from academy.store.ids import DEFAULT_WORKSPACE
from tests.conftest import Service
from tests.environments_wheels import THIS, quiet, wheel

OWN = EnvironmentSpec("academy", "1", own=True)
PATIENCE_S = 60.0
BIG_BYTES = hashes.REMEMBERED_FROM_BYTES


def wait_until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)
    return found


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def settled(file: Path) -> Path:
    """Make a file old enough that nobody can be writing to it."""
    before = time.time() - 3600
    os.utime(file, (before, before))
    return file


@dataclass(frozen=True)
class Job:
    """A job under way with its supervisor."""

    folder: JobFolder
    artifacts: ArtifactFolder
    supervisor: ProcessId

    def evidence(self) -> Evidence:
        """Wait for its end; what was seen of it is there when its record is."""
        wait_until(self.folder.done_file.exists)
        found = Evidence.read(self.folder.evidence_file)
        assert found is not None, self.folder.supervisor_log.read_text()
        return found

    @property
    def done(self) -> Done:
        done = Done.read(self.folder)
        assert done is not None
        return done

    def says(self, text: str) -> None:
        """Wait until its command has printed something."""
        log = self.artifacts.user_log
        wait_until(lambda: log.exists() and text in log.read_text())


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of this module's own, in which the environments that are built already are found."""
    with pytest.MonkeyPatch.context() as patch:
        own = tmp_path_factory.mktemp("cache")
        patch.setenv("ACADEMY_ENVIRONMENT_CACHE", str(own))
        yield own


@pytest.fixture(scope="module")
def server(cache: Path) -> Iterator[ForkServer]:
    running = ForkServer()
    yield running
    running.close()


Start = Callable[..., Job]


@pytest.fixture
def start(server: ForkServer, tmp_path: Path) -> Start:
    """Start a job; keyword arguments are those of the plan."""

    def started(line: str, **fields: Any) -> Job:
        number = len(list(tmp_path.glob("job*")))
        folder = JobFolder(tmp_path / f"job{number}")
        artifacts = ArtifactFolder(tmp_path / f"artifacts{number}")
        folder.root.mkdir()
        given = {"environment": OWN, "artifacts": artifacts, "grace_s": 0.5, **fields}
        CommandPlan(job_id="/jobs/j", name="j", command=line, **given).write(folder)
        begun = server.start(folder, accepted_at=time.time())
        os.close(begun.ended)
        return Job(folder, artifacts, begun.supervisor)

    return started


def mounted(name: str, path: Path, mode: InputMode = InputMode.READ_ONLY_MOUNT) -> InputPlan:
    return InputPlan(name, PortKind.URI_FOLDER, mode, path=path, uri=f"azureml://{name}")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    folder = tmp_path / "table"
    (folder / "part").mkdir(parents=True)
    (folder / "a.csv").write_text("1,2\n")
    (folder / "part" / "b.csv").write_text("3,4\n")
    (folder / "part-c.csv").write_text("5,6\n")
    return folder


def tree_of(found: Evidence, name: str = "data") -> Tree:
    (tree,) = [item.tree for item in (*found.inputs, *found.outputs) if item.name == name]
    assert tree is not None, found.notes
    return tree


# The machine


def test_the_machine_is_what_platform_and_psutil_say(start: Start) -> None:
    found = start("true").evidence().machine
    assert (found.host, found.system, found.release) == (
        platform.node(),
        platform.system(),
        platform.release(),
    )
    assert found.architecture == platform.machine()
    assert found.distribution == platform.freedesktop_os_release()["PRETTY_NAME"]
    assert (found.cores, found.memory_bytes) == (psutil.cpu_count(), psutil.virtual_memory().total)
    assert found.processor
    assert (
        Machine.from_json(
            json.loads(json.dumps(Evidence(found, software.of_unbuilt(OWN)).to_json()))["machine"]
        )
        == found
    )


NVIDIA = "echo 'NVIDIA H200, 570.86.15, 143771'; echo 'NVIDIA Odd, 570.86.15, [N/A]'"


@pytest.mark.parametrize(
    ("script", "names", "memory"),
    [
        (NVIDIA, ["NVIDIA H200", "NVIDIA Odd"], [143771 << 20, None]),
        ("echo 'No devices were found'; exit 6", [], []),
        ("exec sleep 100", [], []),
    ],
)
def test_graphics_cards_are_what_the_driver_says_and_a_driver_that_hangs_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, names: list[str], memory: list[int | None]
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    if "sleep" in script:  # the others get all the time that a busy machine takes
        monkeypatch.setattr("academy.evidence.machine._PATIENCE_S", 0.5)
    found = machine().gpus
    assert [gpu.name for gpu in found] == names
    assert [gpu.memory_bytes for gpu in found] == memory
    assert {gpu.driver for gpu in found} <= {"570.86.15"}


# Packages


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    wheel(folder, "small", "1.2.3", command="small")
    return folder


@pytest.fixture(scope="module")
def installed(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[BuiltEnvironment]]:
    """One specification, built in two places."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_FIND_LINKS", str(wheels))
        patch.setenv("UV_NO_INDEX", "1")
        spec = EnvironmentSpec("tiny", "1", THIS, requirements=("small==1.2.3", "pip", "setuptools<81"))
        places = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
        yield [build(spec, log=quiet, cache=place) for place in places]


def test_one_wheel_has_one_hash_wherever_and_by_whomever_it_is_installed(
    installed: list[BuiltEnvironment], wheels: Path, tmp_path: Path
) -> None:
    by_uv = [{item.name: item for item in packages.packages(built.site)} for built in installed]
    assert by_uv[0] == by_uv[1]
    pip: list[str | Path] = [installed[0].python, "-m", "pip", "install", "--quiet", "--target", tmp_path]
    subprocess.run([*pip, "--no-index", "--no-compile", "--find-links", wheels, "small"], check=True)
    (by_pip,) = packages.packages(tmp_path)
    assert by_pip == by_uv[0]["small"]
    assert by_pip.version == "1.2.3"


def test_a_changed_file_in_site_packages_is_found(installed: list[BuiltEnvironment], tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(installed[0].site, site)
    assert packages.changed_files(site, "Small") == []
    assert packages.changed_files(site, "setuptools") == []
    # Another package brings the same file, and was installed last.
    (rival := site / "rival-1.0.dist-info").mkdir()
    (site / "small.py").write_text("VERSION = 'of rival'")
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"VERSION = 'of rival'").digest()).decode()
    (rival / "RECORD").write_text(f"small.py,sha256={digest.rstrip('=')},20\n")
    assert packages.changed_files(site, "small") == []
    (site / "small.py").write_text("VERSION = 'tampered'")
    assert packages.changed_files(site, "small") == ["small.py"]
    (site / "small.py").unlink()
    assert packages.changed_files(site, "small") == ["small.py (no such file or directory)"]


def test_files_that_no_package_lists_are_found(installed: list[BuiltEnvironment], tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(installed[0].site, site)
    (site / "__pycache__").mkdir(exist_ok=True)
    (site / "__pycache__" / "small.cpython-311.pyc").touch()
    assert packages.unlisted(site) == []
    for name in ("small_more.py", "setuptools/odd\udcff.py"):
        (site / name).touch()
    assert packages.unlisted(site) == ["setuptools/odd\\udcff.py", "small_more.py"]
    (site / "old.egg-info").write_text("Name: old\nVersion: 1\n")
    assert packages.unlisted(site) == [], "what belongs to it is not known"


def test_packages_without_a_list_of_files_say_so_and_origins_hold_no_credentials(tmp_path: Path) -> None:
    (tmp_path / "Old_Thing.egg-info").write_text("Metadata-Version: 1.0\nName: Old.Thing\nVersion: 0.1\n")
    direct = {
        "edited": {"url": "file:///home/me/code", "dir_info": {"editable": True}},
        "cloned": {"url": "https://me:key@host/x.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
        "signed": {"url": "https://host/y.whl?sig=key", "archive_info": {}},
    }
    for name, value in direct.items():
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n\nName: body\n")
        (folder / "RECORD").write_text(f"{name}.py,sha256=abc,1\n../../bin/{name},sha256=d,1\n")
        (folder / "direct_url.json").write_text(json.dumps(value))
    (tmp_path / "~emoved-1.0.dist-info").mkdir()
    found = {item.name: item for item in packages.packages(tmp_path)}
    assert list(found) == ["cloned", "edited", "old-thing", "signed"]
    assert (found["old-thing"].version, found["old-thing"].sha256) == ("0.1", None)
    assert (found["edited"].sha256, found["edited"].origin) == (None, "file:///home/me/code")
    assert found["cloned"].origin == "https://host/x.git@abc"
    assert found["signed"].origin == "https://host/y.whl"
    assert found["signed"].sha256 == sha256(b"signed.py,sha256=abc\n")


def test_ten_that_ask_at_once_hash_packages_once(
    installed: list[BuiltEnvironment], monkeypatch: pytest.MonkeyPatch
) -> None:
    built, hashed = installed[1], []

    def counted(site: Path) -> Any:
        hashed.append(site)
        return packages.packages(site)

    monkeypatch.setattr(kept_packages, "packages", counted)
    kept_packages._read.cache_clear()
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(kept_packages.kept_packages(built.site)))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hashed) == 1
    assert answers == [packages.packages(built.site)] * 10
    assert (built.root / "packages.json").exists()


def test_kept_hashes_of_packages_hold_until_one_is_installed_anew(
    installed: list[BuiltEnvironment], tmp_path: Path
) -> None:
    root = tmp_path / "copied"
    shutil.copytree(installed[0].root, root, symlinks=True)
    site = root / installed[0].site.relative_to(installed[0].root)
    before = kept_packages.kept_packages(site)
    assert before == packages.packages(site)
    (record,) = site.glob("small-*.dist-info/RECORD")
    record.write_text(record.read_text().replace("small.py,sha256=", "small.py,sha256=X"))
    assert kept_packages.kept_packages(site) == packages.packages(site) != before
    shutil.rmtree(record.parent)
    assert "small" not in {item.name for item in kept_packages.kept_packages(site)}
    (root / "packages.json").write_text("{not json")
    kept_packages._read.cache_clear()
    assert kept_packages.kept_packages(site) == packages.packages(site)


def test_a_curated_environment_is_what_pip_says(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACADEMY_ENVIRONMENT_CACHE")
    spec = curated.find("sklearn-1.5", "latest")
    built = build(spec, log=quiet)
    listed = subprocess.run(
        [built.python, "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True
    )
    found = software.of_built(built, spec)
    told = {normalised(item["name"]): item["version"] for item in json.loads(listed.stdout)}
    assert {item.name: item.version for item in found.packages} == told
    assert len(told) > 100
    assert all(item.sha256 for item in found.packages)
    version = subprocess.run([built.python, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.split() == ["Python", found.python]
    assert (found.environment, found.implementation) == (spec.label, "CPython")
    assert spec.lock is not None
    assert found.lock_sha256 == sha256(spec.lock.path.read_bytes())
    assert software.of_python(built.python).packages == found.packages


def test_an_interpreter_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(software.InterpreterSilent, match="no-python"):
        software.of_python(tmp_path / "no-python")


def test_what_a_job_installs_is_its_own(
    start: Start, wheels: Path, installed: list[BuiltEnvironment]
) -> None:
    found = start(f"pip install --quiet --no-index --find-links {wheels} small && small").evidence()
    assert [(item.name, item.version) for item in found.software.own_packages] == [("small", "1.2.3")]
    assert found.software.own_packages[0] in packages.packages(installed[0].site)
    assert "small" not in {item.name for item in found.software.packages}
    assert found.software.executable == sys.executable
    assert Evidence.from_json(json.loads(json.dumps(found.to_json()))) == found


# Trees


def test_a_tree_is_what_sha256sum_says(table: Path) -> None:
    (table / "odd\nname\\.csv").write_text("7")
    os.mkfifo(table / "pipe")
    (table / "again").symlink_to(table)
    (table / "nowhere").symlink_to("missing")
    (table / "other").symlink_to("a.csv")
    found = digests.tree(table)
    listed = "find . -type f -o -type l -name other | sed 's|^./||' | LC_ALL=C sort"
    names = [item.name for item in found.files]
    assert names == ["a.csv", "odd\nname\\.csv", "other", "part-c.csv", "part/b.csv"]
    said = subprocess.run(["sha256sum", "--", *names], cwd=table, capture_output=True, check=True).stdout
    assert found.sha256 == sha256(said), listed
    assert (found.count, found.size) == (5, sum((table / name).stat().st_size for name in names))
    assert digests.tree(table / "a.csv").sha256 == sha256(b"1,2\n")
    assert digests.matches(found, table) == []


def test_what_differs_is_named(table: Path) -> None:
    found = digests.tree(table)
    (table / "a.csv").write_text("9,2\n")
    (table / "part-c.csv").unlink()
    (table / "new.csv").write_text("")
    assert digests.matches(found, table) == [
        "a.csv was changed.",
        "part-c.csv is missing.",
        "new.csv was not there.",
    ]
    shutil.rmtree(table)
    assert digests.matches(found, table) == [f"{table} is not there."]


def test_ten_thousand_files_are_listed_in_part_and_compared_as_a_whole(tmp_path: Path) -> None:
    for number in range(10_000):
        (tmp_path / f"{number:05}").write_text(str(number))
    found = digests.tree(tmp_path)
    assert (found.count, len(found.files)) == (10_000, 1000)
    lines = "".join(f"{sha256(str(number).encode())}  {number:05}\n" for number in range(10_000))
    assert found.sha256 == sha256(lines.encode())
    assert digests.matches(found, tmp_path) == []
    (tmp_path / "05000").write_text("x")
    assert digests.matches(found, tmp_path) == ["Some of the 9000 files after '00999' were changed."]
    (tmp_path / "00000a").write_text("x")
    assert digests.matches(found, tmp_path) == [
        "00000a was not there.",
        "There were 10000 files, and there are 10001.",
    ]


# Files that are read


def test_a_large_file_is_read_once_until_it_changes(tmp_path: Path) -> None:
    memory, file = Memory(tmp_path / "memory"), settled_big(tmp_path / "big")
    stamp, first = Hasher(memory).file(str(file))
    (kept,) = (tmp_path / "memory").iterdir()
    forged = first.replace(first[0], "0" if first[0] != "0" else "1")
    kept.write_text(kept.read_text().replace(first, forged))
    assert Hasher(memory).file(str(file))[1] == forged, "it was not taken from memory"
    with file.open("r+b") as writing:
        writing.write(b"changed")
    os.utime(file, ns=(stamp.mtime_ns, stamp.mtime_ns))  # as it was, for whom looks at nothing else
    assert Hasher(memory).file(str(file))[1] == sha256(file.read_bytes())
    kept.write_text("[1, 2")
    assert Hasher(memory).file(str(file))[1] == sha256(file.read_bytes())


def settled_big(file: Path) -> Path:
    file.write_bytes(os.urandom(BIG_BYTES))
    before = time.time_ns() - 10_000_000_000
    os.utime(file, ns=(before, before))
    # The time of the change of time is now: it has to pass, for the file to be remembered.
    wait_until(lambda: time.time_ns() - file.stat().st_ctime_ns > hashes._SETTLED_NS)
    return file


def test_a_pipe_in_a_files_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is no file"):
        Hasher().file(str(tmp_path / "pipe"))


# Inputs, outputs, code


def test_a_job_has_its_code_inputs_outputs_command_and_variables(
    start: Start, table: Path, tmp_path: Path
) -> None:
    code, target = tmp_path / "code", tmp_path / "store" / "o"
    code.mkdir()
    (code / "main.py").write_text("import sys; print(sys.argv); open('main.py', 'a').write('# changed')")
    inputs = (
        mounted("data", table),
        InputPlan("rate", PortKind.LITERAL, value="0.5"),
        InputPlan(
            "far", PortKind.URI_FILE, InputMode.DIRECT, url="https://h/x?sig=S", uri="https://h/x?sig=S"
        ),
    )
    outputs = (OutputPlan("model", PortKind.URI_FOLDER, OutputMode.UPLOAD, target, "azureml://o"),)
    line = "python main.py --rate ${{inputs.rate}} --far '${{inputs.far}}' --key sesame-9 && "
    line += "cp -r ${{inputs.data}}/. ${{outputs.model}} && echo 1 > outputs/metrics.json"
    variables = {"MY_KEY": "sesame-9", "PLAIN": "python", TOKEN_VARIABLE: "tok", "AZUREML_RUN_ID": "j"}
    job = start(line, code=code, inputs=inputs, outputs=outputs, variables=variables)
    found = job.evidence()
    assert job.done.error is None
    assert found.code == digests.tree(code)
    assert tree_of(found) == digests.tree(table)
    assert tree_of(found, "model") == digests.tree(target)
    assert tree_of(found, "default").files[0].name == "metrics.json"
    assert found.inputs[1].value == "0.5"
    assert (found.inputs[2].uri, found.inputs[2].tree) == ("https://h/x", None)
    assert found.notes == (
        "The input 'far' is handed over as an address (mode direct): what was read from it is not known.",
    )
    assert found.variables == ("MY_KEY", "PLAIN")
    assert found.command is not None
    assert found.command.startswith("python main.py --rate 0.5 --far 'https://h/x?sig=' --key ${MY_KEY} &&")
    text = job.folder.evidence_file.read_text()
    assert "sesame" not in text
    assert "sig=S" not in text


def test_a_source_that_is_changed_during_the_run_leaves_the_hash_of_what_the_job_saw(
    start: Start, table: Path, tmp_path: Path
) -> None:
    before, go = digests.tree(table), tmp_path / "go"
    job = start(f"echo up; until [ -e {go} ]; do sleep 0.02; done", inputs=(mounted("data", table),))
    job.says("up")
    (table / "a.csv").write_text("9,9\n")
    (table / "later.csv").write_text("")
    go.touch()
    found = job.evidence()
    assert tree_of(found) == before
    assert digests.matches(tree_of(found), table) == ["a.csv was changed.", "later.csv was not there."]


def test_a_download_that_the_job_changes_has_the_hash_of_what_it_was_given(start: Start, table: Path) -> None:
    newest = max(file.stat().st_ctime_ns for file in table.rglob("*.csv"))
    wait_until(lambda: time.time_ns() - newest > 100_000_000)
    data = mounted("data", table, InputMode.DOWNLOAD)
    found = start(
        "cd ${{inputs.data}} && echo 9 > a.csv && rm part-c.csv && touch new", inputs=(data,)
    ).evidence()
    assert tree_of(found) == digests.tree(table)
    assert found.notes == ()


def test_a_folder_that_the_job_may_write_to_is_hashed_as_it_was_before(start: Start, table: Path) -> None:
    before = digests.tree(table)
    data = mounted("data", table, InputMode.READ_WRITE_MOUNT)
    found = start("echo 9 >> ${{inputs.data}}/a.csv", inputs=(data,)).evidence()
    assert tree_of(found) == before
    assert digests.tree(table) != before
    assert found.notes == (
        "The input 'data' was changed while it ran ('a.csv'): the hashes are of what was there before it "
        "started.",
    )


def test_large_data_that_is_only_linked_is_hashed_once_for_all_jobs(
    start: Start, tmp_path: Path, cache: Path
) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    with (folder / "table.bin").open("wb") as file:
        file.truncate(views.COPY_LIMIT_BYTES + 1)
    settled(folder / "table.bin")
    known = set((cache / "hashes").glob("*"))
    first = start("true", inputs=(mounted("data", folder),)).evidence()
    assert tree_of(first) == digests.tree(folder)
    (kept,) = set((cache / "hashes").glob("*")) - known
    real = tree_of(first).files[0].sha256
    kept.write_text(kept.read_text().replace(real, "0" * 64))
    second = start("true", inputs=(mounted("data", folder),)).evidence()
    assert tree_of(second).files[0].sha256 == "0" * 64, "it was not taken from memory"


def test_data_that_changes_under_a_link_is_noted(start: Start, tmp_path: Path) -> None:
    folder, go = tmp_path / "large", tmp_path / "go"
    folder.mkdir()
    with (folder / "table.bin").open("wb") as file:
        file.truncate(views.COPY_LIMIT_BYTES + 1)
    job = start(f"echo up; until [ -e {go} ]; do sleep 0.02; done", inputs=(mounted("data", folder),))
    job.says("up")
    os.chmod(folder / "table.bin", 0o644)
    with (folder / "table.bin").open("r+b") as file:
        file.write(b"changed")
    go.touch()
    assert job.evidence().notes == (
        "The input 'data' was changed while it ran ('table.bin'): the hashes are of what was there at its "
        "end.",
    )


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("echo 1 > outputs/x; exit 3", JobStatus.FAILED),
        ("echo 1 > outputs/x; kill -KILL $$", JobStatus.FAILED),
    ],
)
def test_a_job_that_fails_has_evidence_too(start: Start, table: Path, line: str, status: JobStatus) -> None:
    job = start(line, inputs=(mounted("data", table),))
    found = job.evidence()
    assert job.done.status is status
    assert tree_of(found) == digests.tree(table)
    assert tree_of(found, "default").count == 1


def test_a_job_that_is_cancelled_has_evidence_as_far_as_it_came(start: Start, table: Path) -> None:
    job = start("echo up; sleep 60", inputs=(mounted("data", table),))
    job.says("up")
    job.supervisor.send(CANCEL_SIGNAL)
    found = job.evidence()
    assert job.done.status is JobStatus.CANCELED
    assert tree_of(found) == digests.tree(table)
    assert found.command == "echo up; sleep 60"


def test_a_job_whose_input_or_environment_is_not_there_says_how_far_it_came(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = start("true", inputs=(mounted("gone", tmp_path / "gone"),)).evidence()
    assert (found.command, found.outputs) == (None, ())
    assert found.notes == ("It ended before its command started.",)
    assert found.software.packages
    odd = EnvironmentSpec("odd", "1", requirements=("no-such-package==99",), options=("--no-index",))
    job = start("true", environment=odd)
    found = job.evidence()
    assert job.done.error is not None
    assert (found.software.environment, found.software.requirements) == ("odd:1", ("no-such-package==99",))
    assert found.software.packages == ()
    assert len(found.notes) == 2


def test_pipes_and_names_that_are_no_text_in_an_output_fail_no_job(start: Start, tmp_path: Path) -> None:
    target = tmp_path / "store"
    plan = OutputPlan("o", PortKind.URI_FOLDER, OutputMode.READ_WRITE_MOUNT, target, "azureml://o")
    line = "cd ${{outputs.o}}; mkfifo pipe; echo 1 > x; echo 2 > $(printf 'odd\\377')"
    job = start(line, outputs=(plan,))
    found = job.evidence()
    assert job.done.status is JobStatus.COMPLETED
    assert [file.name for file in tree_of(found, "o").files] == ["odd\\udcff", "x"]
    assert digests.matches(tree_of(found, "o"), target) == []
    json.dumps(found.to_json(), ensure_ascii=False).encode()


def test_what_python_left_in_the_copy_of_a_deployments_code_is_no_code(tmp_path: Path) -> None:
    copy, origin = tmp_path / "copy", tmp_path / "origin"
    for folder in (origin / "own", copy / "own", copy):
        (folder / "__pycache__").mkdir(parents=True)
        (folder / "__pycache__" / "score.pyc").write_bytes(b"x")
    for folder in (origin, copy):
        (folder / "score.py").write_text("def init(): ...")
    found = evidence_of_replicas(Serving(OWN, code=Placed(copy, origin)), machine())
    assert found.code == digests.tree(origin)


def test_what_cannot_be_read_is_noted(table: Path) -> None:
    seen = Collector(machine(), OWN, Ports(inputs=(mounted("data", table),)), {}, ())
    seen.takes_code(table)
    seen.takes_input(mounted("data", table), str(table), time.time_ns())
    seen.takes_input(mounted("never", table / "never"), str(table / "never"), time.time_ns())
    (table / "a.csv").unlink()
    os.mkfifo(table / "a.csv")
    (table / "part-c.csv").unlink()
    found = seen.evidence()
    assert (found.code, found.inputs[0].tree) == (None, None)
    first, *more = found.notes
    assert first.startswith("The input 'never' cannot be looked at: [Errno 2] No such file or directory")
    assert f"The code cannot be looked at: {table / 'a.csv'} is no file." in more
    (table / "a.csv").unlink()
    assert "The code is not known: 'a.csv' was changed or deleted while it ran." in seen.evidence().notes


def test_reading_for_evidence_ends_when_there_is_no_more_time(table: Path) -> None:
    seen = Collector(machine(), OWN, Ports(inputs=(mounted("data", table),)), {}, ())
    seen.takes_input(mounted("data", table), str(table), time.time_ns())
    found = seen.evidence(lambda: True)
    assert found.inputs[0].tree is None
    assert "The input 'data' was not read to its end: there was no more time for it." in found.notes


def test_a_cancel_ends_the_reading_of_large_data(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    with (folder / "table.bin").open("wb") as file:
        file.truncate(16 << 30)
    job = start("true", inputs=(mounted("data", folder),))
    wait_until(lambda: (state := State.read(job.folder)) and state.status is JobStatus.FINALIZING)
    job.supervisor.send(CANCEL_SIGNAL)
    found = job.evidence()
    assert job.done.status is JobStatus.COMPLETED
    assert found.notes == ("The input 'data' was not read to its end: there was no more time for it.",)


def test_evidence_that_cannot_be_written_fails_no_job(start: Start, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job = start(f"echo up; until [ -e {go} ]; do sleep 0.02; done")
    job.says("up")
    (job.folder.evidence_file / "in the way").mkdir(parents=True)
    go.touch()
    wait_until(job.folder.done_file.exists)
    assert job.done.status is JobStatus.COMPLETED
    assert "IsADirectoryError" in job.folder.supervisor_log.read_text()


# Replicas


@pytest.fixture
def supervisors() -> Supervisors:
    return Supervisors()


@pytest.fixture
def deploy(tmp_path: Path, supervisors: Supervisors) -> Iterator[Callable[..., ReplicaFolder]]:
    """Start the supervisor of a generation, and return its folder when it serves or has failed."""
    folders: list[ReplicaFolder] = []

    def deployed(**fields: Any) -> ReplicaFolder:
        code = tmp_path / "code"
        code.mkdir(exist_ok=True)
        (code / "score.py").write_text("def init(): pass\ndef run(data): return data")
        folder = ReplicaFolder(tmp_path / f"generation{len(folders)}")
        folder.root.mkdir()
        folders.append(folder)
        given = {"environment": OWN, "code": code, "script": "score.py", **fields}
        DeploymentPlan("e", "blue", secret="secret", **given).write(folder)
        supervisors.tend(folder)
        ends = (ReplicaStatus.SERVING, ReplicaStatus.FAILED)
        wait_until(lambda: (state := Replicas.read(folder)) and state.status in ends)
        return folder

    yield deployed
    supervisors.end(folders)


def test_replicas_have_evidence_of_model_code_and_software(
    deploy: Callable[..., ReplicaFolder], table: Path, tmp_path: Path
) -> None:
    model = ModelPlan("m", "1", table)
    folder = deploy(model=model, variables={"MINE": "hidden"})
    found = Evidence.read(folder.evidence_file)
    assert found is not None
    assert (found.model, found.code) == (digests.tree(table), digests.tree(tmp_path / "code"))
    assert found.software.packages == packages.packages(Path(found.software.site))
    assert (found.machine, found.variables, found.notes) == (machine(), ("MINE",), ())
    assert "hidden" not in folder.evidence_file.read_text()


def test_evidence_of_replicas_that_a_killed_supervisor_left_stays(
    deploy: Callable[..., ReplicaFolder], supervisors: Supervisors, table: Path
) -> None:
    folder = deploy(model=ModelPlan("m", "1", table / "a.csv"))
    found = Evidence.read(folder.evidence_file)
    assert found is not None
    assert found.model == digests.tree(table / "a.csv")
    written, state = folder.evidence_file.stat().st_mtime_ns, Replicas.read(folder)
    assert state is not None
    first = state.supervisor
    assert first is not None
    first.send(signal.SIGKILL)
    wait_until(lambda: not first.is_alive())
    supervisors.tend(folder)
    wait_until(lambda: "is written down" in folder.supervisor_log.read_text())
    assert folder.evidence_file.stat().st_mtime_ns == written


def test_a_deployment_that_cannot_be_prepared_has_evidence_too(deploy: Callable[..., ReplicaFolder]) -> None:
    odd = EnvironmentSpec("odd", "1", requirements=("no-such-package==99",), options=("--no-index",))
    found = Evidence.read(deploy(environment=odd).evidence_file)
    assert found is not None
    assert found.software.requirements == ("no-such-package==99",)
    assert found.notes == ("The environment was not built: what would have been in it is not known.",)


# Git, credentials


def test_git_tells_where_code_came_from(tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        who = ["-c", "user.name=n", "-c", "user.email=e"]
        command = ["git", *who, "-C", str(tmp_path / "repository"), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    code = tmp_path / "repository" / "code"
    code.mkdir(parents=True)
    assert git(code) is None
    run("init", "--quiet", "--initial-branch=work")
    assert git(code) is None, "there is no commit yet"
    (code / "main.py").write_text("1")
    run("add", ".")
    run("commit", "--quiet", "--message=x")
    found = git(code)
    assert found is not None
    assert (found.commit, found.branch, found.repository, found.dirty) == (
        run("rev-parse", "HEAD"),
        "work",
        None,
        False,
    )
    run("remote", "add", "origin", "https://me:secret@host/me/code.git")
    run("checkout", "--quiet", "--detach")
    (code / "new.py").write_text("2")
    found = git(code)
    assert found is not None
    assert (found.branch, found.repository, found.dirty) == (None, "https://host/me/code.git", True)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:key@host/x.git?a=1#subdirectory=y", "https://host/x.git#subdirectory=y"),
        ("https://token@host/x", "https://host/x"),
        ("ssh://git@host/x.git", "ssh://git@host/x.git"),
        ("git@host:me/x.git", "git@host:me/x.git"),
        ("azureml://datastores/a/paths/b@c", "azureml://datastores/a/paths/b@c"),
        ("/a folder/with?mark", "/a folder/with?mark"),
    ],
)
def test_addresses_hold_no_credentials(address: str, shown: str) -> None:
    assert without_credentials(address) == shown


def test_commands_hold_no_secrets() -> None:
    variables = {"API_TOKEN": "abcdef", "NAME": "abcde", "SHORT_KEY": "x"}
    line = "run --token abcdef --name abcde x 'https://u:p@h/f?a=1&sig=Zz%3D&b=2' git+https://t@h/r.git"
    assert without_secrets(line, known(variables, {})) == (
        "run --token ${API_TOKEN} --name abcde x 'https://h/f?a=1&sig=&b=2' git+https://h/r.git"
    )


def test_no_secret_of_a_job_is_in_its_evidence_whatever_it_is_called(start: Start) -> None:
    inputs = (
        InputPlan("api_key", PortKind.LITERAL, value="PLANTED-input"),
        InputPlan("place", PortKind.LITERAL, value="pg://me:PLANTED-place@db/x"),
    )
    line = (
        "echo --api-key PLANTED-option --password='PLANTED-equal' PGPASSWORD=PLANTED-variable --lr 0.1 "
        "-H 'Authorization: Bearer PLANTED-bearer' 'AccountKey=PLANTED-account;End=x' "
        "https://h/x?token=PLANTED-query ${{inputs.api_key}} ${{inputs.place}}"
    )
    job = start(line, inputs=inputs)
    found = job.evidence()
    assert "PLANTED" not in job.folder.evidence_file.read_text()
    assert found.command is not None
    assert "--lr 0.1" in found.command
    assert "${{inputs.api_key}}" in found.command
    assert found.inputs[0].value == "***"


# Through the service


def test_the_service_keeps_the_evidence_of_a_job(service: Service, tmp_path: Path) -> None:
    client, data = service.client(), tmp_path / "data.csv"
    data.write_text("a,b\n1,2\n")
    job = command(
        command="cat ${{inputs.data}} > ${{outputs.copy}}/copy.csv",
        inputs={"data": Input(type="uri_file", path=str(data))},
        outputs={"copy": Output(type="uri_folder")},
        environment_variables={"MINE": "yes"},
        environment="azureml:academy:1",
    )
    name = client.jobs.create_or_update(job).name
    wait_until(lambda: client.jobs.get(name).status in ("Completed", "Failed"))
    found = Evidence.read(service.home.job(DEFAULT_WORKSPACE.key, name).evidence_file)
    assert found is not None
    assert tree_of(found).sha256 == sha256(data.read_bytes()) == tree_of(found, "copy").files[0].sha256
    assert Path(tree_of(found).path).read_bytes() == data.read_bytes()
    assert found.variables == ("MINE",)
    assert found.notes == ()
    there = importlib.metadata.distributions(path=[sysconfig.get_path("purelib")])
    told = {normalised(item.metadata["Name"]): item.version for item in there}
    assert {item.name: item.version for item in found.software.packages} == told
