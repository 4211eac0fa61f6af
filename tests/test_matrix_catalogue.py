"""The catalogue is whole, and a file of it that is not valid is refused by file, field and value."""

from __future__ import annotations

import itertools
import json
import math
import shlex
import shutil
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from academy.cli.root import academy
from academy.errors import InvalidField, NotFound
from academy.matrix.catalogue import Billing, Cell, CellId, MoveKind, Resource, Service, Stage
from academy.matrix.finding import find, guests
from academy.matrix.plain import plain
from academy.matrix.reading import LEVELS, catalogue_folder, load
from academy.matrix.text import cell_text, grid, learning_text, service_text

CATALOGUE = load()
SERVICES = tuple(CATALOGUE.services())
CELLS = tuple(CATALOGUE.cells.values())

FAST_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
FAST_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

# What the matrix has to place at least, by the side that it belongs to.
HYBRID = ["wsl", "ml-net", "azure-vm", "kubernetes", "aks", "data-science-vm", "azure-arc-kubernetes"]
CLOUD = [
    "compute-instance",
    "compute-cluster",
    "azure-ml-notebooks",
    "automl",
    "designer",
    "synapse-spark",
    "databricks",
    "managed-online-endpoint",
    "batch-endpoint",
    "container-instances",
    "app-service",
    "functions",
    "ai-services",
]

MAY_BE_EMPTY = {"formerly", "also_in", "skills", "any_skill", "retiring", "price"}
PARAGRAPHS = {
    Cell: ("definition", "set_up_by", "supported_by", "upkeep"),
    Service: ("summary", "price_model", "run_by"),
}
SENTENCES = {Cell: ("use_cases", "personas"), Service: ("choose_when", "avoid_when")}

HOLDERS: list[Cell | Service] = [*CELLS, *SERVICES]
holders = pytest.mark.parametrize("holder", HOLDERS, ids=lambda one: one.id)
services = pytest.mark.parametrize("service", SERVICES, ids=lambda one: one.id)


def resources_of(holder: Cell | Service) -> list[Resource]:
    return [resource for level in LEVELS for resource in holder.resources[level]]


# The catalogue itself.


def test_each_cell_has_services_on_its_own_side_of_the_matrix() -> None:
    assert list(CATALOGUE.cells) == list(CellId)
    placed = {service.id: service.cell.compute for service in SERVICES}
    assert {placed[name] for name in HYBRID} == {"hybrid"}
    assert {placed[name] for name in CLOUD} == {"cloud"}
    for cell in CELLS:
        assert len(cell.services) >= 3, cell.id
        assert all(service.cell is cell.id for service in cell.services)


def test_ids_are_the_names_of_the_files() -> None:
    folder = catalogue_folder()
    for cell in CellId:
        files = sorted(file.stem for file in (folder / cell / "services").iterdir())
        assert files == [service.id for service in CATALOGUE.cells[cell].services]


@holders
def test_every_field_says_something(holder: Cell | Service) -> None:
    parts = [holder, holder.traits if isinstance(holder, Service) else holder.here]
    for part in parts:
        for field in fields(part):
            value = getattr(part, field.name)
            assert value or isinstance(value, bool) or field.name in MAY_BE_EMPTY, field.name


@holders
def test_there_is_something_to_learn_from_at_each_level(holder: Cell | Service) -> None:
    assert tuple(holder.resources) == LEVELS
    for level in LEVELS:
        assert holder.resources[level]
    addresses = [resource.url for resource in resources_of(holder)]
    assert len(set(addresses)) == len(addresses), "an address is there twice"
    assert all(address.startswith("https://") for address in [*addresses, *holder.sources])


def test_an_address_has_one_title_and_one_length_everywhere() -> None:
    said: dict[str, set[tuple[str, int, str, bool]]] = defaultdict(set)
    for holder in HOLDERS:
        for one in resources_of(holder):
            said[one.url.rstrip("/")].add((one.title, one.minutes, one.kind, one.confirmed))
    assert not {url: found for url, found in said.items() if len(found) > 1}


@holders
def test_an_address_that_was_not_confirmed_is_marked_where_it_is_shown(holder: Cell | Service) -> None:
    text = service_text(holder, 1000) if isinstance(holder, Service) else cell_text(holder, 1000)
    lines = text.splitlines()
    for resource in resources_of(holder):
        entry = lines[lines.index(f"    {resource.url}") - 1]
        assert resource.title in entry
        assert entry.endswith("(?)") is not resource.confirmed
    some = not all(resource.confirmed for resource in resources_of(holder))
    assert any("could not be confirmed" in line for line in lines) is some


