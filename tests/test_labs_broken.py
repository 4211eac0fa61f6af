"""A collection in which one ``lab.yml`` cannot be read: it is named, and all else goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from academy.errors import InvalidField
from academy.jupyterlab.desk import Desk
from academy.labs.collection import Collection
from academy.labs.editions.edition import write_edition
from academy.labs.lint import lint_all
from academy.labs.scaffold import new_lab

BROKEN, SOUND = "90-count-days", "91-count-weeks"
COMMAND = str(Path(sys.executable).with_name("academy"))
NOT_UTF8 = b"level: 100\ntitle: Gr\xf6\xdfe\n"


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    made = Collection(tmp_path / "collection")
    for name in (BROKEN, SOUND):
        new_lab(made, name)
    return made


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which no service runs; nothing here starts one."""
    monkeypatch.setenv("ACADEMY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ACADEMY_LABS", str(tmp_path / "collection"))
    monkeypatch.setenv("ACADEMY_LANGUAGE", "en")
    monkeypatch.delenv("ACADEMY_WORK", raising=False)
    return tmp_path / "home"


def lab(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [COMMAND, "lab", *arguments]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=60)


def manifest_of(collection: Collection, lab: str) -> Path:
    return collection.root / "labs" / lab / "lab.yml"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (NOT_UTF8, " is not text in UTF-8: byte 0xf6 in line 2. Save it as UTF-8."),
        (b"\xff\xfet\0", " is not text in UTF-8: byte 0xff in line 1. Save it as UTF-8."),
        (b"title: [\n", " is not YAML: "),
        (b"title: 2026-13-99\n", " is not YAML: "),
        (b"title: One\ntitle: Two\n", " is not YAML: "),
        (b"[" * 100_000, " nests lists or mappings in each other too deeply."),
    ],
)
def test_a_manifest_that_cannot_be_read_is_named(collection: Collection, content: bytes, says: str) -> None:
    file = manifest_of(collection, BROKEN)
    file.write_bytes(content)
    with pytest.raises(InvalidField) as error:
        _ = collection.lab(BROKEN).manifest
    assert error.value.message.startswith(f"{file}{says}")


def test_lint_names_the_manifest_that_is_not_utf_8_and_looks_at_the_others(collection: Collection) -> None:
    manifest_of(collection, BROKEN).write_bytes(NOT_UTF8)
    found = lint_all(collection.labs(), collection)
    assert [one.rule for one in found[BROKEN]] == ["readable"]
    assert "is not text in UTF-8" in found[BROKEN][0].what
    assert found[SOUND] == lint_all([collection.lab(SOUND)], collection)[SOUND]


@pytest.mark.parametrize("content", [b"title: [\n", NOT_UTF8])
def test_a_broken_manifest_costs_a_line_of_the_list_and_no_other_lab(
    collection: Collection, content: bytes
) -> None:
    manifest_of(collection, BROKEN).write_bytes(content)
    listed = lab("list")
    assert listed.returncode == 0
    assert SOUND in listed.stdout
    assert BROKEN not in listed.stdout
    (line,) = listed.stderr.splitlines()
    assert line.startswith(f"A lab is missing here: {manifest_of(collection, BROKEN)} is not ")
    as_json = lab("list", "--json")
    assert (as_json.returncode, as_json.stderr) == (0, listed.stderr)
    assert [found["id"] for found in json.loads(as_json.stdout)] == [SOUND]


def test_a_list_without_a_lab_that_can_be_read_is_an_error(collection: Collection) -> None:
    for name in (BROKEN, SOUND):
        manifest_of(collection, name).write_bytes(NOT_UTF8)
    listed = lab("list")
    assert (listed.returncode, listed.stdout) == (1, "")
    assert len(listed.stderr.splitlines()) == 2


def test_status_shows_what_was_started_beside_a_broken_manifest(collection: Collection, home: Path) -> None:
    write_edition(collection.lab(SOUND), home / "work" / SOUND)
    manifest_of(collection, BROKEN).write_bytes(NOT_UTF8)
    shown = lab("status")
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"{SOUND}: ")
    assert len(shown.stderr.splitlines()) == 1
    asked = lab("status", BROKEN)
    assert (asked.returncode, asked.stdout) == (1, "")
    assert asked.stderr.startswith(f"academy: {manifest_of(collection, BROKEN)} is not text in UTF-8")


def test_a_broken_copy_that_no_collection_holds_is_named_with_its_remedy(
    collection: Collection, home: Path
) -> None:
    elsewhere = "92-count-months"
    new_lab(collection, elsewhere)
    copy = write_edition(collection.lab(elsewhere), home / "work" / elsewhere)
    (copy.folder / "lab.yml").write_bytes(NOT_UTF8)
    for path in (manifest_of(collection, elsewhere), collection.lab(elsewhere).notebook):
        path.unlink()
    listed = lab("list")
    assert listed.returncode == 0
    assert all(name in listed.stdout for name in (BROKEN, SOUND))
    (line,) = listed.stderr.splitlines()
    assert str(copy.folder / "lab.yml") in line
    assert line.endswith(f"'academy lab reset {elsewhere}'.")


def test_the_page_lists_the_others_and_names_the_broken_manifest(
    collection: Collection, tmp_path: Path
) -> None:
    manifest_of(collection, BROKEN).write_bytes(NOT_UTF8)
    desk = Desk(tmp_path)
    found = desk.labs()
    assert [card["id"] for card in found["labs"]] == [SOUND]
    assert found["unknown"] == ""
    (said,) = found["broken"]
    assert str(manifest_of(collection, BROKEN)) in said
    with pytest.raises(InvalidField, match="is not text in UTF-8"):
        desk.lab(BROKEN)
