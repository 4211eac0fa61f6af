"""Choosing an environment: twelve and more worked cases, what contradicts, and what holds for all needs."""

from __future__ import annotations

import functools
import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from IPython.lib.pretty import pretty

from academy.cli.matrix import matrix
from academy.errors import InvalidField
from academy.matrix import (
    AuditDemand,
    Budget,
    Catalogue,
    CellId,
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
    load,
    recommend,
)
from academy.matrix.catalogue import Billing
from academy.matrix.needs import CONTRADICTIONS
from academy.matrix.recommendation import RankedCell, RankedService, Weight

CASES = sorted(Path(__file__).parent.glob("matrix_cases/*.yml"))
TRAINING = Needs(stage=Stage.TRAINING)
SERVING = Needs(stage=Stage.INFERENCE, traffic=Traffic.STEADY)

CHOICES: Mapping[str, tuple[Any, ...]] = {
    "stage": tuple(Stage),
    "data": (None, *DataPlace),
    "operator": (None, *Operator),
    "traffic": (None, *Traffic),
    "latency": (None, *Latency),
    "budget": tuple(Budget),
    "hardware": tuple(Hardware),
    "changes": tuple(Changes),
    "audit": tuple(AuditDemand),
    "offline": (False, True),
    "model": (None, *ModelSource),
    "skills": (
        frozenset(),
        frozenset({Skill.LOW_CODE}),
        frozenset({Skill.PYTHON, Skill.SQL}),
        frozenset({Skill.DOTNET, Skill.WINDOWS, Skill.WEB}),
        frozenset({Skill.PYTHON, Skill.LINUX, Skill.CONTAINERS, Skill.KUBERNETES}),
    ),
    "languages": (frozenset(), frozenset({"Python"}), frozenset({"C#", "R"}), frozenset({"Cobol"})),
}


def some_needs(count: int) -> list[Needs]:
    """Return needs drawn from all valid combinations, the same ones each time."""
    dice = random.Random(4)
    found: list[Needs] = []
    while len(found) < count:
        try:
            found.append(Needs(**{name: dice.choice(values) for name, values in CHOICES.items()}))
        except InvalidField:
            continue
    return found


SOME_NEEDS = some_needs(80)


@functools.cache
def answer(needs: Needs) -> Recommendation:
    return recommend(needs)


def without(needs: Needs, name: str) -> Needs:
    """Return needs of which one is as if nothing had been said of it."""
    said = needs.to_mapping()
    said[name] = None
    return Needs.from_mapping(said)


def cells(found: Recommendation) -> dict[str, RankedCell]:
    return {cell.id: cell for cell in (*found.cells, *found.refused)}


def services(cell: RankedCell) -> dict[str, RankedService]:
    return {service.id: service for service in (*cell.services, *cell.refused_services)}


def every_one(found: Recommendation) -> list[RankedCell | RankedService]:
    return [*cells(found).values(), *placed(found).values()]


def placed(found: Recommendation) -> dict[tuple[str, str], RankedService]:
    return {(cell.id, id): one for cell in cells(found).values() for id, one in services(cell).items()}


def said_of(found: Recommendation, name: str) -> set[str]:
    """Return what is said of a cell, or of a service in the cell that it is asked for, as ``for budget``."""
    ones: list[RankedCell | RankedService] = [cell for id, cell in cells(found).items() if id == name]
    ones += [
        one
        for (cell, id), one in placed(found).items()
        if id == name and CellId(cell).stage is found.needs.stage
    ]
    (one,) = ones
    return {f"{reason.weight} {reason.need}" for reason in one.reasons if reason.points or one.is_refused}


# The worked cases.


def case(path: Path) -> tuple[dict[str, Any], Recommendation]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content, recommend(Needs.from_mapping(content["needs"], str(path)))


