"""The record of what learners did: the store on both databases, the service's routes, older homes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Engine, create_engine, inspect, text

from academy.errors import AcademyError, Forbidden, InvalidField, ServiceUnavailable
from academy.labs.learning.events import EventKind, Events, kept_events
from academy.paths import Home
from academy.service.job_access import check
from academy.service.loopback import Loopback
from academy.service.process import up
from academy.store.database import HEAD, open_database
from academy.store.lab_event_file import read_lab_events
from academy.store.lab_events import LabEvents
from academy.store.tables import metadata, revisions
from tests.conftest import Service
from tests.test_store import postgres

__all__ = ["postgres"]

LAB = "05-track-experiments"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'a.db'}"
        return
    address = request.getfixturevalue("postgres")
    yield address
    engine = create_engine(address)
    metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    opened = open_database(url)
    yield opened
    opened.dispose()


def test_events_are_read_as_they_were_written_and_in_order(engine: Engine) -> None:
    events = LabEvents(engine)
    first = events.append("ana", LAB, "started")
    second = events.append("ana", LAB, EventKind.CHECKED, "log-metrics", {"passed": True, "points": 1.5})
    other = events.append("ana", "06-run-command-jobs", "opened")
    assert events.read() == [first, second, other]
    assert events.read(lab=LAB) == [first, second]
    assert events.read(after=first.sequence) == [second, other]
    assert events.read(top=1) == [first]
    assert second.data == {"passed": True, "points": 1.5}
    assert first.at <= second.at


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (("track-experiments", "started", None, {}), "NN-verb-noun"),
        ((f"{LAB}/x", "started", None, {}), "NN-verb-noun"),
        ((f"{LAB}-{'x' * 100}", "started", None, {}), "NN-verb-noun"),
        ((LAB, "cheated", None, {}), "'solution_shown'"),
        ((LAB, None, None, {}), "'started'"),
        ((LAB, "checked", "Log Metrics", {}), "lower-case"),
        ((LAB, "checked", 7, {}), "lower-case"),
        ((LAB, "checked", "log-metrics", {"message": "x" * 70_000}), "at most 65536"),
        ((LAB, "checked", "log-metrics", ["passed"]), "not an object"),
    ],
)
def test_what_is_no_event_is_refused_and_not_kept(engine: Engine, event: tuple[Any, ...], said: str) -> None:
    events = LabEvents(engine)
    with pytest.raises(InvalidField, match=said):
        events.append("ana", *event)
    assert events.read() == []


def test_nobody_who_asks_for_what_came_after_misses_an_event(engine: Engine) -> None:
    events = LabEvents(engine)
    writers = [
        threading.Thread(target=lambda: [events.append("ana", LAB, "opened") for _ in range(25)])
        for _ in range(4)
    ]
    for writer in writers:
        writer.start()
    seen: list[int] = []
    while len(seen) < 100 and (any(writer.is_alive() for writer in writers) or len(seen) == 0):
        seen += [event.sequence for event in events.read(after=seen[-1] if seen else 0)]
    for writer in writers:
        writer.join()
    seen += [event.sequence for event in events.read(after=seen[-1])]
    assert len(seen) == len(set(seen)) == 100
    assert seen == sorted(seen)


def test_a_home_from_before_there_were_labs_is_brought_up_to_date(url: str) -> None:
    older = create_engine(url)
    with older.begin() as connection:
        metadata.create_all(connection)
        for later in ("lab_events", "ledger"):
            connection.execute(text(f"DROP TABLE {later}"))
        connection.execute(revisions.insert().values(version_num="0001"))
        connection.execute(text("INSERT INTO labels VALUES ('models/m', 'production', '3')"))
    older.dispose()

    opened = open_database(url)

    assert LabEvents(opened).append("ana", LAB, "started").sequence == 1
    with opened.connect() as connection:
        assert connection.execute(revisions.select()).scalar_one() == HEAD
        assert connection.execute(text("SELECT version FROM labels")).scalar_one() == "3"
    assert [index["name"] for index in inspect(opened).get_indexes("lab_events")] == ["lab_events_by_lab"]
    opened.dispose()


def test_the_service_keeps_events_and_outlives_its_own_death(new_service: Callable[[], Service]) -> None:
    service = new_service()
    events = Events(service.info)
    written = [events.append(LAB, EventKind.STARTED), events.append(LAB, EventKind.HINTED, "a-b", level=1)]
    assert events.read() == written
    assert written[1].data == {"level": 1}

    # The answer was given: whatever comes now, these two are kept.
    os.kill(service.info.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(service.info.pid)] if psutil.pid_exists(service.info.pid) else [], 10)

    assert kept_events(service.home) == written  # read from the file, with nobody to ask
    with pytest.raises(ServiceUnavailable, match="academy up"):
        events.append(LAB, EventKind.OPENED)
    again = Events(up(service.home))
    assert again.read() == written
    assert again.append(LAB, EventKind.OPENED).sequence > written[1].sequence
    assert again.read(LAB, after=written[1].sequence)[0].kind is EventKind.OPENED
    assert again.read("06-run-command-jobs") == []


def test_a_proxy_of_the_environment_is_not_asked(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    assert Events(service.info).append("07-tune-hyperparameters", EventKind.STARTED).sequence >= 1


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        (f"/academy/labs/{LAB}/events", {"kind": "cheated"}, 400, "'cheated' is not valid"),
        ("/academy/labs/%2e%2e/events", {"kind": "started"}, 400, "'..' is not named as labs"),
        ("/academy/labs/quickstart/events", {"kind": "started"}, 400, "'quickstart' is not named as labs"),
        (f"/academy/labs/{LAB}/events", {"kind": "started", "at": 1}, 400, "no field 'at'"),
        (f"/academy/labs/{LAB}/events", {"kind": "started", "data": "x"}, 400, "not an object"),
    ],
)
def test_the_service_refuses_what_is_no_event(
    service: Service, path: str, body: dict[str, Any], status: int, said: str
) -> None:
    with pytest.raises(AcademyError) as caught:
        Loopback(service.info).send("POST", path, body)
    assert caught.value.http_status == status
    assert said in caught.value.message


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_there_is_no_way_to_change_or_delete_an_event(service: Service, method: str) -> None:
    Events(service.info).append(LAB, EventKind.STARTED)
    before = Events(service.info).read()
    for path in (f"/academy/labs/{LAB}/events", "/academy/labs/events", "/academy/labs/events/1"):
        with pytest.raises(AcademyError):
            Loopback(service.info).send(method, path, {"kind": "opened"})
    assert Events(service.info).read() == before


def test_a_job_may_read_the_record_but_not_write_into_it() -> None:
    class OpenJobs:
        class jobs:  # noqa: N801  stands for the service's engine: the job runs
            is_open = staticmethod(lambda _name: True)

    state: Any = OpenJobs
    check(state, "job/train", "GET", "/academy/labs/events")
    for path in (
        f"/academy/labs/{LAB}/events",
        f"//academy//labs/{LAB}/events",
        f"/Academy/labs/{LAB}/events",
    ):
        with pytest.raises(Forbidden, match="write what a learner did"):
            check(state, "job/train", "POST", path)
    check(state, "ana", "POST", f"/academy/labs/{LAB}/events")


def test_a_home_without_a_record_has_no_events(tmp_path: Path) -> None:
    assert kept_events(Home(tmp_path / "none")) == []
    (tmp_path / "broken.db").write_text("this is no database, and was never one")
    with pytest.raises(OSError, match="cannot be read"):
        read_lab_events(tmp_path / "broken.db")


def test_a_record_in_a_database_server_is_not_guessed_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACADEMY_DATABASE_URL", "postgresql+psycopg://someone@127.0.0.1:9/none")
    with pytest.raises(ServiceUnavailable, match="academy up"):
        kept_events(Home(tmp_path))
