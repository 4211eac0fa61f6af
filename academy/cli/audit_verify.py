"""``academy audit verify``: records, and what they say, against what is there."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from academy.cli.audit_target import Opened, opened_all, target_options, title_of_runs
from academy.cli.verb import Scope, ServiceCommand, said_when_slow
from academy.errors import InvalidField

if TYPE_CHECKING:
    from academy.audit.chain import Sealed
    from academy.audit.local.ledger import LocalLedger
    from academy.audit.verification import Verification

DELAY_S = 1.0


@click.command("verify", cls=ServiceCommand)
@target_options
@click.option("--all", "all_", is_flag=True, help="Check what every record says.")
@click.option(
    "--head", "noted", metavar="HASH", help="A record's hash that was noted elsewhere: it must be there."
)
@click.option(
    "--file",
    "-f",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Check a JSON export, without the service that it is from.",
)
@click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", help="How the result looks."
)
@click.pass_obj
def verify(
    scope: Scope, /, all_: bool, noted: str | None, file: Path | None, output: str, **target: str | None
) -> None:
    """Check the chain of records; with a target or --all, also what records say: files, packages, links.

    Without a target, the records are those of the local runs of this folder or the nearest one above it, and
    those of the service if it runs.

    \b
    Exit status: 0 all that could be checked matches, 1 something does not.
    """
    if file is not None:
        sections = _of_file(file, noted, {**target, "all": all_ or None})
    else:
        sections = _of_ledgers(opened_all(scope, target), noted, all_)
    found = _together(sections)
    if output == "json":
        click.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
    else:
        _print(sections)
    if not found.matches:
        raise click.exceptions.Exit(1)


@dataclass(frozen=True)
class _Section:
    """What was found in one ledger; the title says in which, where that is not plain."""

    title: str
    found: Verification
    records: Sequence[Sealed] = ()


def _of_ledgers(several: Sequence[Opened], noted: str | None, all_: bool) -> list[_Section]:
    sections = [section for one in several for section in _of_ledger(one, all_)]
    return sections if noted is None else _noted(sections, noted)


def _noted(sections: list[_Section], noted: str) -> list[_Section]:
    from academy.audit.verify import check_noted, holds

    # The hash was noted of one of the ledgers, which need not be all of them.
    holding = [one for one in sections if holds(one.records, noted)] or sections
    return [
        replace(one, found=check_noted(one.found, one.records, noted)) if one in holding else one
        for one in sections
    ]


def _of_ledger(opened: Opened, all_: bool) -> list[_Section]:
    from academy.audit import verify as checks
    from academy.audit.finding import whole
    from academy.audit.local.ledger import LocalLedger

    if all_ and opened.target is not None:
        raise click.UsageError("--all checks all records. Leave it out to check one thing's.")
    if opened.target is not None:
        opened.sealed()  # says why there is none
    with said_when_slow("Reading the records …"):
        records, head = whole(opened.records)
    if opened.target is None and not all_:
        found = checks.verify_chain(records, head, "run" if opened.folder else "job")
    else:
        with _Bar() as looked:
            found = checks.verify(records, head, opened.id, folder=opened.folder, progress=looked)
    if opened.folder is not None:
        found = _with_damage(found, LocalLedger(opened.folder))
    of_runs = [*_of_runs(opened, records)] if opened.id is not None and opened.folder is None else []
    return [_Section(opened.title if opened.is_found or of_runs else "", found, records), *of_runs]


def _of_runs(opened: Opened, records: Sequence[Sealed]) -> Iterator[_Section]:
    """Yield what is found of the local runs that wrote the models which the target came from."""
    from academy.audit.verify import runs_behind, verify

    local, runs = opened.runs, opened.local_runs()
    if local is None or runs is None:
        return
    for run, model in runs_behind(str(opened.id), records, runs):
        with _Bar() as looked:
            found = verify(runs.records, runs.head, run.key, folder=local.folder, progress=looked)
        same = f"Run {run.name!r} wrote files that are the same as those of the model {model.name!r}."
        found = replace(found, checked=(same, *found.checked))
        yield _Section(title_of_runs(local.folder), _with_damage(found, local), runs.records)


def _with_damage(found: Verification, ledger: LocalLedger) -> Verification:
    """Add the lines of a local ledger that hold no record."""
    from academy.audit.verification import Mismatch

    lines = tuple(Mismatch(one.sequence, "ledger", one.text) for one in ledger.damage())
    return replace(found, mismatches=(*lines, *found.mismatches))


def _of_file(file: Path, noted: str | None, others: dict[str, Any]) -> list[_Section]:
    given = [name for name, value in others.items() if value is not None]
    if given:
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise click.UsageError(f"--file says what is checked: leave {flags} out.")
    from academy.audit import verify as checks
    from academy.audit.export import breaks_of_file, of_file, runs_of_file
    from academy.client.sdk import quick_jsonschema

    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidField(
            f"{file} is no JSON ({error}). 'academy audit export --format json --to FILE' writes what can be "
            "checked."
        ) from error
    with quick_jsonschema():
        from academy.audit.schema import check
    check(value, str(file))
    records, head = of_file(value)
    runs = runs_of_file(value)
    own = checks.verify_part(records, head, breaks_of_file(value))
    sections = [_Section("The export" if runs else "", own, records)]
    if runs is not None:
        found = checks.verify_runs(records, runs)
        sections.append(_Section(f"Its local runs, of {runs.place}", found, runs.records))
    return sections if noted is None else _noted(sections, noted)


def _together(sections: Sequence[_Section]) -> Verification:
    """Return the findings of all ledgers; each sentence then says which one it is about."""
    if len(sections) == 1:
        return sections[0].found
    from academy.audit.verification import Verification

    told = [_told(one) for one in sections]
    names = [field.name for field in fields(Verification)]
    return Verification(**{name: tuple(chain(*(getattr(one, name) for one in told))) for name in names})


def _told(section: _Section) -> Verification:
    found, of = section.found, section.title
    return replace(
        found,
        mismatches=tuple(replace(one, text=f"{of}: {one.text}") for one in found.mismatches),
        **{
            name: tuple(f"{of}: {text}" for text in getattr(found, name))
            for name in ("checked", "unchecked", "notes")
        },
    )


def _print(sections: Sequence[_Section]) -> None:
    for section in sections:
        found = section.found
        if section.title:
            click.echo(f"{section.title}:")
        for title, lines in (
            ("Checked:", found.checked),
            ("Known besides:", found.notes),
            ("Not checked:", found.unchecked),
            ("Does not match:", [mismatch.text for mismatch in found.mismatches]),
        ):
            if lines:
                click.echo(title)
                for line in lines:
                    click.echo(f"  {line}")
        if section.title:
            click.echo()
    count = sum(len(section.found.mismatches) for section in sections)
    click.echo(
        "All that was checked matches."
        if not count
        else f"{count} thing{'' if count == 1 else 's'} do{'es' if count == 1 else ''} not match."
    )


class _Bar:
    """Shows on stderr how far it is, when that is a terminal and it takes long."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __enter__(self) -> Callable[[int, int, str], None]:
        return self._looked

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def _looked(self, done: int, total: int, text: str) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                total=total,
                desc="Checking",
                unit="record",
                file=sys.stderr,
                disable=None,
                leave=False,
                miniters=0,
                delay=DELAY_S,
            )
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(done - self._bar.n)
