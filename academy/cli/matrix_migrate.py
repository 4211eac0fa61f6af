"""``academy matrix migrate``: what moving a model, a job or an environment takes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from academy.cli.terminable import terminable
from academy.cli.verb import Failure, Scope, ServiceCommand
from academy.matrix.catalogue import CellId

if TYPE_CHECKING:
    from academy.migration.ends import Sources
    from academy.service.process import ServiceInfo

BLOCKED = 1

_CELLS = click.Choice([str(cell) for cell in CellId])

_EPILOG = """\b
A target file describes any other place than this machine. What is not known
of it is left out; the report then says so:
\b
  name: the server in the plant
  service: kubernetes            # of 'academy matrix show'
  python: "3.10"                 # in quotes
  system: Linux
  distribution: Debian GNU/Linux 12 (bookworm)
  architecture: x86_64
  cores: 4
  memory_gb: 8
  gpus: 0                        # and driver: "535.104", where there are some
  packages:                      # or requirements: FILE, beside this one
    - mlflow==3.17.2
    - scikit-learn==1.7.2
  data: [/srv/data]              # what can be read from there
  secrets: [DB_PASSWORD]         # names that are set there, never values
  skills: [linux, containers]    # what the people there know
\b
Fields of the JSON: verdict (ready, ready after tests, blocked), reasons, subject,
move (kind, summary, price), origin and goal (cell, python, host, packages,
sources, unknown), differences (area, name, origin, goal, severity: blocks,
retest or note, text, next_step, needed, settled), retests, trial (outcome, text,
compared, largest, differing), next_steps, notes.
\b
Exit status:
  0  ready, or ready after the tests that the report names
  1  blocked: the report says by what; or a target file that is not valid
  2  the command line is not valid
  3  no such model, job, environment, version or file
"""


@click.command(cls=ServiceCommand, epilog=_EPILOG)
@click.option("--from", "origin", type=_CELLS, required=True, help="The cell where it was made.")
@click.option("--to", "goal", type=_CELLS, required=True, help="The cell where it is to run.")
@click.option("--model", metavar="NAME:VERSION", help="A registered model; without a version, the latest.")
@click.option("--job", metavar="NAME", help="A job.")
@click.option("--environment", metavar="NAME:VERSION", help="An environment.")
@click.option(
    "--target",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A file that describes the goal (see below). Default: what stands for the cell on this machine.",
)
@click.option(
    "--into",
    metavar="NAME[:VERSION]",
    help="The service's environment that it is to run in. Default: the model's or job's own.",
)
@click.option(
    "--ledger",
    metavar="DIR",
    help="The folder of local runs ('academy audit run'). Default: the nearest with .academy-audit, upwards.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=1e-6,
    show_default=True,
    help="By how much two numbers of the answers may differ; above 1, by which share.",
)
@click.option(
    "--timeout",
    "limit_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True, max=86400),
    default=300,
    show_default=True,
    help="How long either end may take to load the model and score the sample.",
)
@click.option("--no-trial", is_flag=True, help="Build no environment and load no model: compare facts alone.")
@click.option("--all", "every", is_flag=True, help="Name every package that differs; JSON always does.")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--to-file", type=click.Path(path_type=Path), help="Write the report there, not on stdout.")
@click.option("--workspace-name", "-w", help="Default: the home's own workspace.")
@click.option("--resource-group", "-g")
@click.option("--subscription")
@click.pass_context
def migrate(ctx: click.Context, /, **options: Any) -> None:
    """Report what moving from one cell to another takes.

    What differs between where it was made and where it is to run, what has to be tested again, a verdict with
    its reasons, and the next steps. Nothing is moved.

    For an MLflow model that was saved with a sample input there is a trial: the sample is scored in the
    environments of both ends, which are built here, and the answers are compared. That loads the model in
    processes of its own, and runs the code that is in it.
    """
    from academy.cli.service import running
    from academy.migration.migrate import Asked
    from academy.migration.migrate import migrate as report_on
    from academy.migration.text import shown

    kind, reference = _subject(options)
    if options["target"] is not None and options["into"] is not None:
        raise click.UsageError(
            "Give --target or --into, not both: the one describes another place than the other."
        )
    if not math.isfinite(options["tolerance"]):
        raise click.BadParameter(
            f"{options['tolerance']} is no number to compare with.", param_hint="--tolerance"
        )
    scope: Scope = ctx.obj
    info = running(scope)
    asked = Asked(
        origin=CellId(options["origin"]),
        goal=CellId(options["goal"]),
        kind=kind,
        reference=reference,
        target=options["target"],
        into=options["into"],
        tolerance=options["tolerance"],
        with_trial=not options["no_trial"],
        limit_s=options["limit_s"],
        workspace=_workspace(options),
    )
    sources = _sources(info, options["ledger"])
    with terminable():  # so that the processes of a trial end with this one
        report = report_on(asked, info, sources, log=_say)
    text = (
        json.dumps(report.to_json(), indent=2)
        if options["output"] == "json"
        else shown(report, every=options["every"])
    )
    _write(text, options["to_file"])
    ctx.exit(BLOCKED if report.verdict == "blocked" else 0)


def _subject(options: dict[str, Any]) -> tuple[Any, str]:
    from academy.migration.report import SubjectKind

    given = [kind for kind in SubjectKind if options[kind] is not None]
    if len(given) != 1:
        raise click.UsageError(
            "Say what is to be moved: one of --model NAME:VERSION, --job NAME, --environment NAME:VERSION."
        )
    return given[0], options[given[0]]


def _sources(info: ServiceInfo, ledger: str | None) -> Sources:
    from academy.audit.local.ledger import LocalLedger
    from academy.cli.audit_target import local_ledger
    from academy.migration.ends import Sources
    from academy.service.kept_records import KeptRecords

    runs = local_ledger(ledger) if ledger is not None else LocalLedger.above(Path.cwd())
    return Sources(KeptRecords(info), runs)


def _workspace(options: dict[str, Any]) -> Any:
    from academy.store.ids import DEFAULT_WORKSPACE, Workspace

    return Workspace(
        options["subscription"] or DEFAULT_WORKSPACE.subscription,
        options["resource_group"] or DEFAULT_WORKSPACE.resource_group,
        options["workspace_name"] or DEFAULT_WORKSPACE.name,
    )


def _say(line: str) -> None:
    # One line for each of a hundred packages is for logs, not for a person who waits.
    if not line.startswith((" + ", " - ", " ~ ")):
        click.echo(line, err=True)


def _write(text: str, file: Path | None) -> None:
    from academy.paths import write_atomic, writing

    if file is None:
        click.echo(text)
        return
    if file.is_dir():
        raise Failure(f"{file} is a folder. Name a file for --to-file.")
    with writing(file, "Choose another place for --to-file, or leave it out to see the report."):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, f"{text}\n")
    click.echo(f"The report is in {file}.", err=True)
