"""Parameters of a notebook are typed, and unknown ones are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from academy.errors import InvalidField, NotFound, UserError
from academy.labs.collection import Collection
from academy.labs.parameters import Parameter, checked, parameters_of, read_given

CELL = """\
%config InlineBackend.figure_format = "svg"
data_name = "months"
limit = 30
share: float = 1
clean_up = True
names: list[str] = ["a"]
labels: dict[str, int] = {}
size: int | None = None
mode: Literal["fast", "slow"] = "fast"
since = date.today()
"""


def notebook(source: str, *, tags: tuple[str, ...] = ("parameters",)) -> dict[str, Any]:
    return {"cells": [{"cell_type": "code", "metadata": {"tags": list(tags)}, "source": source}]}


@pytest.fixture
def parameters() -> tuple[Parameter, ...]:
    return parameters_of(notebook(CELL))


def test_names_types_and_defaults_are_read_without_running_the_cell(
    parameters: tuple[Parameter, ...],
) -> None:
    assert [(p.name, p.type, p.default) for p in parameters] == [
        ("data_name", "str", "'months'"),
        ("limit", "int", "30"),
        ("share", "float", "1"),
        ("clean_up", "bool", "True"),
        ("names", "list[str]", "['a']"),
        ("labels", "dict[str, int]", "{}"),
        ("size", "int | None", "None"),
        ("mode", "Literal['fast', 'slow']", "'fast'"),
        ("since", "object", "date.today()"),
    ]


def test_parameters_of_the_quickstart_are_read_from_its_file() -> None:
    file = Collection.locate().lab("00").notebook
    found = parameters_of(json.loads(file.read_text()))
    assert {p.name: p.type for p in found}["clean_up"] == "bool"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", 31),
        ("share", 1),
        ("share", 0.5),
        ("clean_up", False),
        ("names", ["a", "b"]),
        ("labels", {"a": 1}),
        ("size", None),
        ("size", 3),
        ("mode", "slow"),
        ("since", "2026-11-21"),
    ],
)
def test_value_of_the_parameters_type_is_taken(
    parameters: tuple[Parameter, ...], name: str, value: Any
) -> None:
    assert checked(parameters, {name: value}) == {name: value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("clean_up", "yes"),
        ("clean_up", 1),
        ("limit", "30"),
        ("limit", 30.5),
        ("limit", True),
        ("share", "1"),
        ("data_name", 7),
        ("names", ["a", 1]),
        ("names", "a"),
        ("labels", {"a": "b"}),
        ("size", "big"),
        ("mode", "slowly"),
    ],
)
def test_value_of_another_type_is_refused_by_name(
    parameters: tuple[Parameter, ...], name: str, value: Any
) -> None:
    with pytest.raises(InvalidField) as refused:
        checked(parameters, {name: value})
    assert f"The parameter {name} is {value!r}" in refused.value.message
    assert refused.value.target == name


def test_advice_fits_the_value_that_was_given(parameters: tuple[Parameter, ...]) -> None:
    with pytest.raises(InvalidField, match="Write limit: float in the notebook"):
        read_given(parameters, ["limit=2.5"])
    for text in ("limit=abc", "limit=", "limit=true"):
        with pytest.raises(InvalidField, match=r"it takes int \(default: 30\)\.$"):
            read_given(parameters, [text])


def test_unknown_name_is_refused_with_the_closest_and_all_names(parameters: tuple[Parameter, ...]) -> None:
    with pytest.raises(NotFound, match=r"'clean_upp'.* Did you mean 'clean_up'\?.*'data_name'"):
        checked(parameters, {"clean_upp": False})


def test_notebook_without_parameters_refuses_any() -> None:
    assert parameters_of(notebook("x = 1", tags=())) == ()
    with pytest.raises(NotFound, match="no cell of the notebook is tagged 'parameters'"):
        checked((), {"x": 1})


def test_two_tagged_cells_are_an_error() -> None:
    two = {"cells": [*notebook("x = 1")["cells"], *notebook("y = 1")["cells"]]}
    with pytest.raises(InvalidField, match="2 cells are tagged"):
        parameters_of(two)


def test_cell_that_is_not_python_is_an_error() -> None:
    with pytest.raises(InvalidField, match="is not Python"):
        parameters_of(notebook("x = = 1"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("limit=31", {"limit": 31}),
        ("share=2", {"share": 2}),
        ("clean_up=false", {"clean_up": False}),
        ("clean_up=True", {"clean_up": True}),
        ("data_name=30", {"data_name": "30"}),
        ("data_name=a=b", {"data_name": "a=b"}),
        ('names=["x", "y"]', {"names": ["x", "y"]}),
        ("size=null", {"size": None}),
        ("since=2026-11-21", {"since": "2026-11-21"}),
    ],
)
def test_text_of_the_command_line_is_read_by_the_parameters_type(
    parameters: tuple[Parameter, ...], text: str, value: dict[str, Any]
) -> None:
    assert read_given(parameters, [text]) == value


def test_text_that_is_not_of_the_type_is_refused(parameters: tuple[Parameter, ...]) -> None:
    with pytest.raises(InvalidField, match="clean_up is 'yes'"):
        read_given(parameters, ["clean_up=yes"])
    with pytest.raises(NotFound, match="Did you mean 'limit'"):
        read_given(parameters, ["limits=3"])
    with pytest.raises(UserError, match="not NAME=VALUE"):
        read_given(parameters, ["limit"])
    with pytest.raises(UserError, match="'=3' lacks a name: write NAME=VALUE"):
        read_given(parameters, ["=3"])
    with pytest.raises(UserError, match="limit is given twice: a parameter takes one value"):
        read_given(parameters, ["limit=3", "share=2", "limit=4"])
