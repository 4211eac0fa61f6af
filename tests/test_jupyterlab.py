"""The server's part of the labs page: who may ask, what it answers, how it comes into JupyterLab."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from academy.errors import AcademyError
from academy.jupyterlab.__main__ import main
from academy.jupyterlab.desk import Desk
from academy.jupyterlab.installation import SOURCE, Installation
from academy.jupyterlab.session import Session
from academy.labs.learning.events import Event, EventKind, Events
from academy.paths import Home, read_json
from academy.service.process import status, up
from tests.jupyterlab_session import FIRST, SECOND, SECOND_TITLE, TITLE, JupyterLab, jupyterlab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    with jupyterlab(tmp_path_factory.mktemp("jupyterlab")) as running:
        yield running


def call(lab: JupyterLab, path: str, body: Any = None, *, method: str = "") -> requests.Response:
    """Ask as a program with the token does."""
    return requests.request(
        method or ("GET" if body is None else "POST"),
        f"{lab.address}/academy/{path}",
        json=body,
        headers={"Authorization": f"token {lab.token}"},
        timeout=30,
    )


def found(response: requests.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    content: dict[str, Any] = response.json()
    return content


def events(lab: JupyterLab, name: str) -> list[Event]:
    return Events(up(lab.home)).read(name)


def task(content: dict[str, Any], name: str) -> dict[str, Any]:
    return next(task for step in content["steps"] for task in step["tasks"] if task["id"] == name)


def test_the_service_starts_when_first_needed_and_once(lab: JupyterLab) -> None:
    assert status(lab.home).state == "stopped"
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda _: found(call(lab, f"labs/{SECOND}/open", {})), range(4)))
    assert len({answer["notebook"] for answer in answers}) == 1
    assert [event.kind for event in events(lab, SECOND)].count(EventKind.OPENED) == 4


def test_the_list_says_what_the_command_line_says(lab: JupyterLab) -> None:
    first, second = found(call(lab, "labs"))["labs"]
    assert (first["id"], first["title"], first["level"], first["minutes"]) == (FIRST, TITLE, 100, 15)
    assert (first["cell"], first["prerequisites"], first["max_points"]) == ("hosted", [], 3)
    assert (second["title"], second["prerequisites"]) == (SECOND_TITLE, [{"id": FIRST, "met": False}])


def test_a_copy_is_made_in_the_work_folder_and_never_overwritten(lab: JupyterLab) -> None:
    place = found(call(lab, f"labs/{FIRST}/start", {}))
    assert place["notebook"] == f"{FIRST}/{FIRST}.ipynb"
    notebook = lab.home.work / place["notebook"]
    notebook.write_text(notebook.read_text().replace("limit = 30", "limit = 28"))
    assert found(call(lab, f"labs/{FIRST}/open", {})) == place
    assert "limit = 28" in notebook.read_text()


def test_hints_and_solutions_are_shown_only_once_asked_for(lab: JupyterLab) -> None:
    found(call(lab, f"labs/{FIRST}/start", {}))
    before = task(found(call(lab, f"labs/{FIRST}")), "count-long-months")
    assert (before["hints"], before["hints_of"], before["solution"]) == ([], 3, "")
    hint = found(call(lab, f"labs/{FIRST}/hint", {"task": "count-long-months"}))
    assert hint == {"level": 1, "of": 3, "text": "A long month has 31 days."}
    solution = found(call(lab, f"labs/{FIRST}/solution", {"task": "count-long-months"}))["text"]
    assert "sum(1 for number in days if number > limit)" in solution
    after = task(found(call(lab, f"labs/{FIRST}")), "count-long-months")
    assert (after["hints"], after["solution"]) == ([hint["text"]], solution)
    kinds = [event.kind for event in events(lab, FIRST) if event.task == "count-long-months"]
    assert kinds == [EventKind.HINTED, EventKind.SOLUTION_SHOWN]


def test_steps_have_the_headings_of_the_notebook(lab: JupyterLab) -> None:
    steps = found(call(lab, f"labs/{FIRST}"))["steps"]
    assert [(step["id"], step["title"]) for step in steps] == [
        ("connect", "2. Connect to the workspace"),
        ("data", "3. Register the table"),
        ("count", "4. Count"),
        ("clean-up", "5. Clean up"),
    ]


def test_what_is_done_in_a_notebook_is_seen_here(lab: JupyterLab) -> None:
    result = {"passed": True, "points": 2.0, "message": "Register the table: done."}
    Events(up(lab.home)).append(SECOND, EventKind.CHECKED, "register-table", **result)
    content = found(call(lab, f"labs/{SECOND}"))
    assert (content["points"], content["state"]) == (2.0, "started")
    assert task(content, "register-table")["passed"]
    found(call(lab, f"labs/{SECOND}/reset", {"step": "data"}))
    assert found(call(lab, f"labs/{SECOND}"))["points"] == 0.0


def test_reset_keeps_the_old_copy_and_submit_says_where_the_file_is(lab: JupyterLab) -> None:
    notebook = lab.home.work / found(call(lab, f"labs/{FIRST}/start", {}))["notebook"]
    notebook.write_text(notebook.read_text().replace("data_name = ", "dataname = "))
    kept = Path(found(call(lab, f"labs/{FIRST}/reset", {}))["kept"])
    assert "dataname = " in (kept / notebook.name).read_text()
    assert "dataname = " not in notebook.read_text()
    assert Path(found(call(lab, f"labs/{FIRST}/submit", {}))["file"]).is_file()
    card = found(call(lab, f"labs/{FIRST}"))
    assert (card["state"], card["done"]) == ("submitted", False)  # handed in, and not passed
    (after,) = found(call(lab, f"labs/{SECOND}"))["prerequisites"]
    assert after == {"id": FIRST, "met": False}
    result = {"passed": True, "points": 9.0, "message": "done"}
    for name in ("register-table", "count-long-months"):
        Events(up(lab.home)).append(FIRST, EventKind.CHECKED, name, **result)
    card = found(call(lab, f"labs/{FIRST}"))
    assert (card["state"], card["done"]) == ("submitted", True)


def test_submit_says_when_the_notebook_that_was_handed_in_is_damaged(lab: JupyterLab) -> None:
    notebook = lab.home.work / found(call(lab, f"labs/{FIRST}/start", {}))["notebook"]
    assert found(call(lab, f"labs/{FIRST}/submit", {}))["damage"] == ""
    whole = notebook.read_text()
    notebook.write_text('{"cells": [{"cell_type"')
    try:
        answer = found(call(lab, f"labs/{FIRST}/submit", {}))
    finally:
        notebook.write_text(whole)
    assert Path(answer["file"]).is_file()
    assert notebook.name in answer["damage"]
    assert f"academy lab reset {FIRST}" in answer["damage"]


@pytest.mark.parametrize(
    ("path", "body", "code", "says"),
    [
        ("labs/99-no-lab", None, 404, f"Labs: '{FIRST}'"),
        (f"labs/{FIRST}/hint", {"task": "nothing"}, 404, "Tasks: 'register-table', 'count-long-months'"),
        (f"labs/{FIRST}/hint", {}, 400, "takes the id of a task"),
        (f"labs/{FIRST}/reset", {"step": "nothing"}, 404, "Steps: 'clean-up'"),
        (f"labs/{FIRST}/paint", {}, 400, "Choose from 'hint', 'open'"),
        (f"labs/{FIRST}/hint", [1], 400, "not an object"),
    ],
)
def test_an_error_says_what_to_do(lab: JupyterLab, path: str, body: Any, code: int, says: str) -> None:
    found(call(lab, f"labs/{FIRST}/start", {}))
    response = call(lab, path, body)
    assert response.status_code == code
    assert says in response.json()["message"]


@pytest.mark.parametrize("path", ["labs", f"labs/{FIRST}", "strings", "page"])
def test_without_the_token_nothing_is_told(lab: JupyterLab, path: str) -> None:
    response = requests.get(f"{lab.address}/academy/{path}", allow_redirects=False, timeout=30)
    assert response.status_code == 403 or "/login" in response.headers["Location"]
    assert TITLE not in response.text


def test_a_cookie_alone_changes_nothing(lab: JupyterLab) -> None:
    before = len(events(lab, FIRST))
    with requests.Session() as browser:
        browser.get(f"{lab.address}/lab", params={"token": lab.token}, timeout=30)
        url = f"{lab.address}/academy/labs/{FIRST}/open"
        forged = browser.post(url, json={}, timeout=30)
        assert (forged.status_code, "_xsrf" in forged.text) == (403, True)
        assert len(events(lab, FIRST)) == before
        own = browser.post(url, json={}, headers={"X-XSRFToken": browser.cookies["_xsrf"]}, timeout=30)
        assert own.status_code == 200


@pytest.mark.parametrize(
    ("asked", "language", "text"),
    [("de-AT", "de", "Abgeben"), ("xx", "en", "Hand in"), ("", "en", "Hand in")],
)
def test_texts_come_in_the_language_asked_for(lab: JupyterLab, asked: str, language: str, text: str) -> None:
    content = found(call(lab, f"strings?language={asked}" if asked else "strings"))
    assert (content["language"], content["strings"]["submit"]) == (language, text)


def test_jupyterlab_loads_the_extension_and_asks_no_news(lab: JupyterLab) -> None:
    with requests.Session() as browser:
        page = browser.get(f"{lab.address}/academy/page", params={"token": lab.token}, timeout=30)
        assert page.url == f"{lab.address}/lab?academy="
        assert '"name": "academy-labs"' in page.text
        assert "@jupyterlab/apputils-extension:announcements" in page.text
        entry = browser.get(f"{lab.address}/lab/extensions/academy-labs/static/remoteEntry.js", timeout=30)
    assert "javascript" in entry.headers["Content-Type"]
    assert "window._JUPYTERLAB['academy-labs']" in entry.text


def test_lab_open_a_second_time_leads_to_the_one_that_runs(lab: JupyterLab) -> None:
    result = lab.academy("lab", "open", "--no-browser")
    assert f"{lab.address}/academy/page?token={lab.token}" in result.stdout, result.stderr
    result = lab.academy("lab", "open", "90", "--no-browser")
    assert f"{lab.address}/lab/tree/{FIRST}/{FIRST}.ipynb?token={lab.token}" in result.stdout, result.stderr


def test_lab_open_refuses_a_port_that_is_taken(lab: JupyterLab) -> None:
    result = lab.academy("lab", "open", "--no-browser", "--port", str(lab.port))
    assert result.returncode == 6
    assert f"Port {lab.port} is taken" in result.stderr


def test_a_copy_outside_jupyterlabs_folder_has_no_address_there(lab: JupyterLab, tmp_path: Path) -> None:
    place = Desk(tmp_path)._place(lab.home.work / FIRST / f"{FIRST}.ipynb")
    assert place == {"notebook": None, "folder": str(lab.home.work / FIRST), "root": str(tmp_path)}


def test_a_session_is_this_machines_alone_and_knows_its_home(tmp_path: Path) -> None:
    session = Session(Home(tmp_path))
    command = session.command(browser=False)
    assert command[:4] == [sys.executable, "-P", "-m", "jupyterlab"]
    assert "--ServerApp.ip=127.0.0.1" in command
    assert not any("token" in part for part in command)  # Jupyter makes one up; nobody reads it in `ps`
    environment = session.environment({"JUPYTER_CONFIG_PATH": "/own", "PATH": "/bin"})
    assert environment["ACADEMY_HOME"] == str(tmp_path)
    assert environment["JUPYTER_CONFIG_PATH"].endswith(":/own")


def test_install_is_whole_repeatable_and_undone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    installation = Installation(tmp_path)
    assert not installation.is_current()
    assert main(["install", "--prefix", str(tmp_path)]) == 0
    assert installation.is_current()
    assert "are in JupyterLab:" in capsys.readouterr().out
    assert main(["install", "--prefix", str(tmp_path)]) == 0
    assert "already" in capsys.readouterr().out
    enabled = {"ServerApp": {"jpserver_extensions": {"academy.jupyterlab": True}}}
    assert read_json(installation.server_config) == enabled
    (installation.extension / "static" / "page.js").write_text("of an older version")
    (installation.extension / "static" / "gone.js").write_text("of an older version")
    assert not installation.is_current()
    installation.install()
    assert installation.is_current()
    assert not (installation.extension / "static" / "gone.js").exists()
    assert main(["uninstall", "--prefix", str(tmp_path)]) == 0
    assert not installation.extension.exists()
    assert main(["uninstall", "--prefix", str(tmp_path)]) == 0
    assert "no labs" in capsys.readouterr().out


def test_install_says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "share").write_text("a file where a folder should be")
    with pytest.raises(AcademyError, match="--prefix DIR"):
        Installation(tmp_path).install()


def test_the_page_loads_nothing_from_elsewhere() -> None:
    for file in SOURCE.rglob("*"):
        if file.is_file():
            addresses = re.findall(r"https?://[^\s\"'`]+", file.read_text())
            assert set(addresses) <= {"http://www.w3.org/2000/svg"}, file  # the name of SVG, not a place