@holders
def test_prose_is_in_whole_sentences_without_hype(holder: Cell | Service) -> None:
    kind = type(holder)
    said = [getattr(holder, name) for name in PARAGRAPHS[kind]]
    said += [sentence for name in SENTENCES[kind] for sentence in getattr(holder, name)]
    for text in said:
        assert text[0].isupper(), text
        assert text.endswith("."), text
        assert "!" not in text, text
        assert not text.startswith(("Platform:", "Shared:", "Owner:", "Partly")), text


@services
def test_a_summary_says_what_a_service_is(service: Service) -> None:
    # "What it is: Runs containers …" does not read; a recommendation says "What it is" before it.
    does = {"Runs", "Starts", "Gives", "Connects", "Makes", "Lets", "Provides", "Offers", "Hosts", "Serves"}
    assert service.summary.split()[0] not in does


@services
def test_traits_do_not_contradict_each_other(service: Service) -> None:
    traits = service.traits
    if traits.billing is Billing.PER_USE:
        assert traits.scale_to_zero
    if traits.billing in (Billing.WHILE_EXISTING, Billing.WHILE_RUNNING):
        assert not traits.scale_to_zero
    if Stage.INFERENCE in traits.stages:
        assert traits.realtime or traits.batch
    assert not set(traits.skills) & set(traits.any_skill)
    assert not set(service.languages) & {"any", "any other", "none", "YAML"}, "languages_any says that"


def test_what_is_known_of_services_by_heart() -> None:
    traits = {service.id: service.traits for service in SERVICES}
    assert not traits["managed-online-endpoint"].scale_to_zero
    assert traits["managed-online-endpoint"].realtime
    assert not traits["managed-online-endpoint"].batch
    assert traits["batch-endpoint"].batch
    assert not traits["batch-endpoint"].realtime
    assert not traits["container-instances"].gpu
    assert traits["kubernetes"].offline
    assert not traits["azure-arc-kubernetes"].offline
    assert [name for name, found in traits.items() if found.retiring] == []


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.id)
def test_commands_that_stand_for_a_cell_exist(cell: Cell) -> None:
    for command in cell.here.commands:
        name, *words = shlex.split(command)
        assert name == "academy"
        found: click.Command = academy
        context = click.Context(academy)
        while isinstance(found, click.Group):
            found = found.get_command(context, words.pop(0))  # type: ignore[assignment]
            assert found is not None, command
        known = {flag for param in found.params for flag in param.opts}
        before = words[: words.index("--")] if "--" in words else words
        assert {word for word in before if word.startswith("-")} <= known, command


def test_there_is_a_way_from_each_cell_to_each_other_with_its_price() -> None:
    assert len(CATALOGUE.moves) == 16
    kinds = {ends: move.kind for ends, move in CATALOGUE.moves.items()}
    usual = [ends for ends, kind in kinds.items() if kind is MoveKind.USUAL]
    crossing = [ends for ends, kind in kinds.items() if kind is MoveKind.CROSSING]
    assert usual == [(CellId.DEVELOPER, CellId.UNMANAGED), (CellId.HOSTED, CellId.MANAGED)]
    assert crossing == [(CellId.DEVELOPER, CellId.MANAGED), (CellId.HOSTED, CellId.UNMANAGED)]
    for ends in crossing:
        price = " ".join(CATALOGUE.move(*ends).price)
        assert "Software versions differ" in price
        assert "Skills differ" in price
        assert len(CATALOGUE.move(*ends).price) > max(len(CATALOGUE.move(*way).price) for way in usual)


def test_the_values_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        SERVICES[0].name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        CATALOGUE.cells[CellId.HOSTED] = CELLS[0]  # type: ignore[index]
    with pytest.raises(TypeError):
        SERVICES[0].resources[100] = ()  # type: ignore[index]


def test_reading_takes_little_longer_than_parsing_the_files() -> None:
    folder = catalogue_folder()
    texts = [file.read_bytes() for cell in CellId for file in (folder / cell).rglob("*.yml")]
    # Side by side and several times, as other tests run on the same machine.
    ratios: list[float] = []
    while len(ratios) < 20 and min(ratios, default=math.inf) >= 4:
        parsing = took(lambda: [yaml.load(text, Loader=FAST_LOADER) for text in texts])
        ratios.append(took(lambda: load(folder)) / parsing)
    assert min(ratios) < 4, ratios


