"""``make quickstart``: run the first lab on this machine and tell what happened."""

from __future__ import annotations

import ast
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import papermill
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from academy.errors import AcademyError
from academy.labs.editions import ipynb
from academy.labs.parameters import checked, parameters_of
from academy.paths import Home
from academy.service.process import up

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAME = "00-run-quickstart"

# The endpoint stays, so that the learner can call it.
PARAMETERS = {"clean_up": False}

# The steps that are worth a line, by the name in each cell's metadata.academy.step.
_STEPS = {
    "data": "data asset registered",
    "train": "job trained",
    "model": "model registered",
    "deploy": "endpoint deployed",
    "score": "prediction made",
}


@dataclass(frozen=True)
class Outcome:
    """What the notebook's last cell says, and how long each step took (seconds)."""

    values: Mapping[str, Any]
    seconds: Mapping[str, float]


def main() -> int:
    """Start the service, run the notebook with a progress bar, print the outcome; return the exit status."""
    home = Home.locate()
    # papermill does not tell the kernel which notebook it runs; `check` asks.
    os.environ["ACADEMY_LAB"] = NAME
    began = time.monotonic()
    try:
        info = up(home)
        print(f"Academy {info.version} answers at {info.address}; its home is {home.root}")
        outcome = run(home)
    except AcademyError as error:
        print(f"quickstart: {error}", file=sys.stderr)
        return error.exit_status
    print(report(outcome, time.monotonic() - began))
    return 0


def run(home: Home) -> Outcome:
    """Run the notebook through papermill; the executed copy stays in the home.

    Raises
    ------
    AcademyError
        When a cell fails; the message holds the cell's own error and where the executed copy is.
    """
    executed = home.executed_notebook(NAME)
    executed.parent.mkdir(parents=True, exist_ok=True)
    source = NOTEBOOKS / f"{NAME}.ipynb"
    try:
        notebook = papermill.execute_notebook(
            source,
            executed,
            parameters=checked(parameters_of(ipynb.read(source)), PARAMETERS),
            cwd=NOTEBOOKS,
            progress_bar=True,
            log_output=False,
            # The kernel's own remarks would stand in the middle of the progress bar.
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
    except PapermillExecutionError as error:
        raise AcademyError(
            f"Cell {error.exec_count} of {NAME} failed: {_why(error, executed)}\n"
            f"The notebook as far as it got: {executed}\nThe service's log: {home.log_file}"
        ) from error
    return outcome_of(notebook)


def _why(error: PapermillExecutionError, executed: Path) -> str:
    """Return what a cell said of its failure; IPython writes some errors to standard error only."""
    if error.traceback:
        return f"{error.ename}: {error.evalue}"
    cells = ipynb.read(executed).cells
    failed = [cell for cell in cells if cell.metadata.get("papermill", {}).get("exception")]
    streams = (output for cell in failed for output in cell.outputs if output.output_type == "stream")
    said = "".join(stream.text for stream in streams if stream.name == "stderr")
    return said.strip() or str(error.ename)


def outcome_of(notebook: NotebookNode) -> Outcome:
    """Read the outcome from an executed notebook."""
    seconds: dict[str, float] = {}
    for cell in notebook.cells:
        step = cell.metadata.get("academy", {}).get("step")
        if step:
            seconds[step] = seconds.get(step, 0.0) + float(cell.metadata.papermill.duration)
    summary = next(cell for cell in notebook.cells if "summary" in cell.metadata.get("tags", ()))
    return Outcome(ast.literal_eval(summary.outputs[0].data["text/plain"]), seconds)


def report(outcome: Outcome, total_s: float) -> str:
    """Return the lines that ``make quickstart`` ends with."""
    values = outcome.values
    lines = [
        "",
        f"  job          {values['job']}",
        f"  accuracy     {values['accuracy']:.3f} on the test rows",
        f"  model        {values['model']}",
        f"  scoring URI  {values['scoring_uri']}",
        f"  prediction   {values['prediction']}",
        "",
        *(f"  {outcome.seconds[step]:6.1f} s  {text}" for step, text in _STEPS.items()),
        f"  {total_s:6.1f} s  in all",
        "",
        "The endpoint still answers. Call it, look around, and delete it:",
        "  .venv/bin/academy online-endpoint get-credentials --name breast-cancer",
        "  .venv/bin/academy job list",
        "  .venv/bin/academy online-endpoint delete --name breast-cancer --yes",
        "Open the notebook in JupyterLab:  make lab",
        "End the service:                  .venv/bin/academy down",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