def test_there_are_twelve_worked_cases_and_each_tells_its_story() -> None:
    assert len(CASES) >= 12
    for path in CASES:
        content, _ = case(path)
        assert set(content) == {"company", "story", "needs", "expect"}
        assert len(content["story"].split()) > 30, path
        assert {"cells", "refused", "reasons"} <= set(content["expect"]), path
        assert len(content["expect"]["refused"]) >= 2, path


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_worked_case_has_the_cells_and_services_that_an_architect_would_name(path: Path) -> None:
    content, found = case(path)
    expect = content["expect"]
    assert [cell.id for cell in found.cells[: len(expect["cells"])]] == expect["cells"]
    if not expect["cells"]:
        assert found.best is None
        assert "Nothing fits" in found.notes[-1]
        return
    assert found.best is not None
    order = [service.id for service in found.best.services]
    first, among_first = expect.get("first", []), expect.get("among_first", [])
    assert first or among_first
    assert order[: len(first)] == first
    assert set(among_first) <= set(order[: max(3, len(among_first))])
    assert not set(expect.get("not_first", ())) & set(order[:1])


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_worked_case_refuses_what_cannot_be_and_says_for_which_need(path: Path) -> None:
    content, found = case(path)
    everywhere = placed(found)
    for service, need in content["expect"]["refused"].items():
        ones = [one for (_, id), one in everywhere.items() if id == service]
        assert ones, f"{service} is in no cell"
        assert all(one.is_refused for one in ones), f"{service} is not refused"
        assert need in {reason.need for one in ones for reason in one.reasons if reason.weight == "refused"}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_worked_case_gives_the_reasons(path: Path) -> None:
    content, found = case(path)
    for name, reasons in content["expect"]["reasons"].items():
        assert set(reasons) <= said_of(found, name), name


def test_worked_cases_do_not_share_one_answer() -> None:
    answers = Counter(found.best and found.best.services[0].id for _, found in map(case, CASES))
    assert len(answers) >= 8
    assert {found.best and found.best.id for _, found in map(case, CASES)} == {*CellId, None}


# What holds for all needs.


