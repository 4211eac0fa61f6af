"""``academy doctor``: what the service and its jobs need, each as one line with what to do."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from academy.cli.verb import Scope, ServiceCommand
from academy.errors import AcademyError
from academy.paths import Home, environment_cache, read_json

TESTED_SDK = "1.35.2"

LOW_BYTES = 5 * 2**30
TOO_LOW_BYTES = 200 * 2**20


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What a check found; ``todo`` says what to do when it is not in order."""

    name: str
    verdict: Verdict
    text: str
    todo: str = ""


@click.command(cls=ServiceCommand)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def doctor(scope: Scope, /, as_json: bool) -> None:
    """Check what the service and its jobs need; exit status 1 when something must be mended."""
    findings = [finding for check in CHECKS for finding in check(scope.home)]
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            todo = f" {finding.todo}" if finding.todo else ""
            click.echo(f"{finding.verdict:<5} {finding.name + ':':<14}{finding.text}{todo}")
    if any(finding.verdict is Verdict.FAIL for finding in findings):
        raise click.exceptions.Exit(1)


def _python(_home: Home) -> Iterator[Finding]:
    yield Finding("Python", Verdict.OK, f"{sys.version.split()[0]} at {sys.executable}.")


def _uv(_home: Home) -> Iterator[Finding]:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        yield Finding("uv", Verdict.FAIL, "not found; environments are built with it.", "Run 'make setup'.")
        return
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    yield Finding("uv", Verdict.OK, f"{told.stdout.strip()} at {found}.")


def _interpreters(_home: Home) -> Iterator[Finding]:
    from academy.environments import curated, interpreters

    known = interpreters.known()
    if not known:
        yield Finding("interpreters", Verdict.FAIL, "none for environments.", "Name some in ACADEMY_PYTHONS.")
        return
    versions = ", ".join(dict.fromkeys(interpreter.version for interpreter in known))
    yield Finding("interpreters", Verdict.OK, f"Python {versions}.")
    for python in sorted({curated.find(name, "latest").python for name in curated.names()}):
        nearest = interpreters.difference(python, interpreters.find(python))
        if nearest is not None:
            yield Finding("interpreters", Verdict.WARN, nearest)


def _sdk(_home: Home) -> Iterator[Finding]:
    try:
        installed = version("azure-ai-ml")
    except PackageNotFoundError:
        yield Finding("SDK", Verdict.FAIL, "azure-ai-ml is not installed.", "Run 'make setup'.")
        return
    if installed == TESTED_SDK:
        yield Finding("SDK", Verdict.OK, f"azure-ai-ml {installed}.")
    else:
        yield Finding(
            "SDK",
            Verdict.WARN,
            f"azure-ai-ml {installed}; tested with {TESTED_SDK}.",
            "'make setup' installs it.",
        )


def _home(home: Home) -> Iterator[Finding]:
    try:
        home.prepare()
    except AcademyError as error:
        yield Finding("home", Verdict.FAIL, error.message)
        return
    yield Finding("home", Verdict.OK, f"{home.root} can be written.")
    free = shutil.disk_usage(home.root).free
    text = f"{free / 2**30:.1f} GB free where the home is."
    if free < TOO_LOW_BYTES:
        yield Finding("disk", Verdict.FAIL, text, "Free space: jobs and uploads will fail.")
    elif free < LOW_BYTES:
        yield Finding("disk", Verdict.WARN, text, "Free space before large uploads or new environments.")
    else:
        yield Finding("disk", Verdict.OK, text)


def _service(home: Home) -> Iterator[Finding]:
    from academy.service.process import status

    found = status(home)
    if found.state == "stale":
        yield Finding(
            "service",
            Verdict.WARN,
            "killed; its service.json is stale.",
            "'academy up' starts it and mends this.",
        )
    elif found.info is None:
        yield Finding("service", Verdict.OK, f"{found.state}.")
        yield from _port(home)
    elif _answers(found.info.address):
        yield Finding("service", Verdict.OK, f"process {found.info.pid} answers at {found.info.address}.")
    else:
        yield Finding(
            "service",
            Verdict.FAIL,
            f"process {found.info.pid} does not answer at {found.info.address}.",
            "See 'academy logs'; then 'academy down' and 'academy up'.",
        )


