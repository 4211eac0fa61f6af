"""Verifying: what does not match is named exactly, and what cannot be checked is said."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from academy.audit.export import Export, of_file
from academy.audit.local.code_files import code_files
from academy.audit.local.snapshot import keep, taken
from academy.audit.record import Kind, Link, Relation
from academy.audit.verification import Verification
from academy.audit.verify import check_noted, verify, verify_chain, verify_part
from academy.errors import InvalidField
from academy.evidence import digests
from academy.evidence.evidence import Data
from academy.paths import AuditFolder
from tests import audit_records as made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made.write(tmp_path / "files")


@pytest.fixture
def kept(folder: Path) -> made.Kept:
    return made.sealed(*made.chain(folder))


def verified(kept: made.Kept, id: str | None = made.DEPLOYMENT, **options: Any) -> Verification:
    return verify(kept.read(), kept.head(), id, **options)


def the_only(found: Verification) -> tuple[int, str, str]:
    assert len(found.mismatches) == 1, found.mismatches
    one = found.mismatches[0]
    return one.sequence, one.what, one.text


def test_nothing_is_said_against_what_was_left_alone(kept: made.Kept) -> None:
    found = verified(kept)
    assert found.matches
    assert found.unchecked == ()
    said = "\n".join(found.checked)
    for part in ("chain of 3 records", "code, 2 files", "input 'iris'", "output 'model'", "model, 2 files"):
        assert part in said
    assert said.count("1 package, with all files") == 2


@pytest.mark.parametrize(
    ("file", "what", "label"),
    [
        ("data/iris.csv", "input", "input 'iris' in {file}: changed"),
        ("code/lib/model.py", "code", "code in {folder}/code: lib/model.py: changed"),
        ("site/tiny.py", "package", "package 'tiny': 1.0 in {folder}/site: tiny.py"),
    ],
)
def test_a_changed_file_is_named(kept: made.Kept, folder: Path, file: str, what: str, label: str) -> None:
    before = digests.tree(folder / file).sha256
    (folder / file).write_text("something else")
    sequence, kind, text = the_only(verified(kept, made.JOB))
    assert (sequence, kind) == (1, what)
    assert text.startswith("Record 1, job 'brave_sail': " + label.format(file=folder / file, folder=folder))
    if what != "package":
        assert f"expected sha256 {before}, found {digests.tree(folder / file).sha256}." in text


def test_a_changed_model_is_named_by_all_records_of_it(kept: made.Kept, folder: Path) -> None:
    (folder / "model/model.pkl").write_text("other weights")
    found = verified(kept)
    assert [(one.sequence, one.what) for one in found.mismatches] == [
        (1, "output"),
        (2, "model"),
        (3, "model"),
    ]
    assert all("model.pkl: changed: expected sha256" in one.text for one in found.mismatches)


def test_files_that_came_or_went_are_named(kept: made.Kept, folder: Path) -> None:
    (folder / "code/train.py").unlink()
    (folder / "code/new.py").write_text("")
    texts = [one.text for one in verified(kept, made.JOB).mismatches]
    assert len(texts) == 2
    assert "train.py: missing: expected sha256" in texts[0]
    assert "new.py: was not there: found sha256" in texts[1]


def test_a_package_of_another_version_is_a_mismatch_and_a_new_one_is_told(
    kept: made.Kept, folder: Path
) -> None:
    shutil.rmtree(folder / "site")
    made.install(folder / "site", "tiny", "2.0")
    made.install(folder / "site", "other", "3.1")
    found = verified(kept, made.JOB)
    _, what, text = the_only(found)
    assert what == "package"
    assert text.endswith(f"package 'tiny': 1.0 was recorded; 2.0 is in {folder / 'site'}.")
    assert found.notes == (
        f"Record 1, job 'brave_sail': installed in {folder / 'site'} since then: other 3.1.",
    )


def test_a_package_that_was_taken_out_is_named(kept: made.Kept, folder: Path) -> None:
    shutil.rmtree(folder / "site")
    made.install(folder / "site", "other", "3.1")
    _, what, text = the_only(verified(kept, made.JOB))
    assert what == "package"
    assert text.endswith(f"'tiny': 1.0 was recorded; it is not in {folder / 'site'} any more.")


def test_packages_built_anew_with_other_content_are_found(kept: made.Kept, folder: Path) -> None:
    shutil.rmtree(folder / "site")
    made.install(folder / "site", "tiny", "1.0")
    record = folder / "site/tiny-1.0.dist-info/RECORD"
    record.write_text(record.read_text().replace("tiny.py,sha256=", "tiny.py,sha256=A"))
    _, what, text = the_only(verified(kept, made.JOB))
    assert what == "package"
    assert "has another list of files (RECORD)" in text
    assert "expected sha256" in text


def test_packages_that_are_gone_are_not_checked_and_the_next_step_is_said(
    kept: made.Kept, folder: Path
) -> None:
    shutil.rmtree(folder / "site")
    found = verified(kept, made.JOB)
    assert found.matches
    assert found.unchecked == (
        f"Record 1, job 'brave_sail': packages: {folder / 'site'} is gone. "
        "'academy audit reproduce --job brave_sail' builds them anew.",
    )


def test_a_changed_record_is_named(kept: made.Kept) -> None:
    forged = replace(kept.records[1], body={**kept.records[1].body, "who": "mallory"})
    found = verify_chain((kept.records[0], forged, kept.records[2]), kept.head())
    assert the_only(found) == (2, "chain", "Record 2 was changed after it was sealed.")


def test_a_record_that_was_taken_out_is_named_with_the_links_to_it(kept: made.Kept) -> None:
    found = verify((kept.records[0], kept.records[2]), kept.head(), made.DEPLOYMENT)
    assert (2, "chain", "Record 2 is missing.") in [
        (one.sequence, one.what, one.text) for one in found.mismatches
    ]
    gone = f"Record 3: its link to 'iris:1' names record {kept.records[1].hash}, which is not in the ledger."
    assert (3, "link", gone) in [(one.sequence, one.what, one.text) for one in found.mismatches]


def test_a_last_record_that_was_taken_out_is_named(kept: made.Kept) -> None:
    found = verify_chain(kept.records[:2], kept.head())
    assert the_only(found) == (3, "chain", "Record 3 is missing.")


def test_a_link_to_other_content_than_the_model_has_is_found(folder: Path) -> None:
    deployment = made.deployment(folder)
    links = (replace(deployment.links[0], sha256="0" * 64), *deployment.links[1:])
    kept = made.sealed(made.job(folder), made.model(folder), replace(deployment, links=links))
    sequence, what, text = the_only(verified(kept))
    assert (sequence, what) == (3, "link")
    assert text.startswith(f"Record 3: its link to 'iris:1' says content {'0' * 64}, but record 2 of it says")


def test_what_is_no_record_is_a_mismatch_and_the_others_are_checked(kept: made.Kept) -> None:
    body = {key: value for key, value in kept.records[0].body.items() if key != "evidence"}
    found = verify((replace(kept.records[0], body=body), *kept.records[1:]), kept.head())
    assert [(one.sequence, one.what) for one in found.mismatches] == [(1, "chain"), (1, "record")]
    assert any("model 'iris:1': model, 2 files" in text for text in found.checked)


def test_a_noted_hash_is_looked_for(kept: made.Kept) -> None:
    found = verify_chain(kept.read(), kept.head())
    good = check_noted(found, kept.read(), kept.records[1].hash)
    assert good.matches
    assert "that of record 2" in good.checked[-1]
    bad = check_noted(found, kept.read(), "ab" * 32)
    assert the_only(bad)[:2] == (0, "head")
    with pytest.raises(InvalidField, match="64 hexadecimal digits"):
        check_noted(found, kept.read(), kept.records[1].hash[:12])


def test_a_whole_new_chain_is_found_by_the_noted_hash_alone(folder: Path, kept: made.Kept) -> None:
    noted = kept.head().hash
    forged = made.sealed(replace(made.job(folder), who="mallory"), *made.chain(folder)[1:])
    assert verify_chain(forged.read(), forged.head()).matches
    assert not check_noted(verify_chain(forged.read(), forged.head()), forged.read(), noted).matches


def test_files_that_are_gone_are_a_mismatch_unless_a_deletion_explains_them(folder: Path) -> None:
    records = made.chain(folder)[:2]
    kept, deleted = made.sealed(*records), made.sealed(*records, made.deletion(records[1]))
    shutil.rmtree(folder / "model")
    found = verified(kept, made.MODEL)
    assert {(one.sequence, one.what) for one in found.mismatches} == {(1, "output"), (2, "model")}
    explained = verified(deleted, made.MODEL)
    assert {(one.sequence, one.what) for one in explained.mismatches} == {(1, "output")}
    assert any(
        "linus deleted the model (record 3, 2026-11-21T10:00:02 UTC)." in t for t in explained.unchecked
    )


def test_an_output_that_a_later_run_wrote_again_is_no_mismatch(folder: Path) -> None:
    first = made.job(folder)
    (folder / "model/model.pkl").write_text("better weights")
    later = replace(made.job(folder), name="later", id=f"{made.WORKSPACE}/jobs/later")
    kept = made.sealed(first, later)
    found = verified(kept, None)
    assert found.matches
    assert any("written again since, see record 2 (job 'later')" in text for text in found.unchecked)


def test_data_that_a_later_run_read_changed_is_a_mismatch(folder: Path) -> None:
    first = made.job(folder)
    (folder / "data/iris.csv").write_text("changed")
    later = replace(made.job(folder), name="later", id=f"{made.WORKSPACE}/jobs/later")
    sequence, what, _ = the_only(verified(made.sealed(first, later), None))
    assert (sequence, what) == (1, "input")


def test_what_was_not_looked_at_then_is_said(folder: Path) -> None:
    job = made.job(folder)
    assert job.evidence is not None
    evidence = replace(
        job.evidence,
        inputs=(Data("far", "uri_file", "https://example.org/a"),),
        notes=("The code was lost.",),
    )
    found = verified(made.sealed(replace(job, evidence=evidence)), made.JOB)
    assert found.unchecked == (
        "Record 1, job 'brave_sail': The code was lost.",
        "Record 1, job 'brave_sail': input 'far' (https://example.org/a): its content was not looked at when "
        "it ran.",
    )


@pytest.fixture
def run(tmp_path: Path) -> tuple[made.Kept, AuditFolder, Path]:
    """A local run whose code is kept."""
    folder = made.write(tmp_path / "files")
    audit = AuditFolder(folder / "code/.academy-audit")
    audit.root.mkdir()
    snapshot = taken(audit, folder / "code", code_files(folder / "code"))
    keep(audit, snapshot)
    job = made.job(folder)
    assert job.evidence is not None
    evidence = replace(job.evidence, code=snapshot.tree, inputs=(), outputs=())
    record = replace(job, kind=Kind.RUN, name="train-1", id="run:train-1", evidence=evidence, links=())
    return made.sealed(record), audit, folder / "code"


def test_the_code_of_a_local_run_may_go_on(run: tuple[made.Kept, AuditFolder, Path]) -> None:
    kept, audit, code = run
    (code / "train.py").write_text("print('the next one')\n")
    found = verified(kept, "run:train-1", folder=audit)
    assert found.matches
    assert found.notes == (f"Record 1, run 'train-1': code edited in {code} since then: train.py.",)


def test_a_changed_copy_of_a_local_runs_code_is_named(run: tuple[made.Kept, AuditFolder, Path]) -> None:
    kept, audit, code = run
    copy = audit.object_file(digests.tree(code / "train.py").sha256)
    copy.chmod(0o644)
    copy.write_text("print('forged')\n")
    sequence, what, text = the_only(verified(kept, "run:train-1", folder=audit))
    assert (sequence, what) == (1, "code")
    assert "train.py" in text
    assert str(copy) in text


@pytest.fixture
def exported(folder: Path) -> dict[str, Any]:
    """The export of a model, from a ledger that holds a record of something else in between."""
    other = replace(made.job(folder), name="other", id=f"{made.WORKSPACE}/jobs/other", links=())
    kept = made.sealed(made.job(folder), other, *made.chain(folder)[1:])
    return Export.of(kept.read(id=made.MODEL), kept.read(), kept.head(), None).to_json()


def test_an_export_is_checked_without_its_ledger(exported: dict[str, Any]) -> None:
    records, head = of_file(exported)
    found = verify_part(records, head)
    assert [one.sequence for one in records] == [1, 3, 4]
    assert found.matches
    assert "The last of them is the ledger's head, record 4." in found.checked
    assert "1 record of the 4 in the ledger is of other things" in found.unchecked[0]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda v: v["records"][0]["body"].update(who="mallory"), (1, "record")),
        (lambda v: v["records"][0]["body"]["metrics"].update(loss=float("inf")), (1, "record")),
        (lambda v: v["records"][1].update(at="2020-01-01T00:00:00+00:00"), (3, "record")),
        (lambda v: v["head"].update(hash="ab" * 32), (4, "head")),
        (lambda v: v["records"].reverse(), (3, "chain")),
    ],
)
def test_a_changed_export_is_found(
    exported: dict[str, Any], change: Callable[[dict[str, Any]], None], expected: tuple[int, str]
) -> None:
    change(exported)
    found = verify_part(*of_file(exported))
    assert expected in [(one.sequence, one.what) for one in found.mismatches]


def test_a_link_that_leads_out_of_an_export_is_said(exported: dict[str, Any]) -> None:
    exported["records"] = exported["records"][1:]
    found = verify_part(*of_file(exported))
    assert found.matches
    assert any("its link to 'brave_sail'" in text and "not among these" in text for text in found.unchecked)


def test_links_of_a_reproduction_are_checked_and_not_followed(folder: Path) -> None:
    again = replace(
        made.job(folder),
        name="again",
        id=f"{made.WORKSPACE}/jobs/again",
        links=(Link(Relation.REPRODUCES, made.JOB),),
    )
    found = verified(made.sealed(made.job(folder), again), again.id)
    assert found.matches
    assert not any("job 'brave_sail'" in text for text in found.checked)
    assert "Record 2: 1 link to other records." in found.checked
