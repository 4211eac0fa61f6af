"""Folders that a lab cannot be written into: each is refused with what to choose instead."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from academy.errors import UserError
from academy.labs.collection import Collection, Lab
from academy.labs.editions.edition import write_edition
from academy.labs.editions.nbgrader_format import to_nbgrader
from academy.labs.editions.release import release
from academy.labs.scaffold import new_lab

LAB = "90-count-days"
COMMAND = str(Path(sys.executable).with_name("academy"))


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    made = Collection(tmp_path / "collection")
    new_lab(made, LAB)
    return made


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize(
    ("option", "act"),
    [
        ("--to", lambda lab, into: release([lab], into)),
        ("--to", to_nbgrader),
        ("--pack", lambda lab, into: release([lab], into.parents[1] / "elsewhere", pack=into)),
    ],
)
def test_nothing_is_released_into_a_lab(
    collection: Collection, tmp_path: Path, option: str, act: Callable[[Lab, Path], object]
) -> None:
    lab = collection.lab(LAB)
    released = write_edition(lab, tmp_path / "release" / LAB).folder
    before = files(tmp_path)
    with pytest.raises(UserError) as error:
        act(lab, released)
    assert error.value.message == (
        f"{released} is a lab itself: it holds lab.yml. Labs lie beside each other, not one in another. "
        f"Did you mean {option} {released.parent}?"
    )
    assert files(tmp_path) == before


def academy(home: Path, collection: Collection, *arguments: str, **more: str) -> tuple[int, str]:
    environment = {**os.environ, "ACADEMY_HOME": str(home), "ACADEMY_LABS": str(collection.root), **more}
    done = subprocess.run([COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("arguments", "target", "remedy"),
    [
        (("lab", "release", LAB, "--to", "FILE/to"), "FILE/to", "Choose another --to."),
        (("lab", "release", LAB, "--to", "TO", "--pack", "FILE/pack"), "FILE/pack", "Choose another --pack."),
        (
            ("lab", "release", LAB, "--to", "FILE/to", "--format", "nbgrader"),
            "FILE/to/source",
            "Choose another --to.",
        ),
        (
            ("lab", "new", "91-count-weeks", "--collection", "FILE/labs"),
            "FILE/labs",
            "Choose another --collection.",
        ),
        (("test", LAB, "--report", "FILE/report"), "FILE/report/notebooks", "Choose another --report."),
        (("lab", "start", LAB), "FILE", "Mend its permissions, or set ACADEMY_WORK to another folder."),
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
