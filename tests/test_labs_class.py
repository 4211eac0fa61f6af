"""What a room needs, and the recipe for it: figures that are measured, files that JupyterHub would take."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from traitlets import Bool, Dict, List
from traitlets.config import Configurable
from traitlets.config.loader import Config, PyFileConfigLoader

from academy.errors import Conflict
from academy.labs.classroom.measure import answers, size_mb
from academy.labs.classroom.measured import Disk, Machine, Measured, Measurement
from academy.labs.classroom.memory import Memory, of_processes, tree
from academy.labs.classroom.recipe import FILES, write_recipe
from academy.labs.classroom.room import Room, as_json, as_text

ACADEMY = Path(sys.executable).with_name("academy")

# The options of The Littlest JupyterHub, and their kinds: https://tljh.jupyter.org, tljh/configurer.py.
TLJH_OPTIONS: dict[str, Any] = {
    "limits": {"memory": str, "cpu": (int, float)},
    "user_environment": {"default_app": str},
    "services": {"cull": {"enabled": bool, "timeout": int, "every": int, "max_age": int, "users": bool}},
}


def measurement(
    *, processors: int = 4, memory_mb: float = 8192, disk_free_mb: float = 10_000, own_mb: float = 400
) -> Measurement:
    running = (
        Measured("service", Memory(10, 50), 1.0),
        Measured("kernel", Memory(20, own_mb - 50), 4.0),
        Measured("JupyterLab", not_measured="it does not start here"),
    )
    disks = (Disk("Python", 2000, True, "/opt"), Disk("home", 100, False, "home"))
    return Measurement(Machine(processors, memory_mb, memory_mb, disk_free_mb, "/"), (running,), disks, 12.0)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_recipe(Room(measurement(), 12), tmp_path / "tljh")
    return tmp_path / "tljh"


# Measuring


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_the_command_measures_this_machine_and_leaves_nothing(tmp_path: Path) -> None:
    before = {process.pid for process in psutil.process_iter()}
    environment = {**os.environ, "ACADEMY_HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [ACADEMY, "class", "--learners", "7", "--samples", "2", "--json", "--tljh", str(tmp_path / "tljh")],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["learners"] == 7
    told = done.stderr.splitlines()
    for one in [*found["memory"], *found["disk"]]:
        assert any(line.startswith(f"  {one['name']}: ") for line in told), told
    parts = {part["name"]: part for part in found["memory"]}
    assert list(parts) == [
        "service",
        "kernel with azure.ai.ml, mlflow, pandas",
        "a job that trains",
        "JupyterLab",
    ]
    for part in parts.values():
        assert part["not_measured"] is None, part
        assert 5 < part["per_learner_mb"] < 2000, part
        assert part["processor_s"] > 0
    least, most = found["processor_range_s"]
    assert found["samples"] == 2
    assert 0 < least < most  # two starts never take the same
    assert found["processor_s"] == pytest.approx((least + most) / 2, abs=0.02)
    assert {disk["name"].partition(" (")[0]: disk["shared"] for disk in found["disk"]} == {
        "Python with Academy": True,
        "environments of the labs": True,
        "home after one job": False,
        "copies of the labs": False,
    }
    own = sum(part["per_learner_mb"] for part in parts.values())
    assert found["memory_mb"] >= own * 7
    assert found["most_learners"] == min(found["enough_for"].values())
    assert {Path(file).name for file in found["written"]} == set(FILES)
    assert not (tmp_path / "home").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tljh"]
    here = [p for p in psutil.process_iter() if p.pid not in before and _names(p, tmp_path)]
    assert here == []


def test_a_server_whose_record_is_half_written_does_not_answer_yet(tmp_path: Path) -> None:
    record = tmp_path / "jpserver-1.json"
    assert not answers(record)
    for half in ("", '{"url": "http://127.0.0.1:1/", "tok'):
        record.write_text(half)
        assert not answers(record)


def _names(process: psutil.Process, folder: Path) -> bool:
    try:
        return str(folder) in " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def test_memory_is_that_of_the_tree_and_tells_what_is_shared() -> None:
    code = "import subprocess, sys; x = bytearray(b'1' * 60_000_000); print('stands', flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", f"import os, sys; os.fork(); {code}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    for _ in range(2):
        assert child.stdout.readline() == "stands\n"
    pids = tree(child.pid)
    found = of_processes(pids)
    child.communicate("\n\n")
    assert len(pids) == 2
    assert 114 < found.own_mb < 180
    assert found.shared_mb > 0
    assert of_processes([child.pid]) == Memory()


def test_disk_counts_a_hard_link_once_and_no_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(2**20))
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "c").symlink_to("/usr")
    assert 1.0 <= size_mb(tmp_path) < 1.1


def test_the_median_of_the_samples_counts_and_one_that_did_not_start_does_not() -> None:
    whole = [
        (Measured("service", Memory(4, 40), 1.0), Measured("JupyterLab", Memory(10, 100), seconds))
        for seconds in (5.0, 9.0, 6.0)
    ]
    lame = (Measured("service", Memory(4, 80), 1.0), Measured("JupyterLab", not_measured="it does not start"))
    machine = measurement().machine
    found = Measurement(machine, (*whole, lame), (), 1.0)
    assert found.running == (
        Measured("service", Memory(4, 40), 1.0),
        Measured("JupyterLab", Memory(10, 100), 6.0),
    )
    assert (found.processor_s, found.processor_range_s) == (7.0, (6.0, 10.0))
    assert "7.0 s (median of 3 starts, 6.0 to 10.0 s)" in as_text(Room(found, 1))
    never = Measurement(machine, (lame, lame), (), 1.0)
    assert never.running[1].not_measured == "it does not start"
    assert never.processor_s == 1.0


# Reckoning


def test_what_is_shared_counts_once() -> None:
    room = Room(measurement(), 10)
    assert room.memory_mb == 30 + 10 * 400
    assert room.disk_mb == 2000 + 10 * 100


@pytest.mark.parametrize(
    ("changed", "first", "most"),
    [
        ({"memory_mb": 2048}, "memory", 2),  # 2048 - 1024 - 30 shared, 400 each
        ({"disk_free_mb": 350}, "disk", 3),
        ({"processors": 1, "memory_mb": 80_000, "disk_free_mb": 80_000}, "processors", 30),  # 150 s, 5 s each
    ],
)
def test_it_says_what_runs_out_first(changed: dict[str, Any], first: str, most: int) -> None:
    room = Room(measurement(**changed), 1)
    assert (room.first, room.most) == (first, most)


def test_the_text_says_what_fits_and_what_was_not_measured() -> None:
    text = as_text(Room(measurement(), 40))
    assert (
        "40 learners at once do not fit on this machine. It carries about 17: first to run out: memory"
        in text
    )
    assert "Not measured: JupyterLab: it does not start here." in text
    assert "shared once  per learner  for 40" in text
    assert "5 learners at once fit" in as_text(Room(measurement(), 5))
    assert as_json(Room(measurement(), 5))["runs_out_first"] == "memory"


# The recipe


def test_the_yaml_has_options_that_tljh_knows(recipe: Path) -> None:
    def check(found: Any, known: Any, where: str) -> None:
        if isinstance(known, dict):
            assert found.keys() <= known.keys(), where
            for name, value in found.items():
                check(value, known[name], f"{where}.{name}")
        else:
            assert isinstance(found, known), where

    found = yaml.safe_load((recipe / "config.yaml").read_text())
    check(found, TLJH_OPTIONS, "config.yaml")
    assert found["limits"]["memory"].endswith("M")
    assert int(found["limits"]["memory"][:-1]) >= 2 * 430  # twice what was measured


def test_all_files_say_the_same_of_a_learners_memory(recipe: Path) -> None:
    said = (recipe / "config.yaml").read_text()
    assert "400 MB for each learner and 30 MB that all share once" in said
    total = next(line.split() for line in (recipe / "README.md").read_text().splitlines() if "in all" in line)
    assert total[2:4] == ["30", "400"]


class Spawner(Configurable):
    """What JupyterHub's Spawner takes of the settings in the recipe, with its defaults."""

    environment = Dict().tag(config=True)
    args: List[Any] = List().tag(config=True)


