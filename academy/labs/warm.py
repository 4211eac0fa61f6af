"""``python -m academy.labs.warm``: build the environments that the labs use, so that they run offline.

A model is served in an environment of its own, which only the training script knows: MLflow writes it
beside the model. So the script is run once here, and the environment of what it logs is built too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from academy.environments.build import build
from academy.environments.built import BuiltEnvironment
from academy.environments.spec import EnvironmentSpec, from_document
from academy.environments.warm import warm
from academy.errors import AcademyError
from academy.experiments.database import ensure_template

LABS = Path(__file__).parents[2] / "labs"
QUICKSTART = LABS / "00-run-quickstart"

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


def _say(line: str) -> None:
    if not line.startswith(" + "):  # uv's list of all that it installed
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
