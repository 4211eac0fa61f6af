"""Build environments ahead of the jobs that need them: ``python -m academy.environments.warm NAME…``."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence

from academy.environments import curated
from academy.environments.build import BuiltEnvironment, build
from academy.environments.errors import EnvironmentBuildError
from academy.errors import AcademyError


def warm(names: Iterable[str], *, log: Callable[[str], None]) -> list[BuiltEnvironment]:
    """Build the curated environments of these names, and import what each is there for.

    The imports show that the environment works, and leave its modules compiled: the first job would
    otherwise wait seconds for that.

    Raises
    ------
    NotFound
        When a name is not one of a curated environment.
    EnvironmentBuildError
        When an environment cannot be built, or a package in it cannot be imported.
    """
    specs = [curated.find(name, "latest") for name in names]
    built = []
    for spec in specs:
        started = time.monotonic()
        environment = build(spec, log=log)
        try_imports(environment, curated.imports(spec.name))
        log(f"{spec.label} is ready in {environment.root} ({time.monotonic() - started:.1f} s).")
        built.append(environment)
    return built


def try_imports(environment: BuiltEnvironment, modules: Sequence[str]) -> None:
    """Import these, which shows that the environment works, and leaves them compiled for whoever is next.

    Raises
    ------
    EnvironmentBuildError
        One of them cannot be imported.
    """
    done = subprocess.run(
        [environment.python, "-W", "ignore", "-c", "".join(f"import {module}\n" for module in modules)],
        env=environment.process_environment(os.environ),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise EnvironmentBuildError(
            f"The environment {environment.name!r} was built in {environment.root}, but what it is there "
            f"for cannot be imported:\n{done.stderr.strip()}"
        )


def main(arguments: Sequence[str]) -> int:
    """Build each, with a line for each step; return the exit status."""
    if not arguments:
        sys.stderr.write(f"Name one or more of: {', '.join(curated.names())}.\n")
        return 2
    try:
        warm(arguments, log=_show)
    except AcademyError as error:
        sys.stderr.write(f"{error.message}\n")
        return error.exit_status
    return 0


def _show(line: str) -> None:
    # One line for each of a hundred packages is for logs, not for a person who waits.
    if not line.startswith(" + "):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
