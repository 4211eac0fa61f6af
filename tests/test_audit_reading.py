"""Reading the audit trail: two ledgers at once, all folders of packages, all files of a run's code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from academy.audit.chain import Head, Sealed, breaks
from academy.audit.code_files import code_files
from academy.audit.finding import whole
from academy.audit.local_ledger import LocalLedger
from academy.audit.record import Kind, Record
from academy.audit.snapshot import keep, taken
from academy.audit.verification import Verification
from academy.audit.verify import verify
from academy.evidence.evidence import FILES_LISTED
from academy.paths import AuditFolder
from tests import audit_records as made
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
    assert found.notes == (f"Record 1, run 'train-1': changed in {code} since then: train.py.",)


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
