"""The decision matrix as a widget: in a real browser with the real recommendation behind it, and as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect, sync_playwright
from playwright.sync_api import Page as BrowserPage

from academy import widgets
from academy.errors import InvalidField
from academy.matrix import CellId, load
from academy.widgets import MatrixWidget, matrix
from tests.test_widgets_browser import CHROMIUM, CONTRAST, THEMES

PACKAGE = Path(widgets.__file__).parent

# The stub of the model hands the answers on to the test, which asks the real widget and brings its answer.
# As a real one it sends and tells only what has changed.
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A notebook</title>
<style>%(theme)s</style><style>%(css)s</style>
<body style="background: var(--jp-layout-color1, #fff)"><button id="before">Before</button><main></main>
<button id="after">After</button>
<script type="module">
%(script)s
const heard = {};
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
window.model = {
  ...%(state)s,
  get(name) { return this[name]; },
  set(name, value) { this.changed = !same(this[name], value); this[name] = value; },
  save_changes() {
    if (this.dead) throw new Error("comm is closed");
    if (!this.changed || this.busy) return;
    window.ask(this.needs).then((answer) => same(answer, this.answer) || this.tell("answer", answer));
  },
  tell(name, value) { this[name] = value; (heard[`change:${name}`] ?? []).forEach((call) => call()); },
  on(event, call) { (heard[event] ??= []).push(call); },
  off(event, call) { heard[event] = heard[event].filter((one) => one !== call); },
};
window.end = window.widget.render({ model: window.model, el: document.querySelector("main") });
</script>"""


@dataclass(frozen=True)
class Shown:
    """A page with the widget in it, and the widget in Python that answers it."""

    page: BrowserPage
    widget: MatrixWidget

    def tile(self, name: str) -> Locator:
        return self.page.get_by_role("table").get_by_role("button", name=re.compile(rf"^{name}\b"))

    def answer(self, label: str, value: str) -> None:
        self.page.get_by_label(label, exact=True).select_option(label=value)

    @property
    def said(self) -> Locator:
        return self.page.get_by_role("status")

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
def show(browser: Browser) -> Iterator[Any]:
    """Load the widget; what the page says is wrong fails the test."""
    faults: list[str] = []
    context = browser.new_context(viewport={"width": 1000, "height": 900}, offline=True)
    context.set_default_timeout(5000)

    def show(widget: MatrixWidget, *, theme: str = "") -> Shown:
        script = (PACKAGE / "matrix.js").read_text().replace("export default", "window.widget =")
        css = (PACKAGE / "matrix.css").read_text()
        colours = (THEMES / f"theme-{theme}-extension/index.css").read_text() if theme else ""
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)

        def ask(needs: dict[str, Any]) -> Any:
            widget.needs = needs
            return widget.answer

        page.expose_function("ask", ask)
        state = {"view": widget.view, "needs": widget.needs, "answer": widget.answer}
        page.set_content(_PAGE % {"theme": colours, "css": css, "script": script, "state": json.dumps(state)})
        page.wait_for_function("typeof window.end === 'function'")
        return Shown(page, widget)

    yield show
    context.close()
    assert faults == []


def test_the_grid_is_a_table_with_the_two_axes(show: Any) -> None:
    shown = show(matrix())
    table = shown.page.get_by_role("table", name="The decision matrix")
    assert [head.inner_text() for head in table.get_by_role("columnheader").all()] == ["Hybrid", "Cloud"]
    rows = [head.inner_text() for head in table.get_by_role("rowheader").all()]
    assert rows == ["Training and testing", "Inference"]
    names = [button.inner_text().splitlines()[0] for button in table.get_by_role("button").all()]
    assert names == ["Developer", "Hosted", "Unmanaged", "Managed"]


def test_a_chosen_cell_shows_personas_services_and_resources(show: Any) -> None:
    shown = show(matrix())
    shown.tile("Managed").click()
    expect(shown.tile("Managed")).to_have_attribute("aria-pressed", "true")
    expect(shown.tile("Developer")).to_have_attribute("aria-pressed", "false")
    panel = shown.page.get_by_role("region", name="Managed", exact=True)
    cell = load().cells[CellId.MANAGED]
    for persona in cell.personas:
        expect(panel.get_by_text(persona, exact=True)).to_be_visible()
    assert [one.inner_text() for one in panel.locator("summary").all()] == [one.name for one in cell.services]
    endpoint = next(one for one in cell.services if one.id == "managed-online-endpoint")
    panel.get_by_text(endpoint.name, exact=True).click()
    expect(panel.get_by_text(endpoint.price_model)).to_be_visible()
    first = endpoint.resources[100][0]
    expect(panel.get_by_role("link", name=first.title).first).to_have_attribute("href", first.url)


