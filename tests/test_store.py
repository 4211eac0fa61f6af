"""Documents, versions and the audit log: one contract over SQLite and PostgreSQL."""

from __future__ import annotations

import multiprocessing
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, inspect, text

from academy.errors import Conflict, InvalidField, NotFound, ServiceUnavailable
from academy.store.audit import AuditLog
from academy.store.database import HEAD, open_database, upgrade
from academy.store.documents import Documents, ListView
from academy.store.ids import ResourceId, Workspace, type_of
from academy.store.tables import revisions
from academy.store.versions import Versions

WORKSPACE = Workspace("s", "r", "w")
IRIS = WORKSPACE.child("data", "iris")


def postgres_programs() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """A real PostgreSQL server on a free port, run by an unprivileged user."""
    programs = postgres_programs()
    if programs is None:
        pytest.fail("PostgreSQL is not installed: apt-get install postgresql (.ci/run does it)")
    # PostgreSQL refuses to run as root.
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="academy-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common: dict[str, Any] = {"user": user} if os.geteuid() == 0 else {}
    data = folder / "data"
    initdb = [str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "academy", "--no-sync"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=folder, **common)
    command = [
        str(programs / "postgres"),
        "-D",
        str(data),
        "-p",
        str(port),
        "-c",
        "listen_addresses=127.0.0.1",
    ]
    command += ["-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=folder, **common) as server:
        ready = [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-q"]
        while subprocess.run(ready).returncode != 0:
            assert server.poll() is None, "PostgreSQL did not start"
        yield f"postgresql+psycopg://academy@127.0.0.1:{port}/postgres"
        server.send_signal(signal.SIGINT)
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        opened = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    else:
        opened = open_database(request.getfixturevalue("postgres"))
        with opened.begin() as connection:
            connection.execute(text("TRUNCATE documents, labels, audit RESTART IDENTITY"))
    yield opened
    opened.dispose()


@pytest.fixture
def documents(engine: Engine) -> Documents:
    return Documents(engine)


@pytest.fixture
def versions(documents: Documents) -> Versions:
    return Versions(documents)


def put(versions: Versions, version: str, uri: str = "a.csv", **more: Any) -> Any:
    properties = {"dataType": "uri_file", "dataUri": uri, **more}
    return versions.put(IRIS, version, {"properties": properties}, who="ana")


def test_document_is_shown_with_id_name_type_and_times(documents: Documents) -> None:
    documents.put(WORKSPACE.child("jobs", "J1"), {"properties": {"a": 1}}, who="ana")
    shown = documents.get(WORKSPACE.child("JOBS", "j1")).arm()
    assert shown["id"] == WORKSPACE.child("jobs", "J1")
    assert shown["name"] == "J1"
    assert shown["type"] == "Microsoft.MachineLearningServices/workspaces/jobs"
    assert shown["systemData"]["createdBy"] == "ana"
    assert shown["systemData"]["createdAt"] <= shown["systemData"]["lastModifiedAt"]


def test_change_keeps_creator_and_counts_revisions(documents: Documents) -> None:
    first = documents.put(IRIS, {"properties": {}}, who="ana")
    second = documents.update(IRIS, lambda body: {**body, "tags": {"x": "1"}}, who="bo")
    assert second.revision == 2
    assert second.created_at == first.created_at
    assert second.body["systemData"]["createdBy"] == "ana"
    assert second.body["systemData"]["lastModifiedBy"] == "bo"


def test_missing_document_is_named(documents: Documents) -> None:
    with pytest.raises(NotFound, match="no 'iris' in 'data'"):
        documents.get(IRIS)
    with pytest.raises(NotFound):
        documents.delete(IRIS, who="ana")


def test_create_refuses_an_existing_document(documents: Documents) -> None:
    documents.create(IRIS, {"properties": {}}, who="ana")
    with pytest.raises(Conflict, match="exists already"):
        documents.create(IRIS, {"properties": {}}, who="ana")


def test_listing_pages_in_order_of_creation(documents: Documents) -> None:
    for number in range(5):
        documents.put(WORKSPACE.child("jobs", f"j{number}"), {"properties": {}}, who="ana")
    collection = WORKSPACE.child("jobs")
    page = documents.list(collection, top=2)
    assert [item.name for item in page.items] == ["j4", "j3"]
    assert page.next_skip == 2
    last = documents.list(collection, skip=4, top=2)
    assert [item.name for item in last.items] == ["j0"]
    assert last.next_skip is None
    assert documents.names(collection) == ["j0", "j1", "j2", "j3", "j4"]


def test_listing_shows_what_the_view_asks_for(documents: Documents) -> None:
    documents.put(WORKSPACE.child("jobs", "kept"), {}, who="ana")
    documents.put(WORKSPACE.child("jobs", "archived"), {}, who="ana", archived=True)
    collection = WORKSPACE.child("jobs")
    shown = {view: {d.name for d in documents.list(collection, view=view).items} for view in ListView}
    assert shown == {
        ListView.ACTIVE_ONLY: {"kept"},
        ListView.ARCHIVED_ONLY: {"archived"},
        ListView.ALL: {"kept", "archived"},
    }
    assert documents.count(collection, view=ListView.ALL) == 2


def test_delete_takes_what_is_below_and_nothing_beside(documents: Documents) -> None:
    for id in (IRIS, f"{IRIS}/versions/1", f"{IRIS}_2"):
        documents.put(id, {}, who="ana")
    documents.delete(IRIS, who="ana")
    assert documents.find(f"{IRIS}/versions/1") is None
    assert documents.find(f"{IRIS}_2") is not None


def test_failed_change_leaves_nothing_behind(documents: Documents, engine: Engine) -> None:
    def fail(_old: object) -> dict[str, Any]:
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        documents.change(IRIS, fail, who="ana")
    assert documents.find(IRIS) is None
    assert AuditLog(engine).read() == []


def test_parallel_changes_lose_nothing(documents: Documents) -> None:
    documents.put(IRIS, {"n": 0}, who="ana")

    def increment(_number: int) -> None:
        documents.update(IRIS, lambda body: {**body, "n": body["n"] + 1}, who="ana")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(increment, range(40)))
    assert documents.get(IRIS).body["n"] == 40


def test_version_is_immutable_but_for_description_tags_and_archive(versions: Versions) -> None:
    put(versions, "1", "a.csv")
    changed = put(versions, "1", "a.csv", description="new", tags={"x": "1"}, isArchived=True)
    assert changed.properties["description"] == "new"
    assert changed.archived
    with pytest.raises(Conflict, match=r"immutable.*next") as refused:
        put(versions, "1", "b.csv")
    assert "dataUri" in str(refused.value)


def test_latest_is_the_most_recently_created(versions: Versions) -> None:
    put(versions, "5")
    put(versions, "2")
    put(versions, "5", description="touched later")
    assert versions.resolve(WORKSPACE, "data", "iris", "latest").name == "2"
    container = versions.container(IRIS)
    assert container.properties["latestVersion"] == "2"
    assert container.properties["nextVersion"] == "6"
    assert container.properties["dataType"] == "uri_file"


def test_latest_passes_over_archived_versions(versions: Versions) -> None:
    put(versions, "1")
    put(versions, "2", isArchived=True)
    assert versions.labelled(IRIS, "latest").name == "1"
    assert versions.next_version(IRIS) == "3"


def test_containers_of_anonymous_assets_are_not_listed(versions: Versions) -> None:
    put(versions, "1")
    hidden = WORKSPACE.child("data", "CliV2AnonymousData")
    versions.put(hidden, "1", {"properties": {"dataUri": "b.csv", "isAnonymous": True}}, who="ana")
    assert [item.name for item in versions.containers(WORKSPACE.child("data")).items] == ["iris"]
    assert versions.get(hidden, "1").name == "1"


def test_labels_point_at_versions_and_go_with_them(versions: Versions) -> None:
    put(versions, "1")
    put(versions, "2")
    versions.set_label(IRIS, "champion", "1", who="ana")
    assert versions.resolve(WORKSPACE, "data", "iris", "champion").name == "1"
    versions.set_label(IRIS, "champion", "2", who="ana")
    assert versions.labels(IRIS) == {"champion": "2"}
    versions.delete(IRIS, "2", who="ana")
    assert versions.labels(IRIS) == {}
    with pytest.raises(NotFound, match="label 'champion'"):
        versions.labelled(IRIS, "champion")


def test_label_needs_a_version_that_exists_and_latest_is_reserved(versions: Versions) -> None:
    put(versions, "1")
    with pytest.raises(NotFound, match="version '9'"):
        versions.set_label(IRIS, "champion", "9", who="ana")
    with pytest.raises(Conflict, match="moves by itself"):
        versions.set_label(IRIS, "latest", "1", who="ana")


def test_unknown_version_and_container_name_what_there_is(versions: Versions) -> None:
    put(versions, "1")
    with pytest.raises(NotFound, match=r"Versions: '1'; labels: 'latest'"):
        versions.get(IRIS, "7")
    with pytest.raises(NotFound, match="There are: 'iris'"):
        versions.get(WORKSPACE.child("data", "irsi"), "1")


def test_two_callers_at_the_same_moment_get_two_versions(versions: Versions) -> None:
    def add(number: int) -> str:
        return versions.add(IRIS, {"properties": {"dataUri": str(number)}}, who="ana").name

    with ThreadPoolExecutor(8) as pool:
        made = sorted(pool.map(add, range(16)), key=int)
    assert made == [str(number) for number in range(1, 17)]


def test_same_version_put_twice_at_once_with_different_content_conflicts_once(versions: Versions) -> None:
    def attempt(number: int) -> bool:
        try:
            put(versions, "1", f"{number}.csv")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(attempt, range(4))) == 1


