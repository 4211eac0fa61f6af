"""The matrix as text: the two-by-two grid, a cell with all it holds, and a service with all it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from academy.matrix.catalogue import (
    Catalogue,
    Cell,
    CellId,
    Compute,
    Move,
    MoveKind,
    Resources,
    Service,
    Stage,
)
from academy.matrix.finding import guests
from academy.matrix.wording import KINDS, STAGES, trait_facts

_MEANS = {
    Compute.HYBRID: "Hybrid: machines that you run, in the house or rented.",
    Compute.CLOUD: "Cloud: machines that the platform runs.",
}

# Below this the grid's two columns are too narrow to read, and the cells come one after another.
_NARROWEST_GRID = 60
_NARROWEST = 30

_NOT_CONFIRMED = "(?)"
_NOT_CONFIRMED_MEANS = (
    "(?) marks an address that could not be confirmed. If it does not open, search for the title."
)


def grid(catalogue: Catalogue, width: int) -> str:
    """Return the cells as two by two, each with its services, in lines of at most ``width`` characters."""
    if width < _NARROWEST_GRID:
        return _stacked(catalogue, max(width, _NARROWEST))
    label = max(len(word) for stage in Stage for word in STAGES[stage].split())
    column = (width - label - len("  |  |  |")) // 2
    rule = " " * (label + 1) + "+" + ("-" * (column + 2) + "+") * 2
    heads = "".join(f"{compute:^{column + 3}}" for compute in Compute)
    lines = [(" " * (label + 2) + heads).rstrip(), rule]
    for stage in Stage:
        blocks = [_tile(catalogue, _cell_at(stage, compute), column) for compute in Compute]
        names = STAGES[stage].split()
        for index in range(max(len(names), *map(len, blocks))):
            parts = [_line(block, index).ljust(column) for block in blocks]
            lines.append(f"{_line(names, index):>{label}} | {parts[0]} | {parts[1]} |")
        lines.append(rule)
    return "\n".join([*lines, "", *wrap(_below(catalogue), width)])


def cell_text(
    cell: Cell,
    width: int,
    also: Iterable[Service] = (),
    ways: Iterable[Move] = (),
    level: int | None = None,
) -> str:
    """Return all that a cell holds.

    ``also`` are services of other cells that are met here too, ``ways`` the moves from here, ``level`` the
    only one that is shown of what there is to learn from.
    """
    width = max(width, _NARROWEST)
    facts = [
        ("Tools", ", ".join(cell.tools)),
        ("Frameworks", ", ".join(cell.frameworks)),
        ("Languages", ", ".join(cell.languages)),
        ("Set up by", cell.set_up_by),
        ("Supported by", cell.supported_by),
        ("Upkeep", cell.upkeep),
    ]
    lines = [*_heading(cell, width), *wrap(_MEANS[cell.id.compute], width), "", *wrap(cell.definition, width)]
    lines += ["", "Use cases", *_bullets(cell.use_cases, width)]
    lines += ["", "Personas", *_bullets(cell.personas, width)]
    lines += ["", *_facts(facts, width), "", "Services"]
    for service in cell.services:
        lines += _indented(f"{service.id}: {service.name}", width, 2)
        lines += _indented(service.summary, width, 6)
    for service in also:
        lines += _indented(f"{service.id}: {service.name}, of the cell {service.cell}", width, 2)
    for way in ways:
        title = f"From here to {way.goal}: {KINDS[way.kind]}"
        lines += ["", *wrap(title, width), *_indented(way.summary, width, 2), *_bullets(way.price, width)]
    lines += ["", "On this machine", *_indented(cell.here.text, width, 2)]
    lines += [f"    {command}" for command in cell.here.commands]
    return "\n".join([*lines, *_learn(cell.resources, width, level), *_sources(cell.sources)])


def service_text(service: Service, width: int, level: int | None = None) -> str:
    """Return all that the catalogue holds on a service; ``level`` is the only one shown, if given."""
    width = max(width, _NARROWEST)
    others = f"; also in {', '.join(service.also_in)}" if service.also_in else ""
    lines = wrap(f"{service.name} ({service.id})", width)
    lines += wrap(f"In the cell {service.cell}{others}.", width)
    if service.formerly:
        lines += wrap(f"Formerly {'; '.join(service.formerly)}.", width)
    lines += ["", *wrap(service.summary, width)]
    if service.traits.retiring:
        lines += ["", *wrap(f"It retires: {service.traits.retiring}", width)]
    lines += ["", "Choose it when", *_bullets(service.choose_when, width)]
    lines += ["", "Choose something else when", *_bullets(service.avoid_when, width)]
    languages = [*service.languages, "any other"] if service.traits.languages_any else service.languages
    facts = [
        ("Price", service.price_model),
        ("Run by", service.run_by),
        ("Frameworks", ", ".join(service.frameworks)),
        ("Languages", ", ".join(languages)),
    ]
    lines += ["", *_facts([*facts, *trait_facts(service.traits)], width)]
    return "\n".join([*lines, *_learn(service.resources, width, level), *_sources(service.sources)])


def learning_text(catalogue: Catalogue, width: int, level: int) -> str:
    """Return what there is to learn from at one level, cell by cell."""
    width = max(width, _NARROWEST)
    lines: list[str] = []
    for cell in catalogue.cells.values():
        lines += [*_heading(cell, width), *_entries(cell.resources, width, level), ""]
    return "\n".join([*lines, *wrap(_NOT_CONFIRMED_MEANS, width)])


def _heading(cell: Cell, width: int) -> list[str]:
    return wrap(f"{cell.name} ({STAGES[cell.id.stage]}, {cell.id.compute})", width)


def _cell_at(stage: Stage, compute: Compute) -> CellId:
    return next(cell for cell in CellId if (cell.stage, cell.compute) == (stage, compute))


def _tile(catalogue: Catalogue, cell: CellId, width: int) -> list[str]:
    """Return a cell in a few lines: its name, what it is, and its services."""
    found = catalogue.cells[cell]
    about, _, _ = found.definition.partition(". ")
    lines = [found.name.upper(), *wrap(about.rstrip(".") + ".", width), ""]
    lines += wrap(", ".join(service.id for service in found.services), width, break_on_hyphens=False)
    others = ", ".join(service.id for service in guests(catalogue, cell))
    return lines + (wrap(f"also: {others}", width, break_on_hyphens=False) if others else [])


def _stacked(catalogue: Catalogue, width: int) -> str:
    parts = []
    for cell in CellId:
        lines = _tile(catalogue, cell, width - 2)
        where = f"{lines[0]} ({STAGES[cell.stage]}, {cell.compute})"
        parts.append("\n".join([*wrap(where, width), *(f"  {line}".rstrip() for line in lines[1:])]))
    return "\n\n".join([*parts, "\n".join(wrap(_below(catalogue), width))])


def _below(catalogue: Catalogue) -> str:
    return " ".join([*_MEANS.values(), _ways(catalogue)])


def _ways(catalogue: Catalogue) -> str:
    def of(kind: MoveKind) -> str:
        found = (move for move in catalogue.moves.values() if move.kind is kind)
        return " and ".join(f"{move.origin} to {move.goal}" for move in found)

    return (
        f"The usual ways are {of(MoveKind.USUAL)}. Crossing over ({of(MoveKind.CROSSING)}) is possible "
        "and costly: software versions and skills differ."
    )


def _line(block: Sequence[str], index: int) -> str:
    return block[index] if index < len(block) else ""


def _bullets(items: Iterable[str], width: int) -> Iterator[str]:
    for item in items:
        yield from wrap(item, width, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False)


def _facts(facts: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Return terms with what is said of them beside, or below where there is no room beside."""
    beside = max(len(term) for term, _ in facts) + 2
    if width < 2 * beside:
        return [line for term, said in facts for line in (term, *_indented(said, width, 2))]
    lines = []
    for term, said in facts:
        lines += wrap(
            said,
            width,
            initial_indent=f"{term:<{beside}}",
            subsequent_indent=" " * beside,
            break_on_hyphens=False,
        )
    return lines


def _learn(resources: Resources, width: int, only: int | None) -> list[str]:
    lines = ["", "Learn"]
    for level in resources if only is None else (only,):
        lines += [f"  Level {level}", *_entries(resources, width, level)]
    shown = [item for level, items in resources.items() if only in (None, level) for item in items]
    if not all(resource.confirmed for resource in shown):
        lines += ["", *wrap(_NOT_CONFIRMED_MEANS, width)]
    return lines


def _entries(resources: Resources, width: int, level: int) -> Iterator[str]:
    for resource in resources[level]:
        minutes = "1 minute" if resource.minutes == 1 else f"{resource.minutes} minutes"
        mark = "" if resource.confirmed else f" {_NOT_CONFIRMED}"
        yield from wrap(
            f"{resource.title}, {minutes}{mark}", width, initial_indent="  - ", subsequent_indent="    "
        )
        yield f"    {resource.url}"


def _sources(sources: Iterable[str]) -> list[str]:
    return ["", "Sources", *(f"  {source}" for source in sources)]


def _indented(text: str, width: int, by: int) -> list[str]:
    blank = " " * by
    return wrap(text, width, initial_indent=blank, subsequent_indent=blank, break_on_hyphens=False)
