"""Ledgers: one contract over the service's database (SQLite, PostgreSQL) and a folder's file."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from academy.audit.chain import Head, Ledger, breaks
from academy.audit.ledger import ServiceLedger
from academy.audit.local.ledger import LocalLedger
from academy.audit.record import Kind, Link, Record, Relation
from academy.errors import AcademyError
from academy.evidence.evidence import FileHash, Tree
from academy.paths import AuditFolder
from academy.store.audit import AuditLog
from academy.store.database import open_database
from tests.test_store import postgres

__all__ = ["postgres"]

# Opens the same ledger again, as another process would.
Opened = Callable[[], Ledger]


def record(name: str = "a", **changes: Any) -> Record:
    made = Record(kind=Kind.JOB, name=name, id=f"/S/Jobs/{name}", who="ana", status="Completed")
    return replace(made, **changes)


@pytest.fixture(params=["sqlite", "postgresql", "local"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    if request.param == "local":
        yield lambda: LocalLedger(AuditFolder(tmp_path / AuditFolder.NAME))
        return
    url = f"sqlite:///{tmp_path / 'a.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres")
    engines = [open_database(url)]
    with engines[0].begin() as connection:
        connection.execute(text("DELETE FROM ledger"))

    def again() -> Ledger:
        engines.append(open_database(url))
        return ServiceLedger(engines[-1], tmp_path / "head.json")

    yield again
    for engine in engines:
        engine.dispose()


@pytest.fixture
def ledger(opened: Opened) -> Ledger:
    return opened()


def test_records_are_read_in_order_as_they_were_sealed(ledger: Ledger) -> None:
    sealed = [ledger.append(record(name)) for name in "abc"]
    assert [one.hash for one in ledger.read()] == [one.hash for one in sealed]
    assert [one.record for one in ledger.read()] == [record(name) for name in "abc"]
    assert [one.sequence for one in sealed] == [1, 2, 3]
    assert ledger.head() == Head(3, sealed[-1].hash)
    assert breaks(ledger.read(), ledger.head()) == []


def test_an_empty_ledger_has_no_records_no_head_and_no_break(ledger: Ledger) -> None:
    assert list(ledger.read()) == []
    assert ledger.head() == Head()
    assert breaks(ledger.read(), ledger.head()) == []


def test_a_reading_is_narrowed_by_id_in_any_case_and_by_place(ledger: Ledger) -> None:
    for name in ("a", "b", "a"):
        ledger.append(record(name))
    ledger.append(record("a_c"))
    assert [one.sequence for one in ledger.read(id="/s/jobs/A")] == [1, 3]
    assert [one.sequence for one in ledger.read(id="/S/Jobs/a", after=1)] == [3]
    assert [one.sequence for one in ledger.read(after=2)] == [3, 4]
    assert list(ledger.read(id="/S/Jobs/none")) == []


def test_odd_values_are_kept_as_they_are(ledger: Ledger) -> None:
    name = b"caf\xe9.csv".decode("utf-8", "surrogateescape")
    odd = record(
        description="Ñandú 😀 \x00 \n \ud800",
        metrics={"nan": math.nan, "up": math.inf, "third": 1 / 3, "tiny": 5e-324, "one": 1.0},
        model=Tree("/m", "0" * 64, 2**53, 1, (FileHash(name, 1, "1" * 64),)),
        links=(Link(Relation.READ, "azureml:iris:1"),),
    )
    sealed = ledger.append(odd)
    (kept,) = ledger.read()
    assert kept.hash == sealed.hash
    assert kept.record.metrics == {"nan": "NaN", "up": "Infinity", "third": 1 / 3, "tiny": 5e-324, "one": 1.0}
    assert kept.record.model == odd.model
    assert kept.record.description == odd.description
    assert breaks([kept], ledger.head()) == []
    # What travels as JSON is hashed to the same.
    assert breaks([type(kept).from_json(json.loads(json.dumps(kept.to_json())))], ledger.head()) == []


def test_the_chain_goes_on_when_the_ledger_is_opened_again(opened: Opened) -> None:
    for name in "abc":
        opened().append(record(name))
    assert [one.sequence for one in opened().read()] == [1, 2, 3]
    assert breaks(opened().read(), opened().head()) == []


def test_writers_side_by_side_make_one_chain(opened: Opened) -> None:
    ledgers = [opened(), opened()]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda number: ledgers[number % 2].append(record(f"j{number}")), range(24)))
    kept = ledgers[0].read()
    assert sorted(one.sequence for one in made) == list(range(1, 25))
    assert {one.body["name"] for one in kept} == {f"j{number}" for number in range(24)}
    assert breaks(kept, ledgers[0].head()) == []


def test_a_head_that_is_ahead_leaves_a_gap_that_later_records_do_not_close(
    opened: Opened, tmp_path: Path
) -> None:
    ledger = opened()
    ledger.append(record("a"))
    head = head_file(tmp_path)
    head.write_text(json.dumps({"sequence": 2, "hash": "2" * 64}))
    assert [one.text for one in breaks(ledger.read(), ledger.head())] == ["Record 2 is missing."]
    opened().append(record("b"))
    assert "Record 2 is missing." in [one.text for one in breaks(ledger.read(), ledger.head())]


def test_a_head_that_was_left_behind_by_a_kill_is_no_break_and_catches_up(
    opened: Opened, tmp_path: Path
) -> None:
    ledger = opened()
    ledger.append(record("a"))
    before = head_file(tmp_path).read_bytes()
    ledger.append(record("b"))
    head_file(tmp_path).write_bytes(before)
    assert breaks(ledger.read(), ledger.head()) == []
    last = opened().append(record("c"))
    assert (last.sequence, ledger.head()) == (3, Head(3, last.hash))
    assert breaks(ledger.read(), ledger.head()) == []


def head_file(folder: Path) -> Path:
    own = folder / "head.json"
    return own if own.exists() else AuditFolder(folder / AuditFolder.NAME).head_file


# What only the service's ledger has.


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_database(f"sqlite:///{tmp_path / 'own.db'}")
    yield made
    made.dispose()


@pytest.fixture
def own(engine: Engine, tmp_path: Path) -> ServiceLedger:
    made = ServiceLedger(engine, tmp_path / "own-head.json")
    for name in "abc":
        made.append(record(name))
    return made


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE ledger SET body = replace(body, 'ana', 'bob') WHERE sequence = 2", "Record 2 was changed"),
        ("UPDATE ledger SET body = 'no JSON' WHERE sequence = 2", "Record 2 was changed"),
        ("UPDATE ledger SET body = '[]' WHERE sequence = 2", "Record 2 was changed"),
        ("UPDATE ledger SET body = CAST(x'ff41' AS TEXT) WHERE sequence = 2", "Record 2 was changed"),
        ("UPDATE ledger SET body = '{\"a\": 1e999}' WHERE sequence = 2", "Record 2 was changed"),
        ("UPDATE ledger SET key = x'00', hash = x'ff' WHERE sequence = 2", "Record 2 was changed"),
        ("UPDATE ledger SET at = '2020-01-01T00:00:00+00:00' WHERE sequence = 1", "Record 1 was changed"),
        ("UPDATE ledger SET kind = 'run' WHERE sequence = 1", "Record 1 was changed"),
        ("UPDATE ledger SET id = '/S/Jobs/z' WHERE sequence = 1", "Record 1 was changed"),
        ("UPDATE ledger SET key = '/s/jobs/z' WHERE sequence = 1", "Record 1 was changed"),
        ("UPDATE ledger SET previous = hash WHERE sequence = 3", "Record 3 does not follow"),
        ("UPDATE ledger SET hash = previous WHERE sequence = 3", "Record 3 was changed"),
        ("DELETE FROM ledger WHERE sequence = 1", "Record 1 is missing"),
        ("DELETE FROM ledger WHERE sequence = 2", "Record 2 is missing"),
        ("DELETE FROM ledger WHERE sequence > 1", "Records 2 to 3 are missing"),
        ("DELETE FROM ledger", "Records 1 to 3 are missing"),
    ],
)
def test_a_changed_or_missing_row_is_found_and_stays_found(
    own: ServiceLedger, engine: Engine, change: str, found: str
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(change)
    assert any(one.text.startswith(found) for one in breaks(own.read(), own.head()))
    assert own.newest("/S/Jobs/none") is None
    json.dumps([one.to_json() for one in own.read()])
    own.append(record("after"))
    assert any(one.text.startswith(found) for one in breaks(own.read(), own.head()))


def test_a_last_record_that_was_made_anew_is_not_the_one_that_the_head_names(
    own: ServiceLedger, engine: Engine, tmp_path: Path
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM ledger WHERE sequence = 3")
    ServiceLedger(engine, tmp_path / "another-head.json").append(record("forged"))
    (found,) = breaks(own.read(), own.head())
    assert (found.sequence, "not the one that the head names" in found.text) == (3, True)
    own.append(record("after"))
    assert [one.sequence for one in breaks(own.read(), own.head())] == [4]


@pytest.mark.parametrize(
    "damage",
    [
        "{",
        "[]",
        '{"sequence": 1}',
        *(f'{{"sequence": {odd}, "hash": ""}}' for odd in ("-1", "1e300", "1e999")),
        "",
    ],
)
def test_a_head_that_cannot_be_read_is_named_and_stops_no_record(
    own: ServiceLedger, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    head = tmp_path / "own-head.json"
    head.unlink()
    if damage:
        head.write_text(damage)
    else:
        head.mkdir()
    own.append(record("after"))
    assert [one.body["name"] for one in own.read()] == ["a", "b", "c", "after"]
    assert "own-head.json" in caplog.text
    with pytest.raises(AcademyError, match=r"own-head\.json (is not what Academy wrote|cannot be read)"):
        own.head()


def test_of_one_act_records_are_kept_once_and_all_or_none(own: ServiceLedger) -> None:
    assert len(own.append_all([record("d"), record("e")], act=7)) == 2
    assert own.append_all([record("d"), record("e")], act=7) == []
    with pytest.raises(AttributeError):
        own.append_all([record("f"), None], act=8)  # type: ignore[list-item]
    assert [one.body["name"] for one in own.read()] == ["a", "b", "c", "d", "e"]
    assert own.append_all([], act=9) == []
    assert breaks(own.read(), own.head()) == []


def test_the_last_act_is_one_of_the_audit_log_on_what_its_record_is_about(
    own: ServiceLedger, engine: Engine
) -> None:
    log = AuditLog(engine)
    acts = {}
    for resource in ("/S/Jobs/d", "/s", "/S/Jobs/de", "/S/Jobs/other"):
        log.append("ana", "completed", resource)
        acts[resource] = log.read(top=100)[-1].sequence
    own.append_all([record("d")], act=acts["/S/Jobs/d"])
    assert own.last_act() == acts["/S/Jobs/d"]
    own.append_all([record("below")], act=acts["/s"])
    assert own.last_act() == acts["/s"]
    for raised in (acts["/S/Jobs/de"], 10**9):
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE ledger SET audit_sequence = :act WHERE sequence = 4"), {"act": raised}
            )
        assert own.last_act() == acts["/s"]
    assert len(own.append_all([record("other")], act=acts["/S/Jobs/other"])) == 1
    assert own.last_act() == acts["/S/Jobs/other"]


def test_the_newest_record_of_a_thing_and_of_all_below_it_is_found(own: ServiceLedger) -> None:
    again = own.append(record("a", status="Failed"))
    below = own.append(record("a/versions/1", kind=Kind.MODEL))
    beside = own.append(record("a_c"))
    newest = own.newest("/s/JOBS/a")
    assert newest is not None
    assert newest.hash == again.hash
    assert own.newest("/s/jobs/none") is None
    assert [place.hash for place in own.at_or_below("/S/jobs/A")] == [again.hash, below.hash]
    assert [place.hash for place in own.at_or_below("/S/jobs/a_c")] == [beside.hash]


def _append_until_killed(folder: str, count: Any) -> None:
    ledger = ServiceLedger(open_database(f"sqlite:///{folder}/own.db"), Path(folder, "own-head.json"))
    while True:
        ledger.append_all([record(f"j{count.value}")], act=count.value + 1)
        count.value += 1  # only after the append returned: what is counted is durable


@pytest.mark.parametrize("enough", [1, 8])
def test_a_kill_while_records_are_added_leaves_a_whole_chain(tmp_path: Path, enough: int) -> None:
    context = multiprocessing.get_context("spawn")
    count = context.Value("i", 0, lock=False)
    writer = context.Process(target=_append_until_killed, args=(str(tmp_path), count))
    writer.start()
    while count.value < enough:
        assert writer.is_alive()
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    engine = open_database(f"sqlite:///{tmp_path / 'own.db'}")
    ledger = ServiceLedger(engine, tmp_path / "own-head.json")
    kept = ledger.read()
    assert len(kept) >= count.value >= enough
    assert [one.body["name"] for one in kept] == [f"j{number}" for number in range(len(kept))]
    with engine.connect() as connection:
        acts = connection.execute(text("SELECT audit_sequence FROM ledger ORDER BY sequence")).scalars()
        assert list(acts) == list(range(1, len(kept) + 1))
    assert breaks(kept, ledger.head()) == []
    assert len(kept) - ledger.head().sequence <= 1
    ledger.append(record("after"))
    assert breaks(ledger.read(), ledger.head()) == []
    engine.dispose()