def test_same_needs_have_the_same_answer_in_a_process_with_another_hash_seed() -> None:
    code = (
        "import json; from academy.matrix import *; "
        "n = Needs(stage='inference', traffic='spiky', skills=['web', 'python', 'sql', 'linux', 'r'], "
        "languages=['R', 'Python', 'Cobol'], latency='seconds'); "
        "print(json.dumps(recommend(n).to_mapping()))"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(answers) == 1


def test_order_of_skills_and_languages_does_not_matter() -> None:
    skills = ["python", "linux", "containers"]
    answers = {
        json.dumps(recommend(Needs.from_mapping({"stage": "training", "skills": list(some)})).to_mapping())
        for some in itertools.permutations(skills)
    }
    assert len(answers) == 1


def test_every_service_is_once_in_each_cell_that_it_is_in() -> None:
    catalogue = load()
    wanted = Counter(
        (cell, service.id) for service in catalogue.services() for cell in (service.cell, *service.also_in)
    )
    for needs in SOME_NEEDS:
        found = answer(needs)
        assert sorted(cells(found)) == sorted(CellId)
        assert (
            Counter(
                (cell.id, one.id)
                for cell in (*found.cells, *found.refused)
                for one in (*cell.services, *cell.refused_services)
            )
            == wanted
        )


def test_all_have_reasons_and_scores_are_the_sums_of_their_points() -> None:
    for needs in SOME_NEEDS:
        found = answer(needs)
        for cell in (*found.cells, *found.refused):
            own = sum(points(cell.reasons))
            best = cell.services[0].score if cell.services else 0
            assert cell.score == (0 if cell.is_refused else own + best)
            for one in (*cell.services, *cell.refused_services):
                assert one.reasons
                assert one.score == (0 if one.is_refused else sum(points(one.reasons)))


def points(reasons: Any) -> list[float]:
    sign = {Weight.FOR: 1, Weight.AGAINST: -1, Weight.REFUSED: 0}
    return [sign[reason.weight] * reason.points for reason in reasons]


def test_what_fits_is_in_order_and_what_is_refused_says_why() -> None:
    for needs in SOME_NEEDS:
        found = answer(needs)
        assert [cell.score for cell in found.cells] == sorted((c.score for c in found.cells), reverse=True)
        assert not any(cell.is_refused for cell in found.cells)
        assert all(cell.is_refused for cell in found.refused)
        for cell in (*found.cells, *found.refused):
            scores = [one.score for one in cell.services]
            assert scores == sorted(scores, reverse=True)
            assert not any(one.is_refused for one in cell.services)
            assert all(one.is_refused for one in cell.refused_services)
        assert all(cell.id.stage is needs.stage for cell in found.cells)
        assert all(cell.services for cell in found.cells)


def test_reasons_name_fields_of_needs_and_end_as_sentences() -> None:
    names = {field.name for field in fields(Needs)} | {"retiring"}
    texts = set()
    for needs in SOME_NEEDS:
        found = answer(needs)
        for one in every_one(found):
            for reason in one.reasons:
                assert reason.need in names
                texts.add(reason.text)
                assert (reason.points > 0) or reason.weight is not Weight.AGAINST
    for text in texts:
        assert text[0].isupper(), text
        assert text.endswith("."), text
        assert ".." not in text, text
        assert "None" not in text, text


@pytest.mark.parametrize("name", [field.name for field in fields(Needs) if field.default is not MISSING])
def test_dropping_a_need_never_refuses_more(name: str) -> None:
    compared = 0
    for needs in SOME_NEEDS:
        fewer = without(needs, name)
        compared += fewer != needs
        assert_no_more_refused(placed(answer(needs)), fewer)
    assert compared > 20 or name in ("latency", "model")


def test_fewer_languages_and_more_skills_never_refuse_more() -> None:
    for needs in SOME_NEEDS:
        before = placed(answer(needs))
        if needs.languages:
            fewer = replace(needs, languages=frozenset(sorted(needs.languages)[1:]))
            assert_no_more_refused(before, fewer)
        if needs.skills:
            assert_no_more_refused(before, replace(needs, skills=needs.skills | {Skill.PYTHON}))


def assert_no_more_refused(before: Mapping[tuple[str, str], RankedService], needs: Needs) -> None:
    for place, one in placed(answer(needs)).items():
        assert before[place].is_refused or not one.is_refused, (needs, place)


def test_each_answer_of_the_widget_takes_little_time() -> None:
    recommend(TRAINING)  # reads the catalogue
    yardstick = min(measured(lambda: json.dumps(recommend(SERVING).to_mapping())) for _ in range(5))
    nothing_fits = Needs.from_mapping(yaml.safe_load(nothing_fits_file().read_text())["needs"])
    took = min(measured(lambda: recommend(nothing_fits)) for _ in range(5))
    # To look for a way out must not cost what each of a dozen recommendations does.
    assert took < 6 * yardstick


def nothing_fits_file() -> Path:
    return Path(__file__).parent / "matrix_cases" / "nothing-fits.yml"


def measured(act: Any) -> float:
    started = time.thread_time()
    act()
    return time.thread_time() - started


# Rules on a changed catalogue.


def changed(service_id: str, **traits: Any) -> Catalogue:
    catalogue = load()
    found = {}
    for id, cell in catalogue.cells.items():
        changed_services = tuple(
            replace(one, traits=replace(one.traits, **traits)) if one.id == service_id else one
            for one in cell.services
        )
        found[id] = replace(cell, services=changed_services)
    return replace(catalogue, cells=found)


def test_retiring_service_is_refused_and_what_to_take_instead_is_said() -> None:
    catalogue = changed("automl", retiring="It ends on 1 May 2027; take serverless compute.")
    one = services(cells(recommend(TRAINING, catalogue))["hosted"])["automl"]
    assert one.is_refused
    assert one.reasons[0].text == "It is being retired. It ends on 1 May 2027; take serverless compute."


def test_trait_of_a_service_decides_and_no_name() -> None:
    needs = replace(SERVING, offline=True)
    assert placed(recommend(needs))["unmanaged", "aks"].is_refused
    assert not placed(recommend(needs, changed("aks", offline=True)))["unmanaged", "aks"].is_refused


def test_equal_services_are_in_the_stated_order() -> None:
    found = recommend(TRAINING)
    hosted = cells(found)["hosted"]
    order = list(load().cells[CellId.HOSTED].services)
    upkeep = [Operator.PLATFORM, Operator.SHARED, Operator.OWNER]
    keys = []
    for ranked in hosted.services:
        service = next(one for one in order if one.id == ranked.id)
        traits = service.traits
        against = sum(reason.points for reason in ranked.reasons if reason.weight is Weight.AGAINST)
        burden = (upkeep.index(traits.operator), len(traits.skills), list(Billing).index(traits.billing))
        keys.append((-ranked.score, against, *burden, len(traits.stages), order.index(service)))
    assert keys == sorted(keys)
    assert len({key[0] for key in keys}) < len(keys), "no two are equal, so that nothing was shown"
    assert [one.id for one in hosted.services[:2]] == ["serverless-compute", "compute-cluster"]


def test_text_says_what_decides_between_equals() -> None:
    assert "Of those with equal points" in " ".join(recommend(TRAINING).text().split())
    needs = Needs(Stage.INFERENCE, traffic=Traffic.OCCASIONAL, latency=Latency.SECONDS, hardware=Hardware.GPU)
    alone = replace(needs, operator=Operator.PLATFORM, budget=Budget.PAY_PER_USE, model=ModelSource.OWN)
    assert "Of those with equal points" not in recommend(alone).text()


def test_who_writes_programs_need_not_learn_a_computer_but_looks_after_it() -> None:
    def against(needs: Needs) -> list[tuple[str, float]]:
        one = placed(recommend(needs))[
            "developer" if needs.stage is Stage.TRAINING else "unmanaged", "own-server"
        ]
        return [(reason.text, reason.points) for reason in one.reasons if reason.need == "skills"]

    text = "Looking after Linux or Windows comes on top of what the team knows."
    python, sql = frozenset({Skill.PYTHON}), frozenset({Skill.SQL})
    assert against(replace(TRAINING, skills=python)) == [(text, 0.5)]
    assert against(replace(SERVING, skills=python)) == [(text, 1)]
    assert against(replace(TRAINING, skills=sql)) == [
        ("The team would have to learn Linux or Windows first.", 1.5)
    ]


def test_what_works_through_batches_is_not_praised_for_single_requests() -> None:
    for traffic in (Traffic.OCCASIONAL, Traffic.STEADY, Traffic.SPIKY):
        found = recommend(replace(SERVING, traffic=traffic))
        order = [one.id for one in cells(found)["managed"].services]
        assert order.index("managed-online-endpoint") < order.index("batch-endpoint")
        for name in ("batch-endpoint", "compute-cluster"):
            assert "for traffic" not in said_of(found, name)


# Needs.


def test_needs_take_texts_as_well_as_members() -> None:
    said = Needs(stage="training", skills={"python"}, data="tenant")  # type: ignore[arg-type]
    assert said == Needs(Stage.TRAINING, data=DataPlace.TENANT, skills=frozenset({Skill.PYTHON}))
    assert Needs.from_mapping({"stage": "training", "skills": "python", "languages": "R"}).languages == {"R"}


def test_needs_survive_the_way_to_plain_values_and_back() -> None:
    for needs in SOME_NEEDS:
        assert Needs.from_mapping(json.loads(json.dumps(needs.to_mapping()))) == needs


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"stage": "trainng"}, ["stage is 'trainng'", "Did you mean 'training'?", "'inference'"]),
        ({"stge": "training"}, ["no field 'stge'", "Did you mean 'stage'?", "'latency'"]),
        ({"data": "tenant"}, ["does not say the stage", "stage: training"]),
        ({"stage": "training", "skills": ["pyton"]}, ["skills is 'pyton'", "Did you mean 'python'?"]),
        ({"stage": "training", "skills": [None]}, ["skills is empty. It takes one of 'python'"]),
        ({"stage": ["training"]}, ["stage is a list of 1. It takes one of 'training'"]),
        ({"stage": "training", "skills": 3}, ["skills is 3", "it takes a list"]),
        ({"stage": "training", "offline": "yes"}, ["offline is 'yes'", "true or false"]),
        ({"stage": "training", "languages": [" "]}, ["languages is empty"]),
        (["stage"], ["is a list of 1", "it takes fields"]),
    ],
)
def test_wrong_values_are_named_with_what_is_valid(values: Any, said: list[str]) -> None:
    with pytest.raises(InvalidField) as caught:
        Needs.from_mapping(values, "team.yml")
    assert caught.value.message.startswith("team.yml")
    for part in said:
        assert part in caught.value.message


