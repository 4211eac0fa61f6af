"""``make bench``: print every figure; each takes its own service in a temporary home."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path

from academy.paths import Home
from academy.service.process import down, up
from bench import imports, labs, log_metric, noop_job, upload


def main() -> None:
    """Measure, and print a line for each as soon as it is there."""
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    print(f"{'':<44} {'ours':>13} {'yardstick':>13}   ratio, median of pairs (least to most)")
    print(imports.measure().line(), flush=True)
    with tempfile.TemporaryDirectory(prefix="academy-bench-") as folder:
        home = Home(Path(folder) / "home")
        info = up(home)
        try:
            for measure in (noop_job.measure, log_metric.measure, upload.measure):
                print(measure(home, info).line(), flush=True)
        finally:
            down(home)
    _labs()


def _labs() -> None:
    for measure in (labs.measure_list, labs.measure_checks, labs.measure_suite, labs.measure_grading):
        with tempfile.TemporaryDirectory(prefix="academy-bench-") as folder:
            found = measure(Path(folder))
            for one in found if isinstance(found, list) else [found]:
                print(one.line(), flush=True)


if __name__ == "__main__":
    main()
