"""Reading the audit trail: two ledgers at once, all folders of packages, all files of a run's code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from azure.ai.ml.entities import Model

from academy.audit.chain import START, Head, Sealed, breaks
from academy.audit.finding import not_on_record, whole
from academy.audit.lineage import called
from academy.audit.local.code_files import code_files
from academy.audit.local.ledger import LocalLedger
from academy.audit.local.snapshot import keep, taken
from academy.audit.record import Kind, Link, Record, Relation
from academy.audit.same_content import writer
from academy.audit.target import Target
from academy.audit.verification import Verification
from academy.audit.verify import verify
from academy.evidence import digests
from academy.evidence.evidence import FILES_LISTED
from academy.paths import AuditFolder
from academy.service.process import down
from tests import audit_records as made
from tests.conftest import Service, start
from tests.reproduction_jobs import academy


def ledger_of(folder: Path) -> LocalLedger:
    return LocalLedger(AuditFolder(folder / AuditFolder.NAME))


class Busy:
    """A ledger that gets a record each time it was looked at."""

    def __init__(self, ledger: LocalLedger) -> None:
        self._ledger = ledger

    def read(self, *, id: str | None = None, after: int = 0) -> Sequence[Sealed]:
        found = self._ledger.read(id=id, after=after)
        self._add()
        return found

    def head(self) -> Head:
        found = self._ledger.head()
        self._add()
        return found

    def _add(self) -> None:
        self._ledger.append(Record(Kind.RUN, "x", "run:x", "me", "Completed"))


def test_a_record_that_is_added_while_all_are_read_is_not_missing(tmp_path: Path) -> None:
    assert breaks(*whole(Busy(ledger_of(tmp_path)))) == []


@pytest.fixture
def many(tmp_path: Path) -> tuple[made.Kept, AuditFolder, Path]:
    """A local run with more files of code than its record lists."""
    folder = made.write(tmp_path / "files")
    for number in range(FILES_LISTED + 2):
        (folder / "code" / f"{number:04}.py").write_text(f"x = {number}\n")
    audit = AuditFolder(folder / "code" / AuditFolder.NAME)
    audit.root.mkdir()
    snapshot = taken(audit, folder / "code", code_files(folder / "code"))
    keep(audit, snapshot)
    job = made.job(folder)
    assert job.evidence is not None
    evidence = replace(job.evidence, code=snapshot.tree, inputs=(), outputs=())
    record = replace(job, kind=Kind.RUN, name="train-1", id="run:train-1", evidence=evidence, links=())
    return made.sealed(record), audit, folder / "code"


def test_all_files_of_a_local_runs_code_are_looked_at(many: tuple[made.Kept, AuditFolder, Path]) -> None:
    kept, audit, code = many
    (code / "train.py").write_text("print('the next one')\n")
    found = verify(*whole(kept), "run:train-1", folder=audit)
    assert found.matches
    assert found.notes == (f"Record 1, run 'train-1': code edited in {code} since then: train.py.",)


def test_code_of_which_neither_copies_nor_all_names_are_there_was_not_checked(
    many: tuple[made.Kept, AuditFolder, Path],
) -> None:
    kept, audit, _ = many
    audit.objects.rename(audit.root / "away")
    found = verify(*whole(kept), "run:train-1", folder=audit)
    assert [text for text in found.unchecked if "code" in text] == [
        f"Record 1, run 'train-1': code: the copies of it in {audit.objects} are gone; git does not take "
        "them along."
    ]


def test_only_what_the_person_set_is_among_a_runs_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert academy(tmp_path / "home", "audit", "run", "--", "true").returncode == 0
    address = "sqlite:///own.db"
    done = academy(tmp_path / "home", "audit", "run", "--", "true", MLFLOW_TRACKING_URI=address)
    assert done.returncode == 0
    first, second = (sealed.record.evidence for sealed in ledger_of(tmp_path).read())
    assert first is not None
    assert first.variables == ()
    assert second is not None
    assert second.variables == ("MLFLOW_TRACKING_URI",)


# Packages in several folders


@pytest.fixture
def layered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a record of a run whose Python found packages in its own folder and in PYTHONPATH."""
    own, other = tmp_path / "env", tmp_path / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", own], check=True)
    site = next(own.glob("lib/python*/site-packages"))
    made.install(site, "tiny", "1.0")
    made.install(site, "twice", "1.0")
    made.install(other, "twice", "2.0")
    made.install(other, "far", "3.0")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    python = str(own / "bin/python")
    monkeypatch.setenv("PYTHONPATH", str(other))
    assert academy(tmp_path / "home", "audit", "run", "--name", "r", "--", python, "-c", "").returncode == 0
    monkeypatch.delenv("PYTHONPATH")
    return tmp_path