def took(work: Callable[[], Any]) -> float:
    """Return the seconds of processor time that it takes this thread."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


# As text.


@pytest.mark.parametrize("width", [20, 40, 59, 60, 72, 80, 100, 132])
def test_lines_fit_the_width(width: int) -> None:
    shown = [grid(CATALOGUE, width), learning_text(CATALOGUE, width, 100)]
    ways = list(CATALOGUE.moves.values())
    shown += [cell_text(cell, width, guests(CATALOGUE, cell.id), ways) for cell in CELLS]
    shown += [service_text(service, width) for service in SERVICES]
    for text in shown:
        for line in text.splitlines():
            is_one_word = "https://" in line or line.startswith("    academy ")
            assert len(line) <= max(width, 30) or is_one_word, line
            assert line == line.rstrip()


def test_the_grid_has_each_service_in_its_cell() -> None:
    lines = grid(CATALOGUE, 80).splitlines()
    top, middle, bottom = (number for number, line in enumerate(lines) if "+---" in line)
    bars = [place for place, letter in enumerate(lines[top]) if letter == "+"]
    rows = {Stage.TRAINING: lines[top + 1 : middle], Stage.INFERENCE: lines[middle + 1 : bottom]}
    for cell in CELLS:
        first = 0 if cell.id.compute == "hybrid" else 1
        block = [line[bars[first] + 1 : bars[first + 1]].strip() for line in rows[cell.id.stage]]
        assert block[0] == cell.name.upper()
        words = " ".join(block).replace(",", " ").split()
        assert {service.id for service in cell.services} <= set(words)
        others = words[words.index("also:") + 1 :] if "also:" in words else []
        assert others == [service.id for service in guests(CATALOGUE, cell.id)]
    assert "developer to unmanaged and hosted to managed" in " ".join(lines)


@services
def test_a_service_is_shown_with_all_it_has(service: Service) -> None:
    text = " ".join(service_text(service, 100).split())
    said = (service.summary, service.price_model, service.run_by, *service.choose_when, *service.avoid_when)
    for part in (*said, *service.frameworks, *service.languages, *service.formerly, *service.sources):
        assert " ".join(part.split()) in text
    assert f"In the cell {service.cell}" in text
    for cell in service.also_in:
        assert cell in text


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.id)
def test_a_cell_is_shown_with_all_it_has(cell: Cell) -> None:
    ways = [move for (origin, _), move in CATALOGUE.moves.items() if origin is cell.id]
    text = " ".join(cell_text(cell, 100, guests(CATALOGUE, cell.id), ways).split())
    said = (cell.definition, cell.set_up_by, cell.supported_by, cell.upkeep, cell.here.text)
    listed = (*cell.use_cases, *cell.personas, *cell.tools, *cell.frameworks, *cell.languages)
    for part in (*said, *listed, *cell.here.commands, *(price for move in ways for price in move.price)):
        assert part in text
    for service in (*cell.services, *guests(CATALOGUE, cell.id)):
        assert f"{service.id}: {service.name}" in text


def test_one_level_is_shown_alone() -> None:
    service = next(service for service in SERVICES if service.id == "automl")
    text = service_text(service, 80, 200)
    assert all(resource.url in text for resource in service.resources[200])
    assert "Level 100" not in text
    assert "Level 300" not in text


@pytest.mark.parametrize(
    ("said", "id"),
    [
        ("hosted", "hosted"),
        ("Hosted", "hosted"),
        ("compute_cluster", "compute-cluster"),
        ("Azure Databricks", "databricks"),
        ("azure cognitive services", "ai-services"),
    ],
)
def test_a_service_is_found_by_id_name_and_former_name(said: str, id: str) -> None:
    assert find(CATALOGUE, said).id == id


@pytest.mark.parametrize(("said", "meant"), [("hostd", "hosted"), ("compute-instanse", "compute-instance")])
def test_an_unknown_name_is_answered_with_what_was_meant_and_all_names(said: str, meant: str) -> None:
    with pytest.raises(NotFound) as caught:
        find(CATALOGUE, said)
    message = caught.value.message
    assert f"{said!r}" in message
    assert f"Did you mean {meant!r}?" in message
    assert all(f"'{one.id}'" in message for one in HOLDERS)


def test_plain_data_is_what_json_holds() -> None:
    found = plain(CATALOGUE)
    assert json.loads(json.dumps(found)) == found
    assert [cell["id"] for cell in found["cells"]] == list(CellId)
    assert found["cells"][1]["services"][0]["traits"]["operator"] == "platform"
    assert len(found["moves"]) == 16


# Files that are not valid.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small catalogue of one's own, to spoil: of each cell one service, of hosted two."""
    copied = tmp_path / "environments"
    kept = ["cell.yml", "services/wsl.yml", "services/automl.yml", "services/databricks.yml"]
    kept += ["services/kubernetes.yml", "services/functions.yml"]
    for cell, name in itertools.product(CellId, kept):
        if (catalogue_folder() / cell / name).is_file():
            (copied / cell / "services").mkdir(parents=True, exist_ok=True)
            shutil.copy(catalogue_folder() / cell / name, copied / cell / name)
    shutil.copy(catalogue_folder() / "moves.yml", copied)
    return copied


