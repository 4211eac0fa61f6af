"""``academy lab list | start | check | hint | solution | status | reset | submit``."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from academy.cli import lab_text
from academy.cli.options import confirm, yes
from academy.cli.output import terminal_width
from academy.cli.verb import Scope, ServiceCommand, said_when_slow
from academy.labs.collection import Collection
from academy.labs.language import texts
from academy.labs.learning.cards import Cards, card_of, cards, cards_with, find_lab
from academy.labs.learning.events import kept_events

if TYPE_CHECKING:
    from academy.labs.learning.learner import Learner

# A check that did not pass, for scripts and for `make`.
NOT_PASSED = 1

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
the_lab = click.argument("lab")


class LabCommand(ServiceCommand):
    """A command about labs: it takes the collection that they come from."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(
                ["--collection"],
                type=click.Path(file_okay=False, path_type=Path),
                help="Where the labs are. Default: ACADEMY_LABS, or those that come with Academy.",
            )
        )


def starting(scope: Scope) -> AbstractContextManager[None]:
    """Say that the service is started, when that is why something takes long."""
    return said_when_slow(texts()("cli.starting", home=scope.home.root))


@click.command("list", cls=LabCommand)
@as_json
@click.pass_obj
def list_labs(scope: Scope, /, as_json: bool, collection: Path | None) -> None:
    """Show the labs, and how far you are. Starts nothing."""
    chosen = Collection.locate(collection)
    found = cards(scope.home, chosen)
    if as_json:
        click.echo(json.dumps([lab_text.plain_card(card) for card in found.cards], indent=2))
    elif found.cards:
        click.echo(lab_text.table(found.cards, terminal_width()))
        click.echo(texts()("cli.list-cell"))
        click.echo(texts()("cli.list-next"))
    if not chosen.labs():  # what is listed then are the learner's own copies
        click.echo(texts()("cli.no-labs", folder=chosen.root), err=as_json)
    if found.unknown:
        click.echo(texts()("cli.progress-unknown", reason=found.unknown), err=True)
    _say_broken(found)


@click.command("start", cls=LabCommand)
@the_lab
@click.pass_obj
def start(scope: Scope, /, lab: str, collection: Path | None) -> None:
    """Make your own copy of LAB. One that you have already is never overwritten."""
    say = texts()
    learner = learner_of(scope, collection)
    found = learner.lab(lab)
    before = card_of(scope.home, found, ()).copy
    with starting(scope):
        notebook = learner.start(found.id)
    if before:
        click.echo(say("cli.started-before", notebook=notebook))
    else:
        click.echo(say("cli.started", title=found.manifest.title, notebook=notebook))
    click.echo(say("cli.started-next", lab=found.id))


@click.command("status", cls=LabCommand)
@click.argument("lab", required=False)
@as_json
@click.pass_obj
def status(scope: Scope, /, lab: str | None, as_json: bool, collection: Path | None) -> None:
    """Show points, hints and time of LAB, or of every lab that you have started."""
    chosen = Collection.locate(collection)
    if lab is not None:
        one = card_of(scope.home, find_lab(scope.home, chosen, lab), kept_events(scope.home))
        click.echo(json.dumps(lab_text.plain_card(one), indent=2) if as_json else lab_text.status(one))
        return
    found = cards_with(scope.home, chosen, kept_events(scope.home))
    started = [card for card in found.cards if card.copy or card.progress.started_at is not None]
    if as_json:
        click.echo(json.dumps([lab_text.plain_card(card) for card in started], indent=2))
    elif started:
        click.echo("\n\n".join(lab_text.status(card) for card in started))
    elif not found.broken:
        click.echo(texts()("cli.status-none"))
    _say_broken(found)


def _say_broken(found: Cards) -> None:
    """Say which labs are not shown, and why; it is an error when none could be."""
    for reason in found.broken:
        click.echo(texts()("cli.lab-broken", reason=reason), err=True)
    if found.broken and not found.cards:
        raise click.exceptions.Exit(1)


@click.command("check", cls=LabCommand)
@the_lab
@click.argument("tasks", nargs=-1)
@as_json
@click.pass_obj
def check(scope: Scope, /, lab: str, tasks: tuple[str, ...], as_json: bool, collection: Path | None) -> None:
    """Check TASKs of LAB, or all; the exit status is 1 when one is not passed.

    A notebook that is open is checked as it is now; else your saved copy is run from the top.
    """
    learner = learner_of(scope, collection)
    from academy.labs.learning.asking import ask_kernel, run_copy
    from academy.labs.learning.live_kernels import live_kernels
    from academy.service.process import up

    say = texts()
    copy = learner.sound_copy(lab)
    names = [copy.manifest.task(name).id for name in tasks]
    with starting(scope):
        up(scope.home)  # so that what is found is recorded
    kernels = live_kernels(scope.home, copy.id, copy.folder)
    if kernels:
        with said_when_slow(say("cli.check-busy")):
            found = ask_kernel(kernels[0], copy.id, names)
        where = say("cli.check-in-notebook")
    else:
        with said_when_slow(say("cli.check-running")):
            found = run_copy(scope.home, copy, names, partial(click.echo, err=True))
        where = say("cli.check-in-fresh", notebook=copy.notebook)
    if as_json:
        click.echo(json.dumps(lab_text.plain_answers(copy.id, found, bool(kernels)), indent=2))
    else:
        click.echo(lab_text.answers(where, found))
    if not kernels:  # a notebook that is open goes on, and cleans up at its end
        stays = learner.undoes(learner.made(copy.id))
        if stays:
            click.echo(say("cli.check-stays", names=", ".join(stays), lab=copy.id), err=True)
    if not all(result.passed for result in found.results):
        raise click.exceptions.Exit(NOT_PASSED)


