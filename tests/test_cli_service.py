"""``academy up``, ``down``, ``status``, ``doctor``, ``logs``, ``audit`` and ``open`` as a user runs them."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from pathlib import Path

import psutil
import pytest

from academy.paths import Home
from academy.service.process import down
from tests.conftest import Service

COMMAND = str(Path(sys.executable).with_name("academy"))

Academy = Callable[..., subprocess.CompletedProcess[str]]


def run(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ACADEMY_HOME": str(home)}
    return subprocess.run([COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    down(Home(tmp_path / "home"))


def test_up_status_down(home: Path) -> None:
    stopped = run("status", "--json", home=home)
    assert stopped.returncode == 3
    assert json.loads(stopped.stdout)["state"] == "stopped"

    started = run("up", home=home)
    assert started.returncode == 0
    assert "answers at http://127.0.0.1:" in started.stdout

    running = run("status", "--json", home=home)
    assert running.returncode == 0
    found = json.loads(running.stdout)
    assert sorted(found) == ["address", "home", "pid", "state", "version"]
    assert found["state"] == "running"
    assert found["home"] == str(home)
    assert psutil.pid_exists(found["pid"])

    again = run("up", "--json", home=home)
    assert json.loads(again.stdout) == found

    ended = run("down", home=home)
    assert (ended.returncode, ended.stdout) == (0, f"Ended the service of {home}.\n")
    assert not psutil.pid_exists(found["pid"])
    assert run("down", home=home).stdout == f"No service ran in {home}.\n"


def test_home_of_the_command_line_wins(service: Service, tmp_path: Path) -> None:
    for arguments in (
        ["--home", str(service.home.root), "status"],
        ["status", "--home", str(service.home.root)],
    ):
        assert run(*arguments, home=tmp_path / "other").returncode == 0


def test_killed_service_is_stale_and_up_mends_it(home: Path) -> None:
    run("up", home=home)
    before = json.loads(run("status", "--json", home=home).stdout)
    process = psutil.Process(before["pid"])
    os.kill(before["pid"], signal.SIGKILL)
    process.wait(10)

    stale = run("status", home=home)
    assert stale.returncode == 3
    assert "stale" in stale.stdout
    assert "academy up" in stale.stdout
    assert "stale" in run("doctor", home=home).stdout

    assert run("up", home=home).returncode == 0
    after = json.loads(run("status", "--json", home=home).stdout)
    assert after["state"] == "running"
    assert after["address"] == before["address"]  # notebooks that run go on


def test_taken_port_has_its_message_and_exit_status(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = run("up", "--port", port, home=home)
    assert refused.returncode == 6
    assert f"Port {port}" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_home_that_cannot_be_written_has_its_message_and_exit_status(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = run("up", home=tmp_path / "file" / "home")
    assert refused.returncode == 5
    assert refused.stderr.startswith("academy: The home folder")
    assert "Traceback" not in refused.stderr
    checked = run("doctor", home=tmp_path / "file" / "home")
    assert checked.returncode == 1
    assert "fail  home" in checked.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the disk that is always full is Linux's")
def test_command_line_survives_a_full_disk_of_its_output(home: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([COMMAND, "status"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_doctor_finds_a_running_service_in_order(service: Service) -> None:
    checked = run("doctor", "--json", home=service.home.root)
    findings = {finding["name"]: finding for finding in json.loads(checked.stdout)}
    assert checked.returncode == 0
    for name in ("Python", "uv", "SDK", "home", "service", "key", "token", "documents"):
        assert findings[name]["verdict"] == "ok", findings[name]
    assert service.info.address in findings["service"]["text"]


def test_doctor_fails_when_others_can_read_the_token(home: Path) -> None:
    home.mkdir()
    token = Home(home).token_file
    token.write_text("secret")
    token.chmod(0o644)
    checked = run("doctor", home=home)
    assert checked.returncode == 1
    assert f"chmod 600 {token}" in checked.stdout


def test_doctor_finds_a_broken_database(home: Path) -> None:
    home.mkdir()
    Home(home).database_file.write_bytes(b"not a database" * 100)
    checked = run("doctor", home=home)
    assert checked.returncode == 1
    assert "fail  documents" in checked.stdout


def test_doctor_finds_a_database_that_does_not_answer(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACADEMY_DATABASE_URL", "postgresql+psycopg://someone:secret@127.0.0.1:9/none")
    checked = run("doctor", home=home)
    assert checked.returncode == 1
    assert "fail  database" in checked.stdout
    assert "secret" not in checked.stdout


def test_logs_shows_the_end_of_the_log(service: Service, home: Path) -> None:
    shown = run("logs", "-n", "1", home=service.home.root)
    assert shown.returncode == 0
    assert shown.stdout.count("\n") == 1
    nothing = run("logs", home=home)
    assert nothing.returncode == 3
    assert "There is no log" in nothing.stderr


def test_logs_follows_until_interrupted(home: Path) -> None:
    home.mkdir()
    log = Home(home).log_file
    log.write_text("first\n")
    with subprocess.Popen(
        [COMMAND, "logs", "-f", "--home", str(home)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"first\n"
        with log.open("a") as file:
            file.write("second\n")
        assert select.select([process.stdout], [], [], 10)[0]
        assert process.stdout.readline() == b"second\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


def test_audit_tells_who_did_what_in_order(service: Service) -> None:
    tags = "/subscriptions/00000000-0000-0000-0000-000000000001/"
    shown = run("audit", "--resource", tags, "--json", home=service.home.root)
    entries = json.loads(shown.stdout)
    assert entries == sorted(entries, key=lambda entry: entry["sequence"])
    assert {"who", "action", "resource", "at"} <= set(entries[0])
    assert all(entry["resource"].startswith(tags) for entry in entries)
    assert run("audit", "--resource", "/nothing", home=service.home.root).stdout == ""


def test_audit_keeps_to_a_terminals_width_and_shows_all_of_it_elsewhere(service: Service) -> None:
    command = [COMMAND, "audit", "--home", str(service.home.root)]
    whole = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert any("/workspaces/academy/computes/" in line for line in whole)
    owner, terminal = pty.openpty()
    environment = {**os.environ, "COLUMNS": "90"}
    with subprocess.Popen(command, stdout=terminal, env=environment) as process:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # how Linux says that nobody writes any more
            while part := os.read(owner, 4096):
                shown += part
    os.close(owner)
    lines = shown.decode().splitlines()
    assert process.returncode == 0
    assert len(lines) == len(whole)
    assert max(map(len, lines)) == 90
    for short, line in zip(lines, whole, strict=True):
        start, _, end = short.partition("…")
        assert line.startswith(start)
        assert line.endswith(end)


def test_open_prints_a_link_that_logs_in(service: Service) -> None:
    link = run("open", "/health", "--no-browser", home=service.home.root).stdout.strip()
    jar = CookieJar()
    browser = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(jar)
    )
    with browser.open(link) as page:
        assert page.url == f"{service.info.address}/health"
    (cookie,) = jar
    assert cookie.name.startswith("academy_")
