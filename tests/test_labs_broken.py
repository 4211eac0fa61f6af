"""A collection in which one ``lab.yml`` cannot be read: it is named, and all else goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from academy.errors import InvalidField
from academy.labs.collection import Collection
from academy.labs.lint import lint_all
from academy.labs.scaffold import new_lab

BROKEN, SOUND = "90-count-days", "91-count-weeks"
NOT_UTF8 = b"level: 100\ntitle: Gr\xf6\xdfe\n"


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    made = Collection(tmp_path / "collection")
    for name in (BROKEN, SOUND):
        new_lab(made, name)
    return made


def manifest_of(collection: Collection, lab: str) -> Path:
    return collection.root / "labs" / lab / "lab.yml"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (NOT_UTF8, " is not text in UTF-8: byte 0xf6 in line 2. Save it as UTF-8."),
        (b"\xff\xfet\0", " is not text in UTF-8: byte 0xff in line 1. Save it as UTF-8."),
        (b"title: [\n", " is not YAML: "),
        (b"title: 2026-13-99\n", " is not YAML: "),
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
