"""The quickstart as a person runs it: by its command, and as a notebook that is compared with its outputs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from academy.client import connect
from academy.labs.quickstart import NAME, NOTEBOOKS
from academy.paths import Home
from academy.service.process import down, status

NOTEBOOK = NOTEBOOKS / f"{NAME}.ipynb"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    yield Home(tmp_path / "home")
    down(Home(tmp_path / "home"))


def run(home: Home, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ACADEMY_HOME": str(home.root), **more}
    return subprocess.run(
        [sys.executable, "-m", *command], env=environment, capture_output=True, text=True, timeout=170
    )


def test_quickstart_command_goes_from_a_table_to_a_prediction_offline(home: Home) -> None:
    # What it needs was built at set-up: uv is not allowed to ask anybody.
    done = run(home, "academy.labs.quickstart", UV_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    printed = done.stdout
    assert "accuracy     0.930 on the test rows" in printed
    assert "model        breast-cancer:1" in printed
    assert "prediction   ['malignant', 'benign']" in printed
    assert "endpoint deployed" in printed
    # A step of several cells takes what all of them took: a job is not trained in a tenth of a second.
    (trained_s,) = re.findall(r"([\d.]+) s  job trained", printed)
    assert float(trained_s) > 1
    assert "make lab" in printed
    assert "100%" in done.stderr  # papermill's progress bar
    # The endpoint still answers, as the command says it does.
    info = status(home).info
    assert info is not None
    client = connect(home.root)
    endpoint = client.online_endpoints.get("breast-cancer")
    key = client.online_endpoints.get_keys("breast-cancer").primary_key
    health = httpx.get(endpoint.scoring_uri.removesuffix("score"), headers={"Authorization": f"Bearer {key}"})
    assert health.status_code == 200
    assert httpx.get(endpoint.scoring_uri.replace("/score", "/nothing")).status_code == 404
    refused = httpx.post(endpoint.scoring_uri, json={"input_data": []})
    assert refused.status_code == 401
    answered = httpx.post(
        endpoint.scoring_uri,
        json={"input_data": [[20.0, 25.0, 130.0, 1300.0, 0.11, 0.2, 0.2, 0.1, 0.2, 0.06]]},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answered.json() == ["malignant"]
    client.online_endpoints.begin_delete("breast-cancer").result()


def test_quickstart_notebook_gives_its_stored_outputs_under_nbval(home: Home) -> None:
    options = ["--nbval", "--nbval-current-env", "-p", "no:cacheprovider", "-q"]
    # nbval's own workers and kernels warn of their own ways; ours are tested elsewhere.
    plain = ["-o", "addopts=", "-o", "filterwarnings=default", "-o", "timeout=0"]
    done = run(home, "pytest", *options, *plain, str(NOTEBOOK))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_failing_cell_is_reported_with_its_error_and_where_the_logs_are(home: Home) -> None:
    home.root.mkdir()
    home.key_file.write_bytes(b"short")
    done = run(home, "academy.labs.quickstart")
    assert done.returncode == 5
    assert "holds 5 bytes, not 32" in done.stderr
    assert "Traceback" not in done.stderr


def test_error_that_ipython_writes_to_stderr_only_is_told(home: Home, tmp_path: Path) -> None:
    failing = "import sys; print('about to check', file=sys.stderr)\n%no_such_magic"
    cells = [new_code_cell("clean_up = True", metadata={"tags": ["parameters"]}), new_code_cell(failing)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), tmp_path / f"{NAME}.ipynb")
    script = (
        "import sys, pathlib; from academy.labs import quickstart; from academy.paths import Home\n"
        f"quickstart.NOTEBOOKS = pathlib.Path({str(tmp_path)!r})\n"
        "try: quickstart.run(Home.locate())\n"
        "except quickstart.AcademyError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "ACADEMY_HOME": str(home.root)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = "UsageError: Line magic function `%no_such_magic` not found."
    assert f"{NAME} failed: about to check\n{said}\n" in done.stdout, done.stderr
    assert "CellExecutionError" not in done.stdout


def test_notebook_is_stored_with_outputs_and_one_parameters_cell() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tagged = [cell for cell in code if "parameters" in cell.metadata.get("tags", ())]
    assert len(tagged) == 1
    assert all(cell.execution_count for cell in code)
    # What differs from run to run is not compared; what does not, is.
    compared = [cell for cell in code if "nbval-ignore-output" not in cell.metadata.get("tags", ())]
    assert any("accuracy: 0.930" in str(cell.outputs) for cell in compared)
    assert any("['malignant', 'benign']" in str(cell.outputs) for cell in compared)
