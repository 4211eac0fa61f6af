"""What a learner does with labs: from Python, and from the command line as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml.entities import CodeConfiguration, ManagedOnlineDeployment, ManagedOnlineEndpoint
from click.testing import CliRunner

from academy.cli import lab_text
from academy.cli.lab_open import open_labs
from academy.errors import AcademyError, Conflict, InvalidField, NotFound, UserError
from academy.labs.collection import Collection
from academy.labs.editions import ipynb
from academy.labs.editions.edition import write_edition
from academy.labs.learning.asking import plan_of
from academy.labs.learning.events import EventKind, Events
from academy.labs.learning.learner import Learner
from academy.labs.learning.own_copy import RECORD
from academy.labs.learning.progress import State
from academy.labs.learning.reset import restored, step_of
from academy.labs.learning.submit import write_submission
from academy.labs.learning.undoing import traffic_without
from academy.labs.scaffold import new_lab
from academy.paths import Home
from academy.service.loopback import Loopback
from academy.service.process import ServiceInfo, down, status, up
from academy.store.ids import DEFAULT_WORKSPACE
from tests.conftest import Service, start
from tests.labs_kernel import kernel_in

LAB, OTHER = "90-count-days", "91-count-weeks"
COMMAND = str(Path(sys.executable).with_name("academy"))

# For the tests of reset: what a step makes, and a script that belongs to it.
_RESOURCES = """
resources:
  - {step: data, type: data, name: "{data_name}"}
  - {step: data, type: online_endpoint, name: "{data_name}-endpoint"}
  - {step: count, type: job, name: "{data_name}-experiment"}
  - {step: count, type: model, name: "{no_such_parameter}"}
"""
UNKNOWN = "not undone: model {no_such_parameter}: its name is not known"
_SCRIPT = "import sys\n\n### BEGIN SOLUTION\nprint(sys.argv)\n### END SOLUTION\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for this module: what is recorded here is counted here."""
    running = start(tmp_path_factory.mktemp("learner") / "home")
    yield running
    down(running.home)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    made = Collection(tmp_path / "collection")
    new_lab(made, LAB)
    lab = new_lab(made, OTHER, title="Count weeks")
    manifest = lab.folder / "lab.yml"
    kept = (
        manifest.read_text()
        .partition("resources:")[0]
        .replace("prerequisites: []", f"prerequisites: [{LAB}]")
    )
    manifest.write_text(kept + _RESOURCES)
    (lab.folder / "src").mkdir()
    (lab.folder / "src" / "count.py").write_text(_SCRIPT)
    notebook = ipynb.read(lab.notebook)
    table = next(cell for cell in notebook.cells if cell.id == "count-table")
    table.source += f"\n# The same as a job: ../labs/{OTHER}/src/count.py"
    ipynb.write(notebook, lab.notebook)
    return made