def test_no_cell_is_open_before_one_is_chosen_nor_when_it_is_chosen_again(show: Any) -> None:
    shown = show(matrix())
    panels = shown.page.locator("main section section")
    expect(panels).to_have_count(0)
    shown.tile("Hosted").click()
    expect(panels).to_have_count(1)
    shown.tile("Hosted").click()
    expect(panels).to_have_count(0)
    expect(shown.tile("Hosted")).to_have_attribute("aria-pressed", "false")


def test_an_address_that_was_not_confirmed_is_marked(show: Any) -> None:
    shown = show(matrix())
    found = [
        (cell, one)
        for cell in load().cells.values()
        for level in cell.resources.values()
        for one in level
        if not one.confirmed
    ]
    assert found
    cell, one = found[0]
    shown.tile(cell.name).click()
    item = shown.page.get_by_role("listitem").filter(has=shown.page.get_by_role("link", name=one.title))
    expect(item.first).to_contain_text("address not confirmed")


def test_the_recommendation_changes_with_the_answers(show: Any) -> None:
    shown = show(matrix())
    expect(shown.page.get_by_text("Answer the first question to get a recommendation.").first).to_be_visible()
    shown.answer("Stage", "inference")
    shown.answer("Requests come", "in peaks")
    expect(shown.said).to_contain_text("Managed fits best.")
    expect(shown.tile("Managed")).to_contain_text("fits best")
    expect(shown.tile("Hosted")).to_contain_text("refused")
    shown.answer("The data may go", "nowhere: it stays on our premises")
    expect(shown.said).to_contain_text("Unmanaged fits best.")
    expect(shown.tile("Managed")).to_contain_text("refused")
    ranked = shown.page.get_by_role("region", name="Managed", exact=True)
    expect(ranked.get_by_role("listitem").filter(has_text="refused:").first).to_be_visible()
    recommendation = shown.widget.recommendation
    assert recommendation is not None
    assert recommendation.best is not None
    assert recommendation.best.id is CellId.UNMANAGED, "the notebook's next cell can go on with it"


def test_reasons_of_the_best_service_are_open_until_somebody_closes_them(show: Any) -> None:
    shown = show(matrix(stage="inference", traffic="spiky", latency="interactive", operator="platform"))
    open_ones = shown.page.locator("details[open]")
    expect(open_ones).to_have_count(1)
    best = shown.widget.recommendation
    assert best is not None
    assert best.best is not None
    expect(open_ones.locator("summary")).to_have_text(best.best.services[0].name)
    expect(open_ones.get_by_role("listitem").filter(has_text="You want a platform to run it")).to_be_visible()
    shown.answer("Requests come", "in bulk")
    shown.answer("An answer may take", "hours")
    expect(open_ones.locator("summary")).to_have_text("Azure Machine Learning batch endpoint")
    open_ones.locator("summary").press("Enter")
    expect(open_ones).to_have_count(0)
    shown.answer("The model changes", "each week")
    shown.page.wait_for_function("model.answer.needs.changes === 'weekly'")
    expect(open_ones).to_have_count(0)


def test_services_of_a_cell_for_the_other_stage_are_not_listed() -> None:
    answer = matrix(stage="inference", traffic="steady").answer
    services = {cell["id"]: len(cell["services"]) for cell in answer["cells"]}
    assert services["developer"] == services["hosted"] == 0
    assert services["managed"] > 8


def test_a_cell_with_more_against_it_is_not_praised() -> None:
    summary = matrix(stage="inference", traffic="bulk", skills=["python"]).answer["summary"]
    assert "Unmanaged is possible, with more against it than for it." in summary


def test_what_contradicts_itself_is_said_and_answered_when_it_is_mended(show: Any) -> None:
    shown = show(matrix())
    shown.answer("Stage", "training and testing")
    shown.answer("The data may go", "nowhere: it stays on our premises")
    shown.answer("Who runs the machines", "the platform does")
    alert = shown.page.get_by_role("alert")
    expect(alert).to_contain_text("data is 'on_premises' and operator is 'platform'")
    assert shown.widget.recommendation is None
    shown.answer("Who runs the machines", "we do")
    expect(alert).to_be_hidden()
    expect(shown.said).to_contain_text("Developer fits best.")


def test_questions_about_requests_are_asked_for_inference_alone(show: Any) -> None:
    shown = show(matrix())
    requests = shown.page.get_by_label("Requests come", exact=True)
    expect(requests).to_be_hidden()
    shown.answer("Stage", "inference")
    expect(requests).to_be_visible()
    shown.answer("Stage", "training and testing")
    expect(requests).to_be_hidden()
    expect(shown.said).to_contain_text("fits best.")
    expect(shown.page.get_by_role("alert")).to_be_hidden()


