"""The recipe for The Littlest JupyterHub: four files, filled in with what was measured.

TLJH's options are those of https://tljh.jupyter.org/en/latest/topic/tljh-config.html and
…/topic/idle-culler.html; JupyterHub reads further settings from ``jupyterhub_config.d``
(…/topic/escape-hatch.html). Each learner's server is a systemd unit (SystemdSpawner).
"""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from academy.environments import curated
from academy.errors import Conflict
from academy.labs.classroom.room import Room, as_text
from academy.paths import write_atomic

SHARED = "/srv/academy"
FILES = ("README.md", "config.yaml", "academy_hub.py", "install.sh")

_TEMPLATES = Path(__file__).parent / "tljh"
_IDLE_MINUTES = 60
_CULL_S = 7200
_STOP_S = 20
_TASKS = 1024


def write_recipe(room: Room, folder: Path, language: str = "en") -> list[Path]:
    """Write the recipe's files into ``folder``, and return them.

    Raises
    ------
    Conflict
        The folder holds something else.
    """
    foreign = (
        sorted(path.name for path in folder.iterdir() if path.name not in FILES) if folder.exists() else []
    )
    if foreign:
        raise Conflict(f"{folder} holds {foreign[0]!r}, which is not of this recipe. Choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    values = _values(room, language)
    templates = Environment(
        loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True
    )
    written = []
    for name in FILES:
        target = folder / name
        text = templates.get_template(f"{name}.j2").render(values)
        write_atomic(target, text, mode=0o755 if name.endswith(".sh") else 0o644)
        written.append(target)
    return written


def _values(room: Room, language: str) -> dict[str, object]:
    measured, machine = room.measured, room.measured.machine
    kernel = next((one.memory.total_mb for one in measured.running if one.name.startswith("kernel")), 0.0)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "shared": SHARED,
        "language": language,
        "learners": room.learners,
        "learner_mb": round(measured.memory.own_mb),
        "shared_mb": round(measured.memory.shared_mb),
        "kernel_mb": round(kernel),
        "machine": f"{machine.processors} processors and {machine.memory_mb / 1024:.0f} GB memory",
        "memory": f"{round(room.learner_memory_gb * 1024)}M",
        "cpu": min(2, machine.processors),
        "idle_minutes": _IDLE_MINUTES,
        "cull_s": _CULL_S,
        "cull_minutes": _CULL_S // 60,
        "stop_s": _STOP_S,
        "tasks": _TASKS,
        "pythons": " ".join(_pythons()),
        "room": textwrap.indent(as_text(room), "    "),
    }


def _pythons() -> list[str]:
    """Return the release series of Python that Azure's environments ask for and learners' jobs may need."""
    asked = {".".join(curated.find(name, "latest").python.split(".")[:2]) for name in ("sklearn-1.5",)}
    return sorted(asked)