@pytest.fixture
def learner(
    service: Service, collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Learner:
    """A learner with an empty folder of their own, on the service of all tests here."""
    monkeypatch.setenv("ACADEMY_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("ACADEMY_LANGUAGE", "en")
    for lab in (LAB, OTHER):
        Events(service.info).append(lab, EventKind.RESET)  # what earlier tests recorded counts no more
    return Learner(service.home, collection)


def kinds(service: Service, lab: str, after: int) -> list[str]:
    return [str(event.kind) for event in Events(service.info).read(lab, after)]


def latest(service: Service) -> int:
    return Events(service.info).read()[-1].sequence


# The learner's own copy.


def test_start_gives_the_learners_edition_and_never_overwrites_it(learner: Learner, service: Service) -> None:
    before = latest(service)
    notebook = learner.start("90")
    assert notebook == learner.home.work / LAB / f"{LAB}.ipynb"
    text = notebook.read_text()
    assert "BEGIN SOLUTION" not in text
    assert "NotImplementedError" in text
    assert (notebook.parent / "checks.py").exists()
    notebook.write_text(text.replace("limit = 30", "limit = 29"))
    (notebook.parent / "mine.txt").write_text("mine")

    assert learner.start(LAB) == notebook

    assert "limit = 29" in notebook.read_text()
    assert (notebook.parent / "mine.txt").read_text() == "mine"
    assert kinds(service, LAB, before) == ["started"]


def test_a_folder_that_is_no_copy_is_left_alone(learner: Learner) -> None:
    folder = learner.home.work / LAB
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(Conflict, match="is no copy of the lab"):
        learner.start(LAB)
    assert [file.name for file in folder.iterdir()] == ["thesis.txt"]


def test_two_windows_that_start_a_lab_at_once_get_the_same_copy(learner: Learner) -> None:
    with ThreadPoolExecutor(8) as windows:
        found = set(windows.map(lambda _: learner.start(LAB), range(8)))
    assert len(found) == 1
    assert [path.name for path in learner.home.work.iterdir()] == [LAB]  # nothing half-made is left


def test_open_starts_a_lab_where_needed_and_is_recorded(learner: Learner, service: Service) -> None:
    before = latest(service)
    learner.open(LAB)
    learner.open(LAB)
    assert kinds(service, LAB, before) == ["started", "opened", "opened"]
    assert learner.progress(LAB).state is State.STARTED


def test_cards_tell_of_every_lab_and_of_one_that_only_the_learner_has(
    learner: Learner, tmp_path: Path
) -> None:
    only_mine = Collection(tmp_path / "elsewhere")
    new_lab(only_mine, "92-count-years")
    write_edition(only_mine.lab("92"), learner.home.work / "92-count-years")
    learner.start(LAB)
    cards = {card.lab.id: card for card in learner.cards()}
    assert list(cards) == [LAB, OTHER, "92-count-years"]
    assert cards[LAB].copy == learner.home.work / LAB / f"{LAB}.ipynb"
    assert cards[OTHER].copy is None
    assert cards["92-count-years"].copy is not None
    assert cards[OTHER].lab.manifest.prerequisites == (LAB,)


def test_a_release_is_a_collection_too(learner: Learner, tmp_path: Path) -> None:
    released = tmp_path / "release"
    write_edition(learner.lab(LAB), released / LAB)
    given = Learner(learner.home, Collection(released))
    notebook = given.start("90")
    assert "NotImplementedError" in notebook.read_text()
    assert given.solution(LAB, "count-long-months") == ""  # it came without


def test_unknown_labs_and_tasks_are_named_with_what_there_is(learner: Learner) -> None:
    with pytest.raises(NotFound, match=rf"no lab '77'.*'{LAB}', '{OTHER}'"):
        learner.start("77")
    with pytest.raises(NotFound, match="'register-table', 'count-long-months'"):
        learner.hint(LAB, "nope")
    with pytest.raises(NotFound, match=f"academy lab start {LAB}"):
        learner.hand_in(LAB)


def test_hints_and_the_solution_are_recorded(learner: Learner, service: Service) -> None:
    before = latest(service)
    hints = [learner.hint(OTHER, "count-long-months") for _ in range(4)]
    seen = [hint.level for hint in hints]
    assert seen in ([1, 2, 3, 3], [3, 3, 3, 3])  # an earlier test may have seen them
    assert hints[-1].of == 3
    assert "sum" in learner.solution(OTHER, "count-long-months")
    assert kinds(service, OTHER, before) == ["hinted"] * 4 + ["solution_shown"]
    task = learner.progress(OTHER).task("count-long-months")
    assert (task.hints, task.solution_shown) == (3, True)


# Reset.


def put_data(info: ServiceInfo, name: str, version: str, **more: Any) -> None:
    path = DEFAULT_WORKSPACE.child("data", name, "versions", version)
    data = {"dataType": "uri_file", "dataUri": "https://example.org/a.csv", **more}
    Loopback(info).send("PUT", path, {"properties": data})


def active_versions(info: ServiceInfo, name: str) -> list[str]:
    page = Loopback(info).get(DEFAULT_WORKSPACE.child("data", name, "versions"))
    return sorted(one["name"] for one in page["value"])


def make_resources(info: ServiceInfo, name: str) -> None:
    """Make what the lab's steps make: an asset, an endpoint, and a job that runs."""
    put_data(info, name, "1")
    service, workspace = Loopback(info), DEFAULT_WORKSPACE
    endpoint = {"location": "local", "properties": {"authMode": "Key"}}
    service.send("PUT", workspace.child("onlineEndpoints", f"{name}-endpoint"), endpoint)
    job = {
        "jobType": "Command",
        "command": "sleep 120",
        "environmentId": "azureml:academy:1",
        "experimentName": f"{name}-experiment",
    }
    service.send("PUT", workspace.child("jobs", f"{name}-job"), {"properties": job})


def what_is_there(info: ServiceInfo, name: str) -> tuple[bool, bool, str]:
    """Return whether the asset is listed, whether the endpoint is there, and the job's status."""
    service, workspace = Loopback(info), DEFAULT_WORKSPACE
    listed = name in [one["name"] for one in service.get(workspace.child("data"))["value"]]
    names = [one["name"] for one in service.get(workspace.child("onlineEndpoints"))["value"]]
    job = service.get(workspace.child("jobs", f"{name}-job"))["properties"]["status"]
    return listed, f"{name}-endpoint" in names, job


def set_name(notebook: Path, name: str) -> None:
    text = notebook.read_text()
    assert 'data_name = \\"months\\"' in text
    notebook.write_text(text.replace('data_name = \\"months\\"', f'data_name = \\"{name}\\"'))


def test_reset_keeps_the_old_copy_and_undoes_what_the_learner_made_by_their_own_names(
    learner: Learner, service: Service
) -> None:
    notebook = learner.start(OTHER)
    set_name(notebook, "tables-of-ana")
    (notebook.parent / "mine.txt").write_text("mine")
    make_resources(service.info, "tables-of-ana")
    make_resources(service.info, "months")  # someone else's, under the names of the lab's default

    assert learner.undoes(learner.made(OTHER)) == (
        "data tables-of-ana",
        "online endpoint tables-of-ana-endpoint",
        "job tables-of-ana-job",
    )
    report = learner.reset(OTHER)

    assert report.kept is not None
    assert "tables-of-ana" not in notebook.read_text()
    assert not (notebook.parent / "mine.txt").exists()
    assert (report.kept / "mine.txt").read_text() == "mine"
    assert report.kept.parent == learner.home.work / "kept"
    assert report.kept.name.endswith(f"-{OTHER}")
    assert {path.name for path in learner.home.work.iterdir()} == {OTHER, "kept"}
    assert "tables-of-ana" in (report.kept / notebook.name).read_text()
    assert report.removed == (
        "data tables-of-ana: archived",
        "online endpoint tables-of-ana-endpoint: deleted",
        "job tables-of-ana-job: cancelled",
        UNKNOWN,
    )
    listed, endpoint, job = what_is_there(service.info, "tables-of-ana")
    assert (listed, endpoint) == (False, False)
    assert job in ("CancelRequested", "Canceled")
    assert what_is_there(service.info, "months")[:2] == (True, True)
    assert learner.reset(OTHER).removed[0] == "data months: archived"  # the fresh copy has the default names
    assert learner.reset(OTHER).removed == (UNKNOWN,)  # and now there is nothing left


def test_reset_undoes_what_only_the_record_names_and_says_whose_name_nothing_tells(
    learner: Learner, service: Service
) -> None:
    def compute_name() -> Path:
        notebook = learner.start(OTHER)
        text = notebook.read_text()
        notebook.write_text(text.replace('data_name = \\"months\\"', "data_name = 'mi' + 'ne'"))
        assert text != notebook.read_text()
        return notebook

    compute_name()
    assert "not undone: online_endpoint {data_name}-endpoint: its name is not known" in [
        *learner.reset(OTHER).removed
    ]

    notebook = compute_name()
    for name in ("former", "mine"):  # the learner changed it after a first run
        make_resources(service.info, name)
        Events(service.info).append(
            OTHER, EventKind.CHECKED, "register-table", passed=False, names={"data_name": name}
        )
    notebook.write_text('{"cells": [')
    asked = run(learner, "reset", OTHER, input="n\n")
    assert "online endpoint former-endpoint" in asked.stderr
    assert UNKNOWN in asked.stderr
    removed = learner.reset(OTHER).removed
    for name in ("former", "mine"):
        assert f"online endpoint {name}-endpoint: deleted" in removed
        assert what_is_there(service.info, name)[:2] == (False, False)


def test_reset_leaves_what_was_there_before_the_lab_and_says_so(learner: Learner, service: Service) -> None:
    make_resources(service.info, "of-another")
    lab = new_lab(learner.collection, "93-count-hours").id
    set_name(learner.start(lab), "of-another")
    assert learner.reset(lab).removed == ("data of-another: left as it is (it was there before the lab)",)
    assert what_is_there(service.info, "of-another")[0]


def test_reset_archives_the_versions_that_the_lab_added_to_an_older_asset(
    learner: Learner, service: Service
) -> None:
    for version in ("1", "2"):
        put_data(service.info, "shared", version)
    lab = new_lab(learner.collection, "94-count-minutes").id  # nothing is recorded of it yet
    set_name(learner.start(lab), "shared")
    put_data(service.info, "shared", "2", description="Changed by the lab")
    put_data(service.info, "shared", "10")
    put_data(service.info, "shared", "3")

    assert learner.undoes(learner.made(lab, "data")) == ("data shared version 10", "data shared version 3")
    assert learner.reset(lab, "data").removed == (
        "data shared version 2: left as it is (it was there before the lab, and was changed since)",
        "data shared version 10: archived",
        "data shared version 3: archived",
        "data shared: left as it is (it was there before the lab)",
    )
    assert active_versions(service.info, "shared") == ["1", "2"]
    assert learner.undoes(learner.made(lab)) == ()


def test_reset_of_an_asset_archives_its_versions_and_those_that_come_after(
    learner: Learner, service: Service
) -> None:
    set_name(learner.start(LAB), "again")
    put_data(service.info, "again", "1")
    assert learner.reset(LAB, "data").removed == ("data again: archived",)
    assert active_versions(service.info, "again") == []  # a check that lists versions finds none either
    put_data(service.info, "again", "2")
    assert learner.undoes(learner.made(LAB, "data")) == ("data again version 2",)
    assert learner.reset(LAB, "data").removed == ("data again version 2: archived",)


def test_a_check_after_the_reset_of_its_step_does_not_find_what_was_reset(
    learner: Learner, service: Service
) -> None:
    put_data(service.info, "rechecked", "1")
    lab = new_lab(learner.collection, "95-count-seconds")
    text = lab.checks_file.read_text()
    lab.checks_file.write_text(
        text.replace("        found,\n        expected", "        '2' in found,\n        expected")
    )
    notebook = learner.start(lab.id)
    set_name(notebook, "rechecked")
    environment = {"ACADEMY_HOME": str(service.home.root), "JPY_SESSION_NAME": str(notebook)}
    with kernel_in(notebook.parent, environment) as kernel:
        kernel.run("%load_ext academy\ndata_name = 'rechecked'")
        put_data(service.info, "rechecked", "2")
        assert run(learner, "check", lab.id, "register-table").returncode == 0
        learner.reset(lab.id, "data")
        assert run(learner, "check", lab.id, "register-table").returncode == 1


def test_reset_deletes_the_deployments_that_the_lab_added_to_an_older_endpoint(
    learner: Learner, service: Service, tmp_path: Path
) -> None:
    (tmp_path / "score.py").write_text("def init(): pass\ndef run(data): return 1\n")
    client = service.client()
    endpoint = client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name="older-endpoint", auth_mode="key")
    ).result()
    deploy(client, tmp_path, "blue")
    deploy(client, tmp_path, "red")
    endpoint.traffic = {"blue": 100}
    client.online_endpoints.begin_create_or_update(endpoint).result()
    lab = new_lab(learner.collection, "96-count-hours")
    manifest = lab.folder / "lab.yml"
    manifest.write_text(manifest.read_text().partition("resources:")[0] + _RESOURCES)
    set_name(learner.start(lab.id), "older")
    deploy(client, tmp_path, "blue", environment_variables={"CHANGED": "1"})
    deploy(client, tmp_path, "green")
    endpoint.traffic = {"blue": 10, "green": 90}
    client.online_endpoints.begin_create_or_update(endpoint).result()

    changed = "left as it is (it was there before the lab, and was changed since)"
    undone = ("traffic of online endpoint older-endpoint: blue=100",)
    green = "deployment green of online endpoint older-endpoint"
    assert learner.undoes(learner.made(lab.id, "data")) == (*undone, green)
    assert learner.reset(lab.id, "data").removed == (
        *undone,
        f"deployment blue of online endpoint older-endpoint: {changed}",
        f"{green}: deleted",
        f"online endpoint older-endpoint: {changed}",
    )
    left = {one.name for one in client.online_deployments.list("older-endpoint")}
    assert left == {"blue", "red"}
    traffic = client.online_endpoints.get("older-endpoint").traffic
    assert {name: share for name, share in traffic.items() if share} == {"blue": 100}
    client.online_endpoints.begin_delete("older-endpoint").result()


