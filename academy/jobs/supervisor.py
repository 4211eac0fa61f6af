"""The process that sees one job through: environment, inputs, command, outputs, record.

It has no database and asks the service nothing: the plan holds all it needs, and the folder is the
record. It outlives the service, and the service may be killed at any moment of its life.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from academy.datasets import inputs, outputs, trees
from academy.datasets.ports import InputPlan, PortKind
from academy.environments.build import BuiltEnvironment, build
from academy.environments.definition import EnvironmentSpec
from academy.errors import AcademyError
from academy.evidence.collect import Collector, Ports
from academy.evidence.evidence import Machine
from academy.jobs import artifacts, failures
from academy.jobs.expressions import Value, Values, expand
from academy.jobs.own_log import Log
from academy.jobs.plan import CommandPlan
from academy.jobs.processes import MARK, ProcessId, become_subreaper
from academy.jobs.record import Done, JobError, JobStatus, State
from academy.jobs.signals import Ending, Interrupted, Signals
from academy.jobs.tree import Tree
from academy.jobs.variables import inherited, port_variables, set_by_document
from academy.paths import ArtifactFolder, JobFolder

# What processes get that are left running in the background when the command itself is over.
_LEFT_OVER_GRACE_S = 1.0

# How long a full disk is waited for, and how often it is looked at, when all that is left is the record.
_ROOM_PATIENCE_S = 3600.0
_ROOM_PAUSE_S = 1.0

# Reading what a job read and wrote, for its evidence, takes at most this, or as long as the job ran. A job
# that was told to end is not kept waiting.
_READING_S = 60.0
_HURRIED_S = 2.0


@dataclass(frozen=True)
class Prepared:
    """What runs, and the environment variables that it runs with."""

    command: str
    variables: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """How the job ended, before it is written down."""

    status: JobStatus
    error: JobError | None = None


def make_ready(machine: Machine) -> Signals:
    """Do what every supervisor does first; it is done before there is a job.

    After a fork, memory is copied page by page as it is first touched, which would double what a
    supervisor adds to a small job. So it goes once through the motions here.
    """
    become_subreaper()
    signals = Signals()
    # Without room for a rehearsal (a full disk) the job is a little slower.
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory(prefix="academy-rehearsal-") as scratch:
        folder = JobFolder(Path(scratch))
        own = EnvironmentSpec("academy", "1", own=True)
        plan = CommandPlan("", "", ":", own, ArtifactFolder(folder.root / "artifacts"))
        plan.write(folder)
        Supervisor(folder, CommandPlan.read(folder) or plan, signals, machine).rehearse()
    return signals


def supervise(folder: JobFolder, signals: Signals, machine: Machine, *, accepted_at: float) -> None:
    """Run the job in ``folder`` to its end and write its record."""
    plan = CommandPlan.read(folder)
    assert plan is not None, f"{folder.plan_file} is missing"
    Supervisor(folder, plan, signals, machine).run(accepted_at)


class Supervisor:
    """One job on its way through its statuses."""

    def __init__(self, folder: JobFolder, plan: CommandPlan, signals: Signals, machine: Machine) -> None:
        self._folder = folder
        self._plan = plan
        self._signals = signals
        self._tree = Tree(signals)
        self._state = State(JobStatus.NOT_STARTED, ProcessId.of(os.getpid()), warnings=plan.warnings)
        self._system_log = Log(plan.artifacts.system_log)
        self._build_log = Log(plan.artifacts.build_log)
        self._ended_at: float | None = None
        ports = Ports(plan.inputs, plan.outputs, plan.artifacts.root / "outputs")
        named = set_by_document(plan.variables)
        self._seen = Collector(machine, plan.environment, ports, plan.variables, named)

    def run(self, accepted_at: float) -> None:
        """See the job through; whatever happens, the last thing written is the record."""
        if not self._claim():
            return
        outcome = Outcome(JobStatus.FAILED, _unexpected(self._folder))
        try:
            outcome = self._attempt()
        finally:
            self._tree.end(_LEFT_OVER_GRACE_S)
            self._write_evidence()
            done = Done(
                status=outcome.status,
                accepted_at=accepted_at,
                done_at=time.time(),
                started_at=self._state.times.get(JobStatus.RUNNING.value),
                ended_at=self._ended_at,
                exit_code=self._tree.code,
                error=outcome.error,
                warnings=self._state.warnings,
            )
            self._record(done)

    def _record(self, done: Done) -> None:
        """Write the record; while the disk is full, wait for room, for how the job ended is worth keeping.

        A job whose folder was removed has no record any more.
        """
        deadline = time.monotonic() + _ROOM_PATIENCE_S
        while True:
            try:
                done.write(self._folder)
            except FileNotFoundError:
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                self._signals.wait(_ROOM_PAUSE_S)
            else:
                return

    def _write_evidence(self) -> None:
        """Write down what was seen of the run. That it cannot be is no reason for the job to fail."""
        ending, now = self._signals.ending, time.monotonic()
        ran_s = time.time() - self._state.times.get(JobStatus.RUNNING.value, time.time())
        deadline = now + (max(_READING_S, ran_s) if ending is None else _HURRIED_S)

        def stop() -> bool:
            return time.monotonic() > deadline or self._signals.ending is not ending

        try:
            self._seen.evidence(stop).write(self._folder.evidence_file)
        except FileNotFoundError:
            return  # the job's folder was removed
        except Exception:  # noqa: BLE001  whatever it is: in the supervisor's log, and the record follows
            with contextlib.suppress(OSError):  # the disk may be full
                traceback.print_exc()

    def rehearse(self) -> None:
        """Do all that comes before and after a command, but not the command."""
        self._claim()
        self._enter(JobStatus.PREPARING)
        self._prepare()
        artifacts.collect(self._folder.work, self._plan.artifacts, self._line)
        self._seen.starts(self._plan.command)
        self._write_evidence()

    def _claim(self) -> bool:
        """Make the working directory; False when there is one, because another supervisor has the job.

        A service that is killed right after it asked for a supervisor asks for another one when it
        starts again. Only one of the two may run the job.
        """
        try:
            self._folder.work.mkdir()
        except FileExistsError:
            return False
        return True

    def _attempt(self) -> Outcome:
        if self._folder.cancel_file.exists():
            self._signals.request(Ending.CANCEL)
        try:
            self._enter(JobStatus.PREPARING)
            with self._signals.interrupting():
                prepared = self._prepare()
            ending = self._execute(prepared)
            return self._finalize(ending)
        except Interrupted as interruption:
            return self._ended_by(interruption.ending)
        except AcademyError as error:
            return Outcome(JobStatus.FAILED, JobError.of(error))
        except OSError as error:
            # A full disk, most of all; the traceback is of no use to the learner.
            return Outcome(JobStatus.FAILED, JobError("StorageError", f"The job cannot go on: {error}."))

    def _prepare(self) -> Prepared:
        plan, folder = self._plan, self._folder
        cache = folder.fresh_environments if plan.fresh_environment else None
        built = build(plan.environment, log=self._build_line, cache=cache)
        if built.note:
            self._warn(built.note)
        if _may_install(plan):
            built = built.private(folder.environment)
        self._seen.uses(built)
        values = Values(
            inputs={item.name: self._input(item) for item in plan.inputs},
            outputs={item.name: Value(outputs.prepare(item, folder.outputs), True) for item in plan.outputs},
        )
        if plan.code is not None:
            # A copy of its own: the code asset is immutable, and a script may write beside itself.
            self._seen.takes_code(plan.code)
            trees.copy(trees.entries(plan.code), folder.work)
        artifacts.prepare(folder.work, plan.artifacts)
        return Prepared(expand(plan.command, values), self._variables(built, values))

    def _input(self, item: InputPlan) -> Value:
        began_ns = time.time_ns()
        value = inputs.materialise(item, self._folder.inputs, self._line)
        self._seen.takes_input(item, value, began_ns)
        return Value(value, is_data=item.kind is not PortKind.LITERAL)

    def _variables(self, built: BuiltEnvironment, values: Values) -> dict[str, str]:
        variables = built.process_environment(inherited(os.environ))
        # Without this a script's prints would reach the log, and `stream`, only when it ends.
        variables.setdefault("PYTHONUNBUFFERED", "1")
        variables.update(port_variables(values))
        variables.update(self._plan.variables)
        variables[MARK] = str(self._folder.root)
        return variables

    def _execute(self, prepared: Prepared) -> Ending | None:
        """Run the command to its end, or end it; return why it was ended, if it was."""
        log = self._plan.artifacts.user_log
        if self._state.warnings:
            log.write_text("".join(f"[academy] warning: {text}\n" for text in self._state.warnings))
        pid = self._tree.start(
            prepared.command, environment=prepared.variables, directory=self._folder.work, log=log
        )
        self._seen.starts(prepared.command)
        self._enter(JobStatus.RUNNING, process=ProcessId.of(pid))
        ending = self._wait()
        self._ended_at = time.time()
        self._tree.end(_LEFT_OVER_GRACE_S if ending is None else self._plan.grace_s)
        return ending

    def _wait(self) -> Ending | None:
        limit_s = self._plan.timeout_s
        deadline = None if limit_s is None else time.monotonic() + limit_s
        while True:
            self._tree.reap()
            if self._tree.code is not None:
                return None
            if self._signals.ending is not None:
                return self._signals.ending
            left_s = None if deadline is None else deadline - time.monotonic()
            if left_s is not None and left_s <= 0:
                return Ending.TIMEOUT
            self._signals.wait(left_s)

    def _finalize(self, ending: Ending | None) -> Outcome:
        self._enter(JobStatus.FINALIZING)
        artifacts.collect(self._folder.work, self._plan.artifacts, self._line)
        code = self._tree.code
        succeeded = ending is None and code == 0
        for item in self._plan.outputs:
            try:
                outputs.collect(item, self._folder.outputs, self._line)
            except AcademyError:
                # What a failed job did not write is no second failure; what it wrote is kept.
                if succeeded:
                    raise
        if ending is not None:
            return self._ended_by(ending)
        if succeeded:
            return Outcome(JobStatus.COMPLETED)
        assert code is not None
        name = f"{self._plan.environment.name}:{self._plan.environment.version}"
        return Outcome(JobStatus.FAILED, failures.of_exit(code, self._plan.artifacts, name))

    def _ended_by(self, ending: Ending) -> Outcome:
        if ending is Ending.CANCEL:
            return Outcome(JobStatus.CANCELED)
        if ending is Ending.SHUTDOWN:
            return Outcome(JobStatus.FAILED, failures.of_shutdown(self._plan.artifacts))
        assert self._plan.timeout_s is not None
        return Outcome(JobStatus.FAILED, failures.of_timeout(self._plan.timeout_s, self._plan.artifacts))

    def _enter(self, status: JobStatus, process: ProcessId | None = None) -> None:
        self._state = self._state.entered(status, process=process or self._state.process)
        self._state.write(self._folder)
        self._line(status.value)

    def _warn(self, text: str) -> None:
        self._state = replace(self._state, warnings=(*self._state.warnings, text))
        self._line(f"warning: {text}")

    def _line(self, text: str) -> None:
        self._system_log.write(text)

    def _build_line(self, text: str) -> None:
        self._build_log.write(text)


def _may_install(plan: CommandPlan) -> bool:
    """Say whether the job could install packages; else it needs no environment of its own for them."""
    return bool(plan.code or plan.inputs or re.search("pip|install", plan.command))


def _unexpected(folder: JobFolder) -> JobError:
    return JobError(
        "InternalError",
        "The supervisor of the job met an error that it did not expect. Please report it together with "
        f"{folder.supervisor_log}.",
    )