def test_audit_tells_who_did_what_in_order(versions: Versions, engine: Engine) -> None:
    put(versions, "1")
    put(versions, "1", tags={"x": "1"})
    versions.delete(IRIS, "1", who="bo")
    AuditLog(engine).append("bo", "listKeys", WORKSPACE.id)
    rows = [(row.who, row.action, row.resource.rsplit("/", 1)[1]) for row in AuditLog(engine).read()]
    assert rows == [
        ("ana", "create", "iris"),
        ("ana", "create", "1"),
        ("ana", "update", "1"),
        ("bo", "delete", "1"),
        ("bo", "listKeys", "w"),
    ]
    below = AuditLog(engine).read(resource_prefix=f"{IRIS}/versions".upper())
    assert [row.action for row in below] == ["create", "update", "delete"]
    assert [row.sequence for row in below] == sorted(row.sequence for row in below)


def test_migrations_lead_to_the_tables_that_a_new_database_has(tmp_path: Path) -> None:
    def shape(engine: Engine) -> Any:
        found = inspect(engine)
        return {
            name: (
                sorted((c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(name)),
                sorted((i["name"] or "", tuple(i["column_names"])) for i in found.get_indexes(name)),
            )
            for name in found.get_table_names()
        }

    new = open_database(f"sqlite:///{tmp_path / 'new.db'}")
    migrated = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    upgrade(migrated)
    assert shape(migrated) == shape(new)
    with migrated.connect() as connection:
        assert connection.execute(revisions.select()).scalar_one() == HEAD
    for engine in (new, migrated):
        engine.dispose()


def _write_until_killed(path: str, count: Any) -> None:
    documents = Documents(open_database(f"sqlite:///{path}"))
    while True:
        documents.put(WORKSPACE.child("jobs", f"j{count.value}"), {"properties": {}}, who="ana")
        count.value += 1  # only after the put returned: what is counted is durable


def test_kill_in_the_middle_of_writing_loses_no_document_that_was_answered(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    count = context.Value("i", 0, lock=False)
    writer = context.Process(target=_write_until_killed, args=(str(tmp_path / "a.db"), count))
    writer.start()
    while count.value < 20:
        assert writer.is_alive()
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    kept = Documents(engine).names(WORKSPACE.child("jobs"))
    assert kept == [f"j{number}" for number in range(len(kept))]
    assert len(kept) >= count.value
    assert len(AuditLog(engine).read()) == len(kept)
    engine.dispose()


def test_database_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(ServiceUnavailable, match="cannot be opened") as refused:
        open_database("postgresql+psycopg://ana:secret@127.0.0.1:1/none?connect_timeout=2")
    assert "secret" not in str(refused.value)


def test_resource_ids_are_parsed_with_and_without_prefix() -> None:
    parsed = ResourceId.parse(f"azureml:{IRIS}/versions/1")
    assert parsed.workspace == WORKSPACE
    assert parsed.path == ("data", "iris", "versions", "1")
    assert parsed.id == f"{IRIS}/versions/1"
    assert type_of(f"{IRIS}/versions/1") == "Microsoft.MachineLearningServices/workspaces/data/versions"
    with pytest.raises(InvalidField, match="is not the ARM id"):
        ResourceId.parse("azureml:iris:1")


def test_workspace_key_differs_for_the_same_name_elsewhere() -> None:
    assert Workspace("s", "r1", "w").key != Workspace("s", "r2", "w").key
    assert Workspace("s", "r", "W").key == Workspace("S", "R", "w").key