def deploy(client: Any, code: Path, name: str, **more: Any) -> None:
    made = ManagedOnlineDeployment(
        name=name,
        endpoint_name="older-endpoint",
        environment="azureml:academy:1",
        code_configuration=CodeConfiguration(code=str(code), scoring_script="score.py"),
        instance_type="Standard_DS3_v2",
        instance_count=1,
        **more,
    )
    client.online_deployments.begin_create_or_update(made).result()


@pytest.mark.parametrize(
    ("before", "gone", "stay", "after"),
    [
        ({"green": 100}, ["green"], [], {}),
        ({"green": 100}, ["green"], ["blue", "red"], {"blue": 100}),
        ({"blue": 10, "green": 90}, ["green"], ["blue"], {"blue": 100}),
        ({"blue": 20, "red": 40, "green": 40}, ["green"], ["blue", "red"], {"blue": 33, "red": 67}),
    ],
)
def test_traffic_of_what_goes_falls_to_what_stays(
    before: dict[str, int], gone: list[str], stay: list[str], after: dict[str, int]
) -> None:
    assert traffic_without(before, gone, stay) == after


def test_a_job_that_has_ended_is_not_promised_to_be_undone(learner: Learner, service: Service) -> None:
    set_name(learner.start(OTHER), "ended")
    make_resources(service.info, "ended")
    path = DEFAULT_WORKSPACE.child("jobs", "ended-job", "cancel")
    assert learner.undoes(learner.made(OTHER, "count")) == ("job ended-job",)
    Loopback(service.info).send("POST", path)
    deadline = time.monotonic() + 60
    while what_is_there(service.info, "ended")[2] != "Canceled":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert learner.undoes(learner.made(OTHER, "count")) == ()
    assert learner.reset(OTHER, "count").removed == (UNKNOWN,)
    learner.reset(OTHER)


