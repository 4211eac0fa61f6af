"""The labs in this repository pass their own suite, as an instructor runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from academy.labs.collection import Collection


@pytest.mark.timeout(900)
def test_every_lab_of_this_repository_passes_its_suite(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("academy")), "test", "-j", "2", "--report", str(tmp_path)]
    # What the labs need was built at set-up: uv is not allowed to ask anybody.
    environment = {**os.environ, "ACADEMY_HOME": str(tmp_path / "home"), "UV_OFFLINE": "1"}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=880)
    assert found.returncode == 0, found.stdout + found.stderr
    for lab in Collection.locate().labs():
        assert f"passed  {lab.id}" in found.stdout