CONTRADICTING: list[tuple[dict[str, Any], str, str]] = [
    ({"stage": "training", "traffic": "steady"}, "stage is 'training'", "traffic is 'steady'"),
    ({"stage": "training", "latency": "hours"}, "stage is 'training'", "latency is 'hours'"),
    ({"stage": "training", "model": "ready_made"}, "stage is 'training'", "model is 'ready_made'"),
    ({"stage": "inference", "traffic": "none"}, "stage is 'inference'", "traffic is 'none'"),
    (
        {"stage": "inference", "traffic": "bulk", "latency": "interactive"},
        "traffic is 'bulk'",
        "latency is 'interactive'",
    ),
    (
        {"stage": "training", "data": "on_premises", "operator": "platform"},
        "data is 'on_premises'",
        "operator is 'platform'",
    ),
    ({"stage": "training", "offline": True, "data": "service"}, "offline is true", "data is 'service'"),
    ({"stage": "training", "offline": True, "operator": "platform"}, "offline is true", "operator is"),
    (
        {"stage": "training", "budget": "own_machines", "operator": "platform"},
        "budget is 'own_machines'",
        "operator is 'platform'",
    ),
    (
        {"stage": "training", "skills": ["low_code"], "operator": "owner"},
        "skills is 'low_code' alone",
        "operator is 'owner'",
    ),
]