@pytest.mark.parametrize("step", [None, "count"])
def test_a_file_in_the_place_of_old_copies_is_named_before_anything_is_torn_down(
    learner: Learner, service: Service, step: str | None
) -> None:
    learner.start(OTHER)
    notebook = learner.home.work / OTHER / f"{OTHER}.ipynb"
    set_name(notebook, "tables-of-ben")
    make_resources(service.info, "tables-of-ben")
    (learner.home.work / "kept").write_text("mine")
    with pytest.raises(Conflict, match="kept, but that is a file"):
        learner.reset(OTHER, step)
    assert "tables-of-ben" in notebook.read_text()
    assert (learner.home.work / "kept").read_text() == "mine"
    listed, endpoint, job = what_is_there(service.info, "tables-of-ben")
    assert (listed, endpoint) == (True, True)
    assert job != "Canceled"


# What a step makes of each other kind: where it is kept, and what its document says.
_KINDS = {
    "model": ("models/{}/versions/1", {"modelType": "custom_model", "modelUri": "https://example.org/m"}),
    "environment": (
        "environments/{}/versions/1",
        {"image": "mcr.microsoft.com/azureml/minimal-py311-inference"},
    ),
    "component": ("components/{}/versions/1", {"componentSpec": {"type": "command"}}),
    "compute": ("computes/{}", {"computeType": "AmlCompute", "properties": {}}),
}


@pytest.mark.parametrize("kind", _KINDS)
def test_reset_undoes_what_is_of_every_kind(learner: Learner, service: Service, kind: str) -> None:
    manifest = learner.collection.lab(OTHER).folder / "lab.yml"
    resource = f'\nresources:\n  - {{step: data, type: {kind}, name: "{{data_name}}"}}\n'
    manifest.write_text(manifest.read_text().partition("resources:")[0] + resource)
    set_name(learner.start(OTHER), f"own-{kind}")
    path, properties = _KINDS[kind]
    made = DEFAULT_WORKSPACE.child(*path.format(f"own-{kind}").split("/"))
    Loopback(service.info).send("PUT", made, {"location": "local", "properties": properties})
    folder = made.removesuffix("/versions/1").rpartition("/")[0]

    def listed() -> bool:
        return f"own-{kind}" in [one["name"] for one in Loopback(service.info).get(folder)["value"]]

    assert listed()
    (said,) = learner.reset(OTHER).removed
    assert said == f"{kind} own-{kind}: {'deleted' if kind == 'compute' else 'archived'}"
    assert not listed()


def test_no_old_copy_is_kept_of_files_that_were_not_changed(learner: Learner) -> None:
    folder = learner.start(OTHER).parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert learner.reset(OTHER, "count").kept is None
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before
    assert learner.reset(OTHER).kept is None
    assert [path.name for path in learner.home.work.iterdir()] == [OTHER]

    (folder / ".mine").write_text("hidden")
    hidden = learner.reset(OTHER).kept
    (folder / "src" / "count.py").unlink()
    gone = learner.reset(OTHER).kept
    assert hidden is not None
    assert gone is not None
    assert (hidden / ".mine").read_text() == "hidden"
    assert not (gone / "src" / "count.py").exists()
    assert sorted(path for path in (learner.home.work / "kept").iterdir()) == sorted([hidden, gone])
    assert [card.lab.id for card in learner.cards()] == [LAB, OTHER]


def test_a_copy_that_is_a_link_is_kept_as_a_link_to_the_same_folder(
    learner: Learner, collection: Collection, tmp_path: Path
) -> None:
    notebook = learner.start(LAB)
    notebook.parent.rename(tmp_path / "elsewhere")
    notebook.parent.symlink_to(Path("..", "elsewhere"))
    source = collection.lab(LAB).notebook
    sound = source.read_text()
    source.write_text("broken")
    with pytest.raises(InvalidField):
        learner.reset(LAB)
    assert notebook.parent.samefile(tmp_path / "elsewhere")
    source.write_text(sound)

    kept = learner.reset(LAB).kept

    assert kept is not None
    assert kept.is_symlink()
    assert (kept / notebook.name).samefile(tmp_path / "elsewhere" / notebook.name)
    assert not notebook.parent.is_symlink()
    assert "NotImplementedError" in notebook.read_text()


