"""``academy matrix show`` as a person types it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import yaml

from academy.matrix.reading import load

COMMAND = str(Path(sys.executable).with_name("academy"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def show(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "matrix", "show", *arguments],
        env={**os.environ, "ACADEMY_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def on_terminal(home: Path, columns: int, *arguments: str) -> list[str]:
    """Return the lines that the command writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    settings = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    command = [COMMAND, "matrix", "show", *arguments]
    process = subprocess.Popen(
        command, stdout=theirs, stdin=theirs, stderr=theirs, env={**settings, "ACADEMY_HOME": str(home)}
    )
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 65536):
            said += part
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    return said.decode().splitlines()


def test_the_grid_fits_eighty_columns_and_says_how_to_go_on(home: Path) -> None:
    found = show(home)
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(name in found.stdout for name in ("DEVELOPER", "HOSTED", "UNMANAGED", "MANAGED"))
    assert "academy matrix show NAME" in lines[-1]


def test_the_terminal_has_the_grid_in_its_width(home: Path) -> None:
    narrow, wide = on_terminal(home, 50), on_terminal(home, 100)
    assert max(map(len, narrow)) <= 50
    assert 80 < max(map(len, wide)) <= 100


def test_nothing_is_started_or_made(home: Path) -> None:
    assert show(home, "hosted").returncode == 0
    assert not home.exists()


@pytest.mark.parametrize(("name", "title"), [("hosted", "Hosted ("), ("MANAGED", "Managed (")])
def test_a_cell_is_shown(home: Path, name: str, title: str) -> None:
    found = show(home, name)
    assert found.stdout.startswith(title)
    for part in ("Personas", "Services", "From here to", "On this machine", "Level 300", "Sources"):
        assert part in found.stdout


@pytest.mark.parametrize("name", ["databricks", "Azure Databricks", "azure_databricks"])
def test_a_service_is_shown_by_id_or_name(home: Path, name: str) -> None:
    assert show(home, name).stdout.startswith("Azure Databricks (databricks)\nIn the cell hosted; also in")


@pytest.mark.parametrize("name", ["Azure Kubernetes Service", "AKS", "azure container service", "ACS"])
def test_a_name_goes_without_what_stands_in_parentheses_and_by_it_alone(home: Path, name: str) -> None:
    assert show(home, name).stdout.startswith("Azure Kubernetes Service (AKS) (aks)\n")


def test_hybrid_and_cloud_are_explained(home: Path) -> None:
    hybrid = "Hybrid: machines that you run, in the house or rented."
    cloud = "Cloud: machines that the platform runs."
    assert f"{hybrid} {cloud}" in " ".join(show(home).stdout.split())
    assert f"{hybrid} {cloud}" in " ".join(on_terminal(home, 50))
    assert show(home, "developer").stdout.splitlines()[1] == hybrid
    assert show(home, "managed").stdout.splitlines()[1] == cloud


def test_an_unknown_name_is_refused_with_the_names(home: Path) -> None:
    found = show(home, "hostd")
    assert (found.returncode, found.stdout) == (3, "")
    assert found.stderr.startswith("academy: The matrix has no cell or service 'hostd'.")
    assert "Did you mean 'hosted'?" in found.stderr
    assert "'managed-online-endpoint'" in found.stderr


def test_one_level_is_shown(home: Path) -> None:
    text = show(home, "automl", "--level", "200").stdout
    assert "Level 200" in text
    assert "Level 100" not in text
    everywhere = show(home, "--level", "300").stdout
    assert [line.split()[0] for line in everywhere.splitlines() if line and line[0].isupper()] == [
        "Developer",
        "Hosted",
        "Unmanaged",
        "Managed",
    ]
    assert show(home, "--level", "400").returncode == 2


def test_json_and_yaml_hold_the_whole(home: Path) -> None:
    whole = json.loads(show(home, "-o", "json").stdout)
    assert len(whole["moves"]) == 16
    assert sum(len(cell["services"]) for cell in whole["cells"]) == len(list(load().services()))
    service = json.loads(show(home, "automl", "--level", "100", "-o", "json").stdout)
    assert yaml.safe_load(show(home, "automl", "--level", "100", "-o", "yaml").stdout) == service
    assert list(service["resources"]) == ["100"]
    assert service["traits"]["evidence"] == "recorded"


def test_tables_have_services_and_what_there_is_to_learn_from(home: Path) -> None:
    services = show(home, "-o", "table").stdout.splitlines()
    assert services[0].split() == ["CELL", "SERVICE", "OPERATOR", "BILLING", "TITLE"]
    assert len(services) == 2 + len(list(load().services()))
    rows = [line.split("\t") for line in show(home, "automl", "-o", "tsv").stdout.splitlines()]
    assert {row[1] for row in rows} == {"100", "200", "300"}
    assert all(row[-1].startswith("https://") for row in rows)
    assert {row[3] for row in rows} == {"true", "false"}, "whether an address was confirmed"