class SystemdSpawner(Spawner):
    """What SystemdSpawner adds."""

    isolate_tmp = Bool(False).tag(config=True)
    readonly_paths: List[Any] = List(None, allow_none=True).tag(config=True)
    unit_extra_properties = Dict().tag(config=True)


def hub_settings(recipe: Path) -> Config:
    """Load the settings by the loader that JupyterHub itself uses."""
    return PyFileConfigLoader("academy_hub.py", path=str(recipe)).load_config()


def test_the_settings_configure_a_spawner_and_keep_what_others_set(recipe: Path) -> None:
    config = Config()
    config.Spawner.environment = {"OWN": "kept"}
    config.Spawner.args = ["--debug"]
    config.merge(hub_settings(recipe))
    spawner = SystemdSpawner(config=config)
    assert spawner.isolate_tmp
    assert spawner.readonly_paths == ["/srv/academy"]
    assert spawner.unit_extra_properties["KillMode"] == "control-group"
    alone = SystemdSpawner(config=hub_settings(recipe))
    assert alone.environment["ACADEMY_HOME"].startswith("~/")
    assert alone.environment["ACADEMY_WORK"].startswith("~/")
    assert alone.environment["ACADEMY_LABS"] == "/srv/academy/labs"
    assert all(isinstance(value, str) for value in alone.environment.values())
    assert any("cull_idle_timeout" in argument for argument in alone.args)


def test_a_recipe_is_written_again_and_nothing_else_is_overwritten(tmp_path: Path, recipe: Path) -> None:
    write_recipe(Room(measurement(), 30), recipe)
    assert "about 30 learners" in (recipe / "README.md").read_text()
    (recipe / "notes.txt").write_text("mine")
    with pytest.raises(Conflict, match=r"notes\.txt"):
        write_recipe(Room(measurement(), 30), recipe)


