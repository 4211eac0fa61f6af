"""Folders that a lab cannot be written into: each is refused with what to choose instead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from academy.labs.collection import Collection
from academy.labs.scaffold import new_lab

LAB = "90-count-days"
COMMAND = str(Path(sys.executable).with_name("academy"))


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    made = Collection(tmp_path / "collection")
    new_lab(made, LAB)
    return made


def academy(home: Path, collection: Collection, *arguments: str, **more: str) -> tuple[int, str]:
    environment = {**os.environ, "ACADEMY_HOME": str(home), "ACADEMY_LABS": str(collection.root), **more}
    done = subprocess.run(
        [COMMAND, "lab", *arguments], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("arguments", "target", "remedy"),
    [
        (("release", LAB, "--to", "FILE/to"), "FILE/to", "Choose another --to."),
        (("release", LAB, "--to", "TO", "--pack", "FILE/pack"), "FILE/pack", "Choose another --pack."),
        (
            ("release", LAB, "--to", "FILE/to", "--format", "nbgrader"),
            "FILE/to/source",
            "Choose another --to.",
        ),
        (("new", "91-count-weeks", "--collection", "FILE/labs"), "FILE/labs", "Choose another --collection."),
        (("start", LAB), "FILE", "Mend its permissions, or set ACADEMY_WORK to another folder."),
    ],
)
def test_a_place_that_cannot_be_written_is_named_with_what_to_do(
    collection: Collection, tmp_path: Path, arguments: tuple[str, ...], target: str, remedy: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    placed = [part.replace("FILE", str(file)).replace("TO", str(tmp_path / "to")) for part in arguments]
    status, said = academy(tmp_path / "home", collection, *placed, ACADEMY_WORK=str(file))
    last = said.splitlines()[-1]
    assert status == 1
    assert last.startswith(f"academy: {target.replace('FILE', str(file))} cannot be written: ")
    assert last.endswith(remedy)
    assert not (tmp_path / "to").exists()
