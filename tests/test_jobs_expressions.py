"""``${{…}}`` and ``$[[…]]`` in commands."""

from __future__ import annotations

import subprocess

import pytest

from academy.errors import InvalidField
from academy.jobs.expressions import Value, Values, expand

VALUES = Values(
    inputs={"lr": Value("0.1"), "flags": Value("--a --b"), "data": Value("/home/x/data", is_data=True)},
    outputs={"model": Value("/home/x/out", is_data=True)},
)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python main.py", "python main.py"),
        ("train --lr ${{inputs.lr}}", "train --lr 0.1"),
        ("train ${{ inputs.lr }} ${{outputs.model}}/m.pkl", "train 0.1 /home/x/out/m.pkl"),
        ("train ${{inputs.flags}}", "train --a --b"),
        ("a $[[--lr ${{inputs.lr}}]] b", "a --lr 0.1 b"),
        ("a $[[--seed ${{inputs.seed}}]] b", "a  b"),
        ("a $[[--lr ${{inputs.lr}} --seed ${{inputs.seed}}]]", "a "),
        ("a $[[--list [${{inputs.lr}}]]]", "a --list [0.1]"),
        ("a $[[\n --lr ${{inputs.lr}}\n]]", "a \n --lr 0.1\n"),
        ("echo $HOME ${X} $(date) $[[--x]]", "echo $HOME ${X} $(date) --x"),
        ("line one\nline ${{inputs.lr}}", "line one\nline 0.1"),
    ],
)
def test_expressions_become_values(command: str, expected: str) -> None:
    assert expand(command, VALUES) == expected


@pytest.mark.parametrize(
    "command",
    [
        "${{inputs.seed}}",
        "${{parent.inputs.lr}}",
        "${{outputs.no}}",
        "${{lr}}",
        "$[[${{outputs.no}}]]",
    ],
)
def test_an_expression_that_names_nothing_is_refused_with_the_valid_ones(command: str) -> None:
    with pytest.raises(InvalidField, match=r"inputs\.lr.*outputs\.model") as refusal:
        expand(command, VALUES)
    assert refusal.value.target == "properties.command"


@pytest.mark.parametrize(
    "command",
    ["printf %s ${{inputs.d}}/f", 'printf %s "${{inputs.d}}/f"', "printf %s '${{inputs.d}}/f'"],
)
def test_a_path_is_one_word_to_the_shell_however_it_is_quoted(command: str) -> None:
    path = '/home/My User\'s $HOME/`x` "y"'
    expanded = expand(command, Values({"d": Value(path, is_data=True)}, {}))
    printed = subprocess.run(["bash", "-c", expanded], capture_output=True, text=True, check=True)
    assert printed.stdout == f"{path}/f"