@pytest.mark.parametrize(
    ("content", "says"), [(None, ""), (b"title: [", "not YAML"), (b"\xff\xfe", "not text in UTF-8")]
)
def test_a_copy_whose_manifest_is_gone_or_damaged_is_reset(
    learner: Learner, content: bytes | None, says: str
) -> None:
    notebook = learner.start(LAB)
    manifest = notebook.with_name("lab.yml")
    manifest.unlink()
    if content is None:
        for act in (learner.start, learner.hand_in):
            with pytest.raises(Conflict, match=rf"lacks lab\.yml\..*'academy lab reset {LAB}'"):
                act(LAB)
    else:
        manifest.write_bytes(content)
        with pytest.raises(InvalidField, match=rf"{says}.*'academy lab reset {LAB}'"):
            learner.sound_copy(LAB)
        assert zipfile.is_zipfile(learner.hand_in(LAB).file)
    report = learner.reset(LAB)
    assert report.kept is not None
    assert (report.kept / notebook.name).exists()
    assert learner.sound_copy(LAB).notebook == notebook


def test_reset_of_a_step_restores_its_cells_and_files_and_no_others(
    learner: Learner, service: Service
) -> None:
    notebook = learner.start(OTHER)
    set_name(notebook, "step-of-bo")
    make_resources(service.info, "step-of-bo")
    found = ipynb.read(notebook)
    by_id = {cell.id: cell for cell in found.cells}
    original = by_id["count"].source
    by_id["count"].source = "def long_months(days, limit): return 'wrong'"
    by_id["data"].source = "table = 'the work of an afternoon'"
    found.cells.remove(by_id["count-check"])
    mine = ipynb.parse('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "x")
    mine = {**by_id["data-text"], "id": "my-note", "source": "my note", "metadata": {}}
    found.cells.insert(found.cells.index(by_id["count"]) + 1, type(by_id["count"])(mine))
    ipynb.write(found, notebook)
    script = notebook.parent / "src" / "count.py"
    script.write_text("print('mine')")
    (notebook.parent / "data" / "README.md").write_text("mine")
    before = latest(service)

    report = learner.reset(OTHER, "count")

    now = {cell.id: cell.source for cell in ipynb.read(notebook).cells}
    order = [cell.id for cell in ipynb.read(notebook).cells]
    assert now["count"] == original
    assert now["data"] == "table = 'the work of an afternoon'"
    assert now["my-note"] == "my note"
    assert order.index("count") < order.index("count-check") < order.index("count-table")
    assert "NotImplementedError" in script.read_text()
    assert report.restored == ("src/count.py",)
    assert (notebook.parent / "data" / "README.md").read_text() == "mine"  # no cell of the step names it
    assert report.kept is not None
    assert (report.kept / "src" / "count.py").read_text() == "print('mine')"
    assert report.removed == ("job step-of-bo-job: cancelled", UNKNOWN)
    assert what_is_there(service.info, "step-of-bo")[:2] == (True, True)
    (event,) = Events(service.info).read(OTHER, before)
    assert (event.kind, event.data["step"]) == (EventKind.RESET, "count")


def test_a_step_that_is_not_there_changes_nothing(learner: Learner) -> None:
    notebook = learner.start(LAB)
    content = notebook.read_bytes()
    with pytest.raises(NotFound, match="'clean-up', 'connect', 'count', 'data'"):
        learner.reset(LAB, "nope")
    assert notebook.read_bytes() == content
    assert [path.name for path in learner.home.work.iterdir()] == [LAB]


def test_a_notebook_that_cannot_be_read_is_restored_whole(learner: Learner) -> None:
    notebook = learner.start(LAB)
    notebook.write_text('{"cells": [')
    with pytest.raises(InvalidField, match=f"academy lab reset {LAB}"):
        learner.reset(LAB, "count")
    report = learner.reset(LAB)
    assert report.kept is not None
    assert (report.kept / notebook.name).read_text() == '{"cells": ['
    assert len(ipynb.read(notebook).cells) > 5


def test_what_was_pasted_into_a_step_goes_with_it(learner: Learner) -> None:
    original = ipynb.read(learner.start(LAB))
    own = ipynb.read(learner.start(LAB))
    pasted = type(own.cells[0])({**own.cells[-4], "id": "pasted"})
    count = next(cell for cell in own.cells if cell.id == "count")
    pasted = type(count)({**count, "id": "pasted", "source": "pasted"})
    own.cells = [cell for cell in own.cells if step_of(cell) != "count"]
    own.cells.append(pasted)
    assert [cell.id for cell in restored(own, original, "count").cells] == [
        cell.id for cell in original.cells
    ]


def test_a_copy_is_restored_from_the_collection_that_it_was_made_from(
    learner: Learner, tmp_path: Path
) -> None:
    notebook = learner.start(LAB)
    notebook.write_text(notebook.read_text().replace("limit = 30", "limit = 29"))
    elsewhere = Learner(learner.home, Collection(tmp_path / "of another course"))
    elsewhere.reset(LAB)
    assert "limit = 30" in notebook.read_text()

    (notebook.parent / RECORD).unlink()  # as a copy that was handed over by hand
    content = notebook.read_bytes()
    with pytest.raises(NotFound, match="--collection"):
        elsewhere.reset(LAB)
    assert notebook.read_bytes() == content


def test_a_copy_comes_back_when_no_fresh_one_can_be_made(learner: Learner, collection: Collection) -> None:
    notebook = learner.start(LAB)
    content = notebook.read_bytes()
    collection.lab(LAB).notebook.write_text("broken")
    with pytest.raises(InvalidField):
        learner.reset(LAB)
    assert notebook.read_bytes() == content
    assert [path.name for path in learner.home.work.iterdir()] == [LAB]


# Submit.


def test_a_submission_holds_the_notebook_the_scripts_and_what_was_changed(
    learner: Learner, service: Service, tmp_path: Path
) -> None:
    notebook = learner.start(OTHER)
    folder = notebook.parent
    (folder / "notes.md").write_text("my notes")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_bytes(b"x")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "x.ipynb").write_text("{}")
    (tmp_path / "secret").write_text("not the learner's to give")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "linked").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")  # opening it would wait for ever
    data = {"passed": True, "points": 1, "max_points": 1}
    Events(service.info).append(OTHER, EventKind.CHECKED, "count-long-months", **data)

    submitted = learner.hand_in(OTHER, learner="Ana María / 7")

    assert submitted.file.parent == learner.home.work / "submissions"
    assert submitted.file.name.startswith(f"{OTHER}-Ana_María_7-")
    with zipfile.ZipFile(submitted.file) as packed:
        assert packed.testzip() is None
        assert sorted(packed.namelist()) == [
            f"{OTHER}.ipynb", "lab.yml", "notes.md", "src/count.py", "submission.json",
        ]  # fmt: skip
        record = json.loads(packed.read("submission.json"))
        assert packed.read(f"{OTHER}.ipynb") == notebook.read_bytes()
    assert (record["lab"], record["learner"]) == (OTHER, "Ana María / 7")
    assert abs(record["at"] - time.time()) < 60
    assert [(task["id"], task["passed"]) for task in record["progress"]["tasks"]] == [
        ("register-table", False),
        ("count-long-months", True),
    ]
    assert submitted.links == ("link", "linked")
    assert learner.progress(OTHER).state is State.SUBMITTED