@click.command("hint", cls=LabCommand)
@the_lab
@click.argument("task", required=False)
@click.pass_obj
def hint(scope: Scope, /, lab: str, task: str | None, collection: Path | None) -> None:
    """Show the next hint of TASK, or of the first that is not passed. It is noted in your progress."""
    say = texts()
    learner = learner_of(scope, collection)
    found = learner.lab(lab)
    if task is None:
        still_open = learner.progress(found.id).open_tasks
        if not still_open:
            tasks = ", ".join(one.id for one in found.manifest.tasks)
            click.echo(say("cli.hint-all-done", lab=found.id, tasks=tasks))
            return
        task = still_open[0].task.id
    title = found.manifest.task(task).title
    with starting(scope):
        given = learner.hint(found.id, task)
    if not given.of:
        click.echo(say("cli.hint-none", title=title))
        return
    click.echo(say("cli.hint", level=given.level, of=given.of, title=title, text=given.text))
    after = "cli.hint-last" if given.level == given.of else "cli.hint-more"
    click.echo(say(after, lab=found.id, task=task))


@click.command("solution", cls=LabCommand)
@the_lab
@click.argument("task")
@yes
@click.pass_obj
def solution(scope: Scope, /, lab: str, task: str, yes: bool, collection: Path | None) -> None:
    """Show a solution of TASK, once you have said that you want it. It is noted in your progress."""
    say = texts()
    learner = learner_of(scope, collection)
    found = learner.lab(lab)
    confirm(say("cli.solution-ask", title=found.manifest.task(task).title), yes)
    with starting(scope):
        text = learner.solution(found.id, task)
    click.echo(text or say("cli.solution-none", lab=found.id, task=task))


@click.command("reset", cls=LabCommand)
@the_lab
@click.option("--step", help="Only this step of the lab: its cells, its files and what it made.")
@yes
@click.pass_obj
def reset(scope: Scope, /, lab: str, step: str | None, yes: bool, collection: Path | None) -> None:
    """Restore LAB, or one step of it, and undo what it made. Your old copy is kept aside."""
    learner = learner_of(scope, collection)
    say = texts()
    copy = learner.copy_to_reset(lab)
    if not yes:
        with starting(scope):
            made = learner.made(copy.id, step)
            names = learner.undoes(made)
        if names:
            click.echo(say("cli.reset-what", names=", ".join(names)), err=True)
        for one in made.unnamed:
            click.echo(say("cli.torn-unknown", what=f"{one.type} {one.name}"), err=True)
    confirm(say("cli.reset-ask-step" if step else "cli.reset-ask", lab=copy.id, step=step), yes)
    with starting(scope):
        report = learner.reset(copy.id, step)
    done = "cli.reset-done-step" if step else "cli.reset-done"
    click.echo(say(done, lab=copy.id, step=step, notebook=copy.notebook))
    click.echo(say("cli.reset-kept", kept=report.kept) if report.kept else say("cli.reset-same"))
    if report.restored:
        click.echo(say("cli.reset-files", files=", ".join(report.restored)))
    for line in report.removed:
        click.echo(line)
    click.echo(say("cli.reset-open"))


@click.command("submit", cls=LabCommand)
@the_lab
@click.option("--to", type=click.Path(path_type=Path), help="A folder, or a file that ends in .zip.")
@click.option("--name", help="Your name in it. Default: as JupyterHub or this machine knows you.")
@click.pass_obj
def submit(scope: Scope, /, lab: str, to: Path | None, name: str | None, collection: Path | None) -> None:
    """Hand your copy of LAB in as one zip. It may be incomplete.

    The zip holds the notebook, lab.yml, every file in src/, every other file that you added or changed,
    and submission.json: your name, the time, and your points, tries and hints. Hidden files, links, and
    __pycache__ and mlruns folders stay out.
    """
    learner = learner_of(scope, collection)
    with starting(scope):
        submitted = learner.hand_in(lab, to, learner=name)
    click.echo(lab_text.submitted(submitted))
    if submitted.damage:
        click.echo(texts()("cli.submitted-damaged", damage=submitted.damage), err=True)


def learner_of(scope: Scope, collection: Path | None) -> Learner:
    """Return the learner of the home; the import is what makes these commands slower than a list."""
    from academy.client.sdk import quick_jsonschema

    with quick_jsonschema():  # for reading notebooks
        from academy.labs.learning.learner import Learner

    return Learner(scope.home, Collection.locate(collection))
