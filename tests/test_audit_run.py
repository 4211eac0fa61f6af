"""``academy audit run``: a local command as a shell runs it, and what is on record of it afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from academy.audit.chain import breaks
from academy.audit.local import code_files, command_line, mlflow_database, snapshot, surroundings
from academy.audit.local.ignored import Ignored
from academy.audit.local.ledger import LocalLedger
from academy.audit.record import Kind, Record, Relation
from academy.evidence import digests, secrecy
from academy.experiments.database import ensure_template
from academy.paths import AuditFolder

ACADEMY = Path(sys.executable).with_name("academy")
PATIENCE_S = 150.0

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    work = tmp_path / "my work"
    work.mkdir()
    return work


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python without packages."""
    root = tmp_path_factory.mktemp("plain")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root], check=True)
    return root / "bin" / "python"


@pytest.fixture
def variables(tmp_path: Path, plain: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "GIT_"))}
    own = {"ACADEMY_HOME": str(tmp_path / "home"), "GIT_CONFIG_GLOBAL": os.devnull}
    return {**kept, **own, "PATH": f"{plain.parent}:{os.environ['PATH']}"}


@pytest.fixture
def run(folder: Path, variables: dict[str, str]) -> Run:
    """Run ``academy audit run`` in the folder, to its end."""

    def act(*arguments: str, set: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(ACADEMY), "audit", "run", *arguments]
        environment = {**variables, **(set or {})}
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_S
        )

    return act


