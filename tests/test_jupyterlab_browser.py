"""A learner's path in a real browser: the launcher, a lab, a failing check, a hint, the fix, the reset.

``ACADEMY_SCREENSHOTS`` names a folder for pictures of the way.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from academy.labs.learning.events import EventKind, Events
from academy.labs.learning.learner import Learner
from academy.service.process import up
from tests.jupyterlab_session import FIRST, SECOND, SECOND_TITLE, TITLE, JupyterLab, jupyterlab

TIMEOUT_MS = 40_000  # of one step, on a machine that does other things too
RATIO = 4.5  # WCAG 2.2, 1.4.3

# A learner types this; the editor closes brackets and quotes by itself, so it goes in as one paste.
SOLUTION = """from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Data

ml_client.data.create_or_update(
    Data(name=data_name, type=AssetTypes.URI_FILE, path="data/months.csv")
)
print("registered")"""

# The lowest contrast of all texts below a node, each against what is painted behind it.
CONTRAST = """node => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  const painted = colours => {
    pen.clearRect(0, 0, 1, 1);
    for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = rgb => {
    const [r, g, b] = rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const texts = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const holder = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !holder.checkVisibility()) continue;
    const behind = [];
    for (let one = holder; one; one = one.parentElement) {
      behind.unshift(getComputedStyle(one).backgroundColor);
    }
    const below = luminance(painted(behind));
    const above = luminance(painted([...behind, getComputedStyle(holder).color]));
    const ratio = (Math.max(above, below) + 0.05) / (Math.min(above, below) + 0.05);
    found.push([ratio, texts.currentNode.data.trim()]);
  }
  return found.sort((one, other) => one[0] - other[0]);
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    with jupyterlab(tmp_path_factory.mktemp("jupyterlab")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.fail("There is no chromium on the PATH. On Debian: apt-get install chromium")
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@contextmanager
def visit(browser: Browser, lab: JupyterLab, path: str = "/", **settings: Any) -> Iterator[Page]:
    """Open JupyterLab in a browser of its own: no cookies, no storage; errors of the page's scripts count."""
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        context.set_default_timeout(TIMEOUT_MS)
        _set(context, lab, settings)
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{lab.address}{path}?token={lab.token}")
        yield page
        assert errors == []


def _set(context: BrowserContext, lab: JupyterLab, settings: dict[str, Any]) -> None:
    authorization = {"Authorization": f"token {lab.token}"}
    names = {"theme": "apputils-extension:themes", "locale": "translation-extension:plugin"}
    for key, name in names.items():
        chosen = {key: settings[key]} if key in settings else {}
        answer = context.request.put(
            f"{lab.address}/lab/api/settings/@jupyterlab/{name}",
            data=json.dumps({"raw": json.dumps(chosen)}),
            headers=authorization,
        )
        assert answer.ok, answer.text()
    # The layout of the window is kept by the server; each visit begins with an empty one.
    context.request.delete(f"{lab.address}/lab/api/workspaces/default", headers=authorization)


def picture(page: Page, name: str) -> None:
    folder = os.environ.get("ACADEMY_SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def labs(page: Page, name: str = "Labs") -> Locator:
    return page.get_by_role("region", name=name)


def cell(page: Page, text: str) -> Locator:
    return page.locator(".jp-Notebook .jp-CodeCell").filter(has_text=text)


def run(page: Page, chosen: Locator) -> None:
    """Run one cell, and wait until its number is there."""
    chosen.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    expect(chosen.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]:"))


def test_a_learner_finds_a_lab_fails_asks_mends_passes_and_begins_anew(
    browser: Browser, lab: JupyterLab
) -> None:
    with visit(browser, lab, "/lab") as page:
        find(page)
        fail(page)
        ask_for_a_hint(page)
        mend(page)
        reset(page, lab)
    with visit(browser, lab) as page:  # another browser
        expect(labs(page).get_by_role("row", name=TITLE)).to_contain_text("started")
        labs(page).get_by_role("button", name=f"Details of “{TITLE}”").click()
        expect(labs(page).get_by_text("Hints: 1 of 3.")).to_be_visible()
    kinds = [event.kind for event in Events(up(lab.home)).read(FIRST)]
    assert list(dict.fromkeys(kinds)) == [
        EventKind.STARTED,
        EventKind.OPENED,
        EventKind.CHECKED,
        EventKind.HINTED,
        EventKind.RESET,
    ]


def find(page: Page) -> None:
    tile = page.locator(".jp-LauncherCard").filter(has_text="Labs")
    expect(page.locator(".jp-Launcher-section", has=tile)).to_contain_text("Academy")
    picture(page, "1-launcher")
    tile.click()
    expect(labs(page).get_by_role("row", name=TITLE)).to_contain_text("not started")
    picture(page, "2-list")
    labs(page).get_by_role("button", name=TITLE, exact=True).click()
    expect(page.get_by_role("tab", name=f"{FIRST}.ipynb")).to_be_visible()


def fail(page: Page) -> None:
    expect(page.locator("#jp-main-statusbar")).to_contain_text("Python 3 (ipykernel) | Idle")
    for text in ("data_name =", "%load_ext academy", "MLClient("):
        run(page, cell(page, text))
    expect(cell(page, "MLClient(")).to_contain_text("academy")
    run(page, cell(page, "Your code here").first)
    expect(cell(page, "Your code here").first).to_contain_text("NotImplementedError")
    run(page, cell(page, 'check("register-table")'))
    expect(cell(page, 'check("register-table")')).to_contain_text("0 of 2 points")
    picture(page, "3-not-yet")


def ask_for_a_hint(page: Page) -> None:
    page.locator(".jp-NotebookPanel-toolbar").get_by_role("button", name="Lab", exact=True).click()
    task = labs(page).get_by_role("region", name="Register the table")
    expect(task).to_contain_text("Not yet. 0 of 2 points. Checks: 1. Hints: 0 of 3.")
    task.get_by_role("button", name="Next hint").click()
    hint = "A data asset has a name, a type and a path."
    expect(labs(page).get_by_role("status")).to_have_text(f"Hint 1 of 3: {hint}")
    expect(task.get_by_role("list", name="Hints so far").get_by_role("listitem")).to_have_text([hint])
    picture(page, "4-hint")


def mend(page: Page) -> None:
    solved = page.locator(".jp-Notebook .jp-CodeCell").filter(has_text="Your code here").first
    solved.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(SOLUTION)
    run(page, cell(page, 'print("registered")'))
    expect(cell(page, 'print("registered")').locator(".jp-OutputArea")).to_contain_text("registered")
    task = labs(page).get_by_role("region", name="Register the table")
    task.get_by_role("button", name="Check").click()
    expect(labs(page).get_by_role("status")).to_contain_text("Register the table: done. 2 of 2 points.")
    expect(task).to_contain_text("Done. 2 of 2 points. Checks: 2.")
    expect(labs(page).get_by_text("2 of 3 points")).to_be_visible()
    labs(page).get_by_role("button", name="Check all tasks").click()
    expect(labs(page).get_by_role("status")).to_have_text("2 tasks checked. Score: 2 of 3 points.")
    picture(page, "5-passed")


def reset(page: Page, lab: JupyterLab) -> None:
    labs(page).get_by_role("button", name="Reset the lab").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Your old copy is kept aside")
    picture(page, "6-dialog")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(labs(page).get_by_text("2 of 3 points")).to_be_visible()
    labs(page).get_by_role("button", name="Reset the lab").click()
    dialog.get_by_role("button", name="Reset").click()
    expect(labs(page).get_by_role("status")).to_contain_text("Reset. Your old copy is")
    expect(labs(page).get_by_text("0 of 3 points")).to_be_visible()
    expect(cell(page, "Your code here")).to_have_count(2)  # the open notebook shows the fresh copy
    picture(page, "7-reset")
    [kept] = lab.home.work.glob(f"kept/*-{FIRST}")
    # What was typed and not saved yet is in the kept copy too.
    assert "registered" in (kept / f"{FIRST}.ipynb").read_text()
    assert "registered" not in (lab.home.work / FIRST / f"{FIRST}.ipynb").read_text()


def test_the_way_is_open_to_the_keyboard_alone(browser: Browser, lab: JupyterLab) -> None:
    with visit(browser, lab) as page:
        start_by_keyboard(page)
        labs(page).get_by_role("button", name="Next hint for “Count the long months”").focus()
        press(page, "Space")
        expect(labs(page).get_by_role("status")).to_have_text("Hint 1 of 3: A long month has 31 days.")
        assert focused(page) == "Next hint for “Count the long months”"
        press(page, "Tab", "Enter")
        expect(page.get_by_role("dialog")).to_contain_text("Show the solution?")
        press(page, "Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert focused(page) == "Solution of “Count the long months”"
        press(page, "Space")
        expect(page.get_by_role("dialog").get_by_role("button", name="Show")).to_be_focused()
        press(page, "Enter")
        solution = labs(page).get_by_text("sum(1 for number in days if number > limit)")
        expect(solution).to_be_visible()
        expect(labs(page).get_by_role("heading", level=1)).to_be_focused()  # its button has gone
        act_by_keyboard(page, "Check all tasks", "Run its cells from the top")
        act_by_keyboard(page, "Reset the lab", "Reset. Your", asks=True)
        act_by_keyboard(page, "Hand in", "Handed in. The file is")
        labs(page).get_by_role("heading", level=1).focus()
        press(page, "Shift+Tab", "Enter")
        expect(labs(page).get_by_role("row", name=SECOND_TITLE)).to_contain_text("handed in")


def act_by_keyboard(page: Page, name: str, said: str, *, asks: bool = False) -> None:
    """Press a button of the lab's page, and the one that does it where a dialog asks."""
    labs(page).get_by_role("button", name=name, exact=True).focus()
    press(page, "Space")
    if asks:
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()  # it is no small thing
        press(page, "Tab")
        expect(dialog.get_by_role("button", name="Reset")).to_be_focused()
        press(page, "Enter")
    expect(labs(page).get_by_role("status").or_(labs(page).get_by_role("alert"))).to_contain_text(said)


def start_by_keyboard(page: Page) -> None:
    """Go from the list into the second lab and begin it, with nothing but keys."""
    order = [TITLE, f"Details of “{TITLE}”", SECOND_TITLE, f"Details of “{SECOND_TITLE}”"]
    expect(labs(page).get_by_role("row", name=SECOND_TITLE)).to_contain_text("not started")
    labs(page).focus()
    for name in order:
        press(page, "Tab")
        assert focused(page) == name
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    press(page, "Enter")
    expect(labs(page).get_by_role("heading", level=1)).to_be_focused()
    press(page, "Tab")
    assert focused(page) == "Start"
    press(page, "Enter")
    expect(page.get_by_role("tab", name=f"{SECOND}.ipynb")).to_be_visible()
    page.locator(".jp-NotebookPanel-toolbar").get_by_role("button", name="Lab", exact=True).click()
    expect(labs(page).get_by_role("button", name="Open the notebook")).to_be_visible()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def focused(page: Page) -> str:
    name: str = page.evaluate(
        "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"
    )
    return name


def test_a_check_without_a_running_notebook_offers_to_open_it(browser: Browser, lab: JupyterLab) -> None:
    Learner(lab.home, lab.collection).start(FIRST)
    with visit(browser, lab, f"/academy/page/{FIRST}") as page:
        end_kernels(page, lab)
        labs(page).get_by_role("button", name="Check all tasks").click()
        expect(page.get_by_role("dialog")).to_contain_text("The notebook is not running")
        page.get_by_role("dialog").get_by_role("button", name="Open").click()
        expect(page.locator("#jp-main-statusbar")).to_contain_text("Python 3 (ipykernel) | Idle")
        page.locator(".jp-NotebookPanel-toolbar").get_by_role("button", name="Lab", exact=True).click()
        labs(page).get_by_role("button", name="Check all tasks").click()
        expect(labs(page).get_by_role("alert")).to_contain_text("Run its cells from the top")


def end_kernels(page: Page, lab: JupyterLab) -> None:
    authorization = {"Authorization": f"token {lab.token}"}
    for session in page.request.get(f"{lab.address}/api/sessions", headers=authorization).json():
        page.request.delete(f"{lab.address}/api/sessions/{session['id']}", headers=authorization)


def test_the_page_has_names_and_roles_for_those_who_do_not_see_it(browser: Browser, lab: JupyterLab) -> None:
    Learner(lab.home, lab.collection).start(FIRST)
    with visit(browser, lab) as page:
        expect(labs(page)).to_match_aria_snapshot(LIST)
        labs(page).get_by_role("button", name=f"Details of “{TITLE}”").click()
        expect(labs(page)).to_match_aria_snapshot(DETAILS)
        assert page.get_by_role("tab", name="Labs").get_attribute("aria-selected") == "true"
        page.get_by_role("menuitem", name="File").click()
        expect(page.get_by_role("menuitem", name="Labs")).to_be_visible()


LIST = f"""
- heading "Labs" [level=1]
- table "Labs, and how far you are":
  - rowgroup:
    - row:
      - columnheader "Lab"
      - columnheader "Level"
      - columnheader "Minutes"
      - columnheader "Cell of the matrix"
      - columnheader "Do before"
      - columnheader "Progress"
      - columnheader "Score"
      - columnheader "More"
  - rowgroup:
    - row:
      - rowheader "{TITLE} {FIRST}":
        - button "{TITLE}"
      - cell "100"
      - cell "15"
      - cell "hosted"
      - cell "nothing"
      - cell "started"
      - cell /of 3 points/
      - cell:
        - button "Details of “{TITLE}”"
    - row:
      - rowheader "{SECOND_TITLE} {SECOND}"
      - cell "200"
      - cell "15"
      - cell "hosted"
      - 'cell "{FIRST}: not done yet"':
        - list:
          - listitem
"""

DETAILS = f"""
- navigation "All labs":
  - button "All labs"
- heading "{TITLE}" [level=1]
- group "{TITLE}":
  - button "Open the notebook"
  - button "Check all tasks"
  - button "Hand in"
  - button "Reset the lab"
- heading "After this lab you can" [level=2]
- list:
  - listitem: Register a table as a data asset.
  - listitem: Count rows with a function of your own.
- heading "Steps and tasks" [level=2]
- list:
  - listitem:
    - heading "2. Connect to the workspace" [level=3]
    - 'button "Reset this step: 2. Connect to the workspace"'
  - listitem:
    - heading "3. Register the table" [level=3]
    - 'button "Reset this step: 3. Register the table"'
    - region "Register the table":
      - heading "Register the table" [level=4]
      - button "Check “Register the table”"
      - button "Next hint for “Register the table”"
      - button "Solution of “Register the table”"
"""


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_texts_stand_out_from_what_is_behind_them(browser: Browser, lab: JupyterLab, theme: str) -> None:
    learner = Learner(lab.home, lab.collection)
    learner.start(FIRST)
    learner.solution(FIRST, "register-table")
    name = theme.rpartition(" ")[2].lower()
    with visit(browser, lab, theme=theme) as page:
        expect(labs(page).get_by_role("row", name=TITLE)).to_be_visible()
        assert_readable(labs(page), "not done yet")
        picture(page, f"8-{name}-list")
        labs(page).get_by_role("button", name=f"Details of “{TITLE}”").click()
        labs(page).get_by_role("button", name="Next hint for “Register the table”").click()
        expect(labs(page).get_by_role("status")).to_contain_text("Hint")
        assert_readable(labs(page), "create_or_update(")
        picture(page, f"8-{name}-lab")


def assert_readable(node: Locator, some_text: str) -> None:
    found = node.evaluate(CONTRAST)
    assert any(some_text in text for _, text in found)
    assert [one for one in found if one[0] < RATIO] == []


def test_the_page_speaks_german(browser: Browser, lab: JupyterLab) -> None:
    Learner(lab.home, lab.collection).start(FIRST)
    with visit(browser, lab, locale="de_DE") as page:
        row = labs(page).get_by_role("row", name=TITLE)
        expect(row).to_contain_text("begonnen")
        expect(labs(page)).to_have_attribute("lang", "de")
        picture(page, "9-german-list")
        row.get_by_role("button", name=f"Details zu „{TITLE}“").click()
        expect(labs(page)).to_contain_text("0,00 US-Dollar")
        labs(page).get_by_role("button", name="Lab zurücksetzen").click()
        expect(page.get_by_role("dialog").get_by_role("button", name="Abbrechen")).to_be_focused()
        picture(page, "9-german-lab")


def test_a_damaged_notebook_is_handed_in_and_said_to_be_damaged(browser: Browser, lab: JupyterLab) -> None:
    notebook = Learner(lab.home, lab.collection).start(FIRST)
    whole = notebook.read_text()
    notebook.write_text('{"cells": [{"cell_type"')
    try:
        with visit(browser, lab, f"/academy/page/{FIRST}") as page:
            labs(page).get_by_role("button", name="Hand in").click()
            said = labs(page).get_by_role("status")
            expect(said).to_contain_text("The notebook in it is damaged, and may not be graded.")
            expect(said).to_contain_text(f"{FIRST}.ipynb is not a notebook: its JSON")
            expect(said).to_contain_text(f"academy lab reset {FIRST}")
            picture(page, "10-damaged")
    finally:
        notebook.write_text(whole)


def test_a_lab_that_cannot_be_read_is_named_beside_the_others(browser: Browser, lab: JupyterLab) -> None:
    manifest = lab.collection.lab(SECOND).folder / "lab.yml"
    whole = manifest.read_bytes()
    manifest.write_bytes(b"title: Gr\xf6\xdfe\n")
    try:
        with visit(browser, lab) as page:
            expect(labs(page).get_by_role("row", name=TITLE)).to_be_visible()
            expect(labs(page)).to_contain_text(f"A lab is missing here: {manifest} is not text in UTF-8")
            picture(page, "11-broken-lab")
    finally:
        manifest.write_bytes(whole)
