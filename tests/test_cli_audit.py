"""``academy audit show``, ``export`` and ``verify`` on a real service, and on a folder of local runs."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input, Output, command
from azure.ai.ml.entities import Data, Model

from academy.audit.chain import Sealed
from academy.audit.local.ledger import LocalLedger
from academy.audit.record import Kind
from academy.paths import AuditFolder
from academy.service.process import down
from tests import audit_records as made
from tests.conftest import start
from tests.reproduction_jobs import Bench, Said, academy, code, only_wheels, wheel

WRONG = "tiny.py is not what was installed."

SCRIPT = """
import pathlib, sys, tiny
rows = pathlib.Path(sys.argv[1]).read_text().split()
log(rows=len(rows))
pathlib.Path(sys.argv[2], "model.txt").write_text(f"{tiny.VERSION} {rows}")
"""


@dataclass(frozen=True)
class Trail:
    """A service with a job, and a model that it made."""

    bench: Bench
    records: dict[str, dict[str, Any]]

    @property
    def database(self) -> Path:
        return self.bench.service.home.database_file

    def academy(self, *arguments: str) -> Said:
        return self.bench.academy("audit", *arguments)

    def said(self, *arguments: str, status: int = 0) -> str:
        done = self.academy(*arguments)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout if status == 0 else done.stdout + done.stderr

    def mismatches(self, *target: str) -> list[dict[str, Any]]:
        """Return what ``verify`` finds; its exit status says whether that is anything."""
        done = self.academy("verify", *target, "-o", "json")
        found: list[dict[str, Any]] = json.loads(done.stdout)["mismatches"]
        assert done.returncode == (1 if found else 0), done.stderr
        return found

    def path(self, record: str, *keys: str | int) -> Path:
        """Return the path of something on record."""
        value: Any = self.records[record]["body"]
        for key in keys:
            value = value[key]
        return Path(value)


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trail]:
    folder = tmp_path_factory.mktemp("trail")
    wheels = folder / "wheels"
    wheels.mkdir()
    wheel(wheels, "tiny", "1.0")
    (folder / "rows.txt").write_text("1 2 3")
    with pytest.MonkeyPatch.context() as patch:
        only_wheels(patch, wheels, folder / "cache")
        service = start(folder / "home")
        bench = Bench(service, wheels, service.client())
        fill(bench, folder)
        listed = json.loads(bench.academy("audit", "show", "-o", "json").stdout)
        shown = (
            bench.academy("audit", "show", "--record", str(one["sequence"]), "-o", "json") for one in listed
        )
        records = {json.loads(one.stdout)["body"]["kind"]: json.loads(one.stdout) for one in shown}
        yield Trail(bench, records)
        down(service.home)


def fill(bench: Bench, folder: Path) -> None:
    rows = Data(name="rows", version="1", path=str(folder / "rows.txt"), type="uri_file")
    bench.client.data.create_or_update(rows)
    job = command(
        name="fit",
        command="python main.py ${{inputs.rows}} ${{outputs.fitted}}",
        code=str(code(folder / "code", SCRIPT)),
        environment=bench.environment("small", "tiny==1.0"),
        inputs={"rows": Input(type="uri_file", path="azureml:rows:1")},
        outputs={"fitted": Output(type="custom_model")},
    )
    bench.client.jobs.create_or_update(job)
    bench.ended("fit")
    path = "azureml://jobs/fit/outputs/fitted"
    bench.client.models.create_or_update(Model(name="counted", version="1", path=path, type="custom_model"))


@contextlib.contextmanager
def changed(file: Path, text: str) -> Iterator[None]:
    """Change a file for a while, as somebody would who wants it unseen: its size and times may stay."""
    before, mode = file.read_bytes(), stat.S_IMODE(file.stat().st_mode)
    file.chmod(0o644)
    file.write_text(text)
    try:
        yield
    finally:
        file.write_bytes(before)
        file.chmod(mode)


@contextlib.contextmanager
def written_over(database: Path, change: str, undo: str) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TEMP TABLE before AS SELECT * FROM ledger")
        connection.execute(change)
        connection.commit()
        try:
            yield
        finally:
            connection.execute(undo)
            connection.commit()


def test_untouched_everything_matches(trail: Trail) -> None:
    text = trail.said("verify", "--all")
    for part in (
        "The chain of 2 records, up to record 2",
        "Record 1, job 'fit': code, 2 files",
        "Record 1, job 'fit': input 'rows', 1 file",
        "Record 1, job 'fit': output 'fitted', 1 file",
        "Record 2, model 'counted:1': model, 1 file",
        "with all files, in",
        "All that was checked matches.",
    ):
        assert part in text
    assert "Not checked" not in text


def test_a_tampered_data_file_is_named(trail: Trail) -> None:
    file = trail.path("job", "evidence", "inputs", 0, "tree", "path")
    with changed(file, "1 2 4"):
        (found,) = trail.mismatches("--model", "counted")
    assert (found["sequence"], found["what"]) == (1, "input")
    assert f"Record 1, job 'fit': input 'rows' in {file}: changed: expected sha256" in found["text"]
    assert trail.mismatches("--model", "counted") == []


def test_a_tampered_model_file_is_named(trail: Trail) -> None:
    folder = trail.path("model", "model", "path")
    with changed(folder / "model.txt", "other"):
        text = trail.said("verify", "--model", "counted:1", status=1)
    assert f"Record 2, model 'counted:1': model in {folder}: model.txt: changed: expected sha256" in text
    assert text.endswith("2 things do not match.\n")


def test_a_tampered_code_file_is_named(trail: Trail) -> None:
    folder = trail.path("job", "evidence", "code", "path")
    with changed(folder / "main.py", "print('mine')"):
        (found,) = trail.mismatches("--job", "fit")
    assert (found["sequence"], found["what"]) == (1, "code")
    assert f"code in {folder}: main.py: changed: expected sha256" in found["text"]


def test_a_tampered_package_file_is_named(trail: Trail) -> None:
    site = trail.path("job", "evidence", "software", "site")
    with changed(site / "tiny.py", "VERSION = '1.O'\n"):
        (found,) = trail.mismatches("--job", "fit")
    assert (found["sequence"], found["what"]) == (1, "package")
    assert found["text"] == f"Record 1, job 'fit': package 'tiny': 1.0 in {site}: {WRONG}"


def test_a_tampered_row_of_the_ledger_is_named(trail: Trail) -> None:
    change = "UPDATE ledger SET body = replace(body, 'Completed', 'Failed') WHERE sequence = 1"
    undo = "UPDATE ledger SET body = (SELECT body FROM before WHERE sequence = 1) WHERE sequence = 1"
    with written_over(trail.database, change, undo):
        found = trail.mismatches()
        assert [(one["sequence"], one["what"]) for one in found] == [(1, "chain")]
        assert found[0]["text"] == "Record 1 was changed after it was sealed."
    assert trail.mismatches() == []


def test_a_deleted_last_row_is_named(trail: Trail) -> None:
    change = "DELETE FROM ledger WHERE sequence = 2"
    undo = "INSERT INTO ledger SELECT * FROM before WHERE sequence = 2"
    with written_over(trail.database, change, undo):
        found = trail.mismatches()
    assert [(one["sequence"], one["text"]) for one in found] == [(2, "Record 2 is missing.")]
    assert trail.mismatches() == []


def test_the_chain_alone_says_how_to_check_more(trail: Trail) -> None:
    assert "name a target, such as --job NAME, or give --all" in trail.said("verify")


def test_the_head_is_printed_and_can_be_given_back(trail: Trail) -> None:
    text = trail.said("verify")
    head = trail.records["model"]["hash"]
    assert head in text
    assert "that of record 2" in trail.said("verify", "--head", head)
    assert "No record has the noted hash" in trail.said("verify", "--head", "ab" * 32, status=1)
    assert "64 hexadecimal digits" in trail.said("verify", "--head", head[:8], status=1)


def test_show_lists_all_records_a_line_each(trail: Trail) -> None:
    for arguments in (["show"], ["show", "--all"]):
        lines = trail.said(*arguments).splitlines()
        assert len(lines) == 2
        assert lines[0].split()[3:6] == ["job", "fit", "Completed"]
        assert lines[1].split()[3:5] == ["model", "counted:1"]


def test_show_tells_of_a_model_what_made_it(trail: Trail) -> None:
    for name in ("counted:1", "counted", "counted@latest"):
        text = trail.said("show", "--model", name)
        assert text.startswith("Model counted:1: ")
    for part in (
        "It came from job fit: Completed (record 1)",
        ", tiny 1.0",
        "metrics     rows = 3.0",
        "  data rows:1",
        "     job fit",
        "        model counted:1",
    ):
        assert part in text
    value = json.loads(trail.said("show", "--model", "counted", "-o", "json"))
    assert [step["kind"] for step in value["chain"]] == ["data", "job", "model"]


def test_an_export_of_each_format_is_written_whole(trail: Trail, tmp_path: Path) -> None:
    starts = {
        "json": "{",
        "cyclonedx": "{",
        "cyclonedx-xml": "<?xml",
        "html": "<!doctype html>",
        "schema": "{",
    }
    for format_, beginning in starts.items():
        file = tmp_path / "new" / f"export.{format_}"
        done = trail.academy("export", "--model", "counted", "--format", format_, "--to", str(file))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", f"Wrote {file}.\n")
        assert file.read_text().startswith(beginning)
        target = [] if format_ == "schema" else ["--model", "counted:1"]
        assert trail.said("export", *target, "--format", format_) == file.read_text()


def test_an_export_is_verified_where_no_service_is(trail: Trail, tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    file.write_text(trail.said("export", "--model", "counted"))
    elsewhere = tmp_path / "elsewhere"
    done = academy(elsewhere, "audit", "verify", "--file", str(file))
    assert done.returncode == 0
    assert "2 records, each against its own hash." in done.stdout
    assert not elsewhere.exists()
    value = json.loads(file.read_text())
    value["records"][0]["body"]["metrics"]["rows"] = 4
    file.write_text(json.dumps(value))
    done = academy(elsewhere, "audit", "verify", "--file", str(file))
    assert done.returncode == 1
    assert "Record 1 was changed after it was sealed." in done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [("no json", "is no JSON"), ("[]", "is no export of audit records"), ("{}", "'$schema' is a required")],
)
def test_what_is_no_export_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    done = academy(tmp_path / "home", "audit", "verify", "--file", str(file))
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["show", "--job", "fitt"], 3, "There is no record of job 'fitt'. Did you mean 'fit'?"),
        (
            ["show", "--model", "countd:1"],
            3,
            "Did you mean 'counted:1'? On record, newest first: 'counted:1'.",
        ),
        (["show", "--model", "none"], 3, "There is no record of model 'none'."),
        (["show", "--deployment", "a/b"], 3, "nor of any other deployment. 'academy audit show' lists"),
        (["show", "--deployment", "a"], 1, "Write ENDPOINT/DEPLOYMENT, such as"),
        (["show", "--record", "7"], 3, "There is no record 7; there are 2."),
        (["show", "--job", "fit", "--record", "2"], 3, "'fit' has no record 2. Its records: '1'."),
        (["show", "--job", "fit", "--model", "counted"], 2, "not --job and --model together"),
        (["show", "--job", "fit", "--all"], 2, "Leave it out to see one thing's"),
        (["export"], 2, "Say what it is about: --job NAME, --model NAME:VERSION"),
        (["verify", "--job", "fit", "--all"], 2, "Leave it out to check one thing's"),
        (["verify", "--job", "fit", "--ledger", "."], 2, "a job is in the service"),
        (["show", "--run", "x", "-w", "other"], 2, "Local runs are in no workspace"),
        (["show", "--job", "fit", "-w", "other"], 3, "There is no record of job 'fit'"),
        (["export", "--job", "fit", "--to", "/proc/x/y"], 1, "Name another file with --to."),
    ],
)
def test_what_cannot_be_shown_is_said_with_the_next_step(
    trail: Trail, arguments: list[str], status: int, said: str
) -> None:
    assert said in trail.said(*arguments, status=status)


def test_a_job_that_runs_has_no_record_yet(trail: Trail, tmp_path: Path) -> None:
    client, go = trail.bench.client, tmp_path / "go"
    job = command(
        name="waits", command=f"until [ -e {go} ]; do sleep 0.02; done", environment="azureml:academy@latest"
    )
    client.jobs.create_or_update(job)
    text = trail.said("show", "--job", "waits", status=3)
    assert "There is no record of job 'waits': it is " in text
    assert "Its record is written when it ends." in text
    client.jobs.begin_cancel("waits").result()


# Local runs


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A folder of scripts with the record of one run."""
    folder = made.write(tmp_path / "files")
    job = made.job(folder)
    assert job.evidence is not None
    LocalLedger(AuditFolder(folder / AuditFolder.NAME)).append(
        replace(
            job, kind=Kind.RUN, name="train-1", id="run:train-1", evidence=replace(job.evidence, code=None)
        )
    )
    return folder


