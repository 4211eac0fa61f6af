"""Two learners on one machine, as the recipe for The Littlest JupyterHub sets them up: two Unix users, each
with a service of their own, from one shared read-only collection and cache of environments.

It needs root, to be other users, and a mount namespace, in which this Python can be read by them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from academy.experiments.database import ensure_template
from academy.labs.classroom.recipe import SHARED, write_recipe
from academy.labs.classroom.room import Room
from academy.labs.collection import Collection
from academy.labs.scaffold import new_lab
from tests.environments_wheels import THIS, wheel
from tests.test_labs_class import SystemdSpawner, hub_settings, measurement

LAB = "90-count-days"
BIN = Path(sys.executable).parent
# Folders of root that this Python lies in; others can pass through them only in a namespace of their own.
BASE = Path(sys.base_prefix).resolve()

# Lets others read the Python that runs here, without a change that outlives the process.
_ENTER = """
set -e
closed=""
at=""
IFS=/
for part in $BASE; do
    [ -n "$part" ] || continue
    at="$at/$part"
    if [ -z "$closed" ] && [ -z "$(find "$at" -maxdepth 0 -perm -005)" ]; then closed="$at"; fi
done
unset IFS
if [ -n "$closed" ]; then
    mount --bind "$BASE" "$ASIDE"
    mount -t tmpfs -o mode=755 tmpfs "$closed"
    mkdir -p "$BASE"
    mount --bind "$ASIDE" "$BASE"
fi
exec setpriv --reuid="$ID" --regid="$ID" --clear-groups --inh-caps=-all --no-new-privs -- "$@"
"""


def _namespaces() -> bool:
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("setpriv"):
        return False
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(
    not _namespaces(), reason="other users need root, unshare and setpriv, which this machine does not give"
)


@dataclass(frozen=True)
class Learner:
    """A Unix user with a home, and the variables that JupyterHub would give their server."""

    name: str
    number: int
    home: Path
    environment: dict[str, str]

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command as this user."""
        own = {**self.environment, "HOME": str(self.home), "PATH": f"{BIN}:/usr/bin:/bin", "LANG": "C.UTF-8"}
        given = {"BASE": str(BASE), "ASIDE": str(self.home.parent / "aside"), "ID": str(self.number)}
        return subprocess.run(
            ["unshare", "--mount", "bash", "-c", _ENTER, "enter", *map(str, command)],
            env={**own, **given},
            cwd=self.home,
            capture_output=True,
            text=True,
        )

    def academy(self, *arguments: str) -> str:
        done = self.run(BIN / "academy", *arguments)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        return self.run(BIN / "python", "-c", code)


@dataclass(frozen=True)
class Class:
    shared: Path
    ann: Learner
    ben: Learner


@pytest.fixture(scope="module")
def room() -> Iterator[Class]:
    """Two learners whose services run, set up by the settings of the recipe."""
    base = Path(tempfile.mkdtemp(prefix="academy-users-"))
    base.chmod(0o755)
    try:
        shared = base / "shared"
        new_lab(Collection(shared / "labs"), LAB)
        template = ensure_template()
        (shared / "environments" / "mlflow").mkdir(parents=True)
        shutil.copy(template, shared / "environments" / "mlflow")
        subprocess.run(["chmod", "-R", "u+rwX,go+rX,go-w", shared], check=True)
        write_recipe(Room(measurement(), 2), base / "recipe")
        settings = SystemdSpawner(config=hub_settings(base / "recipe")).environment
        variables = {name: value.replace(SHARED, str(shared)) for name, value in settings.items()}
        (base / "aside").mkdir()
        learners = []
        for name, number in (("ann", 31001), ("ben", 31002)):
            home = base / name
            home.mkdir(mode=0o700)
            os.chown(home, number, number)
            learners.append(Learner(name, number, home, variables))
        made = Class(shared, *learners)
        try:
            for learner in learners:
                learner.academy("up")
            yield made
        finally:
            for learner in learners:
                learner.run(BIN / "academy", "down")
    finally:
        shutil.rmtree(base)


def info(learner: Learner) -> dict[str, object]:
    found: dict[str, object] = json.loads((learner.home / ".academy" / "service.json").read_text())
    return found


def token(learner: Learner) -> str:
    return (learner.home / ".academy" / "token").read_text().strip()