@pytest.fixture
def start(folder: Path, variables: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start it in a session of its own, so that signals reach it alone."""
    started: list[subprocess.Popen[str]] = []

    def act(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [str(ACADEMY), "audit", "run", *arguments],
            cwd=folder,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield act
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def script(folder: Path, text: str, name: str = "train.py") -> str:
    (folder / name).write_text(text)
    return name


def ledger_of(folder: Path) -> LocalLedger:
    return LocalLedger(AuditFolder(folder / AuditFolder.NAME))


def records(folder: Path) -> list[Record]:
    """Return what is on record; the chain is whole."""
    ledger = ledger_of(folder)
    assert breaks(ledger.read(), ledger.head()) == []
    assert ledger.damage() == []
    return [sealed.record for sealed in ledger.read()]


def wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TestAsAShell:
    def test_streams_and_exit_status_are_the_commands_own(
        self, folder: Path, variables: dict[str, str]
    ) -> None:
        text = "import sys\nprint(input())\nprint('wrong', file=sys.stderr)\nsys.exit(7)\n"
        name = script(folder, text)
        process = subprocess.run(
            [ACADEMY, "audit", "run", "--", "python", name],
            cwd=folder,
            env=variables,
            input="given\n",
            capture_output=True,
            text=True,
        )
        assert (process.returncode, process.stdout) == (7, "given\n")
        assert process.stderr.startswith(
            "wrong\nacademy: Run train-1 is record 1 of .academy-audit: Failed.\n"
        )
        assert "'academy audit show --run train-1'" in process.stderr
        (record,) = records(folder)
        assert (record.status, record.exit_code, record.name) == ("Failed", 7, "train-1")

    def test_the_terminal_stays_one(self, folder: Path, variables: dict[str, str]) -> None:
        main, side = pty.openpty()
        name = script(folder, "import sys; print([s.isatty() for s in (sys.stdin, sys.stdout, sys.stderr)])")
        command = [str(ACADEMY), "audit", "run", "--", "python", name]
        process = subprocess.Popen(command, cwd=folder, env=variables, stdin=side, stdout=side, stderr=side)
        os.close(side)
        assert process.wait(PATIENCE_S) == 0
        assert os.read(main, 1000).startswith(b"[True, True, True]")
        os.close(main)

    def test_ctrl_c_on_a_terminal_comes_once(self, folder: Path, variables: dict[str, str]) -> None:
        name = script(
            folder,
            "import signal, sys, time\ncaught = []\n"
            "signal.signal(signal.SIGINT, lambda *_: caught.append(1))\nprint('ready', flush=True)\n"
            "while not caught: time.sleep(0.01)\ntime.sleep(0.3)\n"
            "print('caught', len(caught))\nsys.exit(9)\n",
        )
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(folder)
            os.execve(ACADEMY, [str(ACADEMY), "audit", "run", "--", "python", name], variables)
        shown = b""
        while b"ready" not in shown:
            shown += os.read(terminal, 1000)
        os.write(terminal, b"\x03")
        with contextlib.suppress(OSError):  # the end of a terminal is an error
            while chunk := os.read(terminal, 1000):
                shown += chunk
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
        os.close(terminal)
        assert b"caught 1" in shown
        (record,) = records(folder)
        assert record.status == "Canceled"

    def test_the_end_of_a_terminal_that_it_has_to_itself_reaches_the_command(
        self, folder: Path, variables: dict[str, str]
    ) -> None:
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(folder)
            command = [str(ACADEMY), "audit", "run", "--", "sh", "-c", "echo ready; exec sleep 600"]
            os.execve(ACADEMY, command, variables)
        shown = b""
        while b"ready" not in shown:
            shown += os.read(terminal, 1000)
        os.close(terminal)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 128 + signal.SIGHUP
        (record,) = records(folder)
        assert (record.status, record.exit_code) == ("Canceled", 128 + signal.SIGHUP)

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a file that is always full")
    def test_where_nothing_can_be_said_the_exit_status_is_the_commands(
        self, folder: Path, variables: dict[str, str]
    ) -> None:
        command = [str(ACADEMY), "audit", "run", "--", "sh", "-c", "exit 7"]
        with open("/dev/full", "wb") as full:
            process = subprocess.run(command, cwd=folder, env=variables, stderr=full)
        assert process.returncode == 7
        assert [record.exit_code for record in records(folder)] == [7]

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_reaches_the_command_and_the_record_is_written(
        self, start: Callable[..., subprocess.Popen[str]], folder: Path, number: signal.Signals
    ) -> None:
        text = (
            "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\nprint('ready', flush=True)\n"
        )
        name = script(folder, text + "time.sleep(600)\n")
        process = start("--", "python", name)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 128 + number
        (record,) = records(folder)
        assert (record.status, record.exit_code) == ("Canceled", 128 + number)
        assert f"It was asked to end: {number.name}." in record.notes

    def test_a_command_that_kills_itself_failed(self, run: Run, folder: Path) -> None:
        assert run("--", "sh", "-c", "kill -9 $$").returncode == 137
        (record,) = records(folder)
        assert record.status == "Failed"
        assert any("SIGKILL" in note and "memory" in note for note in record.notes)

    @pytest.mark.parametrize(
        ("arguments", "status", "said"),
        [
            (["--", "no-such-command"], 127, "no-such-command: command not found; nothing was run."),
            (
                ["train.py"],
                127 - 1,
                "train.py is not executable: nothing was run. Did you mean: python train.py",
            ),
            (["--"], 2, "Give the command behind '--': academy audit run -- python train.py"),
            ([], 2, "Give the command behind '--'"),
            (["--nmae", "x", "--", "true"], 2, "No such option '--nmae'"),
            (["--data", "nowhere", "--", "true"], 1, "--data nowhere: there is no such file or folder"),
            (["--data", ".", "--", "true"], 1, "the audit trail is in it"),
            (["--name", "a/b", "--", "true"], 1, "The name 'a/b' is not valid"),
        ],
    )
    def test_what_cannot_be_run_is_refused_and_leaves_no_record(
        self, run: Run, folder: Path, arguments: list[str], status: int, said: str
    ) -> None:
        script(folder, "")
        process = run(*arguments)
        assert said in process.stderr
        assert process.returncode == status
        assert not ledger_of(folder).read()

    def test_a_folder_that_cannot_be_written_is_refused_before_the_command_starts(
        self, run: Run, folder: Path
    ) -> None:
        (folder / AuditFolder.NAME).write_text("in the way")
        process = run("--", "touch", "started")
        assert process.returncode == 1
        assert f"{folder / AuditFolder.NAME} cannot be written" in process.stderr
        assert not (folder / "started").exists()

    def test_a_full_disk_at_the_end_is_said_and_the_ledger_stays_as_it_was(
        self, run: Run, folder: Path, variables: dict[str, str]
    ) -> None:
        assert run("--", "true").returncode == 0
        before = ledger_of(folder).folder.ledger_file.read_bytes()
        # No file may grow beyond this: to a process, the same as a disk that is full.
        limit = f"ulimit -f {len(before) // 1024 + 1}; trap '' XFSZ; exec {ACADEMY} audit run -- true"
        process = subprocess.run(
            ["bash", "-c", limit], cwd=folder, env=variables, capture_output=True, text=True
        )
        assert process.returncode != 0
        assert "is not on record" in process.stderr
        assert ledger_of(folder).folder.ledger_file.read_bytes() == before
        assert run("--", "true").returncode == 0
        assert [record.name for record in records(folder)] == ["true-1", "true-2"]


class TestTheRecord:
    def test_says_what_ran_on_what(self, run: Run, folder: Path) -> None:
        name = script(folder, "import json; json.dump({'loss': 0.5, 'best': None}, open('m.json', 'w'))")
        (folder / "lib").mkdir()
        script(folder / "lib", "x = 1\n", "own.py")
        arguments = ["--epochs", "3", "--rate=0.1", "--fast", "--shift", "-2"]
        process = run("--metrics", "m.json", "--name", "first", "--", sys.executable, "-u", name, *arguments)
        assert process.returncode == 0
        assert "Completed, loss 0.5." in process.stderr
        assert "Of 'm.json', what is no number is not taken: 'best'." in process.stderr
        (record,) = records(folder)
        assert (record.kind, record.id, record.name) == (Kind.RUN, "run:first", "first")
        assert record.parameters == {"epochs": "3", "rate": "0.1", "fast": "true", "shift": "-2"}
        assert record.metrics == {"loss": 0.5}
        times = [record.created_at, record.started_at, record.ended_at]
        assert times == sorted(str(at) for at in times)
        evidence = record.evidence
        assert evidence is not None
        assert evidence.code is not None
        assert [file.name for file in evidence.code.files] == ["lib/own.py", "train.py"]
        assert evidence.software.executable == sys.executable
        assert {"click", "mlflow"} <= {package.name for package in evidence.software.packages}
        assert evidence.machine.cores == os.cpu_count()

    def test_names_count_up_and_are_not_given_twice(self, run: Run, folder: Path) -> None:
        name = script(folder, "")
        for _ in range(2):
            assert run("--", "python", name).returncode == 0
        assert run("--name", "Train-7", "--", "true").returncode == 0
        assert run("--", "python", name).returncode == 0
        again = run("--name", "train-2", "--", "touch", "started")
        assert again.returncode == 1
        assert "A run named 'train-2' is on record" in again.stderr
        assert not (folder / "started").exists()
        assert [record.name for record in records(folder)] == ["train-1", "train-2", "Train-7", "train-8"]

    def test_data_is_as_it_was_before_and_outputs_as_they_are_after(self, run: Run, folder: Path) -> None:
        (folder / "data").mkdir()
        (folder / "data" / "a.csv").write_text("1,2\n")
        (folder / "old.txt").write_text("old")
        before = digests.tree(folder / "data")
        text = "open('data/a.csv', 'w').write('9'); open('model.bin', 'w').write('m')"
        outputs = ["--output", "model.bin", "--output", "missing", "--output", "old.txt"]
        process = run("--data", "data", *outputs, "--", "python", script(folder, text))
        assert "The output 'missing' is not there" in process.stderr
        assert "The output 'old.txt' was there before, and the command did not change it." in process.stderr
        (record,) = records(folder)
        evidence = record.evidence
        assert evidence is not None
        (data,) = evidence.inputs
        assert data.tree == before
        assert any("The data 'data' was changed while it ran ('a.csv')" in note for note in evidence.notes)
        model, missing, _ = evidence.outputs
        assert model.tree is not None
        assert model.tree.sha256 == digests.tree(folder / "model.bin").sha256
        assert missing.tree is None
        assert evidence.code is not None
        assert [file.name for file in evidence.code.files] == ["train.py"]
        assert [link.sha256 for link in record.linked(Relation.READ)] == [before.sha256]

    def test_secrets_are_nowhere(self, run: Run, folder: Path) -> None:
        (folder / ".env").write_text("TOKEN=hunter2-in-file")
        secret = ["--api-key", "hunter2-key", "--password=hunter2-word", "--db", "pg://me:hunter2-pw@db/x"]
        command = ["env", "A_TOKEN=hunter2-env", "python", script(folder, ""), *secret, "--lr", "1"]
        process = run("--", *command, set={"MLFLOW_TRACKING_URI": "https://me:hunter2-uri@host/x"})
        assert process.returncode == 0
        (record,) = records(folder)
        assert record.parameters == {"api-key": "***", "password": "***", "db": "pg://me:***@db/x", "lr": "1"}
        assert any("--api-key, --password" in note for note in record.notes)
        kept = b"".join(
            file.read_bytes() for file in (folder / ".academy-audit").rglob("*") if file.is_file()
        )
        assert b"hunter2" not in kept
        assert record.evidence is not None
        assert any(".env" in note for note in record.evidence.notes)

    def test_packages_are_those_of_the_commands_python(self, run: Run, folder: Path, plain: Path) -> None:
        (folder / "tool").write_text(f"#!{plain}\nprint('ran')\n")
        (folder / "tool").chmod(0o755)
        assert run("--", str(plain), "-c", "pass").returncode == 0
        assert run("--", "./tool").stdout == "ran\n"
        for record in records(folder):
            assert record.evidence is not None
            assert record.evidence.software.executable == str(plain)
            assert record.evidence.software.packages == ()

    def test_git_is_noted_and_the_audit_trail_makes_nothing_dirty(self, run: Run, folder: Path) -> None:
        git = ["git", "-c", "user.name=me", "-c", "user.email=me@example.com"]
        script(folder, "")
        (folder / ".gitignore").write_text("*.log\n")
        (folder / "a.log").write_text("")
        for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "Begin"]):
            subprocess.run([*git, *words], cwd=folder, check=True)
        for _ in range(2):
            assert run("--", "true").returncode == 0
        (folder / "new.py").write_text("")
        assert run("--", "true").returncode == 0
        head = subprocess.run([*git, "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True)
        found = records(folder)
        assert [record.git.dirty for record in found if record.git] == [False, False, True]
        assert {record.git.commit for record in found if record.git} == {head.stdout.strip()}
        trees = [record.evidence.code for record in found if record.evidence and record.evidence.code]
        assert [file.name for file in trees[2].files] == [".gitignore", "new.py", "train.py"]
        status = subprocess.run(
            [*git, "status", "--short", "-uall"], cwd=folder, capture_output=True, text=True
        )
        assert sorted(re.findall(r"\.academy-audit/(\S+)", status.stdout)) == [
            ".gitignore",
            "head.json",
            "ledger.jsonl",
        ]


class TestSeveral:
    def test_two_at_once_are_both_on_record(
        self, start: Callable[..., subprocess.Popen[str]], folder: Path
    ) -> None:
        text = "import os, pathlib, sys, time\npathlib.Path(sys.argv[1]).touch()\n"
        text += "while not all(map(os.path.exists, 'ab')): time.sleep(0.01)\n"
        text += "print(os.environ['MLFLOW_TRACKING_URI'])\n"
        name = script(folder, text)
        both = [start("--", "python", name, place) for place in "ab"]
        places = {process.communicate(timeout=PATIENCE_S)[0] for process in both}
        assert [process.returncode for process in both] == [0, 0]
        assert len(places) == 2, "metrics of one are not to be taken for those of the other"
        assert sorted(record.name for record in records(folder)) == ["train-1", "train-2"]

    def test_a_name_under_way_is_not_given_again(
        self, start: Callable[..., subprocess.Popen[str]], run: Run
    ) -> None:
        process = start("--name", "one", "--", "sh", "-c", "echo ready; exec sleep 600")
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert "A run named 'ONE' is under way" in run("--name", "ONE", "--", "true").stderr

    def test_a_kill_leaves_no_half_record_and_the_next_run_works(
        self, start: Callable[..., subprocess.Popen[str]], run: Run, folder: Path
    ) -> None:
        process = start("--", "sh", "-c", "echo ready; exec sleep 600")
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_S)
        assert records(folder) == []
        assert run("--", "sh", "-c", "true").returncode == 0
        assert [record.name for record in records(folder)] == ["sh-1"]
        assert not list(AuditFolder(folder / AuditFolder.NAME).claims.glob("run-*"))


MLFLOW_SCRIPT = """
import sys, mlflow
from sklearn.linear_model import LogisticRegression
mlflow.set_experiment("iris")
with mlflow.start_run(run_name="outer"):
    mlflow.log_params({"C": 2.0, "api_key": "hunter2"})
    model = LogisticRegression(C=2.0).fit([[0.0], [1.0]], [0, 1])
    mlflow.log_metrics({"accuracy": model.score([[0.0], [1.0]], [0, 1]), "odd": float("nan")})
    mlflow.sklearn.log_model(model, name="model", pip_requirements=["scikit-learn"])
    with mlflow.start_run(run_name="inner", nested=True):
        mlflow.log_metric("accuracy", 0.0)
"""


class TestMLflow:
    def test_metrics_parameters_and_models_of_its_runs_are_on_record(self, run: Run, folder: Path) -> None:
        ensure_template()
        process = run("--", sys.executable, script(folder, MLFLOW_SCRIPT), "--C", "1")
        assert process.returncode == 0, process.stderr
        assert "Completed, accuracy 1, odd nan." in process.stderr
        assert "Creating initial MLflow database tables" not in process.stderr
        (record,) = records(folder)
        assert record.metrics == {"accuracy": 1.0, "odd": "NaN"}
        assert record.parameters == {"C": "2.0", "api_key": "***"}
        assert any("2 MLflow runs were made" in note and "inner" in note for note in record.notes)
        evidence = record.evidence
        assert evidence is not None
        (model,) = evidence.outputs
        assert (model.name, model.kind) == ("model", "mlflow_model")
        assert model.tree is not None
        assert digests.matches(model.tree, Path(model.tree.path)) == []
        assert "MLmodel" in [file.name for file in model.tree.files]
        assert [link.sha256 for link in record.linked(Relation.WROTE)] == [model.tree.sha256]
        assert sorted(os.listdir(folder)) == [".academy-audit", "train.py"]

    def test_runs_of_versions_before_databases_are_read_from_their_folder(
        self, run: Run, folder: Path
    ) -> None:
        kept = folder / "mlruns" / "7"
        write = f"""
import os, time
now, run = int(time.time() * 1000), {str(kept / "r1")!r}
for name in ("metrics", "params", "artifacts/m"):
    os.makedirs(f"{{run}}/{{name}}")
open(f"{{run}}/metrics/loss", "w").write(f"{{now}} 0.5 0\\n{{now}} 0.25 1\\n")
open(f"{{run}}/params/lr", "w").write("0.1")
open(f"{{run}}/artifacts/m/MLmodel", "w").write("flavors: {{}}")
times = f"start_time: {{now}}\\nend_time: {{now}}\\n"
meta = f"run_id: r1\\nrun_name: old\\nstatus: 3\\nlifecycle_stage: active\\n{{times}}"
open(f"{{run}}/meta.yaml", "w").write(f"{{meta}}artifact_uri: {(kept / "r1" / "artifacts").as_uri()}\\n")
"""
        assert run("--", "python", script(folder, write)).returncode == 0
        (record,) = records(folder)
        assert record.metrics == {"loss": 0.25}
        assert record.parameters == {"lr": "0.1"}
        assert record.evidence is not None
        (model,) = record.evidence.outputs
        assert model.tree is not None
        assert (model.name, model.tree.path) == ("m", str(kept / "r1" / "artifacts" / "m"))

    def test_a_database_is_begun_from_the_template_whole_or_not_at_all(self, tmp_path: Path) -> None:
        template, database = tmp_path / "template.db", tmp_path / "mlflow.db"
        with contextlib.closing(sqlite3.connect(template)) as connection, connection:
            connection.execute("CREATE TABLE runs (id)")
        with pytest.raises(sqlite3.Error):  # it has no experiments: it is none of MLflow's
            mlflow_database.begin(database, template)
        assert sorted(os.listdir(tmp_path)) == ["template.db"]
        with contextlib.closing(sqlite3.connect(template)) as connection, connection:
            connection.execute("CREATE TABLE experiments (id)")
            connection.execute("INSERT INTO experiments VALUES (0)")
        mlflow_database.begin(database, template)
        with contextlib.closing(sqlite3.connect(database)) as connection:
            assert connection.execute("SELECT count(*) FROM experiments").fetchone() == (0,)

    def test_runs_kept_elsewhere_are_named_as_not_read(self, run: Run, folder: Path) -> None:
        address = {"MLFLOW_TRACKING_URI": "https://me:pw@mlflow.example/x"}
        shown = run("--", "sh", "-c", "echo $MLFLOW_TRACKING_URI", set=address).stdout
        assert shown == "https://me:pw@mlflow.example/x\n"
        (record,) = records(folder)
        assert any("MLFLOW_TRACKING_URI is https://mlflow.example/x" in note for note in record.notes)

    def test_runs_at_an_address_of_the_scripts_own_are_said_to_be_missing(
        self, run: Run, folder: Path
    ) -> None:
        text = """
import sqlite3, time
connection = sqlite3.connect("my.db")
for table, columns in (
    ("tags", "run_uuid, key, value"),
    ("params", "run_uuid, key, value"),
    ("latest_metrics", "run_uuid, key, value, is_nan"),
    ("runs", "run_uuid, name, status, start_time, end_time, artifact_uri, lifecycle_stage"),
):
    connection.execute(f"CREATE TABLE {table} ({columns})")
row = ("r", "r", "FINISHED", int(time.time() * 1000), None, "/nowhere", "active")
connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", row)
connection.commit()
"""
        process = run("--", "python", script(folder, text))
        assert process.returncode == 0, process.stderr
        (record,) = records(folder)
        (note,) = [note for note in record.notes if "No MLflow run was found in" in note]
        assert "the command made some in 'my.db'." in note
        assert note in process.stderr

    def test_a_script_that_sets_an_address_is_told_where_runs_are_looked_for(
        self, run: Run, folder: Path
    ) -> None:
        sets = "def log():\n    import mlflow\n    mlflow.set_tracking_uri('https://host/x')\n"
        process = run("--", "python", script(folder, sets))
        assert "'mlflow.db', 'mlruns'; 'train.py' names set_tracking_uri" in process.stderr
        (record,) = records(folder)
        assert any("give --metrics FILE" in note for note in record.notes)
        writes = "import json\njson.dump({'loss': 1.0}, open('m.json', 'w'))\n"
        process = run("--metrics", "m.json", "--", "python", script(folder, sets + writes))
        assert "No MLflow run was found" not in process.stderr
        (folder / "other.db").write_text("no database")
        assert "MLflow" not in run("--", "python", script(folder, "print(1)\n")).stderr

    def test_the_address_that_a_notebook_has_by_itself_is_not_taken_for_a_choice(
        self, run: Run, folder: Path
    ) -> None:
        address = "http://127.0.0.1:1/mlflow/v1.0/subscriptions/s/resourceGroups/g"
        show = ("--", "sh", "-c", "echo $MLFLOW_TRACKING_URI")
        assert str(folder) in run(*show, set={"MLFLOW_TRACKING_URI": address}).stdout
        of_a_job = {"MLFLOW_TRACKING_URI": address, "MLFLOW_RUN_ID": "r"}
        assert run(*show, set=of_a_job).stdout == f"{address}\n"


class TestLedger:
    @staticmethod
    def record(name: str) -> Record:
        return Record(Kind.RUN, name, f"run:{name}", "me", "Completed")

    @pytest.mark.parametrize("torn", [b'{"at":"20', b'{"at":"\0\0\0\n', b"\n"])
    def test_a_torn_last_line_gives_way_to_the_next_record(self, folder: Path, torn: bytes) -> None:
        ledger = ledger_of(folder)
        ledger.append(self.record("a"))
        with ledger.folder.ledger_file.open("ab") as file:
            file.write(torn)
        assert [record.name for record in records(folder)] == ["a"]
        ledger.append(self.record("b"))
        assert [record.name for record in records(folder)] == ["a", "b"]

    def test_a_torn_line_in_the_middle_stays_to_be_seen(self, folder: Path) -> None:
        ledger = ledger_of(folder)
        for name in "abc":
            ledger.append(self.record(name))
        lines = ledger.folder.ledger_file.read_bytes().splitlines(keepends=True)
        ledger.folder.ledger_file.write_bytes(b"".join([lines[0], lines[1][:50] + b"\n", lines[2]]))
        ledger.append(self.record("d"))
        assert [one.text for one in breaks(ledger.read(), ledger.head())] == ["Record 2 is missing."]
        assert [one.sequence for one in ledger.damage()] == [2]

    @pytest.mark.parametrize("left", [0, 50])
    def test_a_last_record_that_was_taken_out_leaves_a_gap_for_ever(self, folder: Path, left: int) -> None:
        ledger = ledger_of(folder)
        for name in "ab":
            ledger.append(self.record(name))
        lines = ledger.folder.ledger_file.read_bytes().splitlines(keepends=True)
        ledger.folder.ledger_file.write_bytes(lines[0] + lines[1][:left])
        ledger.append(self.record("c"))
        assert [sealed.sequence for sealed in ledger.read()] == [1, 3]
        assert [one.text for one in breaks(ledger.read(), ledger.head())] == ["Record 2 is missing."]

    def test_an_editor_that_takes_the_last_lines_end_does_no_harm(self, folder: Path) -> None:
        ledger = ledger_of(folder)
        ledger.append(self.record("a"))
        ledger.folder.ledger_file.write_bytes(ledger.folder.ledger_file.read_bytes().rstrip())
        ledger.append(self.record("b"))
        assert [record.name for record in records(folder)] == ["a", "b"]

    def test_is_found_from_below(self, folder: Path) -> None:
        ledger_of(folder).append(self.record("a"))
        (folder / "x" / "y").mkdir(parents=True)
        assert LocalLedger.above(folder / "x" / "y") == ledger_of(folder)
        assert LocalLedger.above(folder.parent) is None


class TestCode:
    def test_is_put_back_as_it_was(self, folder: Path, tmp_path: Path) -> None:
        script(folder, "print(1)\n")
        (folder / "sub").mkdir()
        script(folder / "sub", "#!/bin/sh\n", "run.sh")
        (folder / "sub" / "run.sh").chmod(0o755)
        audit = AuditFolder(tmp_path / "audit")
        audit.root.mkdir()
        taken = snapshot.taken(audit, folder, code_files.code_files(folder))
        snapshot.keep(audit, taken)
        assert taken.tree == digests.tree(folder)
        assert not snapshot.taken(audit, folder, code_files.code_files(folder)).fresh
        snapshot.restore(audit, taken.tree, tmp_path / "back")
        assert digests.matches(taken.tree, tmp_path / "back") == []
        assert os.access(tmp_path / "back" / "sub" / "run.sh", os.X_OK)
        copy = audit.object_file(digests.tree(folder / "train.py").sha256)
        copy.chmod(0o644)
        copy.write_text("print(2)\n")
        assert snapshot.damaged(audit, taken.tree) == [f"The copy of train.py was changed: {copy}."]

    def test_leaves_out_what_is_none(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(code_files, "MAX_FILE_BYTES", 100)
        for name in ("env", "__pycache__", ".academy-audit", "data", "kept", "ignored"):
            (folder / name).mkdir()
            script(folder / name, "", "x.py")
        script(folder / "env", "", "pyvenv.cfg")
        script(folder / "kept", "gitdir: ../.git/modules/kept", ".git")
        script(folder, "ignored/\n", ".amlignore")
        script(folder, "kept/\n", ".gitignore")  # .amlignore stands in its place, as in the SDK
        script(folder, "SECRET=1", ".env")
        script(folder, "0" * 101, "large.bin")
        found = code_files.code_files(folder, [folder / "data"])
        assert found.names == (".amlignore", ".gitignore", "kept/x.py")
        assert [note for note in found.notes if ".env" in note]
        assert [note for note in found.notes if "large.bin" in note and "--data" in note]

    def test_of_a_very_large_folder_is_what_lies_at_the_top(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(code_files, "MAX_FILES", 3)
        for number in range(3):
            (folder / f"a{number}").mkdir()
            script(folder / f"a{number}", "", "x.py")
        script(folder, "", "train.py")
        found = code_files.code_files(folder)
        assert found.names == ("a0/x.py", "a1/x.py", "train.py")
        assert ".amlignore" in found.notes[0]

    @pytest.mark.skipif(shutil.which("git") is None, reason="git says what is right")
    @pytest.mark.parametrize(
        "patterns",
        [
            "*.log",
            "/build/",
            "build",
            "data/*\n!data/keep.csv",
            "data/\n!data/keep.csv",
            "**/build",
            "doc/**",
            "a/**/b",
            "[12].bin",
            "[!1].bin",
            "\\#h",
            "foo bar.txt",
            "*\n!*.py",
            "x\\[1\\].txt",
            "a/*/b",
            "# no",
        ],
    )
    def test_patterns_mean_what_they_mean_to_git(self, folder: Path, patterns: str) -> None:
        names = ["a.py", "b.log", "d/b.log", "build/x.py", "src/build/y.py", "data/t.csv", "data/keep.csv"]
        names += ["x[1].txt", "#h", "doc/a/z.md", "foo bar.txt", "1.bin", "2.bin", "a/b", "a/x/b", "a/x/y/b"]
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        (folder / ".gitignore").write_text(patterns + "\n")
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
        listed = ["git", "ls-files", "-z", "--others", "--exclude-per-directory=.gitignore"]
        told = subprocess.run(listed, cwd=folder, capture_output=True, text=True).stdout.split("\0")
        ignored = Ignored.of(patterns + "\n")
        assert {name for name in names if not ignored.leaves_out(name)} == set(told) - {"", ".gitignore"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("x --token abc --tokenizer bert", "x --token *** --tokenizer bert"),
        ("x --apiKey=abc --max-tokens 3 --key-column id", "x --apiKey=*** --max-tokens 3 --key-column id"),
        ("DB_PASSWORD=a=b x", "DB_PASSWORD=*** x"),
        ("x https://h/c?sv=1&sig=ab%2F&se=2", "x https://h/c?sv=1&sig=***&se=2"),
        ("x AccountName=a;AccountKey=ab==;End=x", "x AccountName=a;AccountKey=***;End=x"),
        ("x --verbose --password -dash --lr 1", "x --verbose --password *** --lr 1"),
        ("x git@github.com:me/x ssh://git@host/x", "x git@github.com:me/x ssh://git@host/x"),
    ],
)
def test_secrets_on_a_command_line_are_masked(given: str, kept: str) -> None:
    assert " ".join(secrecy.masked(given.split()).command) == kept


def test_secrets_in_a_shells_text_are_masked_and_code_is_not() -> None:
    text = "export API_TOKEN='abc'; python x.py --secret abc && curl -H 'Authorization: Bearer abc'"
    assert "abc" not in secrecy.masked(["bash", "-c", text]).command[2]
    code = "sorted(rows, key=len); tokens = 3"
    assert secrecy.masked(["python", "-c", code]).command[2] == code


@pytest.mark.parametrize(
    ("command", "stem", "parameters"),
    [
        ("python -u -X dev train.py --lr 0.1", "train", {"lr": "0.1"}),
        ("python3.12 -m pkg.fit --x=1 pos", "fit", {"x": "1"}),
        ("python -c pass --a", "python", {"a": "true"}),
        ("env A=1 nohup .venv/bin/python src/go.py lr=2", "go", {"lr": "2"}),
        ("bash train.sh --layers 3 4", "train", {"layers": "3 4"}),
        ("./tool.sh --n -5", "tool", {"n": "-5"}),
        ("bash -lc make --jobs 2", "bash", {"jobs": "2"}),
        ("./tool -c setting", "tool", {"c": "setting"}),
    ],
)
def test_a_command_line_tells_the_name_and_the_parameters(
    command: str, stem: str, parameters: dict[str, str]
) -> None:
    name, arguments = command_line.script(command.split())
    assert (name, command_line.parameters(arguments)) == (stem, parameters)


def test_which_python_a_script_runs_is_said_to_be_guessed(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(sys.executable)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert command_line.interpreter(["python", "x.py"], path).executable == tmp_path / "python"
    guessed = command_line.interpreter(["bash", "x.sh"], path)
    assert guessed.executable == tmp_path / "python"
    assert guessed.note is not None
    assert "It is not known which Python 'bash' runs" in guessed.note


def test_nothing_slow_is_imported_before_the_command_starts() -> None:
    slow = ("mlflow", "azure", "sqlalchemy", "pandas", "numpy", "starlette", "alembic", "cryptography")
    text = "import sys, academy.cli.audit_run, academy.audit.local.run; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout
    assert not {name.partition(".")[0] for name in loaded.split()} & set(slow)


def test_help_shows_how(run: Run) -> None:
    shown = run("--help").stdout
    assert "academy audit run -- python train.py --epochs 5" in shown
    assert ".amlignore" in shown


def test_the_json_of_a_record_reads_back(run: Run, folder: Path) -> None:
    assert run("--", "true").returncode == 0
    (line,) = ledger_of(folder).folder.ledger_file.read_text().splitlines()
    body = json.loads(line)["body"]
    assert json.loads(json.dumps(Record.from_json(body).to_json())) == body


def test_a_repository_s_settings_run_nothing_and_another_s_index_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other, ran = tmp_path / "own", tmp_path / "other", tmp_path / "ran"
    for folder in (own, other):
        folder.mkdir()
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
        (folder / f"{folder.name}.py").write_text("")
    program = tmp_path / "monitor"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    subprocess.run(["git", "-C", str(own), "config", "core.fsmonitor", str(program)], check=True)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert code_files.code_files(own).names == ("own.py",)
    assert not ran.exists()


def test_a_python_that_does_not_answer_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "_PATIENCE_S", 0.1)
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    audit = AuditFolder(tmp_path / "work" / AuditFolder.NAME)
    audit.root.mkdir(parents=True)
    survey = surroundings.Survey(audit, command_line.Interpreter(slow), dict(os.environ))
    survey.begin(snapshot.taken(audit, audit.root.parent, code_files.code_files(audit.root.parent)))
    found = survey.end()
    assert found.software.packages == ()
    assert any(note.startswith("The packages are not known: ") for note in found.notes)