def read(file: Path) -> Any:
    return yaml.load(file.read_bytes(), Loader=FAST_LOADER)


def write(file: Path, said: Any) -> None:
    file.write_text(yaml.dump(said, Dumper=FAST_DUMPER, sort_keys=False))


CELL = "hosted/cell.yml"
SERVICE = "hosted/services/automl.yml"
MOVES = "moves.yml"


def change(**changed: Any) -> Callable[[Any], Any]:
    return lambda said: {**said, **changed}


def without(name: str) -> Callable[[Any], Any]:
    return lambda said: {key: value for key, value in said.items() if key != name}


def misspelt(name: str, instead: str) -> Callable[[Any], Any]:
    return lambda said: {instead if key == name else key: value for key, value in said.items()}


def traits(**changed: Any) -> Callable[[Any], Any]:
    return lambda said: {**said, "traits": {**said["traits"], **changed}}


def resource(**changed: Any) -> Callable[[Any], Any]:
    def apply(said: Any) -> Any:
        first, *rest = said["resources"][100]
        return {**said, "resources": {**said["resources"], 100: [{**first, **changed}, *rest]}}

    return apply


def levels(**changed: Any) -> Callable[[Any], Any]:
    named = {int(name.removeprefix("at_")): value for name, value in changed.items()}
    return lambda said: {**said, "resources": {**said["resources"], **named}}


