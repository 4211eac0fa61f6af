"""``python -m academy.labs.warm``: build the environments that the labs use, so that they run offline."""

from __future__ import annotations

import sys

from academy.environments.build import build
from academy.environments.curated import find
from academy.errors import AcademyError

# Curated names that the labs' jobs run in.
LAB_ENVIRONMENTS = ("sklearn-1.5",)


def main() -> int:
    """Build each; return the exit status."""
    for name in LAB_ENVIRONMENTS:
        print(f"environment {name}: building, or found in the cache", flush=True)
        try:
            built = build(find(name, "latest"), log=lambda line: print(f"  {line}", flush=True))
        except AcademyError as error:
            print(f"environment {name}: {error}", file=sys.stderr)
            return error.exit_status
        print(f"environment {name}: {built.root}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