def asked(learner: Learner, bearer: str | None) -> int:
    """Return the status of a request for the learner's jobs."""
    address = f"{info(learner)['address']}/academy/labs/events?lab={LAB}&after=0"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {bearer}"} if bearer else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_each_has_a_service_of_their_own(room: Class) -> None:
    services = [psutil.Process(int(str(info(learner)["pid"]))) for learner in (room.ann, room.ben)]
    assert [service.uids().real for service in services] == [room.ann.number, room.ben.number]
    assert info(room.ann)["address"] != info(room.ben)["address"]


def test_nobody_reads_the_home_or_the_token_of_another(room: Class) -> None:
    for path in (".", ".academy", ".academy/token", ".academy/academy.db"):
        target = room.ann.home / path
        assert room.ben.run("ls", target).returncode != 0
        assert "Permission denied" in room.ben.run("cat", target).stderr
    assert room.ann.run("cat", room.ann.home / ".academy" / "token").returncode == 0


def test_the_service_of_another_answers_nothing(room: Class) -> None:
    assert asked(room.ann, token(room.ann)) == 200
    assert asked(room.ann, token(room.ben)) in {401, 403}
    assert asked(room.ann, None) in {401, 403}
    pid = info(room.ann)["pid"]
    assert room.ben.run("bash", "-c", f"kill -0 {pid}").returncode != 0


def test_a_copy_of_a_shared_lab_is_the_learners_own(room: Class) -> None:
    assert LAB in room.ann.academy("lab", "list")
    room.ann.academy("lab", "start", LAB)
    copy = room.ann.home / "labs" / LAB
    for file in [copy, *copy.rglob("*")]:
        assert file.stat().st_uid == room.ann.number
        assert os.stat(file).st_mode & 0o200, file
    notebook = copy / f"{LAB}.ipynb"
    assert room.ann.run("bash", "-c", f"echo >> {notebook}").returncode == 0
    assert "BEGIN SOLUTION" not in notebook.read_text()
    shared = room.shared / "labs" / "notebooks" / f"{LAB}.ipynb"
    assert room.ann.run("bash", "-c", f"echo >> {shared}").returncode != 0
    assert not (room.ben.home / "labs").exists()


def test_a_service_starts_again_on_a_cache_that_it_cannot_write(room: Class) -> None:
    before = info(room.ben)["pid"]
    room.ben.academy("down")
    room.ben.academy("up")
    assert info(room.ben)["pid"] != before
    assert asked(room.ben, token(room.ben)) == 200
    made = room.ben.run("touch", room.shared / "environments" / "x")
    assert made.returncode != 0


BUILD = """
import json, subprocess
from academy.environments.build import build
from academy.environments.spec import EnvironmentSpec
said = []
built = build(EnvironmentSpec("demo", "1", {this!r}, ({package!r},)), log=said.append)
code = "import {package}; print({package}.VERSION)"
version = subprocess.check_output([built.python, "-c", code], text=True)
print(json.dumps([str(built.root), version.strip(), len(said)]))
"""


def test_shared_environments_are_used_and_others_are_built_in_the_learners_cache(room: Class) -> None:
    wheels = room.shared / "wheels"
    wheels.mkdir()
    for name in ("setuptools", "tiny", "other"):
        wheel(wheels, name, "80.0")
    if not list(Path(os.__file__).parent.glob("ensurepip/_bundled/pip-*.whl")):
        wheel(wheels, "pip", "24.0")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    cache = room.shared / "environments"
    by_root = subprocess.run(
        [sys.executable, "-c", BUILD.format(this=THIS, package="tiny")],
        env={**os.environ, **offline, "ACADEMY_ENVIRONMENT_CACHE": str(cache)},
        capture_output=True,
        text=True,
    )
    assert by_root.returncode == 0, by_root.stderr
    root, _, _ = json.loads(by_root.stdout)
    assert Path(root).parent == cache
    subprocess.run(["chmod", "-R", "go+rX,go-w", room.shared], check=True)
    room.ann.environment.update(offline)
    for package, expected, built_now in (("tiny", cache, False), ("other", room.ann.home / ".cache", True)):
        done = room.ann.python(BUILD.format(this=THIS, package=package))
        assert done.returncode == 0, done.stderr
        where, version, said = json.loads(done.stdout)
        assert version == "80.0"
        assert Path(where).is_relative_to(expected)
        assert (said > 0) is built_now
