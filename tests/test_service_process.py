"""The service's process: start, end, two homes, and everything that can be in the way."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from academy.errors import AcademyError, Conflict
from academy.paths import Home, HomeError
from academy.service.process import PortTaken, down, status, up

from .conftest import Service

NewService = Callable[[], Service]


def kill(service: Service) -> None:
    process = psutil.Process(service.info.pid)
    process.send_signal(signal.SIGKILL)
    process.wait(10)


def test_up_answers_and_down_ends_it(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert status(home).state == "stopped"
    info = up(home)
    assert httpx.get(f"{info.address}/health").text == "ok"
    shown = status(home).to_json()
    assert shown == {
        "state": "running",
        "pid": info.pid,
        "address": info.address,
        "home": str(home.root),
        "version": info.version,
    }
    assert down(home)
    assert not psutil.pid_exists(info.pid)
    assert status(home).state == "stopped"
    assert not down(home)


def test_up_twice_gives_the_same_service(new_service: NewService) -> None:
    first = new_service()
    assert up(first.home) == first.info


def test_up_from_many_callers_starts_one_service(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    try:
        with ThreadPoolExecutor(4) as pool:
            infos = list(pool.map(lambda _number: up(home), range(4)))
        assert len({info.pid for info in infos}) == 1
    finally:
        down(home)


def test_two_homes_have_services_of_their_own(new_service: NewService) -> None:
    one, other = new_service(), new_service()
    assert one.info.address != other.info.address
    foreign = httpx.get(
        f"{other.info.address}/academy/audit", headers={"Authorization": f"Bearer {one.token}"}
    )
    assert foreign.status_code == 401


def test_home_files_with_secrets_are_private(new_service: NewService) -> None:
    home = new_service().home
    for path in (home.token_file, home.key_file, home.service_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700


def test_home_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.root.mkdir(mode=0o755)
    up(home)
    try:
        assert stat.S_IMODE(home.root.stat().st_mode) == 0o700
        assert stat.S_IMODE(home.database_file.stat().st_mode) == 0o600
    finally:
        down(home)


def test_service_listens_on_loopback_only(new_service: NewService) -> None:
    service = new_service()
    listening = [c for c in psutil.Process(service.info.pid).net_connections("inet") if c.status == "LISTEN"]
    assert [connection.laddr.ip for connection in listening] == ["127.0.0.1"]


def test_killed_service_is_stale_and_starts_again_on_its_port(new_service: NewService) -> None:
    service = new_service()
    kill(service)
    assert status(service.home).state == "stale"
    again = up(service.home)
    assert again.pid != service.info.pid
    assert again.address == service.info.address
    assert status(service.home).state == "running"


def test_stale_file_with_a_pid_that_is_now_another_process_harms_nobody(new_service: NewService) -> None:
    service = new_service()
    kill(service)
    found = json.loads(service.home.service_file.read_text())
    service.home.service_file.write_text(json.dumps({**found, "pid": os.getpid()}))
    assert status(service.home).state == "stale"
    assert not down(service.home)  # and this test still runs


def test_taken_port_is_refused_by_number(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AcademyError, match=f"Port {port} of 127.0.0.1 cannot be had") as refused:
            up(Home(tmp_path / "home"), port=port)
    assert refused.value.exit_status == PortTaken.exit_status


def test_remembered_port_that_is_taken_gives_way_to_a_free_one(new_service: NewService) -> None:
    service = new_service()
    down(service.home)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", service.info.port))
        other.listen()
        assert up(service.home).port != service.info.port


def test_another_port_than_the_running_one_is_refused(new_service: NewService) -> None:
    service = new_service()
    with pytest.raises(Conflict, match="academy down"):
        up(service.home, port=service.info.port + 1)


def test_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(HomeError, match="cannot be written"):
        up(Home(tmp_path / "home"))


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Path:
    """A folder on a file system of its own with room for 256 KiB, which root can mount."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "tiny"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder]).returncode:
        pytest.skip("this machine does not let a file system be mounted")
    return folder


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"0" * 4096)


def test_full_disk_is_refused_with_its_reason(tiny_disk: Path) -> None:
    try:
        fill(tiny_disk / "ballast")
        with pytest.raises(HomeError, match=r"No space left.*--home or ACADEMY_HOME") as refused:
            up(Home(tiny_disk))
        assert refused.value.exit_status == HomeError.exit_status
    finally:
        subprocess.run(["umount", tiny_disk], check=True)


def test_read_only_home_is_refused_with_its_reason(tiny_disk: Path) -> None:
    try:
        subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
        with pytest.raises(HomeError, match=r"Read-only file system.*--home or ACADEMY_HOME"):
            up(Home(tiny_disk / "home"))
    finally:
        subprocess.run(["umount", tiny_disk], check=True)


def test_service_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.root.mkdir()
    home.key_file.write_bytes(b"short")
    with pytest.raises(AcademyError, match="holds 5 bytes, not 32"):
        up(home)
