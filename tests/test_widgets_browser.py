"""The lab's overview in a real browser: names and roles, keyboard, contrast, German."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect, sync_playwright
from playwright.sync_api import Page as BrowserPage

from academy import widgets
from academy.labs.checks import CheckResult
from academy.labs.learning.events import Event, EventKind
from academy.widgets.view import Seen, View
from tests.test_widgets import LAB, PARTLY, shown

CHROMIUM = "/usr/bin/chromium"
PACKAGE = Path(widgets.__file__).parent
THEMES = Path(sys.prefix) / "share/jupyter/lab/themes/@jupyterlab"

RESULT = CheckResult(
    "two", False, 0.5, 1.5, "Do two: not yet. <b>", expected="two", found="`1`", advice="Add `1`."
)
# Everything that the widget can show at once.
FULL = Seen(results={"two": RESULT}, solutions={"one": "answer = 1\nanswer"})

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A notebook</title>
<style>%(theme)s</style><style>%(css)s</style>
<body style="background: var(--jp-layout-color1, #fff)"><button id="before">Before</button><main></main>
<button id="after">After</button>
<script type="module">
%(script)s
const heard = {};
window.model = {
  view: %(view)s, sent: [],
  get(name) { return this[name]; },
  on(event, call) { (heard[event] ??= []).push(call); },
  off(event, call) { heard[event] = heard[event].filter((one) => one !== call); },
  send(message) { if (this.dead) throw new Error("comm is closed"); this.sent.push(message); },
  show(view) { this.view = view; (heard["change:view"] ?? []).forEach((call) => call()); },
  answer(content) { (heard["msg:custom"] ?? []).forEach((call) => call({ kind: "answer", ...content })); },
};
window.end = window.widget.render({ model: window.model, el: document.querySelector("main") });
</script>"""


@dataclass(frozen=True)
class Shown:
    """A page with the widget in it, and the model that it speaks to."""

    page: BrowserPage

    @property
    def sent(self) -> list[dict[str, str]]:
        sent: list[dict[str, str]] = self.page.evaluate("model.sent")
        return sent

    def show(self, view: View) -> None:
        self.page.evaluate("view => model.show(view)", asdict(view))

    def answer(self, text: str = "", error: str = "") -> None:
        self.page.evaluate("content => model.answer(content)", {"text": text, "error": error})

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    @property
    def focused(self) -> str:
        name: str = self.page.evaluate("document.activeElement.dataset.key ?? document.activeElement.id")
        return name


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def load(browser: Browser) -> Iterator[Any]:
    """Load the widget with a stub of the model; what the page says is wrong fails the test."""
    faults: list[str] = []
    context = browser.new_context(viewport={"width": 900, "height": 800}, offline=True)
    context.set_default_timeout(5000)

    def load(view: View, *, theme: str = "") -> Shown:
        script = (PACKAGE / "lab.js").read_text().replace("export default", "window.widget =")
        css = (PACKAGE / "lab.css").read_text()
        colours = (THEMES / f"theme-{theme}-extension/index.css").read_text() if theme else ""
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.set_content(
            _PAGE % {"theme": colours, "css": css, "script": script, "view": json.dumps(asdict(view))}
        )
        page.wait_for_function("typeof window.end === 'function'")
        return Shown(page)

    yield load
    context.close()
    assert faults == []


def test_names_and_roles(load: Any) -> None:
    widget = load(shown(seen=FULL))
    expect(widget.page.locator("main")).to_match_aria_snapshot("""
        - region "Lab Count & tell":
          - status
          - heading "Count & tell" [level=3]
          - paragraph: Under way Level 100, about 15 minutes
          - progressbar "Points"
          - term: Points
          - definition: 2.5 of 3.5 1 more comes from hidden tests when the lab is graded.
          - term: Tasks
          - definition: 1 of 2 done
          - term: Time here
          - definition: 3 minutes
          - term: On Azure
          - definition:
            - text: 0.15 US dollars 25 minutes of waiting. List prices of 2026-11.
            - group: Machines and prices
          - heading "Steps" [level=4]
          - list:
            - listitem: Read nothing to check
            - listitem:
              - text: Begin <here> done
              - article "Do one":
                - heading "Do one" [level=5]
                - paragraph: done 2 of 2 points, 1 check
                - 'button "Check the task: Do one"': Check
                - 'button "Hint for the task: Do one. 0 of 3 shown"': Hint
                - 'button "Solution of the task: Do one" [expanded]': Solution
                - figure "One solution":
                  - text: One solution
                  - 'group "Solution of the task: Do one"':
                    - code: answer = 1 answer
            - listitem:
              - text: Go on begun
              - article "Do two":
                - heading "Do two" [level=5]
                - paragraph: partly done 0.5 of 1.5 points, 1 check
                - term: Expected
                - definition: two
                - term: Found
                - definition:
                  - code: "1"
                - term: Try
                - definition:
                  - text: Add
                  - code: "1"
                  - text: .
                - 'button "Check the task: Do two"': Check
                - 'button "Hint for the task: Do two. 2 of 3 shown"': Hint
                - 'button "Solution of the task: Do two"': Solution
                - list:
                  - listitem: "Hint 1 of 3: One"
                  - listitem:
                    - text: "Hint 2 of 3: Two"
                    - code: code
        """)
    bar = widget.page.get_by_role("progressbar")
    assert bar.get_attribute("aria-valuetext") == "2.5 of 3.5"
    for button in widget.page.get_by_role("button").all():
        name = button.get_attribute("aria-label")
        assert name is None or name.startswith(button.inner_text())