@pytest.mark.parametrize(("values", "one", "other"), CONTRADICTING)
def test_contradicting_needs_are_named_with_both_values_and_a_way_out(
    values: dict[str, Any], one: str, other: str
) -> None:
    with pytest.raises(InvalidField) as caught:
        Needs(**values)
    message = caught.value.message
    assert "contradict each other" in message
    assert one in message
    assert other in message
    way_out = message.split(": ")[-1]
    assert way_out.startswith(("say ", "leave ", "ask "))
    assert " or " in way_out


def test_each_contradiction_is_shown_once() -> None:
    assert len(CONTRADICTING) == len(CONTRADICTIONS)


def test_all_contradictions_are_named_at_once() -> None:
    with pytest.raises(InvalidField) as caught:
        Needs.from_mapping({"stage": "training", "traffic": "bulk", "latency": "seconds"}, "team.yml")
    assert caught.value.message.startswith("team.yml: These needs contradict each other.")
    assert caught.value.message.count("leave") == 2


def test_traffic_that_is_not_said_is_no_contradiction_but_worth_saying() -> None:
    found = recommend(Needs(Stage.INFERENCE))
    assert found.best is not None
    (note,) = found.notes
    assert "decides much" in note
    assert "(--traffic on the command line)" in note
    assert recommend(SERVING).notes == recommend(TRAINING).notes == ()
    assert recommend(replace(TRAINING, traffic=Traffic.NONE)).cells == recommend(TRAINING).cells
    with pytest.raises(InvalidField, match="data is 'on_premises' and operator is 'platform'") as caught:
        Needs(Stage.INFERENCE, data=DataPlace.ON_PREMISES, operator=Operator.PLATFORM)
    assert "traffic" not in caught.value.message