def test_local_runs_are_found_upwards_and_by_their_folder(
    scripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(scripts / "code/lib")
    home = tmp_path / "home"
    assert academy(home, "audit", "show", "--run", "train-1").stdout.startswith("Run train-1: Completed")
    monkeypatch.chdir(tmp_path)
    for place in (scripts, scripts / ".academy-audit"):
        done = academy(home, "audit", "verify", "--run", "train-1", "--ledger", str(place))
        assert done.returncode == 0, done.stdout
        listed = academy(home, "audit", "show", "--ledger", str(place)).stdout
        assert listed.split()[3:5] == ["run", "train-1"]
    missing = academy(home, "audit", "show", "--run", "train-1")
    assert missing.returncode == 3
    assert f"There is no .academy-audit in {tmp_path} or a folder above it." in missing.stderr
    assert not home.exists()


def test_a_tampered_local_ledger_is_named_by_its_line(scripts: Path, tmp_path: Path) -> None:
    file = scripts / ".academy-audit/ledger.jsonl"
    text = file.read_text()
    file.write_text(text.replace("ada", "eve"))
    arguments = ("audit", "verify", "--ledger", str(scripts))
    done = academy(tmp_path / "home", *arguments)
    assert done.returncode == 1
    assert "Record 1 was changed after it was sealed." in done.stdout
    file.write_text(text[:-40] + "\n")
    done = academy(tmp_path / "home", *arguments)
    assert done.returncode == 1
    assert f"Line 1 of {file} is no record." in done.stdout
    assert "Record 1 is missing." in done.stdout


def test_a_misspelt_run_suggests_the_nearest(scripts: Path, tmp_path: Path) -> None:
    done = academy(tmp_path / "home", "audit", "export", "--run", "trian-1", "--ledger", str(scripts))
    assert done.returncode == 3
    assert "There is no record of run 'trian-1'. Did you mean 'train-1'?" in done.stderr


def test_the_export_of_a_local_run_can_be_verified(scripts: Path, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    arguments = ("--run", "train-1", "--ledger", str(scripts), "--to", str(file))
    assert academy(tmp_path / "home", "audit", "export", *arguments).returncode == 0
    assert Sealed.from_json(json.loads(file.read_text())["records"][0]).sequence == 1
    assert academy(tmp_path / "home", "audit", "verify", "--file", str(file)).returncode == 0


@pytest.fixture
def gap(scripts: Path) -> Path:
    """The folder with runs 1 and 3: somebody took out the line of run 2, and changed that of run 1."""
    ledger = LocalLedger(AuditFolder(scripts / AuditFolder.NAME))
    first = ledger.read()[0].record
    for number in (2, 3):
        ledger.append(replace(first, name=f"train-{number}", id=f"run:train-{number}"))
    lines = ledger.folder.ledger_file.read_text().splitlines(keepends=True)
    ledger.folder.ledger_file.write_text(lines[0].replace("ada", "eve") + lines[2])
    return scripts


@pytest.mark.parametrize("verb", ["show", "verify", "export"])
def test_what_is_not_found_in_a_ledger_with_a_gap_may_have_been_taken_out(
    gap: Path, tmp_path: Path, verb: str
) -> None:
    done = academy(tmp_path / "home", "audit", verb, "--run", "train-2", "--ledger", str(gap))
    assert done.returncode == 3
    assert "Record 2 is missing." in done.stderr
    assert "'academy audit verify' says more." in done.stderr


def test_the_list_says_what_is_missing_and_marks_what_was_changed(gap: Path, tmp_path: Path) -> None:
    arguments = ("audit", "show", "--ledger", str(gap))
    first, third, said = academy(tmp_path / "home", *arguments).stdout.splitlines()
    assert first.endswith("  (changed)")
    assert "(changed)" not in third
    assert "Record 1 was changed after it was sealed. Record 2 is missing." in said
    done = academy(tmp_path / "home", *arguments, "-o", "json")
    assert [one["changed"] for one in json.loads(done.stdout)] == [True, False]
    assert "Record 2 is missing." in done.stderr


def test_the_export_of_a_ledger_with_a_gap_says_so_wherever_it_is_read(gap: Path, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    arguments = ("--run", "train-3", "--ledger", str(gap), "--to", str(file))
    done = academy(tmp_path / "home", "audit", "export", *arguments)
    assert done.returncode == 0
    assert "Record 2 is missing." in done.stderr
    assert [one["sequence"] for one in json.loads(file.read_text())["breaks"]] == [1, 2]
    checked = academy(tmp_path / "home", "audit", "verify", "--file", str(file))
    assert checked.returncode == 1
    assert "was not whole when they were exported: Record 2 is missing." in checked.stdout


@pytest.mark.parametrize("verb", ["show", "verify"])
def test_without_options_no_service_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = academy(tmp_path / "home", "audit", verb)
    assert done.returncode == 3
    assert f"No service of {tmp_path / 'home'} runs" in done.stderr
    assert "'academy up' starts the service" in done.stderr
    assert not (tmp_path / "home").exists()


def test_what_is_shown_of_a_ledger_with_a_gap_says_so(gap: Path, tmp_path: Path) -> None:
    arguments = ("--run", "train-3", "--ledger", str(gap))
    assert "Record 2 is missing." in academy(tmp_path / "home", "audit", "show", *arguments).stdout
    page = academy(tmp_path / "home", "audit", "export", "--format", "html", *arguments).stdout
    assert "Record 2 is missing." in page