def test_a_submission_goes_where_it_is_asked_to(learner: Learner, tmp_path: Path) -> None:
    learner.start(LAB)
    assert learner.hand_in(LAB, tmp_path / "out" / "mine.zip").file == tmp_path / "out" / "mine.zip"
    assert zipfile.is_zipfile(tmp_path / "out" / "mine.zip")
    assert learner.hand_in(LAB, tmp_path / "out").file.parent == tmp_path / "out"
    before = (tmp_path / "out" / "mine.zip").read_bytes()
    with pytest.raises(Conflict, match="left as it is"):
        learner.hand_in(LAB, tmp_path / "out" / "mine.zip")
    assert (tmp_path / "out" / "mine.zip").read_bytes() == before
    (tmp_path / "file").write_text("")
    with pytest.raises(AcademyError, match="Choose another --to"):
        learner.hand_in(LAB, tmp_path / "file" / "x.zip")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Jo\u0308rg", "J\u00f6rg"),
        ("李 明", "李_明"),
        ("हिन्दी", "हिन्दी"),
        ("../a\n\u202eb", "a_b"),
        ("ß" * 300, "ß" * 40),
    ],
)
def test_a_submission_is_named_after_the_learner_in_any_script(
    learner: Learner, tmp_path: Path, name: str, shown: str
) -> None:
    learner.start(LAB)
    file = learner.hand_in(LAB, tmp_path, learner=name).file
    assert file.parent == tmp_path
    assert file.name.startswith(f"{LAB}-{shown}-2")


def test_a_damaged_notebook_is_handed_in_with_a_warning_that_names_reset(learner: Learner) -> None:
    notebook = learner.start(LAB)
    assert learner.hand_in(LAB).damage == ""
    notebook.write_text('{"cells": [')
    for command, exit_status in (("submit", 0), ("check", 1)):
        said = run(learner, command, LAB)
        assert said.returncode == exit_status
        assert f"'academy lab reset {LAB}'" in said.stderr


def test_too_much_is_refused_by_name_and_leaves_nothing(learner: Learner, tmp_path: Path) -> None:
    folder = learner.start(LAB).parent
    (folder / "large.bin").write_bytes(b"x" * 3_000_000)
    with pytest.raises(UserError, match=r"2\.9 MB .* at most 1\.0 MB .*large\.bin"):
        write_submission(learner.copy(LAB), learner.progress(LAB), tmp_path / "out", most_bytes=1024**2)
    assert not (tmp_path / "out").exists()


def test_a_notebook_that_became_a_link_is_not_followed(learner: Learner, tmp_path: Path) -> None:
    notebook = learner.start(LAB)
    notebook.rename(tmp_path / "elsewhere.ipynb")
    notebook.symlink_to(tmp_path / "elsewhere.ipynb")
    with pytest.raises(UserError, match="is a link"):
        learner.hand_in(LAB, tmp_path / "out")


# From the command line.


def run(learner: Learner, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "ACADEMY_HOME": str(learner.home.root),
        "ACADEMY_LABS": str(learner.collection.root),
        **options.pop("env", {}),
    }
    return subprocess.run(
        [COMMAND, "lab", *arguments], env=environment, capture_output=True, text=True, timeout=120, **options
    )


def test_list_shows_every_lab_in_a_table(learner: Learner) -> None:
    learner.start(LAB)
    lines = run(learner, "list").stdout.splitlines()
    assert lines[0].split() == ["LAB", "LEVEL", "MIN", "CELL", "PROGRESS", "SCORE", "BEFORE", "TITLE"]
    shared = ["100", "15", "hosted", "started", "0", "of", "3"]
    title = learner.lab(LAB).manifest.title
    assert lines[1].split() == [LAB, *shared, "-", *title.split()]
    assert lines[2].split() == [OTHER, *shared, "90", *learner.lab(OTHER).manifest.title.split()]
    assert lines[3].startswith("CELL is the lab's place in the decision matrix.")
    found = json.loads(run(learner, "list", "--json").stdout)
    assert [(lab["id"], lab["state"], bool(lab["copy"])) for lab in found] == [
        (LAB, "started", True),
        (OTHER, "started", False),
    ]
    german = run(learner, "list", env={"ACADEMY_LANGUAGE": "de"}).stdout
    assert "begonnen" in german
    assert "ZUVOR" in german


