"""The commands of labs as a newcomer types them: names of labs, questions, hints."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from academy.errors import NotFound
from academy.labs.collection import Collection
from academy.labs.scaffold import new_lab
from academy.service.process import down
from tests.conftest import Service, start

LAB, OTHER = "05-count-days", "90-count-weeks"
TASK = "count-long-months"
COMMAND = str(Path(sys.executable).with_name("academy"))

# A further task, whose name comes first in the alphabet.
_SECOND = """
  - {id: a-second-task, title: Second, step: count, points: 1, hints: [one, two, three]}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = start(tmp_path_factory.mktemp("labs") / "home")
    yield running
    down(running.home)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    made = Collection(tmp_path_factory.mktemp("collection"))
    for name in (LAB, OTHER):
        new_lab(made, name)
    file = made.lab(LAB).folder / "lab.yml"
    before, mark, after = file.read_text().partition("\nresources:")
    file.write_text(before.rstrip() + _SECOND + mark + after)
    return made


def run(service: Service, collection: Collection, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "ACADEMY_HOME": str(service.home.root),
        "ACADEMY_LABS": str(collection.root),
        "ACADEMY_LANGUAGE": "en",
    }
    return subprocess.run(
        [COMMAND, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("name", [LAB, "05", "5"])
def test_a_number_needs_no_leading_zero(collection: Collection, name: str) -> None:
    assert collection.lab(name).id == LAB


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("days", f" Did you mean '{LAB}'?"),
        ("05-cuont-days", f" Did you mean '{LAB}'?"),
        ("count", f" Did you mean '{LAB}' or '{OTHER}'?"),
        ("7", ""),
        ("", ""),
        ("something-else-entirely", ""),
    ],
)
def test_a_name_that_no_lab_has_is_answered_with_the_nearest(
    collection: Collection, name: str, meant: str
) -> None:
    with pytest.raises(NotFound) as error:
        collection.lab(name)
    said = f"There is no lab {name!r} in {collection.root}.{meant} Labs: '{LAB}', '{OTHER}'."
    assert error.value.message.startswith(said)


def test_the_command_line_suggests_a_lab_and_takes_no_part_of_a_name_for_one(
    service: Service, collection: Collection
) -> None:
    said = run(service, collection, "lab", "start", "days")
    assert said.returncode == 3
    assert f"Did you mean '{LAB}'?" in said.stderr
    assert not (service.home.work / LAB).exists()


def test_an_unknown_task_is_answered_with_those_of_the_lab_in_its_order(
    service: Service, collection: Collection
) -> None:
    said = run(service, collection, "lab", "hint", "5", "no-such-task")
    assert said.returncode == 3
    assert f"Tasks: 'register-table', '{TASK}', 'a-second-task'." in said.stderr


def test_a_hint_names_the_task_by_its_title_and_says_how_to_get_the_next(
    service: Service, collection: Collection
) -> None:
    title = collection.lab(LAB).manifest.task(TASK).title
    first, second, third, again = (run(service, collection, "lab", "hint", "5", TASK).stdout for _ in "1234")
    for level, shown in enumerate((first, second), start=1):
        assert shown.startswith(f"Hint {level} of 3 for “{title}”: ")
        assert shown.endswith(f"\n'academy lab hint {LAB} {TASK}' gives the next one.\n")
    assert third.startswith(f"Hint 3 of 3 for “{title}”: ")
    assert "gives the next one" not in third
    assert f"'academy lab solution {LAB} {TASK}'" in third
    assert again == third


@pytest.mark.parametrize(
    "asking",
    [
        ("lab", "solution", "5", TASK),
        ("lab", "reset", "5"),
        ("compute", "delete", "--name", "cpu"),
        ("datastore", "delete", "--name", "own"),
        ("online-endpoint", "delete", "--name", "own"),
        ("online-deployment", "delete", "--name", "blue", "--endpoint-name", "own"),
    ],
)
def test_a_question_that_nobody_can_answer_names_the_option_that_does(
    service: Service, collection: Collection, asking: tuple[str, ...]
) -> None:
    if asking[1] == "reset":
        assert run(service, collection, "lab", "start", "5").returncode == 0
    said = run(service, collection, *asking)
    assert (said.returncode, said.stdout) == (1, "")
    *_, question, answer = said.stderr.splitlines()
    assert question.endswith("? [y/N] ")
    assert answer == "academy: No answer came, so nothing was done. The option --yes answers the question."


def test_a_run_of_the_suite_says_what_it_waits_for_and_how_long_all_of_it_took(
    service: Service, collection: Collection
) -> None:
    screen, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    environment = {**os.environ, "ACADEMY_HOME": str(service.home.root)}
    command = [COMMAND, "test", OTHER, "-j", "2", "--collection", str(collection.root)]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=terminal, text=True
    ) as running:
        os.close(terminal)
        shown = b"".join(iter(lambda: _read(screen), b"")).decode()
        printed, _ = running.communicate(timeout=120)
    os.close(screen)
    assert shown.startswith("Importing what labs use, once for all of them …")
    assert re.findall(r"labs: .*?(\d/2) ", shown)[-1] == "2/2"  # the bar counts editions
    of_lab, of_all = printed.splitlines()
    seconds = re.fullmatch(rf"passed +{OTHER} +([\d.]+) s", of_lab)
    whole = re.fullmatch(
        r"1 lab passed in ([\d.]+) s \(([\d.]+) s of it to get ready\), 2 side by side\.", of_all
    )
    assert seconds is not None, printed
    assert whole is not None, printed
    assert float(whole[1]) >= float(seconds[1]) + float(whole[2]) - 0.2


def _read(screen: int) -> bytes:
    try:
        return os.read(screen, 4096)
    except OSError:  # Linux' way to say that the other end is closed
        return b""
