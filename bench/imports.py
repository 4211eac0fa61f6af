"""``import academy`` against a bare start of Python."""

from __future__ import annotations

import subprocess
import sys

from bench.pairs import Result, in_turns, timed


def measure() -> Result:
    """Time whole processes; the target is absolute, 0.3 s more than the bare start."""

    def start(code: str) -> float:
        return timed(lambda: subprocess.run([sys.executable, "-c", code], check=True))

    ours, other = in_turns(15, lambda: start("import academy"), lambda: start("pass"))
    extra = sorted(a - b for a, b in zip(ours, other, strict=True))[len(ours) // 2]
    return Result("import academy / python -c pass", ours, other, "0.3 s more", f"{extra:.3f} s more")
