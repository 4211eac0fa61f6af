"""Reproducing local runs: real scripts in virtual environments, run again without a service."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from academy.audit.local.ledger import LocalLedger
from academy.audit.record import Record, Relation
from academy.paths import AuditFolder, writable_environment_cache
from tests.environments_wheels import waiting_source
from tests.reproduction_jobs import PATIENCE_S, Said, academy, begun, only_wheels, until, venv, wheel

SCRIPT = """
import json, pathlib, random, sys
import counting
numbers = [float(one) for one in pathlib.Path(sys.argv[1]).read_text().split()]
chance = random.random() if "--by-chance" in sys.argv else 0
if "--wait" in sys.argv and "reproduction" in sys.prefix:
    import time
    print("waiting", flush=True)
    time.sleep(600)
pathlib.Path(sys.argv[2]).write_text(str(sum(numbers)))
json.dump({"total": sum(numbers) + chance, "version": float(counting.VERSION)}, open("metrics.json", "w"))
"""


@dataclass(frozen=True)
class Desk:
    """A folder of scripts with data and a virtual environment, which is the working folder."""

    root: Path
    python: Path

    @property
    def ledger(self) -> LocalLedger:
        return LocalLedger(AuditFolder(self.root / AuditFolder.NAME))

    def run(self, *flags: str, data: str = "data/numbers.txt", output: str = "model.txt") -> str:
        """Run the script with a record, and return the run's name."""
        before = self.ledger.run_names()
        named = ["--data", data, "--output", output, "--metrics", "metrics.json"]
        done = self.academy("run", *named, "--", str(self.python), "train.py", data, output, *flags)
        assert done.returncode == 0, done.stderr
        (name,) = self.ledger.run_names() - before
        return str(name)

    def academy(self, *arguments: str, **variables: str) -> Said:
        return academy(self.root / "home", "audit", *arguments, **variables)

    def reproduced(self, *arguments: str, status: int = 0) -> Any:
        done = self.academy("reproduce", *arguments, "-o", "json")
        assert done.returncode == status, done.stderr + done.stdout
        return json.loads(done.stdout)

    def record(self, name: str) -> Record:
        return self.ledger.read(id=f"run:{name}")[-1].record


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("scripts")
    (root / "wheels").mkdir()
    (root / "temporary").mkdir()
    wheel(root / "wheels", "counting", "1.5")
    with pytest.MonkeyPatch.context() as patch:
        only_wheels(patch, root / "wheels", root / "cache")
        patch.setattr(tempfile, "tempdir", str(root / "temporary"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield venv(root / "venv", "counting")


@pytest.fixture
def desk(python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    root = tmp_path / "desk"
    (root / "data").mkdir(parents=True)
    (root / "data" / "numbers.txt").write_text("1 2 3")
    (root / "train.py").write_text(SCRIPT)
    monkeypatch.chdir(root)
    return Desk(root, python)


def left() -> list[Path]:
    """Return the folders of reproductions that are under way, or were killed."""
    return [
        *writable_environment_cache().glob("*reproduction-*"),
        *Path(tempfile.gettempdir()).glob("*academy-reproduction-*"),
    ]


def nothing_left() -> bool:
    return not left()


def until_it_waits(process: subprocess.Popen[str]) -> None:
    """Wait for the script's own word, or for the end of what it says."""
    said = process.stderr
    assert said is not None
    until(lambda: "waiting" in (line := said.readline()) or not line)


def test_a_run_is_made_again_from_its_record_alone(desk: Desk) -> None:
    name = desk.run()
    for file in ("train.py", "model.txt", "metrics.json"):
        (desk.root / file).unlink()
    found = desk.reproduced("--run", name)
    assert (found["verdict"], found["environment"]["differences"]) == ("reproduced", [])
    assert {one["name"]: one["found"] for one in found["metrics"]} == {"total": 6.0, "version": 1.5}
    assert [(one["name"], one["same"]) for one in found["outputs"]] == [("model.txt", True)]
    assert not (desk.root / "model.txt").exists(), "it was run in the user's folder"
    again = desk.record(found["repeated"]["name"])
    assert again.name == f"{name}-reproduced-1"
    assert [link.target for link in again.linked(Relation.REPRODUCES)] == [f"run:{name}"]
    assert nothing_left()
    assert desk.academy("verify", "--run", again.name).returncode == 0


def test_a_repetition_leads_to_what_it_repeats(desk: Desk) -> None:
    name = desk.run()
    desk.reproduced("--run", name)
    found = desk.reproduced("--run", f"{name}-reproduced-1")
    assert (found["original"]["name"], found["repeated"]["name"]) == (name, f"{name}-reproduced-2")


def test_data_and_outputs_outside_of_the_folder_keep_their_places(desk: Desk, tmp_path: Path) -> None:
    output = tmp_path / "elsewhere.txt"
    (tmp_path / "shared").mkdir()
    shutil.copy(desk.root / "data" / "numbers.txt", tmp_path / "shared")
    name = desk.run(data="../shared/numbers.txt", output=str(output))
    output.write_text("the user's")
    found = desk.reproduced("--run", name)
    assert found["verdict"] == "reproduced"
    assert [(one["name"], one["same"]) for one in found["outputs"]] == [(str(output), True)]
    assert output.read_text() == "the user's"


def test_a_result_by_chance_is_found_and_what_the_script_prints_is_no_result(desk: Desk) -> None:
    name = desk.run("--by-chance")
    done = desk.academy("reproduce", "--run", name)
    assert done.returncode == 1
    assert "The metric 'total' was 6." in done.stdout
    assert done.stdout.endswith("may differ.\n")
    assert desk.reproduced("--run", name, "--leave-out", "total")["verdict"] == "reproduced"


def test_data_that_changed_is_found_beforehand_and_can_be_had_from_elsewhere(desk: Desk) -> None:
    name = desk.run()
    data = desk.root / "data" / "numbers.txt"
    shutil.copy(data, desk.root / "backup.txt")
    data.write_text("1 2 4")
    before = desk.ledger.head()
    done = desk.academy("reproduce", "--run", name)
    assert done.returncode == 1
    assert f"The input 'data/numbers.txt' differs: {data} was changed." in done.stderr
    assert "say with --data NAME=PATH where the data is as it was, or go on with --anyway" in done.stderr
    assert "academy audit verify" not in done.stderr
    assert desk.ledger.head() == before
    given = "data/numbers.txt=backup.txt"
    assert desk.reproduced("--run", name, "--data", given)["verdict"] == "reproduced"
    done = desk.academy("reproduce", "--run", name, "--data", "numbers=backup.txt")
    assert "no data called 'numbers'. It read: 'data/numbers.txt'" in done.stderr


def test_code_whose_copies_are_gone_or_changed_is_refused(desk: Desk) -> None:
    name = desk.run()
    code = desk.record(name).evidence
    assert code is not None
    assert code.code is not None
    copy = desk.ledger.folder.object_file(code.code.files[0].sha256)
    copy.chmod(0o644)
    copy.write_text("print('other')")
    done = desk.academy("reproduce", "--run", name)
    assert done.returncode == 1
    assert "The copy of train.py was changed" in done.stderr
    shutil.rmtree(desk.ledger.folder.objects)
    done = desk.academy("reproduce", "--run", name, "--anyway")
    assert done.returncode == 1
    assert "git does not take them along" in done.stderr
    assert nothing_left()


def test_a_record_that_was_changed_is_no_ground_to_run_on(desk: Desk) -> None:
    name = desk.run()
    file = desk.ledger.folder.ledger_file
    file.write_text(file.read_text().replace('"total":6.0', '"total":7.0'))
    done = desk.academy("reproduce", "--run", name)
    assert done.returncode == 1
    assert "The audit trail does not hold: Record 1 was changed after it was sealed." in done.stderr
    assert (
        "See with 'academy audit verify' what is wrong with the audit trail, or go on with --any"
        in done.stderr
    )
    assert "--data" not in done.stderr


def test_a_package_that_is_gone_is_named(desk: Desk, tmp_path: Path) -> None:
    name = desk.run()
    before = desk.ledger.head()
    (tmp_path / "none").mkdir()
    done = desk.academy(
        "reproduce", "--run", name, PIP_FIND_LINKS=str(tmp_path / "none"), UV_CACHE_DIR=str(tmp_path / "uv")
    )
    assert done.returncode == 1
    assert "the package counting" in done.stderr
    assert desk.ledger.head() == before
    assert nothing_left()


def test_a_package_that_was_edited_in_the_installer_s_cache_is_found(desk: Desk, tmp_path: Path) -> None:
    name, cache = desk.run(), tmp_path / "uv"
    assert desk.academy("reproduce", "--run", name, UV_CACHE_DIR=str(cache)).returncode == 0
    (cached,) = cache.rglob("counting.py")
    before = desk.ledger.head()
    (cached.parent / "sitecustomize.py").write_text("")
    done = desk.academy("reproduce", "--run", name, UV_CACHE_DIR=str(cache))
    assert "No package lists 'sitecustomize.py', and Python finds it all the same." in done.stderr
    cached.write_text("VERSION = '1.5'  # tampered")
    done = desk.academy("reproduce", "--run", name, UV_CACHE_DIR=str(cache))
    assert done.returncode == 1
    assert "The package counting came out of uv's cache with files that are not its own" in done.stderr
    assert "'counting.py'. " in done.stderr
    assert "uv cache clean counting" in done.stderr
    assert desk.ledger.head() == before
    done = desk.academy("reproduce", "--run", name, "--anyway", UV_CACHE_DIR=str(cache))
    assert "with files that are not its own: 'counting.py'" in done.stdout


def test_a_secret_that_is_not_on_record_is_said(desk: Desk) -> None:
    name = desk.run("--api-key", "s3cret-value")
    done = desk.academy("reproduce", "--run", name)
    assert done.returncode == 1
    assert "held a secret, which is not on record" in done.stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_leaves_nothing(desk: Desk, number: signal.Signals, status: int) -> None:
    name = desk.run("--wait")
    before = desk.ledger.head()
    with begun("audit", "reproduce", "--run", name, TMPDIR=tempfile.gettempdir()) as process:
        until_it_waits(process)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        said = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == status, said
    assert children
    assert not [one for one in children if one.is_running()]
    assert nothing_left()
    assert desk.ledger.head() == before


def test_what_a_killed_one_left_goes_at_the_next_and_what_is_in_use_stays(desk: Desk) -> None:
    waiting, name = desk.run("--wait"), desk.run()
    with begun("audit", "reproduce", "--run", waiting, TMPDIR=tempfile.gettempdir()) as process:
        until_it_waits(process)
        children = psutil.Process(process.pid).children(recursive=True)
        in_use = left()
        assert len(in_use) == 2, "an environment and a working folder"
        desk.reproduced("--run", name)
        assert left() == in_use
        process.kill()
        process.wait()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        assert left() == in_use
    desk.reproduced("--run", name)
    assert nothing_left()


def test_an_interruption_while_the_environment_is_built_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    name = desk.run()
    links, began = tmp_path / "links", tmp_path / "began"
    links.mkdir()
    waiting_source(links, "counting", "1.5", began=began, go=tmp_path / "go")
    variables = {"PIP_FIND_LINKS": str(links), "UV_CACHE_DIR": str(tmp_path / "uv")}
    with begun("audit", "reproduce", "--run", name, **variables) as process:
        until(began.exists)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 143
    assert len(children) > 1
    until(lambda: not [one for one in children if one.is_running()])
    assert nothing_left()
