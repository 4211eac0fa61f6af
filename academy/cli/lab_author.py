"""``academy lab new`` and ``academy lab lint``"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from academy.cli.verb import ServiceCommand

if TYPE_CHECKING:
    from academy.labs.lint import Finding

_folder = click.Path(file_okay=False, path_type=Path)
_collection = click.option(
    "--collection", type=_folder, help="Where the labs are. Default: ACADEMY_LABS, or Academy's own."
)


@click.command("new", cls=ServiceCommand)
@click.argument("name", metavar="NN-verb-noun")
@click.option("--title", help="What the lab is called. Default: the template's.")
@_collection
@click.pass_obj
def new(_scope: object, name: str, title: str | None, collection: Path | None) -> None:
    """Begin a lab: a small one that passes its suite, to be rewritten piece by piece."""
    from academy.labs.collection import Collection
    from academy.labs.scaffold import new_lab

    chosen = Collection.locate(collection)
    made = new_lab(chosen, name, title=title)
    at = f" --collection {collection}" if collection else ""
    click.echo(f"The notebook: {_shown(made.notebook)}")
    click.echo(f"All else:     {_shown(made.folder)}")
    click.echo("\nNext:")
    for command, text in (
        (f"jupyter lab {_shown(made.notebook)}", "write the lab, solved; run it from the top and save it"),
        (f"academy lab lint {name}{at}", "look for what a good lab does not have"),
        (f"academy test {name}{at}", "run it, as it is stored and as learners get it"),
    ):
        click.echo(f"  {command}\n      {text}")


@click.command("lint", cls=ServiceCommand)
@click.argument("labs", nargs=-1, metavar="[LAB]...")
@_collection
@click.option("--json", "as_json", is_flag=True, help="Print a list of findings.")
@click.option("--rules", is_flag=True, help="Print the rules, and look at nothing.")
@click.pass_obj
def lint(_scope: object, labs: tuple[str, ...], collection: Path | None, as_json: bool, rules: bool) -> None:
    """Look for what a good lab does not have, in all labs when none is named.

    \b
    Exit status: 0 nothing found, 1 something to mend, 3 there is no such lab, or none at all.
    """
    from academy.client.sdk import quick_jsonschema
    from academy.labs.collection import Collection

    where = Collection.locate(collection)
    chosen = [] if rules else where.chosen(labs)
    if not chosen and not rules:
        raise where.has_none()
    with quick_jsonschema():  # for reading notebooks
        from academy.labs.lint import RULES, lint_all
    if rules:
        width = max(len(rule.id) for rule in RULES)
        for rule in RULES:
            click.echo(f"{rule.id:{width}}  {rule.asks}")
        return
    found = lint_all(chosen, where)
    if labs:
        found.pop("", None)
    if as_json:
        listed = [{"lab": lab, **asdict(one)} for lab, findings in found.items() for one in findings]
        click.echo(json.dumps(listed, ensure_ascii=False, indent=2))
    else:
        for lab, findings in found.items():
            _print(lab, findings)
    if any(found.values()):
        raise click.exceptions.Exit(1)


def _print(lab: str, findings: list[Finding]) -> None:
    if not findings:
        click.echo(f"{lab}: nothing to mend")
        return
    click.echo(f"{lab or 'of no lab'}: {len(findings)} to mend")
    for one in findings:
        click.echo(f"  {one.place}: {one.rule}\n      {one.what} {one.do}")


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) and path != here else str(path)