def test_traffic_that_is_not_said_may_be_steady_or_come_singly() -> None:
    paid_by_use = recommend(Needs(Stage.INFERENCE, budget=Budget.PAY_PER_USE))
    assert said_of(paid_by_use, "managed-online-endpoint") == {"against budget", "for changes"}
    at_once = recommend(Needs(Stage.INFERENCE, latency=Latency.INTERACTIVE))
    assert placed(at_once)["managed", "batch-endpoint"].is_refused


def test_data_on_ones_own_machines_is_not_said_to_be_in_the_cloud() -> None:
    needs = replace(SERVING, data=DataPlace.TENANT, budget=Budget.OWN_MACHINES)
    found = placed(recommend(needs))
    fitting = [one for one in found.values() if not one.is_refused]
    assert "kubernetes" in {one.id for one in fitting}
    for one in fitting:
        (text,) = (reason.text for reason in one.reasons if reason.need == "data")
        assert text == "The data stays on machines of your own."
    rented = placed(recommend(replace(needs, budget=Budget.ANY)))["managed", "functions"]
    assert "The data stays in the cloud, in your own subscription." in [one.text for one in rented.reasons]


def test_unknown_language_is_no_error_but_is_said() -> None:
    found = recommend(replace(SERVING, languages=frozenset({"Pyhton"})))
    assert found.notes == (
        "No service of the catalogue names the language 'Pyhton'. Did you mean 'Python'? "
        "Where any language can be used, you bring it yourselves.",
    )
    assert placed(found)["unmanaged", "ml-net"].is_refused
    assert not placed(found)["unmanaged", "own-server"].is_refused


@pytest.mark.parametrize("name", ["c#", "CSharp", ".NET", " C# "])
def test_languages_go_by_their_several_names(name: str) -> None:
    found = recommend(Needs.from_mapping({"stage": "training", "languages": [name]}))
    assert not found.notes
    assert not placed(found)["developer", "ml-net"].is_refused
    assert placed(found)["hosted", "automl"].is_refused


def test_way_out_names_the_needs_that_would_open_something() -> None:
    needs = Needs(Stage.TRAINING, offline=True, languages=frozenset({"Scala"}), hardware=Hardware.GPU)
    assert recommend(needs).best is not None
    _, found = case(nothing_fits_file())
    assert found.notes[-1].endswith("Drop one of them: skills (what the team knows), and Unmanaged would do.")
    opened = replace(found.needs, skills=frozenset())
    assert recommend(opened).best is not None


# Text and command line.


@pytest.mark.parametrize("width", [40, 80, 110])
@pytest.mark.parametrize("everything", [True, False])
def test_text_keeps_to_its_width(width: int, everything: bool) -> None:
    for needs in SOME_NEEDS[:30]:
        text = answer(needs).text(width, everything=everything)
        assert max(map(len, text.splitlines())) <= width


def test_text_names_each_service_whether_it_fits_or_not() -> None:
    for needs in SOME_NEEDS[:30]:
        found = answer(needs)
        text = " ".join(found.text().split())
        asked = [cell for cell in cells(found).values() if cell.id.stage is needs.stage]
        for cell in asked:
            for one in services(cell).values():
                assert one.name in text, (needs, one.name)


def test_text_with_everything_has_every_reason() -> None:
    found = recommend(SERVING)
    text = " ".join(found.text(everything=True).split())
    for one in every_one(found):
        for reason in one.reasons:
            assert reason.text in text


def test_recommendation_reads_as_text_where_it_is_printed_or_is_a_cells_result() -> None:
    found = recommend(SERVING)
    assert str(found) == found.text()
    assert pretty(found) == str(found)
    assert repr(found) == "<Recommendation: managed, unmanaged; print() shows the reasons>"
    nothing = recommend(Needs.from_mapping(yaml.safe_load(nothing_fits_file().read_text())["needs"]))
    assert repr(nothing) == "<Recommendation: nothing fits; print() shows the reasons>"