def test_words_of_a_lab_are_text_and_never_markup(load: Any) -> None:
    widget = load(shown())
    assert widget.page.locator("main b").count() == 0
    expect(widget.page.get_by_text("Do two: not yet. <b>")).to_be_visible()


def test_every_part_is_reached_by_tab_and_left_again(load: Any) -> None:
    widget = load(shown(seen=FULL))
    widget.page.locator("#before").focus()
    order: list[str] = []
    while (not order or order[-1] != "after") and len(order) < 30:
        widget.page.keyboard.press("Tab")
        order.append(widget.focused)
    assert order == [
        "details:On Azure",
        *("check:one", "hint:one", "ask:one", "shown:one"),
        *("check:two", "hint:two", "ask:two"),
        "after",
    ]
    widget.page.keyboard.press("Shift+Tab")
    assert widget.focused == "ask:two"


def test_focus_can_be_seen(load: Any) -> None:
    widget = load(shown(), theme="light")
    widget.page.locator("#before").focus()
    for _ in range(3):
        widget.page.keyboard.press("Tab")
        style = widget.page.evaluate(
            "(({outlineStyle, outlineWidth}) => [outlineStyle, outlineWidth])"
            "(getComputedStyle(document.activeElement))"
        )
        assert style == ["solid", "2px"]


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_key_checks_and_the_answer_is_announced(load: Any, key: str) -> None:
    widget = load(shown(events=[]))
    widget.button("Check the task: Do one").focus()
    widget.page.keyboard.press(key)
    assert widget.sent == [{"kind": "check", "task": "one"}]
    busy = widget.button("Check the task: Do one")
    expect(busy).to_have_attribute("aria-busy", "true")
    expect(busy).to_have_text("Checking")
    widget.page.keyboard.press(key)
    assert len(widget.sent) == 1, "a second press while the first is under way asks nothing"

    widget.show(shown())
    widget.answer("Do one: done.")
    expect(widget.page.get_by_role("status")).to_have_text("Do one: done.")
    expect(widget.page.get_by_role("status")).to_have_attribute("aria-live", "polite")
    expect(widget.button("Check the task: Do one")).to_have_attribute("aria-busy", "false")
    assert widget.focused == "check:one", "the focus stays"
    widget.answer("Do one: done.")
    assert widget.page.get_by_role("status").evaluate("one => one.textContent") == "Do one: done.\u00a0"


def test_the_last_hint_leaves_the_focus_there(load: Any) -> None:
    widget = load(shown())
    widget.button("Hint for the task: Do two. 2 of 3 shown").press("Enter")
    assert widget.sent == [{"kind": "hint", "task": "two"}]
    later = [*PARTLY, Event(9, 600.0, LAB, EventKind.HINTED, "two", {"level": 3})]
    widget.show(shown(events=later))
    widget.answer("Hint 3 of 3: Three")
    expect(widget.page.get_by_text("All hints shown")).to_be_focused()
    expect(widget.page.get_by_text("Hint 3 of 3: Three").first).to_be_visible()


def test_the_solution_takes_two_steps(load: Any) -> None:
    widget = load(shown())
    asks = widget.button("Solution of the task: Do two")
    asks.press("Enter")
    assert widget.sent == []
    expect(asks).to_have_attribute("aria-expanded", "true")
    expect(widget.page.get_by_role("group", name="Show the solution?")).to_be_visible()
    assert widget.focused == "solution:two"
    widget.page.keyboard.press("Escape")
    assert (widget.sent, widget.focused) == ([], "ask:two")
    asks.press("Enter")
    widget.button("Keep trying").press("Enter")
    assert (widget.sent, widget.focused) == ([], "ask:two")
    asks.press("Enter")
    widget.button("Show it").press("Enter")
    assert widget.sent == [{"kind": "solution", "task": "two"}]
    assert widget.focused == "ask:two"
    widget.show(shown(seen=Seen(solutions={"two": "answer = 2"})))
    widget.answer("The solution of Do two is shown.")
    expect(widget.page.get_by_text("answer = 2")).to_be_visible()


def test_a_solution_seen_before_is_shown_again_at_once(load: Any) -> None:
    events = [*PARTLY, Event(9, 600.0, LAB, EventKind.SOLUTION_SHOWN, "two", {})]
    widget = load(shown(events=events))
    expect(widget.page.get_by_text("The solution was shown before.")).to_be_visible()
    widget.button("Solution of the task: Do two").press("Enter")
    assert widget.sent == [{"kind": "solution", "task": "two"}]


