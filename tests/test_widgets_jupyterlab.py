"""The widgets in JupyterLab itself: live, and reopened when their kernel is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.jupyterlab_session import FIRST, JupyterLab, jupyterlab
from tests.test_widgets_browser import CHROMIUM

TIMEOUT_MS = 60_000  # of one step, on a machine that does other things too
CODE = f"%load_ext academy\nfrom academy import widgets\nwidgets.lab({FIRST!r})"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    with jupyterlab(tmp_path_factory.mktemp("jupyterlab")) as running:
        yield running


@pytest.fixture
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1200, "height": 1000})
        context.set_default_timeout(TIMEOUT_MS)
        yield context
        browser.close()


def opened(browser: Any, running: JupyterLab, name: str) -> Page:
    page: Page = browser.new_page()
    page.goto(f"{running.address}/lab/tree/{name}?reset&token={running.token}")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    return page


def idle(page: Page) -> Locator:
    return page.get_by_role("button", name="| Idle")


def end_kernels(running: JupyterLab) -> None:
    with httpx.Client(headers={"Authorization": f"token {running.token}"}) as client:
        for session in client.get(f"{running.address}/api/sessions").raise_for_status().json():
            client.delete(f"{running.address}/api/sessions/{session['id']}").raise_for_status()


def stored_outputs(file: Path) -> list[Any]:
    return list(nbformat.read(file, as_version=4).cells[0].outputs)


def test_a_widget_whose_kernel_is_gone_shows_its_text_form(running: JupyterLab, browser: Any) -> None:
    file = running.home.work / "try.ipynb"
    assert running.academy("lab", "start", FIRST).returncode == 0  # only a learner's copy has a record
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    cells = [nbformat.v4.new_code_cell(CODE)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), file)
    page = opened(browser, running, file.name)
    live, static = page.locator(".academy-lab"), page.locator(".academy-lab-static")

    expect(idle(page)).to_be_visible(timeout=TIMEOUT_MS)
    page.locator(".jp-CodeCell .cm-content").click()
    page.keyboard.press("Control+Enter")
    expect(live).to_be_visible(timeout=TIMEOUT_MS)
    expect(static).to_be_hidden()

    page.get_by_role("button", name="Check the task: Count the long months").click()
    expect(live.locator("dd", has_text="Run the cell that sets it.")).to_be_visible(timeout=TIMEOUT_MS)
    page.keyboard.press("Control+s")
    page.wait_for_function("!document.querySelector('.jp-mod-dirty, .lm-mod-current.jp-mod-dirty')")
    page.close()
    end_kernels(running)

    page = opened(browser, running, file.name)
    live, static = page.locator(".academy-lab"), page.locator(".academy-lab-static")
    expect(static).to_be_visible(timeout=TIMEOUT_MS)
    expect(static.get_by_text("Count the long months: not yet. Expected")).to_be_visible()
    expect(page.get_by_text("Error displaying widget")).to_be_hidden()
    expect(page.get_by_text("Loading widget")).to_be_hidden()
    expect(live).to_have_count(0)
    expect(idle(page)).to_be_visible(timeout=TIMEOUT_MS)  # with a new kernel it stays so
    expect(static).to_be_visible()
    page.close()
    end_kernels(running)

    text, place = (output["data"] for output in stored_outputs(file)[-2:])
    assert "Count the long months: not yet" in text["text/plain"], "the text form follows the record"
    assert list(place) == ["application/vnd.jupyter.widget-view+json"]


def test_the_matrix_answers_questions_and_has_a_text_form_later(running: JupyterLab, browser: Any) -> None:
    file = running.home.work / "matrix.ipynb"
    file.parent.mkdir(parents=True, exist_ok=True)
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    cells = [nbformat.v4.new_code_cell("import academy\nacademy.widgets.matrix()")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), file)
    page = opened(browser, running, file.name)
    live, static = page.locator(".academy-matrix"), page.locator(".academy-matrix-static")

    expect(idle(page)).to_be_visible(timeout=TIMEOUT_MS)
    page.locator(".jp-CodeCell .cm-content").click()
    page.keyboard.press("Control+Enter")
    expect(live).to_be_visible(timeout=TIMEOUT_MS)
    expect(static).to_be_hidden()
    live.get_by_label("Stage", exact=True).select_option(label="inference")
    live.get_by_label("Requests come", exact=True).select_option(label="in peaks")
    expect(live.get_by_role("status")).to_contain_text("Managed fits best.", timeout=TIMEOUT_MS)
    live.get_by_label("The data may go", exact=True).select_option(label="nowhere: it stays on our premises")
    expect(live.get_by_role("status")).to_contain_text("Unmanaged fits best.", timeout=TIMEOUT_MS)
    page.keyboard.press("Control+s")
    page.wait_for_function("!document.querySelector('.jp-mod-dirty, .lm-mod-current.jp-mod-dirty')")
    page.close()
    end_kernels(running)

    page = opened(browser, running, file.name)
    live, static = page.locator(".academy-matrix"), page.locator(".academy-matrix-static")
    expect(static).to_be_visible(timeout=TIMEOUT_MS)
    expect(static.get_by_text("Unmanaged fits best.")).to_be_visible()
    expect(page.get_by_text("Error displaying widget")).to_be_hidden()
    expect(live).to_have_count(0)
    # A JupyterLab that is asked to end while a kernel is starting never does.
    expect(idle(page)).to_be_visible(timeout=TIMEOUT_MS)
    page.close()
    end_kernels(running)