@pytest.mark.parametrize(("width", "below"), [(80, True), (200, False)])
def test_a_title_that_finds_no_room_on_the_terminal_has_a_line_of_its_own(
    learner: Learner, width: int, below: bool
) -> None:
    shown = lab_text.table(learner.cards(), width).splitlines()
    title = learner.lab(LAB).manifest.title
    assert max(map(len, shown)) <= width
    assert (f"  {title}" == shown[2]) is below
    assert shown[1].endswith(title) is not below
    assert shown[0].endswith("TITLE") is not below


@pytest.mark.parametrize("options", [("nope",), ("nope", "--yes"), ("",)])
def test_a_step_that_is_not_there_is_refused_before_the_question(
    learner: Learner, service: Service, options: tuple[str, ...]
) -> None:
    set_name(learner.start(LAB), "never-reset")
    put_data(service.info, "never-reset", "1")
    refused = run(learner, "reset", LAB, "--step", *options, input="y\n")
    assert refused.returncode == 3
    assert active_versions(service.info, "never-reset") == ["1"]
    assert "Steps: 'clean-up', 'connect', 'count', 'data'" in refused.stderr
    assert "[y/N]" not in refused.stderr
    assert [path.name for path in learner.home.work.iterdir()] == [LAB]


def test_list_starts_no_service_and_reads_what_the_last_one_recorded(
    collection: Collection, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    learner = Learner(home, collection)
    assert "not started" in run(learner, "list").stdout
    assert not home.root.exists()
    Events(up(home)).append(LAB, EventKind.STARTED)
    down(home)
    states = {lab["id"]: lab["state"] for lab in json.loads(run(learner, "list", "--json").stdout)}
    assert states == {LAB: "started", OTHER: "not_started"}
    assert status(home).state == "stopped"
    elsewhere = run(learner, "list", env={"ACADEMY_DATABASE_URL": "postgresql://127.0.0.1:9/none"})
    assert elsewhere.returncode == 0
    assert LAB in elsewhere.stdout
    assert "academy up" in elsewhere.stderr


def test_list_takes_little_more_than_the_libraries_that_it_needs(learner: Learner) -> None:
    for number in range(15):  # as many labs as the curriculum has
        new_lab(learner.collection, f"{number:02}-take-time")
    environment = {**os.environ, "ACADEMY_HOME": str(learner.home.root)}
    command = [COMMAND, "lab", "list", "--collection", str(learner.collection.root)]
    libraries = [sys.executable, "-c", "import click, http.client, psutil, sqlite3, yaml"]

    def seconds(argv: list[str]) -> float:
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, env=environment)
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
        return usage.ru_utime + usage.ru_stime

    # Processor time, and beside each other: a busy or slow machine slows both.
    pairs = [(seconds(command), seconds(libraries)) for _ in range(5)]
    assert min(one for one, _ in pairs) < 3 * min(other for _, other in pairs)


