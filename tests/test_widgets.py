"""The lab's overview: what it shows, its text forms, and a real kernel that answers its buttons."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from queue import Empty
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from academy.labs.checks import CheckResult
from academy.labs.collection import Collection, Lab
from academy.labs.editions.edition import write_edition
from academy.labs.language import texts
from academy.labs.learning.events import Event, EventKind, Events
from academy.labs.learning.progress import progress
from academy.labs.manifest import Azure, AzureCost, manifest_of
from academy.labs.scaffold import new_lab
from academy.widgets.outline import Step, steps_of
from academy.widgets.text import plain, static_page
from academy.widgets.view import Seen, View, duration, view_of
from tests.conftest import Service

LAB = "90-count-days"
HINTS = ("One", "Two `code`", "Three")
STEPS = (Step("read", "Read"), Step("first", "Begin <here>"), Step("second", "Go on"))
MANIFEST = manifest_of(
    LAB,
    {
        "title": "Count & tell",
        "level": 100,
        "minutes": 15,
        "cell": "hosted",
        "objectives": ["Count."],
        "tasks": [
            {"id": "one", "title": "Do one", "step": "first", "points": 2, "hints": list(HINTS)},
            {
                "id": "two",
                "title": "Do two",
                "step": "second",
                "points": 1.5,
                "hidden_points": 1,
                "hints": list(HINTS),
            },
        ],
        "azure": {
            "minutes": 25,
            "as_of": "2026-11",
            "costs": [{"what": "the job", "size": "Standard_DS3_v2", "hours": 0.5, "usd_per_hour": 0.3}],
        },
    },
)


def happened(*events: tuple[EventKind, str | None, Mapping[str, Any]]) -> list[Event]:
    return [Event(at, 60.0 * at, LAB, *event) for at, event in enumerate(events, start=1)]


PARTLY = happened(
    (EventKind.STARTED, None, {}),
    (EventKind.CHECKED, "one", {"passed": True, "points": 2, "message": "Do one: done."}),
    (EventKind.HINTED, "two", {"level": 2}),
    (EventKind.CHECKED, "two", {"passed": False, "points": 0.5, "message": "Do two: not yet. <b>"}),
)


def shown(language: str = "en", events: list[Event] = PARTLY, seen: Seen | None = None) -> View:
    return view_of(MANIFEST, STEPS, progress(MANIFEST, events), texts(language), seen or Seen())


def test_a_view_says_what_the_record_holds() -> None:
    view = shown()
    assert [(step.id, step.state) for step in view.steps] == [
        ("read", "free"),
        ("first", "done"),
        ("second", "begun"),
    ]
    first, second = view.steps[1].tasks[0], view.steps[2].tasks[0]
    assert (first.state, first.points, first.checks) == ("done", "2 of 2 points", "1 check")
    assert (second.state, second.points, second.message) == (
        "partly",
        "0.5 of 1.5 points",
        "Do two: not yet. <b>",
    )
    assert second.hints == ("Hint 1 of 3: One", "Hint 2 of 3: Two `code`")
    assert second.more_hints
    assert view.share == pytest.approx(2.5 / 3.5)
    facts = {fact.term: (fact.value, fact.note, fact.details) for fact in view.facts}
    assert facts["Points"] == ("2.5 of 3.5", "1 more comes from hidden tests when the lab is graded.", ())
    assert facts["Tasks"][0] == "1 of 2 done"
    assert facts["Time here"][0] == "3 minutes"
    assert facts["On Azure"] == (
        "0.15 US dollars",
        "25 minutes of waiting. List prices of 2026-11.",
        ("the job: Standard_DS3_v2, 0.5 hours at 0.3 dollars, 0.15 dollars",),
    )


def test_a_view_before_anything_happened() -> None:
    view = shown(events=[])
    assert view.state_text == "Not started"
    assert [step.state for step in view.steps] == ["free", "open", "open"]
    task = view.steps[1].tasks[0]
    assert (task.state, task.checks, task.hints, task.message) == ("open", "", (), "")


def test_a_result_is_shown_in_parts_only_while_it_is_the_newest() -> None:
    result = CheckResult(
        "two", False, 0.5, 1.5, "Do two: not yet. <b>", expected="2", found="1", advice="Add 1."
    )
    parts = shown(seen=Seen(results={"two": result})).steps[2].tasks[0].result
    assert parts == (("Expected", "2"), ("Found", "1"), ("Try", "Add 1."))
    later = [*PARTLY, Event(9, 600.0, LAB, EventKind.CHECKED, "two", {"passed": False, "message": "Other."})]
    assert shown(events=later, seen=Seen(results={"two": result})).steps[2].tasks[0].result == ()


def test_a_german_view_leaves_no_english_of_ours() -> None:
    own = [{*plain(shown(language)).splitlines()} for language in ("en", "de")]
    # What is the same is the lab's own: its title, and what the record holds of a check.
    assert {line.strip() for line in own[0] & own[1]} == {"", "Count & tell", "Do two: not yet. <b>"}
    assert "2,5 von 3,5" in plain(shown("de"))
    assert shown("de").language == "de"


@pytest.mark.parametrize(
    ("minutes", "english", "german"),
    [
        (0.2, "less than a minute", "weniger als eine Minute"),
        (1.2, "1 minute", "1 Minute"),
        (89, "89 minutes", "89 Minuten"),
        (95, "1 h 35 min", "1 Std. 35 Min."),
    ],
)
def test_time_is_said_in_words(minutes: float, english: str, german: str) -> None:
    assert duration(minutes, texts("en")) == english
    assert duration(minutes, texts("de")) == german


def test_a_lab_that_costs_nothing_says_so() -> None:
    free = replace(MANIFEST, azure=Azure(minutes=1, costs=(AzureCost("x", "y", 1, 0),)))
    view = view_of(free, STEPS, progress(free, []), texts("en"))
    assert view.facts[-1].value == "no charge"
    assert view.facts[-1].note == "1 minute of waiting."
    none = replace(MANIFEST, azure=Azure())
    assert [fact.term for fact in view_of(none, STEPS, progress(none, []), texts("en")).facts][
        -1
    ] == "Time here"


def test_steps_have_the_notebooks_numbers_and_no_others() -> None:
    steps = (Step("read", "2. Read"), *STEPS[1:])
    lines = plain(view_of(MANIFEST, steps, progress(MANIFEST, []), texts("en"), Seen())).splitlines()
    begun = lines.index("Steps")
    assert [line for line in lines[begun + 1 :] if "[" not in line] == [
        "  2. Read: nothing to check",
        "  Begin <here>: open",
        "  Go on: open",
    ]


def test_steps_come_from_the_notebook_in_its_order() -> None:
    def code(step: str) -> dict[str, Any]:
        return {"cell_type": "code", "source": "", "metadata": {"academy": {"step": step}}}

    def text(source: str | list[str]) -> dict[str, Any]:
        return {"cell_type": "markdown", "source": source, "metadata": {}}

    notebook = {
        "cells": [text("# T"), code("go-now"), text(["## 1. Read\n", "x"]), code("first"), code("first")]
    }
    assert steps_of(notebook, MANIFEST) == (
        Step("go-now", "Go now"),
        Step("first", "1. Read"),
        Step("second", "Second"),
    )


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_text_forms_hold_all_that_the_widget_shows(language: str) -> None:
    seen = Seen(solutions={"two": "answer = 1\nanswer"})
    view = shown(language, seen=seen)
    page = Page()
    page.feed(static_page(view, "2026-11-21 12:00"))
    assert page.open == []
    assert {"section", "h3", "dl", "ul", "li", "pre"} <= page.tags
    assert not page.tags & {"script", "b", "ol"}  # the notebook's headings have its numbers
    as_text = " ".join(plain(view).split())
    for step in view.steps:
        for wanted in (step.title, step.state_text):
            assert wanted in as_text
            assert wanted in page.text
        for task in step.tasks:
            message = task.message if task.state != "done" else ""
            for wanted in (task.title, task.state_text, task.points, task.checks, message, *task.hints):
                assert wanted in as_text
                assert wanted in page.text
    for fact in view.facts:
        for wanted in (fact.term, fact.value, fact.note, *fact.details):
            assert wanted in as_text
            assert wanted in page.text
    assert "answer = 1\n" in plain(view)
    assert "answer = 1\nanswer" in page.text
    assert "2026-11-21 12:00" in page.text


@dataclass
class Kernel:
    """A kernel, and what it publishes: outputs, and what its widgets say."""

    manager: Any
    client: Any

    def run(self, code: str) -> list[dict[str, Any]]:
        """Run a cell, and return what it published."""
        asked = self.client.execute(code)
        found = self._published(
            lambda message: (
                message["msg_type"] == "status"
                and message["content"]["execution_state"] == "idle"
                and message["parent_header"].get("msg_id") == asked
            )
        )
        errors = [message["content"] for message in found if message["msg_type"] == "error"]
        assert not errors, "\n".join(errors[0]["traceback"])
        return found

    def press(self, comm: str, kind: str, task: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Press a button, and return the answer with all that came before it."""
        data = {"method": "custom", "content": {"kind": kind, "task": task}}
        self.client.shell_channel.send(
            self.client.session.msg("comm_msg", {"comm_id": comm, "data": data}),
        )
        found = self._published(
            lambda one: one["msg_type"] == "comm_msg" and one["content"]["data"].get("method") == "custom"
        )
        return found[-1]["content"]["data"]["content"], found

    def _published(self, is_last: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            try:
                found.append(self.client.get_iopub_msg(timeout=1))
            except Empty:
                continue
            if is_last(found[-1]):
                return found
        raise AssertionError(f"no end after {[message['msg_type'] for message in found]}")


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    made = Collection(tmp_path_factory.mktemp("labs"))
    new_lab(made, LAB)
    return made


@pytest.fixture(scope="module")
def lab(collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A learner's copy: what is reached in a lab's source is nobody's progress."""
    return write_edition(collection.lab(LAB), tmp_path_factory.mktemp("work") / LAB)


@pytest.fixture(scope="module")
def start_kernel(service: Service, collection: Collection, lab: Lab) -> Iterator[Callable[[], Kernel]]:
    started = []

    def start() -> Kernel:
        manager = KernelManager(kernel_name="python3")
        variables = {
            "ACADEMY_HOME": str(service.home.root),
            "ACADEMY_LANGUAGE": "en",
            "ACADEMY_LAB": "",
            "ACADEMY_LABS": str(collection.root),
            "JPY_SESSION_NAME": str(lab.notebook),
        }
        manager.start_kernel(cwd=str(lab.notebook.parent), env={**os.environ, **variables})
        client = manager.blocking_client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        started.append((manager, client))
        return Kernel(manager, client)

    yield start
    for manager, client in started:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel(start_kernel: Callable[[], Kernel]) -> Kernel:
    return start_kernel()


def opened(messages: list[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Return the id and the state of the lab's widget that the messages open."""
    for message in messages:
        if message["msg_type"] == "comm_open":
            state = message["content"]["data"]["state"]
            if "view" in state:
                return str(message["content"]["comm_id"]), state
    raise AssertionError("no widget was opened")


def updates(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the newest view among the messages."""
    found = [
        message["content"]["data"]["state"]["view"]
        for message in messages
        if message["msg_type"] == "comm_msg" and message["content"]["data"].get("method") == "update"
    ]
    assert found, "the view did not change"
    view: dict[str, Any] = found[-1]
    return view


def task_of(view: Mapping[str, Any], task_id: str) -> dict[str, Any]:
    return next(task for step in view["steps"] for task in step["tasks"] if task["id"] == task_id)


SHOW = "from academy import widgets\nshown = widgets.lab()\nshown"


def test_a_kernel_answers_the_buttons_and_a_new_one_shows_the_same(
    kernel: Kernel, start_kernel: Callable[[], Kernel], service: Service
) -> None:
    comm, state = opened(kernel.run(SHOW))
    assert "render" in state["_esm"]
    assert ".academy-lab" in state["_css"]
    assert state["view"]["state_text"] == "Not started"

    answer, found = kernel.press(comm, "check", "count-long-months")
    assert answer["error"] == ""
    assert "not yet" in answer["text"]
    task = task_of(updates(found), "count-long-months")
    assert task["state"] == "tried"
    assert dict(task["result"])["Expected"]

    for level in (1, 2, 3):
        answer, found = kernel.press(comm, "hint", "count-long-months")
        assert f"Hint {level} of 3" in answer["text"]
    assert not task_of(updates(found), "count-long-months")["more_hints"]

    answer, found = kernel.press(comm, "solution", "count-long-months")
    task = task_of(updates(found), "count-long-months")
    assert "sum(1 for number in days if number > limit)" in task["solution"]
    assert task["solution_seen"]
    assert answer["text"] == "The solution of Count the long months is shown."

    kernel.run("def long_months(days, limit):\n    return sum(day > limit for day in days)")
    answer, found = kernel.press(comm, "check", "count-long-months")
    assert answer["text"].startswith("Count the long months: done.")
    assert task_of(updates(found), "count-long-months")["state"] == "done"

    kinds = [(event.kind, event.task) for event in Events(service.info).read(LAB)]
    assert (EventKind.SOLUTION_SHOWN, "count-long-months") in kinds
    assert kinds.count((EventKind.HINTED, "count-long-months")) == 3

    # Another kernel has seen nothing of this: it reads the record.
    _, state = opened(start_kernel().run(SHOW))
    task = task_of(state["view"], "count-long-months")
    assert (task["state"], len(task["hints"]), task["solution_seen"]) == ("done", 3, True)


def test_a_check_in_a_cell_is_news_in_the_widget(kernel: Kernel) -> None:
    opened(kernel.run(SHOW))
    found = kernel.run('from academy.labs.learning.notebook import check\ncheck("register-table")')
    assert task_of(updates(found), "register-table")["state"] == "tried"


def test_what_goes_wrong_is_said_in_words(kernel: Kernel) -> None:
    comm, _ = opened(kernel.run(SHOW))
    answer, _ = kernel.press(comm, "check", "no-such-task")
    assert answer["error"].startswith("That did not work. The lab 90-count-days has no task 'no-such-task'.")
    assert "'count-long-months'" in answer["error"]
    answer, _ = kernel.press(comm, "dance", "count-long-months")
    assert "knows no 'dance'" in answer["error"]


def test_the_bundle_has_its_text_forms(kernel: Kernel) -> None:
    found = kernel.run("import json\nprint(json.dumps(shown._repr_mimebundle_()[0]))")
    printed = "".join(one["content"]["text"] for one in found if one["msg_type"] == "stream")
    bundle = json.loads(printed)
    assert "Register the table" in bundle["text/plain"]
    assert 'class="academy-lab-static"' in bundle["text/html"]
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"]


def test_a_cell_shows_the_text_form_and_the_widget(kernel: Kernel) -> None:
    found = kernel.run("shown")
    data = [one["content"]["data"] for one in found if one["msg_type"] == "display_data"]
    assert [sorted(one) for one in data] == [
        ["text/html", "text/plain"],
        ["application/vnd.jupyter.widget-view+json"],
    ]
    assert not [one for one in found if one["msg_type"] == "execute_result"]


def test_a_damaged_notebook_hides_no_progress(kernel: Kernel, lab: Lab) -> None:
    stored = lab.notebook.read_bytes()
    lab.notebook.write_text("{")
    try:
        _, state = opened(kernel.run(f"widgets.lab('{LAB}')"))
    finally:
        lab.notebook.write_bytes(stored)
    assert [step["title"] for step in state["view"]["steps"]] == ["Data", "Count"]
    assert task_of(state["view"], "count-long-months")["state"] == "done"


def test_a_closed_widget_no_longer_listens(kernel: Kernel) -> None:
    kernel.run("shown.close()")
    found = kernel.run(
        "from IPython import get_ipython\nlen(get_ipython().events.callbacks['post_run_cell'])"
    )
    count = next(one["content"]["data"]["text/plain"] for one in found if one["msg_type"] == "execute_result")
    kernel.run("again = widgets.lab('90-count-days')")
    kernel.run("again.close()")
    found = kernel.run("len(get_ipython().events.callbacks['post_run_cell'])")
    assert count == next(
        one["content"]["data"]["text/plain"] for one in found if one["msg_type"] == "execute_result"
    )


def test_a_process_that_ends_with_a_widget_says_nothing(service: Service, collection: Collection) -> None:
    code = f"from academy import widgets; shown = widgets.lab({LAB!r})"
    variables = {"ACADEMY_HOME": str(service.home.root), "ACADEMY_LABS": str(collection.root)}
    ended = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **variables}, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