def of_packages(work: Path) -> Verification:
    ledger = ledger_of(work)
    return verify(*whole(ledger), "run:r", folder=ledger.folder)


def test_packages_are_looked_for_in_all_folders_that_the_run_had(layered: Path) -> None:
    found = of_packages(layered / "work")
    assert found.mismatches == ()
    assert found.unchecked == ()
    assert found.notes == ()
    site = next((layered / "env").glob("lib/python*/site-packages"))
    assert (
        f"Record 1, run 'r': 3 packages, with all files, in {layered / 'other'} and {site}." in found.checked
    )


def test_a_change_in_any_of_the_folders_is_named(layered: Path) -> None:
    (layered / "other/twice.py").write_text("version = '9'\n")
    (found,) = of_packages(layered / "work").mismatches
    assert found.text == (
        f"Record 1, run 'r': package 'twice': 2.0 in {layered / 'other'}: twice.py is not what was installed."
    )


def test_packages_of_a_folder_that_is_gone_are_not_checked(layered: Path) -> None:
    (layered / "other").rename(layered / "away")
    found = of_packages(layered / "work")
    assert [one.text for one in found.mismatches] == [
        "Record 1, run 'r': package 'twice': 2.0 was recorded; 1.0 is in "
        f"{next((layered / 'env').glob('lib/python*/site-packages'))}."
    ]
    assert found.unchecked == (
        f"Record 1, run 'r': packages far: {layered / 'other'} is gone, where Python also looked. "
        "'academy audit reproduce --run r' builds them anew.",
    )


# Without a target: each ledger that is at hand


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two local runs; the working folder is below it."""
    folder = tmp_path / "scripts"
    (folder / "deep").mkdir(parents=True)
    for number in (1, 2):
        ledger_of(folder).append(Record(Kind.RUN, f"fit-{number}", f"run:fit-{number}", "me", "Completed"))
    monkeypatch.chdir(folder / "deep")
    return folder


@pytest.fixture(scope="module")
def one_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose only record is of a model."""
    folder = tmp_path_factory.mktemp("one-model")
    (folder / "model.txt").write_text("weights")
    running = start(folder / "home")
    running.client().models.create_or_update(Model(name="m", version="1", path=str(folder / "model.txt")))
    yield running
    down(running.home)


@pytest.fixture
def both(scripts: Path, one_model: Service) -> Service:
    """That service, beside the local runs."""
    assert scripts.is_dir()
    return one_model