def test_an_empty_collection_says_where_labs_are_looked_for(learner: Learner, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = run(
        learner, "list", "--collection", str(tmp_path / "empty"), env={"ACADEMY_WORK": str(tmp_path / "w")}
    )
    assert said.returncode == 0
    assert "ACADEMY_LABS" in said.stdout
    learner.start(LAB)  # a copy of one's own is listed, and hides nothing
    said = run(learner, "list", "--collection", str(tmp_path / "empty"))
    assert LAB in said.stdout
    assert f"no labs in {tmp_path / 'empty'}" in said.stdout


@pytest.mark.parametrize(("language", "word", "question"), [("en", "y", "[y/N]"), ("de", "Ja", "[j/N]")])
def test_a_question_takes_the_words_of_the_language_that_it_is_asked_in(
    learner: Learner, language: str, word: str, question: str
) -> None:
    environment = {"ACADEMY_LANGUAGE": language}
    asked = ("solution", "90", "count-long-months")
    shown = run(learner, *asked, input=f"what\n{word}\n", env=environment)
    assert shown.stderr.count(question) == 2  # asked again after a word that says neither
    assert "sum(1 for number" in shown.stdout
    for no in ("\n", "n\n", ""):
        assert run(learner, *asked, input=no, env=environment).returncode == 1


def test_open_hands_the_collection_to_the_server(
    learner: Learner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    monkeypatch.setattr("os.execve", lambda *given: started.append(given))
    monkeypatch.setattr("academy.jupyterlab.installation.Installation.is_current", lambda self: True)
    monkeypatch.setenv("ACADEMY_HOME", str(learner.home.root))
    monkeypatch.setenv("ACADEMY_LABS", str(tmp_path / "of another course"))
    options = ["--no-browser", "--collection", str(learner.collection.root)]
    found = CliRunner().invoke(open_labs, [LAB, *options])
    assert found.exit_code == 0, found.output
    ((_, _, environment),) = started
    assert environment["ACADEMY_LABS"] == str(learner.collection.root)
    assert (learner.home.work / LAB).is_dir()


def test_start_status_hint_solution_reset_and_submit_as_a_user_runs_them(
    learner: Learner, service: Service
) -> None:
    assert "academy lab open" in run(learner, "start", "90").stdout
    assert "as you left it" in run(learner, "start", "90").stdout
    assert "Hint" in run(learner, "hint", "90").stdout  # of the first task that is open

    refused = run(learner, "solution", "90", "count-long-months", input="n\n")
    assert (refused.returncode, refused.stdout) == (1, "")
    shown = run(learner, "solution", "90", "count-long-months", "--yes")
    assert "sum(1 for number" in shown.stdout

    said = run(learner, "status", "90").stdout
    assert "0 of 3" in said
    assert "solution shown" in said

    assert run(learner, "reset", "90", input="n\n").returncode == 1
    assert not (learner.home.work / "kept").exists()
    notebook = learner.copy(LAB).notebook
    notebook.write_text(notebook.read_text().replace("limit = 30", "limit = 29"))
    put_data(service.info, "months", "of-90")
    asked = run(learner, "reset", "90", input="y\n")
    assert asked.returncode == 0
    assert "In the workspace it undoes: data months version of-90.\n" in asked.stderr
    assert f"Your old copy: {learner.home.work / 'kept'}" in asked.stdout
    assert "no old copy was kept" in run(learner, "reset", "90", "--yes").stdout

    submitted = run(learner, "submit", "90")
    assert submitted.returncode == 0
    assert "Not passed yet: register-table, count-long-months." in submitted.stdout
    assert "handed in\n" in run(learner, "status", "90").stdout
    Events(service.info).append(LAB, EventKind.CHECKED, "count-long-months", passed=False, points=0)
    assert "handed in, worked on since" in run(learner, "status", "90").stdout
    assert "handed in, worked on since" in run(learner, "list").stdout
    assert run(learner, "submit", "91").returncode == 3


def solve(notebook: Path) -> None:
    """Write the solutions into a copy, and a cell that fails and one that hangs before them."""
    found = ipynb.read(notebook)
    sources = {
        "data": "from azure.ai.ml.entities import Data\nml_client.data.create_or_update(\n"
        "    Data(name=data_name, type='uri_file', path='./data/months.csv'))",
        "count": "def long_months(days, limit):\n    return sum(number > limit for number in days)",
        "count-table": "raise SystemError('must not run: no check needs it')",
    }
    for cell in found.cells:
        cell.source = sources.get(cell.id, cell.source)
    position = next(index for index, cell in enumerate(found.cells) if cell.id == "count")
    found.cells.insert(
        position, type(found.cells[0])({**found.cells[position], "id": "fails", "source": "1 / 0"})
    )
    ipynb.write(found, notebook)


def test_check_runs_the_saved_copy_from_the_top_and_tolerates_errors(learner: Learner) -> None:
    notebook = learner.start(LAB)
    set_name(notebook, "tables-of-dee")
    solve(notebook)
    content = notebook.read_bytes()

    found = run(learner, "check", "90", "--json")

    assert found.returncode == 0, found.stderr
    assert found.stderr.count(f"No notebook of {LAB} is open, so the cells of your saved copy are run") == 1
    answer = json.loads(found.stdout)
    assert (answer["passed"], answer["points"], answer["where"]) == (True, 3, "saved copy")
    assert [error["error"] for error in answer["errors"]] == ["ZeroDivisionError: division by zero"]
    assert notebook.read_bytes() == content
    assert learner.progress(LAB).state is State.DONE
    (said,) = [line for line in found.stderr.splitlines() if "data tables-of-dee" in line]
    assert f"'academy lab reset {LAB}'" in said
    assert learner.reset(LAB).removed == ("data tables-of-dee: archived",)


def test_check_asks_the_open_notebook_and_exits_with_1_when_a_task_is_not_passed(
    learner: Learner, service: Service
) -> None:
    notebook = learner.start(LAB)
    environment = {"ACADEMY_HOME": str(service.home.root), "JPY_SESSION_NAME": str(notebook)}
    with kernel_in(notebook.parent, environment) as kernel:
        kernel.run("%load_ext academy\ndef long_months(days, limit): return 2")
        passed = run(learner, "check", "90", "count-long-months")
        assert passed.returncode == 0, passed.stderr
        assert "in the notebook that is open" in passed.stdout
        assert "1 of 1 tasks passed, 1 of 1 points." in passed.stdout
        kernel.run("def long_months(days, limit): return 3")
        failed = run(learner, "check", "90", "count-long-months")
        assert failed.returncode == 1
        assert "Found:    3" in failed.stdout
    unknown = run(learner, "check", "90", "no-such-task")
    assert unknown.returncode == 3
    assert "'register-table'" in unknown.stderr


def test_a_check_of_an_open_notebook_starts_the_service_first(
    new_service: Callable[[], Service], collection: Collection, learner: Learner
) -> None:
    own = Learner(new_service().home, collection)
    notebook = own.start(LAB)
    environment = {"ACADEMY_HOME": str(own.home.root), "JPY_SESSION_NAME": str(notebook)}
    with kernel_in(notebook.parent, environment) as kernel:
        kernel.run("%load_ext academy\ndef long_months(days, limit): return 2")
        down(own.home)
        said = run(own, "check", LAB, "count-long-months")
    assert said.returncode == 0, said.stderr
    assert "not in your progress" not in said.stdout
    assert own.progress(LAB).task("count-long-months").passed
    down(own.home)


def test_each_check_is_made_at_its_place_and_nothing_runs_after_the_last(learner: Learner) -> None:
    notebook = ipynb.read(learner.start(LAB))
    ids = [cell.id for cell in plan_of(notebook, LAB, ["register-table"]).cells]
    assert ids == ["values", "extension", "connect", "data", "asks-register-table"]
    notebook.cells = [cell for cell in notebook.cells if cell.id != "data-check"]  # the learner deleted it
    ids = [cell.id for cell in plan_of(notebook, LAB, ["count-long-months", "register-table"]).cells]
    assert ids[3:] == ["data", "asks-register-table", "count", "asks-count-long-months"]
    assert RECORD.startswith(".")
