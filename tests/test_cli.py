"""The command line without a service: help, usage, output formats, queries, and errors in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from azure.ai.ml.entities import AmlCompute, Data
from azure.core.exceptions import ServiceRequestError
from click.testing import CliRunner

from academy.cli.failures import explain
from academy.cli.options import pairs
from academy.cli.output import first, render
from academy.cli.query import search
from academy.cli.root import academy

GROUPS = {
    "workspace": "config create list show",
    "job": "archive cancel create download list restore show show-services stream update validate",
    "data": "archive create list restore show update",
    "model": "archive create download list restore show update",
    "environment": "archive create list restore show update",
    "component": "archive create list restore show update",
    "datastore": "create delete list show",
    "compute": "create delete list list-nodes list-sizes restart show start stop update",
    "online-endpoint": "create delete get-credentials invoke list regenerate-keys show update",
    "online-deployment": "create delete get-logs list show update",
    "kernel": "install remove",
}


def run(*arguments: str) -> Any:
    return CliRunner().invoke(academy, list(arguments))


def test_help_names_every_command_and_exit_status() -> None:
    shown = run("--help").output
    for name in ("up", "down", "status", "doctor", "logs", "audit", *GROUPS):
        assert f"  {name} " in shown
    assert "130  interrupted" in shown


@pytest.mark.parametrize(("group", "verbs"), GROUPS.items())
def test_group_has_the_verbs_of_az_ml(group: str, verbs: str) -> None:
    command = academy.get_command(click.Context(academy), group)
    assert isinstance(command, click.Group)
    assert sorted(command.commands) == verbs.split()
    for verb in verbs.split():
        assert run(group, verb, "--help").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["jobs"], "No such command 'jobs'. Choose from up, down"),
        (["job", "creat"], "No such command 'creat'"),
        (["job", "show"], "Missing option '--name' / '-n'"),
        (["job", "list", "-o", "xml"], "is not one of 'json', 'yaml', 'table', 'tsv', 'none'"),
        (["job", "list", "--max-result", "3"], "--max-results"),
        (["job", "list", "-r", "0"], "x>=1"),
        (["job", "create", "-f", "nowhere.yml"], "does not exist"),
        (["data", "create", "-t", "csv"], "is not one of 'uri_file', 'uri_folder', 'mltable'"),
        (["data", "show", "-n", "a", "-v", "1", "-l", "latest"], "not both"),
        (["data", "update", "-n", "a"], "Say what to change"),
        (["data", "update", "-n", "a", "--set", "path=x"], "'path' cannot be changed. Choose from 'desc"),
        (["data", "create"], "Give --file"),
        (["job", "list", "--archived-only", "--include-archived"], "not both"),
        (["online-endpoint", "update", "-n", "a", "--traffic", "blue=half"], "whole percent"),
        (["job", "update", "-n", "a", "--set", "command=x"], "'command' cannot be changed"),
        (["up", "--port", "http"], "is not a valid integer"),
    ],
)
def test_usage_error_names_the_choices(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACADEMY_HOME", str(tmp_path / "never-made"))
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "never-made").exists()


def test_pairs_are_keys_and_values() -> None:
    assert pairs(["a=1", "b=x=y"], "--set") == {"a": "1", "b": "x=y"}
    assert pairs(["blue=90 green=10"], "--traffic") == {"blue": "90", "green": "10"}
    with pytest.raises(click.BadParameter, match="not KEY=VALUE"):
        pairs(["a"], "--set")


ROWS = [
    {"name": "a", "version": "1", "tags": {"x": "1"}, "other": None},
    {"name": "b", "version": "2", "tags": {}, "other": None},
]


def test_results_are_printed_in_each_format() -> None:
    assert json.loads(render(ROWS, "json")) == ROWS
    assert yaml.safe_load(render(ROWS, "yaml")) == ROWS
    assert render(ROWS, "tsv") == "a\t1\t\t\nb\t2\t\t"
    assert render(ROWS, "table").splitlines() == ["NAME  VERSION", "----  -------", "a     1", "b     2"]
    assert render(ROWS, "none") == ""
    assert render([], "table") == ""


def test_entities_are_printed_as_they_dump_themselves() -> None:
    shown = json.loads(render(Data(name="d", version="3", path="https://example.com/x.csv"), "json"))
    assert (shown["name"], shown["version"], shown["type"]) == ("d", "3", "uri_folder")
    cluster = AmlCompute(name="c", size="STANDARD_DS3_V2", provisioning_state="ProvisioningState.SUCCEEDED")
    assert json.loads(render(cluster, "json"))["name"] == "c"


def test_listings_are_fetched_no_further_than_asked() -> None:
    pages = iter(range(100))
    assert first(pages, 3) == [0, 1, 2]
    assert next(pages) == 3


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name", None),
        ("[0].name", "a"),
        ("[-1].name", "b"),
        ("[9].name", None),
        ("[].name", ["a", "b"]),
        ("[*].tags.x", ["1"]),
        ('[0]."version"', "1"),
    ],
)
def test_query_follows_a_path(query: str, found: Any) -> None:
    assert search(query, ROWS) == found


@pytest.mark.parametrize("query", ["[?name=='a']", "length(@)", "name | [0]", "{n: name}", ".name"])
def test_query_refuses_what_it_does_not_know(query: str) -> None:
    with pytest.raises(click.BadParameter, match="not supported"):
        search(query, ROWS)


def test_errors_are_one_line_with_an_exit_status() -> None:
    assert explain(FileNotFoundError(2, "No such file or directory", "a.csv")) == (
        "a.csv: No such file or directory",
        1,
    )
    message, status = explain(ServiceRequestError("Connection refused\nat 127.0.0.1"))
    assert "\n" not in message
    assert status == 4
    interrupted = RuntimeError("the run is still executing")
    interrupted.__cause__ = KeyboardInterrupt()
    assert explain(interrupted)[1] == 130
    message, status = explain(KeyError("x"))
    assert message.startswith("KeyError: ")
    assert "--debug" in message


def test_kernel_command_installs_and_removes(tmp_path: Path) -> None:
    assert run("kernel", "install", "--prefix", str(tmp_path)).exit_code == 0
    installed = tmp_path / "share" / "jupyter" / "kernels" / "academy" / "kernel.json"
    assert json.loads(installed.read_text())["display_name"] == "Academy (Azure ML on this machine)"
    assert run("kernel", "remove", "--prefix", str(tmp_path)).exit_code == 0
    assert not installed.exists()
    (tmp_path / "share" / "jupyter" / "kernels").rmdir()
    (tmp_path / "share" / "jupyter" / "kernels").write_text("")
    refused = run("kernel", "install", "--prefix", str(tmp_path))
    assert refused.exit_code == 1
    assert "cannot be installed" in refused.stderr


def test_workspace_config_needs_no_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACADEMY_HOME", str(tmp_path / "never-made"))
    done = run("workspace", "config", "-p", str(tmp_path), "-w", "w2", "--query", "path", "-o", "tsv")
    assert done.stdout.strip() == str(tmp_path / "config.json")
    assert json.loads((tmp_path / "config.json").read_text())["workspace_name"] == "w2"
    refused = run("workspace", "config", "-p", str(tmp_path))
    assert refused.exit_code == 1
    assert run("workspace", "config", "-p", str(tmp_path), "--force").exit_code == 0
    assert not (tmp_path / "never-made").exists()