def test_the_script_is_a_script(recipe: Path) -> None:
    assert subprocess.run(["bash", "-n", recipe / "install.sh"]).returncode == 0
    assert os.access(recipe / "install.sh", os.X_OK)


STUB = """#!/bin/sh
echo "$(basename "$0") $*" >> "$RECORD"
case "$*" in *"python find"*) echo "$RECORD" ;; esac
case "$*" in *academy.labs.warm*) mkdir -p "$ACADEMY_ENVIRONMENT_CACHE/py3"; echo "in $PWD" >> "$RECORD" ;;
esac
"""


def hub_and_checkout(root: Path) -> dict[str, str]:
    """Make what the script finds on a machine with TLJH, and return the variables that lead it there."""
    prefix, shared, source = root / "tljh-prefix", root / "shared", root / "source"
    for name in ("user/bin/python", "user/bin/academy", "user/bin/uv", "hub/bin/tljh-config"):
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).write_text(STUB)
        (prefix / name).chmod(0o755)
    for name in (
        "pyproject.toml",
        "academy/__init__.py",
        "academy/labs/x.py",
        "tests/x.py",
        "notebooks/90-a-b.ipynb",
        "labs/90-a-b/lab.yml",
        "notebooks/91-c-d.ipynb",
        "labs/91-c-d/lab.yml",
        ".git/x",
    ):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("content")
        (source / name).chmod(0o666)
    return {
        **os.environ,
        "TLJH_INSTALL_PREFIX": str(prefix),
        "ACADEMY_SHARED": str(shared),
        "RECORD": str(root / "record"),
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="the script sets TLJH up, for which it has to be root")
def test_the_script_sets_a_hub_up_twice(tmp_path: Path, recipe: Path) -> None:
    prefix, shared, source = tmp_path / "tljh-prefix", tmp_path / "shared", tmp_path / "source"
    environment = hub_and_checkout(tmp_path)
    for _ in range(2):
        done = subprocess.run(
            [recipe / "install.sh", source], env=environment, capture_output=True, text=True, cwd="/"
        )
        assert done.returncode == 0, done.stderr
    assert (shared / "labs" / "notebooks" / "90-a-b.ipynb").is_file()
    assert (shared / "academy" / "pyproject.toml").is_file()
    assert (shared / "academy" / "academy" / "labs" / "x.py").is_file()
    for name in (".git", "notebooks", "labs", "tests"):
        assert not (shared / "academy" / name).exists(), name
    for path in [shared, *shared.rglob("*")]:
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode & 0o044 == 0o044, path
            assert not mode & 0o022, path
    assert (prefix / "config" / "jupyterhub_config.d" / "academy_hub.py").is_file()
    said = (tmp_path / "record").read_text()
    settings = yaml.safe_load((recipe / "config.yaml").read_text())
    assert f"tljh-config set limits.memory {settings['limits']['memory']}" in said
    assert f"tljh-config set services.cull.timeout {settings['services']['cull']['timeout']}" in said
    assert "tljh-config reload hub" in said
    assert f"python -m pip install --quiet --editable {shared}/academy" in said
    assert f"in {source}\n" in said, "the quickstart's script is in the checkout alone"


@pytest.mark.skipif(os.geteuid() != 0, reason="the script sets TLJH up, for which it has to be root")
def test_the_script_shares_the_labs_that_are_named(tmp_path: Path, recipe: Path) -> None:
    environment, source = hub_and_checkout(tmp_path), tmp_path / "source"
    labs = tmp_path / "shared" / "labs"
    for given, shared, status in (
        ((), ["90-a-b", "91-c-d"], 0),
        (("91-c-d",), ["91-c-d"], 0),
        (("92-e-f",), ["91-c-d"], 1),
    ):
        done = subprocess.run(
            [recipe / "install.sh", source, source, *given], env=environment, capture_output=True, text=True
        )
        assert done.returncode == status, done.stderr
        assert sorted(path.name for path in (labs / "labs").iterdir()) == shared
        assert sorted(path.stem for path in (labs / "notebooks").iterdir()) == shared
    assert "has no lab 92-e-f" in done.stderr


def test_the_script_says_what_is_missing(tmp_path: Path, recipe: Path) -> None:
    environment = {**os.environ, "TLJH_INSTALL_PREFIX": str(tmp_path / "none")}
    done = subprocess.run([recipe / "install.sh", "/tmp"], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "install.sh: " in done.stderr
    assert not (tmp_path / "none").exists()


def test_the_readme_names_files_that_are_there(recipe: Path) -> None:
    text = (recipe / "README.md").read_text()
    assert {name for name in FILES if f"`{name}`" in text} == set(FILES) - {"README.md"}
    assert "{{" not in "".join((recipe / name).read_text() for name in FILES)