def test_text_says_what_points_are_where_there_are_some() -> None:
    found = recommend(SERVING)
    said = "A cell's are its own and those of its best service."
    assert said in " ".join(found.text().split())
    for cell in found.cells:
        signs = {Weight.FOR: 1, Weight.AGAINST: -1}
        own = sum(signs[reason.weight] * reason.points for reason in cell.reasons)
        assert cell.score == own + cell.services[0].score
    _, nothing = case(nothing_fits_file())
    assert said not in " ".join(nothing.text().split())


def asked(*arguments: str) -> Result:
    return CliRunner().invoke(matrix, ["recommend", *arguments])


def test_command_shows_the_best_first_with_reasons_and_then_what_is_refused() -> None:
    result = asked(
        *("--stage", "inference", "--data", "on_premises", "--operator", "owner", "--skill", "linux"),
        *("--skill", "python", "--traffic", "steady", "--latency", "interactive", "--audit", "regulated"),
    )
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= 80
    places = [
        lines.index(next(line for line in lines if line.strip().startswith(start)))
        for start in ("1. Unmanaged", "+ ", "1.1 Own workstation or server", "Refused: Managed")
    ]
    assert places == sorted(places)
    assert "x Each of its 12 services is refused" in result.output


@pytest.mark.parametrize("read", [json.loads, yaml.safe_load])
def test_command_gives_the_same_as_json_and_yaml(read: Any) -> None:
    output = "json" if read is json.loads else "yaml"
    result = asked("--stage", "training", "--offline", "-o", output)
    expected = recommend(replace(TRAINING, offline=True)).to_mapping()
    assert read(result.output) == json.loads(json.dumps(expected))


def test_command_gives_rows_for_a_table() -> None:
    result = asked("--stage", "training", "-o", "tsv")
    rows = [line.split("\t") for line in result.output.splitlines()]
    assert len(rows) >= len(placed(recommend(TRAINING)))
    assert any(row[:3] == ["1.1", "hosted", "serverless-compute"] for row in rows)


def test_command_reads_a_file_and_what_is_said_goes_before_it(tmp_path: Path) -> None:
    file = tmp_path / "team.yml"
    file.write_text("stage: inference\ntraffic: bulk\nlatency:\nskills: [python]\n", encoding="utf-8")
    assert json.loads(asked("--needs", str(file), "-o", "json").output)["needs"]["traffic"] == "bulk"
    needs = json.loads(asked("--needs", str(file), "--traffic", "spiky", "-o", "json").output)["needs"]
    assert (needs["traffic"], needs["skills"]) == ("spiky", ["python"])


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "Say what it is for: --stage training or --stage inference"),
        (["--stage", "trainig"], 2, "'trainig' is not one of"),
        (["--stage", "training", "--latency", "hours"], 1, "contradict each other"),
        (["--needs", "there-is-none.yml"], 3, "There is no there-is-none.yml"),
    ],
)
def test_command_says_what_is_wrong(arguments: list[str], status: int, said: str) -> None:
    result = asked(*arguments)
    assert result.exit_code == status
    assert said in result.output


def test_command_names_a_file_that_is_not_valid(tmp_path: Path) -> None:
    file = tmp_path / "team.yml"
    file.write_text("stage: inference\ntrafic: bulk\n", encoding="utf-8")
    result = asked("--needs", str(file))
    assert result.exit_code == 1
    assert f"{file} has no field 'trafic'. Did you mean 'traffic'?" in result.output
    file.write_text("- stage\n", encoding="utf-8")
    assert "it takes fields" in asked("--needs", str(file)).output


def test_command_ends_with_a_status_of_its_own_when_nothing_fits(tmp_path: Path) -> None:
    file = tmp_path / "team.yml"
    file.write_text(yaml.safe_dump(yaml.safe_load(nothing_fits_file().read_text())["needs"]))
    result = asked("--needs", str(file))
    assert result.exit_code == 6
    assert "Nothing fits all of these needs." in result.output
