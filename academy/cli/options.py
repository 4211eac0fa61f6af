"""The flags of ``az ml`` that many commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from academy.cli.verb import Failure
from academy.labs.language import Texts, texts

Callback = Callable[..., Any]

name = click.option("--name", "-n", required=True)
optional_name = click.option("--name", "-n")
version = click.option("--version", "-v")
label = click.option("--label", "-l", help="Such as latest. Instead of --version.")
endpoint = click.option("--endpoint-name", "-e", required=True)
yaml_file = click.option(
    "--file",
    "-f",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The YAML file of the resource.",
)
optional_yaml_file = click.option(
    "--file",
    "-f",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The YAML file of the resource.",
)
changes = click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Replace a field: --set tags.a=1 compute=x."
)
tags = click.option("--tags", multiple=True, metavar="KEY=VALUE")
description = click.option("--description")
max_results = click.option("--max-results", "-r", type=click.IntRange(min=1), help="At most so many.")
no_wait = click.option("--no-wait", is_flag=True, help="Return while the operation goes on.")
yes = click.option("--yes", "-y", is_flag=True, help="Do not ask whether to go on.")
download_path = click.option(
    "--download-path", "-p", default=".", type=click.Path(file_okay=False, path_type=Path)
)


def views(callback: Callback) -> Callback:
    """Add ``--archived-only`` and ``--include-archived``."""
    for flag, text in (
        ("--include-archived", "Archived ones too."),
        ("--archived-only", "Archived ones only."),
    ):
        callback = click.option(flag, is_flag=True, help=text)(callback)
    return callback


def check_view(archived_only: bool, include_archived: bool) -> None:
    """Refuse both flags of ``views`` at once, before the service is asked."""
    if archived_only and include_archived:
        raise click.UsageError("Give --archived-only or --include-archived, not both.")


def view(archived_only: bool, include_archived: bool) -> Any:
    """Return the SDK's list view type."""
    from azure.ai.ml.constants import ListViewType

    if archived_only:
        return ListViewType.ARCHIVED_ONLY
    return ListViewType.ALL if include_archived else ListViewType.ACTIVE_ONLY


def pairs(given: Iterable[str], flag: str) -> dict[str, str]:
    """Return ``KEY=VALUE`` texts as a dictionary; one text may hold several, separated by blanks."""
    found = {}
    for text in given:
        for part in text.split() if flag.endswith("traffic") else [text]:
            key, sign, value = part.partition("=")
            if not sign or not key:
                raise click.BadParameter(f"{part!r} is not KEY=VALUE.", param_hint=flag)
            found[key] = value
    return found


def one_of(version: str | None, label: str | None) -> dict[str, str]:
    """Return how a version is named; ``--label latest`` when neither is given, as in ``az ml``."""
    if version and label:
        raise click.UsageError("Give --version or --label, not both.")
    return {"version": version} if version else {"label": label or "latest"}


def confirm(question: str, yes: bool) -> None:
    """Ask before what cannot be undone; in the learner's language, and with its words for yes and no.

    Where nobody can answer, the error names the option that does.
    """
    say = texts()
    while not yes:
        click.echo(say("cli.ask", question=question) + " ", err=True, nl=False)
        said = _answer(say).strip().lower()
        if said in ("", *say("cli.ask-no").split()):
            raise click.Abort()
        yes = said in say("cli.ask-yes").split()


def _answer(say: Texts) -> str:
    try:
        line = sys.stdin.readline() if sys.stdin else ""
    except KeyboardInterrupt:
        click.echo(err=True)
        raise
    if not line:  # the end of the input, as of /dev/null or Ctrl-D
        click.echo(err=True)
        raise Failure(say("cli.ask-nobody"))
    return line