def _port(home: Home) -> Iterator[Finding]:
    port = (read_json(home.settings_file) or {}).get("port")
    if port is None:
        return
    with socket.socket() as probe:
        taken = probe.connect_ex(("127.0.0.1", port)) == 0
    if taken:
        yield Finding(
            "port",
            Verdict.WARN,
            f"{port}, used last, is taken by another program.",
            "The service will take a free one; notebooks that run must connect anew.",
        )
    else:
        yield Finding("port", Verdict.OK, f"{port}, used last, is free.")


def _answers(address: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{address}/health", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _secrets(home: Home) -> Iterator[Finding]:
    for file in (home.key_file, home.token_file):
        if not file.exists():
            continue
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            yield Finding(
                file.name, Verdict.FAIL, f"{file} can be read by others ({mode:o}).", f"chmod 600 {file}"
            )
        else:
            yield Finding(file.name, Verdict.OK, f"only you can read {file}.")


def _databases(home: Home) -> Iterator[Finding]:
    tracking = sorted(home.tracking_database("any").parent.glob("*.db"))
    for name, file in [("documents", home.database_file), *(("MLflow", file) for file in tracking)]:
        if not file.exists():
            continue
        try:
            # Read-only, so that looking changes nothing.
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
                told = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            told = str(error)
        if told == "ok":
            yield Finding(name, Verdict.OK, f"{file} is sound.")
        else:
            yield Finding(name, Verdict.FAIL, f"{file}: {told}.", "Restore it from a copy, or move it away.")


def _shared_database(_home: Home) -> Iterator[Finding]:
    url = os.environ.get("ACADEMY_DATABASE_URL")
    if not url:
        return
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        shown = make_url(url).render_as_string(hide_password=True)
        create_engine(url).connect().close()
    except (SQLAlchemyError, ImportError) as error:
        reason = str(error).splitlines()[0]
        yield Finding("database", Verdict.FAIL, f"{reason}.", "Mend ACADEMY_DATABASE_URL, or leave it out.")
    else:
        yield Finding("database", Verdict.OK, f"{shown} answers.")


def _environments(_home: Home) -> Iterator[Finding]:
    cache = environment_cache()
    built = len(list(cache.glob("*/ready.json"))) if cache.is_dir() else 0
    if built:
        yield Finding("environments", Verdict.OK, f"{built} built in {cache}.")
    else:
        yield Finding(
            "environments",
            Verdict.WARN,
            f"none built in {cache}.",
            "The first job of each builds its own, which needs the network; 'make setup' builds the labs'.",
        )


def _kernel(_home: Home) -> Iterator[Finding]:
    from academy.kernel import spec

    written = read_json(spec.folder() / "kernel.json")
    if written is None:
        yield Finding("kernel", Verdict.WARN, "not installed.", "Run 'academy kernel install'.")
    elif not Path(written["argv"][0]).exists():
        yield Finding(
            "kernel",
            Verdict.FAIL,
            f"its Python {written['argv'][0]} is gone.",
            "Run 'academy kernel install'.",
        )
    else:
        yield Finding("kernel", Verdict.OK, f"{written['display_name']!r} is installed.")


def _grading(_home: Home) -> Iterator[Finding]:
    from academy.labs.confinement import missing, unavailable

    why_not = unavailable()
    if why_not:
        yield Finding("grading", Verdict.WARN, "submissions cannot be confined here.", why_not)
    else:
        yield Finding("grading", Verdict.OK, " ".join(["submissions are confined.", *missing()]))


CHECKS: tuple[Callable[[Home], Iterator[Finding]], ...] = (
    _python,
    _uv,
    _interpreters,
    _sdk,
    _home,
    _service,
    _secrets,
    _databases,
    _shared_database,
    _environments,
    _kernel,
    _grading,
)