SPOILT: list[tuple[str, Callable[[Any], Any], list[str]]] = [
    (CELL, without("upkeep"), ["lacks the field 'upkeep'"]),
    (CELL, lambda said: without("tools")(without("name")(said)), ["lacks the fields 'name', 'tools'"]),
    (CELL, misspelt("personas", "persona"), ["no field 'persona'", "Did you mean 'personas'?", "'upkeep'"]),
    (CELL, change(services=[]), ["no field 'services'", "Its fields: 'name', 'definition'"]),
    (CELL, change(definition=""), ["definition is empty"]),
    (CELL, change(name="a\x1b[31m"), ["name holds the character '\\x1b', which cannot be shown"]),
    (CELL, change(definition=None), ["definition is empty; it takes a text"]),
    (CELL, change(languages="Python"), ["languages is 'Python'; it takes a list"]),
    (CELL, change(languages=[]), ["languages is an empty list"]),
    (CELL, change(languages=["Python", False]), ["languages[1] is false; it takes a text. Put it in quotes"]),
    (CELL, change(languages=["R", "R"]), ["languages[1] is 'R', which is there already"]),
    (CELL, change(here={"text": "x"}), ["here lacks the field 'commands'"]),
    (CELL, change(here={"text": "x", "comands": []}), ["here has no field 'comands'", "mean 'commands'?"]),
    (CELL, change(here="x"), ["here is 'x'; it takes fields: 'text', 'commands'"]),
    (CELL, change(sources=["learn.microsoft.com"]), ["sources[0] is 'learn.microsoft.com'", "https://"]),
    (CELL, lambda said: [said], ["is a list of 1; it takes fields", "'definition'"]),
    (SERVICE, without("price_model"), ["lacks the field 'price_model'"]),
    (SERVICE, without("resources"), ["lacks the field 'resources'"]),
    (SERVICE, misspelt("traits", "trait"), ["no field 'trait'", "Did you mean 'traits'?"]),
    (SERVICE, change(cell="hosted"), ["no field 'cell'"]),
    (SERVICE, change(also_in=["manged"]), ["also_in[0] is 'manged'", "mean 'managed'?", "'developer'"]),
    (SERVICE, change(also_in=["hosted"]), ["also_in holds 'hosted', the cell that the file is in"]),
    (SERVICE, change(also_in=["managed"]), ["traits.stages lacks 'inference'", "'managed'"]),
    (SERVICE, traits(stages=["trainig"]), ["traits.stages[0] is 'trainig'", "mean 'training'?"]),
    (SERVICE, traits(stages=["inference"]), ["traits.stages lacks 'training'", "'hosted'"]),
    (SERVICE, traits(stages=["training", "inference"]), ["also_in has no cell for 'inference'", "'managed'"]),
    (SERVICE, traits(skills=["pyhton"]), ["traits.skills[0] is 'pyhton'", "mean 'python'?", "'low_code'"]),
    (SERVICE, traits(operator="platfrom"), ["traits.operator is 'platfrom'", "mean 'platform'?", "'owner'"]),
    (SERVICE, traits(gpu="yes"), ["traits.gpu is 'yes'; it takes true or false"]),
    (SERVICE, traits(gpu=1), ["traits.gpu is 1; it takes true or false"]),
    (SERVICE, traits(data=["tenant", "tenant"]), ["traits.data[1] is 'tenant', which is there already"]),
    (SERVICE, traits(data=[]), ["traits.data is an empty list"]),
    (SERVICE, traits(bathc=True), ["traits has no field 'bathc'", "Its fields: 'stages'"]),
    (SERVICE, change(resources=[]), ["resources is a list of 0; it takes a mapping"]),
    (SERVICE, change(resources={"100": []}), ["a key of resources is '100'; it takes a whole number"]),
    (SERVICE, levels(at_250=[]), ["resources has no level 250", "'100', '200', '300'"]),
    (SERVICE, levels(at_300=[]), ["resources.300 is missing or empty"]),
    (SERVICE, levels(at_300=None), ["resources.300 is empty; it takes a list"]),
    (SERVICE, resource(url="ftp://x/y"), ["resources.100[0].url is 'ftp://x/y'", "https://"]),
    (SERVICE, resource(url="https://"), ["resources.100[0].url is 'https://'"]),
    (SERVICE, resource(url="https://[x"), ["resources.100[0].url is 'https://[x'"]),
    (SERVICE, resource(url="https://x.org/a b"), ["resources.100[0].url is 'https://x.org/a b'"]),
    (SERVICE, resource(minutes="10"), ["resources.100[0].minutes is '10'; it takes a whole number"]),
    (SERVICE, resource(minutes=True), ["resources.100[0].minutes is true; it takes a whole number"]),
    (SERVICE, resource(minutes=0), ["resources.100[0].minutes is 0; it takes 1 to 600"]),
    (SERVICE, resource(kind="doc"), ["resources.100[0].kind is 'doc'", "mean 'docs'?", "'module'"]),
    (SERVICE, resource(confirmed="maybe"), ["resources.100[0].confirmed is 'maybe'"]),
    (SERVICE, resource(titel="x"), ["resources.100[0] has no field 'titel'"]),
    (MOVES, lambda said: said[1:], ["lacks the moves from developer to developer"]),
    (MOVES, lambda said: [*said, said[3]], ["[16]: the move from developer to managed is there already"]),
    (MOVES, lambda said: [{**said[0], "goal": "hostd"}, *said[1:]], ["[0].goal is 'hostd'", "'hosted'?"]),
    (MOVES, lambda said: [{**said[0], "kind": "usual"}, *said[1:]], ["[0].kind is 'usual'", "'same'"]),
    (MOVES, lambda said: {"moves": said}, ["is a mapping of 'moves'; it takes a list"]),
]


