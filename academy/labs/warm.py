"""``python -m academy.labs.warm``: build the environments that the labs use, so that they run offline.

A model is served in an environment of its own, which only the training script knows: MLflow writes it
beside the model. So the script is run once here, and the environment of what it logs is built too.
The trials of lab 01 are of environments that files describe.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from academy.environments.build import build
from academy.environments.built import BuiltEnvironment
from academy.environments.spec import EnvironmentSpec, from_document
from academy.environments.warm import try_imports, warm
from academy.errors import AcademyError
from academy.experiments.database import ensure_template
from academy.matrix.catalogue import CellId
from academy.matrix.reading import load
from academy.migration import target_file

LABS = Path(__file__).parents[2] / "labs"
QUICKSTART = LABS / "00-run-quickstart"
CHOOSE = LABS / "01-choose-an-environment"

# What a trial imports to score the model of lab 01.
TRIED_WITH = ("mlflow.pyfunc", "mlflow.sklearn", "pandas", "sklearn.linear_model", "skops.io")

# Curated names that the labs' jobs run in.
ENVIRONMENT = "sklearn-1.5"


class RehearsalError(AcademyError):
    """A lab's training script failed on this machine before any lab ran it."""


def main() -> int:
    """Build each; return the exit status."""
    try:
        _say("Building the environments of the labs, where the cache does not hold them yet.")
        ensure_template()  # of MLflow's tables; making them takes seconds that no first start has to wait
        (trained_in,) = warm([ENVIRONMENT], log=_say)
        served_in = build(model_environment(trained_in), log=_say)
        _say(f"The quickstart's model is served in {served_in.root}.")
        for spec in servers():
            server = build(spec, log=_say)
            try_imports(server, TRIED_WITH)
            _say(f"The model of lab 01 is tried in {server.root}.")
    except AcademyError as error:
        print(f"warm: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def model_environment(trained_in: BuiltEnvironment) -> EnvironmentSpec:
    """Return the environment of the model that the quickstart's script logs.

    Raises
    ------
    RehearsalError
        When the script fails; the message holds its last lines.
    """
    with tempfile.TemporaryDirectory() as folder:
        variables = trained_in.process_environment(os.environ)
        variables["MLFLOW_TRACKING_URI"] = Path(folder, "mlruns").as_uri()
        script, table = QUICKSTART / "src" / "train.py", QUICKSTART / "data" / "breast-cancer.csv"
        run = subprocess.run(
            [trained_in.python, script, "--data", table],
            env=variables,
            cwd=folder,
            capture_output=True,
            text=True,
        )
        written = sorted(Path(folder).rglob("conda.yaml"))
        if run.returncode or not written:
            raise RehearsalError(f"{script} failed in {trained_in.root}:\n{run.stderr[-2000:]}")
        return from_document("quickstart-model", "1", {"condaFile": written[0].read_text()})


def servers() -> Iterator[EnvironmentSpec]:
    """Yield the server of lab 01 as its file describes it, and with what the lab's model asks for instead.

    The model is made in the Python that runs now: it asks for the versions that this one has.
    """
    described = target_file.read(CHOOSE / "production.yml", CellId.UNMANAGED, load()).spec
    assert described is not None
    yield described
    yield replace(described, requirements=tuple(f"{name}=={version(name)}" for name in _needed()))


def _needed() -> list[str]:
    """Return the script's list; importing the script would import MLflow, which takes seconds."""
    script = CHOOSE / "src" / "train.py"
    for statement in ast.parse(script.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "NEEDED":
            return list(ast.literal_eval(statement.value))
    raise RehearsalError(f"{script} has no list NEEDED of the packages that its model needs.")


def _say(line: str) -> None:
    if not line.startswith(" + "):  # uv's list of all that it installed
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