def test_requests_of_which_nothing_is_said_are_shown_so_and_answered(show: Any) -> None:
    shown = show(matrix(stage="inference"))
    requests = shown.page.get_by_label("Requests come", exact=True)
    assert requests.evaluate("one => one.selectedOptions[0].text") == "not said"
    expect(shown.page.get_by_text("How requests come decides much")).to_be_visible()
    assert shown.widget.recommendation is not None
    shown.answer("Requests come", "steadily")
    expect(shown.page.get_by_text("How requests come decides much")).to_be_hidden()
    shown.answer("Requests come", "not said")
    expect(shown.page.get_by_text("How requests come decides much")).to_be_visible()
    expect(shown.page.get_by_role("alert")).to_be_hidden()


def test_hybrid_and_cloud_are_explained(show: Any) -> None:
    widget = matrix()
    said = "Hybrid: machines that you run, in the house or rented. Cloud: machines that the platform runs."
    expect(show(widget).page.get_by_text(said)).to_be_visible()
    assert f"<p>{said}</p>" in widget.text_forms()["text/html"]
    assert said in " ".join(widget.text_forms()["text/plain"].split())


def test_start_again_forgets_the_answers(show: Any) -> None:
    shown = show(matrix(stage="training", skills={"spark"}))
    expect(shown.page.get_by_label("Stage", exact=True)).to_have_value("training")
    expect(shown.page.get_by_label("Spark", exact=True)).to_be_checked()
    shown.page.get_by_role("button", name="Start again").click()
    expect(shown.page.get_by_label("Spark", exact=True)).not_to_be_checked()
    expect(shown.tile("Developer")).not_to_contain_text("refused")
    assert shown.widget.needs == {}


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_it_works_from_the_keyboard_alone(show: Any, key: str) -> None:
    shown = show(matrix())
    shown.page.locator("#before").focus()
    for _ in range(4):
        shown.page.keyboard.press("Tab")
    assert shown.focused == "cell:managed"
    shown.page.keyboard.press(key)
    expect(shown.said).to_have_text("Managed")
    assert shown.focused == "cell:managed", "the focus stays"
    stage = shown.page.get_by_label("Stage", exact=True)
    stage.focus()
    shown.page.keyboard.press("ArrowDown")
    expect(shown.said).to_contain_text("fits best.")
    assert shown.focused == "need:stage"
    shown.page.keyboard.press("Tab")
    shown.page.get_by_role("button", name="Start again").focus()
    shown.page.keyboard.press(key)
    expect(stage).to_have_value("")


def test_everything_has_a_name(show: Any) -> None:
    shown = show(matrix(stage="inference", traffic="steady"))
    for role in ("button", "combobox", "checkbox", "link", "region", "table", "group"):
        for one in shown.page.locator("main").get_by_role(role).all():
            assert one.evaluate("one => one.labels?.[0]?.innerText || one.ariaLabel || one.innerText").strip()


def test_a_kernel_that_is_gone_is_said(show: Any) -> None:
    shown = show(matrix())
    shown.page.evaluate("model.dead = true")
    shown.answer("Stage", "inference")
    expect(shown.page.get_by_role("alert")).to_contain_text("kernel is gone")


def test_a_kernel_that_does_not_answer_is_said_to_be_busy_or_gone(show: Any) -> None:
    shown = show(matrix())
    shown.page.clock.install()
    shown.page.evaluate("model.busy = true")
    shown.answer("Stage", "inference")
    alert = shown.page.get_by_role("alert")
    shown.page.clock.run_for(4000)
    expect(alert).to_be_hidden()
    shown.page.clock.run_for(2000)
    expect(alert).to_contain_text("busy with another cell, or gone")
    shown.page.evaluate("model.busy = false")
    shown.answer("Stage", "training and testing")
    expect(alert).to_be_hidden()


def test_a_kernel_that_has_nothing_new_to_say_is_not_missed(show: Any) -> None:
    shown = show(matrix())
    shown.page.clock.install()
    shown.page.get_by_role("button", name="Start again").click()
    shown.page.clock.run_for(6000)
    expect(shown.page.get_by_role("alert")).to_be_hidden()
    shown.answer("Stage", "training and testing")
    expect(shown.said).to_contain_text("fits best.")
    before = shown.widget.answer["cells"]
    shown.answer("The model changes", "rarely")
    expect(shown.page.get_by_label("The model changes", exact=True)).to_have_value("rarely")
    shown.page.wait_for_function("model.answer.needs.changes === 'rarely'")
    assert shown.widget.answer["cells"] == before
    shown.page.clock.run_for(6000)
    expect(shown.page.get_by_role("alert")).to_be_hidden()