@pytest.mark.parametrize(
    ("name", "spoil", "parts"), SPOILT, ids=[f"{name}: {parts[0]}" for name, _, parts in SPOILT]
)
def test_a_field_that_is_not_valid_is_refused_by_file_field_and_value(
    folder: Path, name: str, spoil: Callable[[Any], Any], parts: list[str]
) -> None:
    file = folder / name
    write(file, spoil(read(file)))
    with pytest.raises(InvalidField) as caught:
        load(folder)
    message = caught.value.message
    assert message.startswith(str(file))
    for part in parts:
        assert part in message, message


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"name: [", "is not YAML: "),
        (b"name: caf\xe9\n", "is not text in UTF-8: byte 0xe9 in line 1"),
        (b"", "is empty; it takes fields"),
        (b"name: a\nname: b\n", "the field 'name' is there twice"),
        (b"name: 2026-13-99\n", "is not YAML: "),
        (b"name: 2026-06-30\n", "lacks the fields 'definition'"),
        (b"? [a, b]\n: c\n", "is not YAML: "),
        (b"# only a remark\n", "is empty; it takes fields"),
        (b"name: a\x00b\n", "control characters are not allowed"),
        (b"name: a\n---\nname: b\n", "expected a single document"),
        (b"name: !!python/name:os.system\n", "could not determine a constructor"),
        (b"x" * 300_000, "is larger than 256 KiB"),
        (b"- " * 30_000, "too deeply"),  # libyaml would end the process
    ],
)
def test_a_file_that_cannot_be_read_is_named(folder: Path, content: bytes, part: str) -> None:
    file = folder / CELL
    file.write_bytes(content)
    with pytest.raises(InvalidField) as caught:
        load(folder)
    assert str(file) in caught.value.message
    assert part in caught.value.message


@pytest.mark.parametrize("name", [CELL, MOVES])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(NotFound, match=name):
        load(folder)


def test_a_cell_without_services_is_refused(folder: Path) -> None:
    shutil.rmtree(folder / "managed" / "services")
    with pytest.raises(NotFound, match="The cell managed has no services"):
        load(folder)


def test_a_folder_that_is_no_cell_is_refused(folder: Path) -> None:
    shutil.copytree(folder / "hosted", folder / "hostd")
    with pytest.raises(InvalidField, match=r"the folder 'hostd' is no cell\. Did you mean 'hosted'\?"):
        load(folder)


def test_a_service_has_one_file(folder: Path) -> None:
    shutil.copy(folder / SERVICE, folder / "managed/services/automl.yml")
    text = (folder / "managed/services/automl.yml").read_text().replace("[training]", "[inference]")
    (folder / "managed/services/automl.yml").write_text(text)
    with pytest.raises(InvalidField, match="also_in names its further cells") as caught:
        load(folder)
    assert str(folder / SERVICE) in caught.value.message
    assert "managed/services/automl.yml" in caught.value.message


def test_a_file_whose_name_is_not_an_id_is_refused(folder: Path) -> None:
    (folder / SERVICE).rename(folder / "hosted/services/Auto ML.yml")
    with pytest.raises(InvalidField, match="no id of a service"):
        load(folder)


@pytest.mark.parametrize(
    "name",
    [
        "new.yml",
        "hosted/new.yml",
        "hosted/service/new.yml",
        "hosted/services/more/new.yml",
        "hosted/services/new.yaml",
        "hosted/services/new.YML",
    ],
)
def test_a_file_at_a_place_that_is_not_read_is_refused(folder: Path, name: str) -> None:
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    shutil.copy(folder / SERVICE, file)
    with pytest.raises(
        InvalidField, match=r"is not read\. A cell is CELL/cell\.yml, a service CELL"
    ) as caught:
        load(folder)
    assert caught.value.message.startswith(str(file))


def test_what_an_editor_leaves_is_no_part_of_the_catalogue(folder: Path) -> None:
    before = plain(load(folder))
    (folder / "hosted/services/.#automl.yml").symlink_to("somebody@somewhere.4711")
    (folder / "hosted/services/automl.yml~").write_text("name: before\n")
    assert plain(load(folder)) == before


@pytest.mark.parametrize(
    ("name", "spoil", "part"),
    [
        ("automl.yml", change(formerly=["azure_DATABRICKS"]), "is called 'azure-databricks' too"),
        ("automl-2.yml", lambda said: said, "is called 'automated-ml-in-azure-machine-learning' too"),
        ("hosted.yml", change(name="Another"), "a service cannot be called 'hosted': a cell is"),
    ],
)
def test_a_name_means_one_thing(folder: Path, name: str, spoil: Callable[[Any], Any], part: str) -> None:
    write(folder / "hosted/services" / name, spoil(read(folder / SERVICE)))
    with pytest.raises(InvalidField, match=part):
        load(folder)


def test_adding_a_service_changes_a_file_and_no_code(folder: Path) -> None:
    write(
        folder / "hosted/services/another-service.yml", {**read(folder / SERVICE), "name": "Another service"}
    )
    catalogue = load(folder)
    assert find(catalogue, "another service").id == "another-service"
    assert "another-service" in grid(catalogue, 80)


def test_a_folder_without_catalogue_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        load(tmp_path / "nowhere")
