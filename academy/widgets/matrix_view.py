"""What the matrix's widget shows, in words of the learner's language. The catalogue itself is in English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from academy.labs.language import Texts
from academy.matrix.catalogue import (
    Catalogue,
    Cell,
    CellId,
    Compute,
    DataPlace,
    Operator,
    Resources,
    Service,
    Skill,
    Stage,
)
from academy.matrix.finding import guests
from academy.matrix.needs import AuditDemand, Budget, Changes, Hardware, Latency, ModelSource, Traffic

# A paragraph, or the items of a list.
Said = str | tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """One thing to learn from; ``note`` says minutes, and that an address was not confirmed."""

    title: str
    url: str
    note: str


@dataclass(frozen=True)
class Level:
    """What there is to learn from at one level."""

    title: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class ServiceView:
    """A service: ``facts`` are pairs of a term and what is said of it."""

    id: str
    name: str
    summary: str
    facts: tuple[tuple[str, Said], ...]
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class CellView:
    """An environment, where it stands in the grid, and what lives in it."""

    id: str
    name: str
    row: str
    column: str
    count: str
    facts: tuple[tuple[str, Said], ...]
    services: tuple[ServiceView, ...]
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Option:
    """One answer; ``value`` is what ``Needs`` takes, or empty where nothing is said."""

    value: str
    text: str


@dataclass(frozen=True)
class Question:
    """One need. ``kind`` is ``one``, ``many`` or ``yes``; ``stage`` is the only one that it is asked for.

    ``default`` is the answer of one that was not asked yet; empty where ``options`` has no such answer.
    """

    field: str
    text: str
    kind: str
    options: tuple[Option, ...]
    default: str = ""
    stage: str = ""


@dataclass(frozen=True)
class MatrixView:
    """All that does not change while the widget is there."""

    language: str
    rows: tuple[Option, ...]
    columns: tuple[Option, ...]
    cells: tuple[CellView, ...]
    questions: tuple[Question, ...]
    labels: Mapping[str, str]


def matrix_view(catalogue: Catalogue, say: Texts, languages: Sequence[str]) -> MatrixView:
    """Return what there is to show of the catalogue; ``languages`` are those that can be asked for."""
    return MatrixView(
        language=say.language,
        rows=tuple(Option(stage, say(f"matrix.stage.{stage}")) for stage in Stage),
        columns=tuple(Option(compute, say(f"matrix.compute.{compute}")) for compute in Compute),
        cells=tuple(_cell(catalogue.cells[id], guests(catalogue, id), say) for id in CellId),
        questions=_questions(say, languages),
        labels=say.area("matrix"),
    )


def _cell(cell: Cell, also: Sequence[Service], say: Texts) -> CellView:
    said: dict[str, Said] = {
        "definition": cell.definition,
        "use_cases": cell.use_cases,
        "personas": cell.personas,
        "tools": ", ".join(cell.tools),
        "frameworks": ", ".join(cell.frameworks),
        "languages": ", ".join(cell.languages),
        "set_up_by": cell.set_up_by,
        "supported_by": cell.supported_by,
        "upkeep": cell.upkeep,
        "here": cell.here.text,
        "also": ", ".join(service.name for service in also),
    }
    return CellView(
        id=cell.id,
        name=cell.name,
        row=cell.id.stage,
        column=cell.id.compute,
        count=say("matrix.services.count", count=len(cell.services)),
        facts=tuple((say(f"matrix.cell.{name}"), text) for name, text in said.items() if text),
        services=tuple(_service(service, say) for service in cell.services),
        levels=_levels(cell.resources, say),
    )


def _service(service: Service, say: Texts) -> ServiceView:
    said: dict[str, Said] = {
        "service.choose_when": service.choose_when,
        "service.avoid_when": service.avoid_when,
        "service.price_model": service.price_model,
        "service.run_by": service.run_by,
        "cell.frameworks": ", ".join(service.frameworks),
        "cell.languages": ", ".join(service.languages),
        "service.formerly": ", ".join(service.formerly),
        "service.retiring": service.traits.retiring or "",
    }
    return ServiceView(
        id=service.id,
        name=service.name,
        summary=service.summary,
        facts=tuple((say(f"matrix.{name}"), text) for name, text in said.items() if text),
        levels=_levels(service.resources, say),
    )


def _levels(resources: Resources, say: Texts) -> tuple[Level, ...]:
    def note(minutes: int, confirmed: bool) -> str:
        text = say("matrix.resource.minutes", count=minutes)
        return text if confirmed else f"{text}, {say('matrix.resource.unconfirmed')}"

    return tuple(
        Level(
            say("matrix.resource.level", level=level),
            tuple(Entry(one.title, one.url, note(one.minutes, one.confirmed)) for one in found),
        )
        for level, found in sorted(resources.items())
    )


def _questions(say: Texts, languages: Sequence[str]) -> tuple[Question, ...]:
    def one_of(field: str, values: Iterable[str], default: str = "any", stage: str = "") -> Question:
        options = tuple(
            Option("" if value == "any" else value, say(f"matrix.{field}.{value}")) for value in values
        )
        return Question(
            field, say(f"matrix.need.{field}"), "one", options, default.removeprefix("any"), stage
        )

    def any_of(field: str, options: Iterable[Option]) -> Question:
        return Question(field, say(f"matrix.need.{field}"), "many", tuple(options))

    # A model that answers has requests; that there are none is for training, which is not asked.
    traffic = [one for one in Traffic if one is not Traffic.NONE]
    stages = tuple(Option(stage, say(f"matrix.stage.choice.{stage}")) for stage in Stage)
    return (
        Question("stage", say("matrix.need.stage"), "one", stages),
        one_of("model", ["any", *ModelSource], stage=Stage.INFERENCE),
        one_of("traffic", ["any", *traffic], stage=Stage.INFERENCE),
        one_of("latency", ["any", *Latency], stage=Stage.INFERENCE),
        one_of("data", ["any", *reversed(DataPlace)]),
        one_of("operator", ["any", *Operator]),
        one_of("budget", ["any", *(one for one in Budget if one is not Budget.ANY)]),
        one_of("hardware", Hardware, Hardware.CPU),
        one_of("changes", Changes, Changes.MONTHLY),
        one_of("audit", AuditDemand, AuditDemand.NONE),
        any_of("skills", (Option(skill, say(f"matrix.skill.{skill}")) for skill in Skill)),
        any_of("languages", (Option(name, name) for name in languages)),
        Question(
            "offline", say("matrix.need.offline"), "yes", (Option("yes", say("matrix.offline.choice")),)
        ),
    )