def test_a_language_of_ones_own_can_be_unchecked(show: Any) -> None:
    shown = show(matrix(stage="training", languages=["Klingon", "Python"]))
    box = shown.page.get_by_label("Klingon", exact=True)
    expect(box).to_be_checked()
    shown.answer("Stage", "inference")
    shown.page.wait_for_function("model.answer.needs.stage === 'inference'")
    assert shown.widget.needs["languages"] == ["Python", "Klingon"]
    box.uncheck()
    shown.page.wait_for_function("model.answer.needs.languages.length === 1")


def test_what_counts_for_nothing_is_said_without_a_for(show: Any) -> None:
    widget = matrix(stage="training")
    shown = show(widget)
    item = shown.page.get_by_role("listitem").filter(has_text="What it is: A common runtime").first
    expect(item).to_have_text(re.compile("^What it is: A common runtime"))
    assert "for: What it is" not in widget.text_forms()["text/plain"]
    assert "for: What it is" not in widget.text_forms()["text/html"]


def test_german(show: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACADEMY_LANGUAGE", "de")
    shown = show(matrix(stage="training"))
    expect(shown.page.get_by_role("region", name="Entscheidungsmatrix")).to_have_attribute("lang", "de")
    text = shown.page.locator("main").inner_text()
    for words in ("Was brauchen Sie?", "Training und Test", "passt am besten", "scheidet aus"):
        assert words in text


@pytest.mark.parametrize("theme", ["light", "dark", "dark-high-contrast", ""])
def test_text_can_be_read_in_every_theme(show: Any, theme: str) -> None:
    shown = show(matrix(stage="inference", traffic="spiky"), theme=theme)
    for summary in shown.page.locator("summary").all()[:3]:
        summary.click()
    found = shown.page.evaluate(CONTRAST.replace(".academy-lab *", ".academy-matrix *"))
    assert len(found) > 100
    assert [one for one in found if one[1] < 4.5] == []
    assert min(size for _, _, size in found) >= 12


def test_it_fits_a_narrow_page(show: Any) -> None:
    shown = show(matrix(stage="inference", traffic="spiky"))
    shown.tile("Managed").click()
    shown.page.set_viewport_size({"width": 360, "height": 800})
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_it_fits_a_narrow_place_on_a_wide_page(show: Any) -> None:
    shown = show(matrix(stage="inference", traffic="spiky"))
    shown.tile("Managed").click()
    shown.page.evaluate("document.querySelector('main').style.width = '340px'")
    assert shown.page.evaluate("document.querySelector('main').scrollWidth") <= 340
    facts = shown.page.locator(".academy-matrix-facts").first
    term, said = facts.locator("dt").first, facts.locator("dd").first
    below = said.bounding_box()["y"] - term.bounding_box()["y"]
    assert below > 10, "what is said of a term is below it, not beside"


def test_without_a_browser_there_is_text() -> None:
    forms = matrix(stage="inference", traffic="steady", data="on_premises").text_forms()
    for words in ("DEVELOPER", "MANAGED", "Unmanaged fits best.", "refused: "):
        assert words in forms["text/plain"]
    assert max(map(len, forms["text/plain"].splitlines())) <= 90
    assert "<script" not in forms["text/html"]
    best = "Own workstation or server: fits best"
    assert f"  {best}\n    for: The data stays on premises." in forms["text/plain"]
    assert f"<h5>{best}</h5><ul><li>for: The data stays on premises.</li>" in forms["text/html"]
    assert 'class="academy-matrix-static"' in forms["text/html"]


def test_the_text_says_how_to_ask_and_can_be_printed() -> None:
    text = matrix().text_forms()["text/plain"]
    assert 'matrix(stage="inference"), or with "academy matrix recommend"' in text
    assert str(matrix()) == text


def test_a_plain_prompt_shows_a_line() -> None:
    shown = repr(matrix(stage="inference", traffic="steady"))
    assert shown == "<MatrixWidget: managed, unmanaged; print() shows it as text>"
    assert repr(matrix()) == "<MatrixWidget: no recommendation; print() shows it as text>"


def test_needs_of_the_call_are_checked() -> None:
    with pytest.raises(InvalidField, match=r"'inferense'.*inference"):
        matrix(stage="inferense")
    with pytest.raises(InvalidField, match="contradict"):
        matrix(stage="training", traffic="steady")