def test_local_runs_are_at_hand_without_a_service(scripts: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shown = academy(home, "audit", "show")
    assert shown.returncode == 0, shown.stderr
    title, first, second = shown.stdout.splitlines()
    assert title == f"Local runs of {scripts}:"
    assert [line.split()[3:5] for line in (first, second)] == [["run", "fit-1"], ["run", "fit-2"]]
    checked = academy(home, "audit", "verify")
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.startswith(f"Local runs of {scripts}:\nChecked:\n  The chain of 2 records")
    assert "name a target, such as --run NAME" in checked.stdout
    assert academy(home, "audit", "show", "--record", "2").stdout.startswith("Run fit-2: Completed")
    assert not home.exists()
    home.mkdir()
    (home / "academy.db").touch()
    for verb in ("show", "verify"):
        said = academy(home, "audit", verb)
        assert said.stderr == (
            f"The service of {home} does not run, and its records are left out: --home {home} starts it.\n"
        )
        assert said.stdout == (shown if verb == "show" else checked).stdout


def test_a_service_that_runs_is_shown_beside_local_runs(scripts: Path, both: Service) -> None:
    root = both.home.root
    lines = academy(root, "audit", "show").stdout.splitlines()
    assert [lines[0], lines[3], lines[4]] == [f"Local runs of {scripts}:", "", f"The service of {root}:"]
    assert lines[5].split()[3:5] == ["model", "m:1"]
    listed = json.loads(academy(root, "audit", "show", "-o", "json").stdout)
    assert [(one["ledger"], one["sequence"]) for one in listed] == [
        (str(scripts / ".academy-audit"), 1),
        (str(scripts / ".academy-audit"), 2),
        (str(root), 1),
    ]


@pytest.mark.parametrize("how", ["workspace", "home", "ledger"])
def test_a_ledger_that_is_named_is_the_only_one(scripts: Path, both: Service, how: str) -> None:
    root = str(both.home.root)
    options = {"workspace": ["-w", "academy"], "home": ["--home", root], "ledger": ["--ledger", str(scripts)]}
    lines = academy(both.home.root, "audit", "show", *options[how]).stdout.splitlines()
    names = [["run", "fit-1"], ["run", "fit-2"]] if how == "ledger" else [["model", "m:1"]]
    assert [line.split()[3:5] for line in lines] == names
    checked = academy(both.home.root, "audit", "verify", *options[how]).stdout
    assert checked.startswith(f"Checked:\n  The chain of {len(names)} record")


def test_a_number_that_two_ledgers_have_is_asked_back(scripts: Path, both: Service) -> None:
    root = both.home.root
    asked = academy(root, "audit", "show", "--record", "1")
    assert asked.returncode == 2
    assert f"Say which one: --ledger {scripts} or --home {root}" in asked.stderr
    assert academy(root, "audit", "show", "--record", "2").stdout.startswith("Run fit-2: Completed")
    missing = academy(root, "audit", "show", "--record", "9")
    assert missing.returncode == 3
    assert f"there are 2 of local runs of {scripts} and 1 of the service of {root}" in missing.stderr


def test_verify_says_which_ledger_does_not_match(scripts: Path, both: Service) -> None:
    root, ledger = both.home.root, ledger_of(scripts)
    head = ledger.head().hash
    noted = academy(root, "audit", "verify", "--head", head)
    assert noted.returncode == 0, noted.stdout
    assert "The noted hash is that of record 2" in noted.stdout
    assert academy(root, "audit", "verify", "--head", "ab" * 32).returncode == 1
    file = ledger.folder.ledger_file
    file.write_text(file.read_text().replace("fit-2", "fit-3"))
    found = academy(root, "audit", "verify", "-o", "json")
    assert found.returncode == 1
    value = json.loads(found.stdout)
    assert not value["matches"]
    assert [one["text"] for one in value["mismatches"]] == [
        f"Local runs of {scripts}: Record 2 was changed after it was sealed."
    ]
    assert any(text.startswith(f"The service of {root}: The chain of 1 record") for text in value["checked"])
    assert academy(root, "audit", "verify").stdout.endswith("1 thing does not match.\n")


# A model of the service that a local run wrote


@pytest.fixture
def maker(tmp_path: Path, one_model: Service, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a run wrote the files of the service's model; it is the working folder."""
    folder = tmp_path / "maker"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "rows.csv").write_text("1\n2\n")
    (folder / "fit.py").write_text("open('model.txt', 'w').write('weights')\n")
    command = ("--data", "rows.csv", "--output", "model.txt", "--", sys.executable, "fit.py")
    done = academy(one_model.home.root, "audit", "run", *command)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_models_chain_begins_with_the_local_run_that_wrote_it(maker: Path, one_model: Service) -> None:
    root, place = one_model.home.root, maker / ".academy-audit"
    text = academy(root, "audit", "show", "--model", "m:1").stdout
    for part in (
        f"It came from run fit-1: Completed (record 1 of {place})",
        f"  data {maker / 'rows.csv'} ",
        f"     run fit-1 (record 1 of {place})",
        "        model m:1 (record 1, sha256 ",
        "The run is known by content",
    ):
        assert part in text, part
    value = json.loads(academy(root, "audit", "show", "--model", "m", "-o", "json").stdout)
    assert [(one["kind"], one["ledger"]) for one in value["chain"][1:]] == [
        ("run", str(place)),
        ("model", str(root)),
    ]


def test_a_folder_without_the_run_changes_nothing(
    maker: Path, one_model: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(maker.parent)
    root = one_model.home.root
    assert "fit-1" not in academy(root, "audit", "show", "--model", "m:1").stdout
    assert "fit-1" in academy(root, "audit", "show", "--model", "m:1", "--ledger", str(maker)).stdout
    ledger_of(maker.parent).append(Record(Kind.RUN, "fit-1", "run:fit-1", "me", "Completed"))
    assert "fit-1" not in academy(root, "audit", "show", "--model", "m:1").stdout
    assert academy(root, "audit", "verify", "--model", "m:1").stdout.startswith("Checked:\n")


def test_verify_checks_the_local_run_of_a_model(maker: Path, one_model: Service) -> None:
    root = one_model.home.root
    found = academy(root, "audit", "verify", "--model", "m:1")
    assert found.returncode == 0, found.stdout
    for part in (
        f"The service of {root}:\nChecked:",
        f"Local runs of {maker}:\nChecked:\n"
        "  Run 'fit-1' wrote files that are the same as those of the model 'm:1'.",
        "Record 1, run 'fit-1': input 'rows.csv', 1 file",
    ):
        assert part in found.stdout, part
    (maker / "rows.csv").write_text("1\n3\n")
    found = academy(root, "audit", "verify", "--model", "m:1")
    assert found.returncode == 1
    assert "Record 1, run 'fit-1': input 'rows.csv' in" in found.stdout


@pytest.mark.parametrize("format_", ["cyclonedx", "cyclonedx-xml", "html"])
def test_every_export_of_a_model_tells_of_its_local_run(
    maker: Path, one_model: Service, format_: str
) -> None:
    done = academy(one_model.home.root, "audit", "export", "--model", "m:1", "--format", format_)
    assert done.returncode == 0, done.stderr
    wanted = ("fit-1", "rows.csv", digests.tree(maker / "rows.csv").sha256)
    assert [part for part in wanted if part not in done.stdout] == []
    if format_ == "html":
        assert done.stdout.count('id="record-1"') == 1
        assert done.stdout.count('id="run-record-1"') == 1
        assert "1 of the local runs" in done.stdout


def test_a_json_export_holds_the_records_of_both_ledgers(
    maker: Path, one_model: Service, tmp_path: Path
) -> None:
    file = tmp_path / "m.json"
    done = academy(one_model.home.root, "audit", "export", "--model", "m:1", "--to", str(file))
    assert done.returncode == 0, done.stderr
    elsewhere = ("audit", "verify", "--file", str(file))
    checked = academy(tmp_path / "none", *elsewhere)
    assert checked.returncode == 0, checked.stdout
    assert f"Its local runs, of {maker / '.academy-audit'}:" in checked.stdout
    assert "Run 'fit-1' wrote files that are the same as those of the model 'm:1'." in checked.stdout
    value = json.loads(file.read_text())
    value["runs"]["records"][0]["body"]["who"] = "eve"
    file.write_text(json.dumps(value))
    changed = academy(tmp_path / "none", *elsewhere)
    assert changed.returncode == 1
    assert "Record 1 was changed after it was sealed." in changed.stdout
    value["runs"]["records"] = [sealed.to_json() for sealed in other_run(maker)]
    file.write_text(json.dumps(value))
    assert "No run among these wrote files" in academy(tmp_path / "none", *elsewhere).stdout


def other_run(folder: Path) -> Sequence[Sealed]:
    return [ledger_of(folder).append(Record(Kind.RUN, "x", "run:x", "me", "Completed"))]


def test_of_runs_that_wrote_the_same_the_last_before_the_model_is_meant(tmp_path: Path) -> None:
    folder = made.write(tmp_path / "files")
    job, content = made.job(folder), digests.tree(folder / "model")
    runs = made.sealed(
        *(
            replace(job, kind=Kind.RUN, name=name, id=f"run:{name}", ended_at=f"{at}+00:00", links=links)
            for name, at, links in (
                ("a", "2026-11-21T08:00:00", ()),
                ("b", "2026-11-21T09:00:00", ()),
                ("c", "2026-11-21T09:30:00", (Link(Relation.REPRODUCES, "run:b"),)),
                ("d", "2026-11-21T11:00:00", ()),
            )
        )
    ).records

    def found(until: str | None) -> str | None:
        sealed = writer(content, runs, until=until)
        return None if sealed is None else str(sealed.body["name"])

    assert found("2026-11-21T10:00:00+00:00") == "b"
    assert found("2026-11-21T07:00:00+00:00") == "d"
    assert found(None) == "d"
    (folder / "model/model.pkl").write_text("other")
    assert writer(digests.tree(folder / "model"), runs) is None


# What is said, read as a newcomer does


def test_a_record_that_was_changed_is_not_shown_as_if_it_held(scripts: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shown = academy(home, "audit", "show", "--run", "fit-1").stdout
    assert "do not rely on it" not in shown
    assert "'academy audit verify --run fit-1' checks it against what is there." in shown
    file = ledger_of(scripts).folder.ledger_file
    file.write_text(file.read_text().replace('"Completed"', '"Failed"', 1))
    said = "Record 1 (fit-1) was changed after it was sealed: do not rely on it."
    assert said in academy(home, "audit", "show", "--run", "fit-1").stdout
    assert said in academy(home, "audit", "export", "--run", "fit-1", "--format", "html").stdout
    assert said not in academy(home, "audit", "show", "--run", "fit-2").stdout


def test_code_is_said_to_be_checked_where_it_was(many: tuple[made.Kept, AuditFolder, Path]) -> None:
    kept, audit, code = many
    count = len(code_files(code).names)
    checked = verify(*whole(kept), "run:train-1", folder=audit).checked
    assert f"Record 1, run 'train-1': code, {count} files in {audit.objects}." in checked


def test_files_are_called_by_their_paths() -> None:
    assert called("file:///data/my%20rows.csv") == "/data/my rows.csv"


def test_a_damaged_record_keeps_nobody_from_being_told_the_nearest_name() -> None:
    class Damaged:
        def read(self, *, id: str | None = None, after: int = 0) -> list[Sealed]:
            record = Record(Kind.RUN, "train-1", "run:train-1", "me", "Completed")
            return [Sealed(1, "", START, {}, ""), Sealed(2, "", "", record.to_json(), "")]

        def head(self) -> Head:
            return Head()

    error = not_on_record(Target(Kind.RUN, "train-2"), Damaged())
    assert "Did you mean 'train-1'?" in error.message
    assert "Record 1 was changed" in error.message
