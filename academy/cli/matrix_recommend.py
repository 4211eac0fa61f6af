"""``academy matrix recommend``: from what a team needs to the environment that fits, with reasons."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import click

from academy.cli.output import prose_width, render
from academy.cli.verb import Scope, ServiceCommand
from academy.matrix import (
    AuditDemand,
    Budget,
    Changes,
    DataPlace,
    Hardware,
    Latency,
    ModelSource,
    Needs,
    Operator,
    Recommendation,
    Skill,
    Stage,
    Traffic,
    recommend,
)
from academy.matrix.fields import At, mapping, parse

_EPILOG = """\b
A file of needs is YAML with the same names; lists for skills and languages:
  stage: inference
  data: on_premises
  skills: [python, linux]
  traffic: steady
  latency: interactive
\b
Exit status: 0 something fits, 1 the needs contradict each other or are not valid,
2 the command line is not valid, 3 there is no such file, 6 nothing fits.
"""
_NOTHING_FITS = 6


def _choice(kind: type[StrEnum]) -> click.Choice[str]:
    return click.Choice([str(member) for member in kind])


@click.command("recommend", cls=ServiceCommand, epilog=_EPILOG)
@click.option("--needs", "file", type=click.Path(path_type=Path), help="Read the needs from this YAML file.")
@click.option("--stage", type=_choice(Stage), help="What it is for. Has to be said, here or in the file.")
@click.option("--data", type=_choice(DataPlace), help="The widest place where the data may go.")
@click.option("--operator", type=_choice(Operator), help="Who is to run the machines.")
@click.option("--skill", "skills", type=_choice(Skill), multiple=True, help="What the team knows; repeat it.")
@click.option(
    "--traffic",
    type=_choice(Traffic),
    help="How requests come (inference); it decides much, and is worth saying.",
)
@click.option("--latency", type=_choice(Latency), help="How long an answer may take (inference).")
@click.option("--budget", type=_choice(Budget), help="How the team can pay.")
@click.option("--hardware", type=_choice(Hardware), help="The least that the work needs.")
@click.option("--language", "languages", multiple=True, help="What the code is written in; repeat it.")
@click.option("--changes", type=_choice(Changes), help="How often the model or its code changes.")
@click.option("--audit", type=_choice(AuditDemand), help="What has to be shown of what ran.")
@click.option("--offline", is_flag=True, help="It has to work without a connection to the cloud.")
@click.option("--model", type=_choice(ModelSource), help="Whose model is to answer (inference).")
@click.option("--all", "everything", is_flag=True, help="Show all services with all reasons (text only).")
@click.option(
    "--output",
    "-o",
    type=click.Choice(["text", "json", "yaml", "table", "tsv"]),
    default="text",
    help="How the result looks.",
)
@click.pass_obj
def recommend_command(scope: Scope, /, file: Path | None, everything: bool, output: str, **said: Any) -> None:
    """Say which environment and which service fit what you need, and why. Starts nothing.

    What is said here goes before what the file says. Each reason has points: those for are added, those
    against taken away; what is refused is so whatever speaks for it.
    """
    found = recommend(_needs(file, {name: value for name, value in said.items() if value}))
    if output == "text":
        width = prose_width()
        click.echo(found.text(width, everything=everything))
    elif output in ("json", "yaml"):
        click.echo(render(found.to_mapping(), output))
    else:
        click.echo(render(_rows(found), output))
    if found.best is None:
        click.get_current_context().exit(_NOTHING_FITS)


def _needs(file: Path | None, said: dict[str, Any]) -> Needs:
    if file is None:
        if "stage" not in said:
            raise click.UsageError(
                "Say what it is for: --stage training or --stage inference; or read needs with --needs FILE."
            )
        return Needs(**said)
    written = mapping(parse(file), At(file), list(Needs.__dataclass_fields__))
    source = f"{file} and the command line" if said else str(file)
    return Needs.from_mapping({**written, **said}, source)


def _rows(found: Recommendation) -> list[dict[str, Any]]:
    """Return services as rows, those that fit first; ``because`` is the weightiest reason."""
    rows = []
    for place, cell in enumerate((*found.cells, *found.refused), start=1):
        for rank, service in enumerate((*cell.services, *cell.refused_services), start=1):
            rows.append(
                {
                    "place": "" if service.is_refused else f"{place}.{rank}",
                    "cell": str(cell.id),
                    "service": service.id,
                    "points": "refused" if service.is_refused else f"{service.score:g}",
                    "because": service.reasons[0].text,
                }
            )
    return sorted(rows, key=lambda row: row["place"] == "")