def test_what_goes_wrong_is_said_in_the_widget(load: Any) -> None:
    widget = load(shown())
    alert = widget.page.get_by_role("alert")
    expect(alert).to_be_hidden()
    widget.button("Check the task: Do two").click()
    widget.answer(error="That did not work. No service runs.")
    expect(alert).to_have_text("That did not work. No service runs.")
    widget.button("Check the task: Do two").click()
    widget.answer("Do two: done.")
    expect(alert).to_be_hidden()


def test_a_kernel_that_is_busy_or_gone_is_said_too(load: Any) -> None:
    widget = load(shown())
    widget.page.clock.install()
    widget.button("Check the task: Do two").click()
    widget.page.clock.fast_forward(3100)
    alert = widget.page.get_by_role("alert")
    expect(alert).to_contain_text("The kernel has not answered yet.")
    widget.answer("Do two: done.")
    expect(alert).to_be_hidden()
    widget.page.evaluate("model.dead = true")
    widget.button("Check the task: Do two").click()
    expect(alert).to_contain_text("The kernel that answers here has ended.")
    expect(widget.button("Check the task: Do two")).to_have_attribute("aria-busy", "false")


def test_an_open_detail_stays_open_when_the_view_changes(load: Any) -> None:
    widget = load(shown())
    widget.page.get_by_text("Machines and prices").click()
    line = widget.page.get_by_text("the job: Standard_DS3_v2, 0.5 hours")
    expect(line).to_be_visible()
    widget.show(shown(events=[]))
    expect(line).to_be_visible()


def test_it_listens_no_more_once_removed(load: Any) -> None:
    widget = load(shown())
    before = widget.page.locator("main").inner_text()
    widget.page.evaluate("end()")
    widget.show(shown(events=[]))
    assert widget.page.locator("main").inner_text() == before


def test_german(load: Any) -> None:
    widget = load(shown("de", seen=FULL))
    expect(widget.page.get_by_role("region", name="Lab Count & tell")).to_have_attribute("lang", "de")
    widget.button("Lösung der Aufgabe: Do two").click()
    text = widget.page.locator("main").inner_text()
    for words in ("Stufe 100, etwa 15 Minuten", "0,5 von 1,5 Punkten", "Erwartet", "Weiter versuchen"):
        assert words in text
    for words in ("Points", "Check", "Hint", "Solution", "Expected", "points"):
        assert words not in text


# The text's colour over what is painted behind it, each layer over the one below (WCAG 2.2, 1.4.3).
CONTRAST = """() => {
  const parse = (text) => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d");
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => top.slice(0, 3).map((v, i) => v * top[3] + below[i] * (1 - top[3]));
  const ground = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      layers.push(parse(getComputedStyle(one).backgroundColor));
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const light = (rgb) => rgb
    .map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const found = [];
  for (const element of document.querySelectorAll(".academy-lab *")) {
    const own = [...element.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const behind = ground(element);
    const [a, b] = [light(over(parse(getComputedStyle(element).color), behind)), light(behind)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push([element.textContent.slice(0, 40), ratio, parseFloat(getComputedStyle(element).fontSize)]);
  }
  return found;
}"""


@pytest.mark.parametrize("theme", ["light", "dark", "dark-high-contrast", ""])
def test_text_can_be_read_in_every_theme(load: Any, theme: str) -> None:
    widget = load(shown(seen=FULL), theme=theme)
    widget.button("Solution of the task: Do two").click()
    widget.page.get_by_text("Machines and prices").click()
    widget.button("Hint for the task: Do two. 2 of 3 shown").click()
    widget.answer(error="That did not work.")
    found = widget.page.evaluate(CONTRAST)
    assert len(found) > 30
    assert [one for one in found if one[1] < 4.5] == []
    assert min(size for _, _, size in found) >= 12


def test_the_contrast_measure_sees_what_is_too_faint(load: Any) -> None:
    widget = load(shown())
    widget.page.add_style_tag(content=".academy-lab h3 { color: rgba(0, 0, 0, 0.4) }")
    faint = [text for text, ratio, _ in widget.page.evaluate(CONTRAST) if ratio < 4.5]
    assert faint == ["Count & tell"]


def test_who_wants_less_motion_gets_none(load: Any) -> None:
    widget = load(shown())
    moves = "getComputedStyle(document.querySelector('[aria-busy=true]')).animationName"
    widget.button("Check the task: Do two").click()
    assert widget.page.evaluate(moves) == "academy-lab-busy"
    widget.page.emulate_media(reduced_motion="reduce")
    assert widget.page.evaluate(moves) == "none"


def test_it_fits_a_narrow_page_and_large_letters(load: Any) -> None:
    widget = load(shown(seen=FULL))
    widget.page.set_viewport_size({"width": 320, "height": 800})
    assert widget.page.evaluate("document.documentElement.scrollWidth") <= 320
    widget.page.set_viewport_size({"width": 900, "height": 800})
    size = "parseFloat(getComputedStyle(document.querySelector('.academy-lab h3')).fontSize)"
    before = widget.page.evaluate(size)
    widget.page.add_style_tag(content="html { font-size: 200% }")
    assert widget.page.evaluate(size) == 2 * before
