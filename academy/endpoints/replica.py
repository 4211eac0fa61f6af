"""The process that sees one generation of a deployment through: environment, model, replicas.

``python -m academy.endpoints.replica FOLDER``. It has no database and asks the service nothing. It
outlives the service, starts a replica again that has died, and ends when its folder says so or is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

from academy.datasets.trees import copy, entries
from academy.endpoints.logs import append, bound, tail
from academy.endpoints.plan import DeploymentPlan
from academy.endpoints.record import ReplicaStatus, State
from academy.endpoints.servers import Launch
from academy.endpoints.watch import Failed, Watch
from academy.environments.build import BuiltEnvironment, build
from academy.errors import AcademyError
from academy.evidence.machine import machine
from academy.evidence.serving import Placed, Serving, evidence
from academy.jobs.processes import ProcessId
from academy.jobs.signals import Interrupted, Signals
from academy.jobs.variables import inherited
from academy.paths import ReplicaFolder, confined

TAIL_LINES = 20

_BOUND_PERIOD_S = 5.0

# Reading a model, for the deployment's evidence, takes at most this.
_READING_S = 300.0


class Supervisor:
    """One generation on its way from its plan to replicas that serve."""

    def __init__(self, folder: ReplicaFolder, plan: DeploymentPlan, signals: Signals) -> None:
        self._folder = folder
        self._plan = plan
        self._signals = signals
        self._state = replace(_left_over(folder), supervisor=_self())
        self._written: State | None = None
        self._log_start = folder.log_file.stat().st_size if folder.log_file.exists() else 0

    def run(self) -> None:
        """Serve until asked to end; the last thing written says how it ended."""
        log = self._folder.supervisor_log
        end = State(ReplicaStatus.FAILED, error=f"The supervisor met an unexpected error. See {log}.")
        try:
            end = self._attempt()
        except Exception:
            append(log, traceback.format_exc())
            raise
        finally:
            if self._folder.root.is_dir():
                if end.error and not self._folder.evidence_file.exists():
                    self._write_evidence(None)
                end.write(self._folder)

    def _attempt(self) -> State:
        try:
            with self._signals.interrupting():
                self._write(self._state)
                launch = self._prepare()
            watch = Watch(launch, self._state, self._note)
            try:
                self._serve(watch)
            finally:
                watch.end()
        except Interrupted:
            pass
        except Failed as error:
            return State(ReplicaStatus.FAILED, error=self._explained(str(error)))
        except AcademyError as error:
            self._note(error.message)
            return State(ReplicaStatus.FAILED, error=error.message)
        except OSError as error:
            # A full disk, most of all; the traceback is of no use to the learner.
            return State(ReplicaStatus.FAILED, error=f"The deployment cannot be prepared: {error}.")
        return State(ReplicaStatus.STOPPED)

    def _prepare(self) -> Launch:
        """Build the environment and copy model and code; what an earlier supervisor has done is kept."""
        plan, folder = self._plan, self._folder
        for warning in plan.warnings:
            self._note(f"Warning: {warning}")
        built = build(plan.environment, log=self._note)
        if built.note:
            self._note(built.note)
        if not plan.environment.own:
            # What a script installs must not reach others. Each supervisor makes one of its own: replicas
            # that an earlier one has left may still run in that one's.
            own = folder.environment / str(os.getpid())
            shutil.rmtree(own, ignore_errors=True)
            built = built.private(own)
        model_dir, served = self._place_model()
        if plan.code is not None:
            self._place(plan.code, folder.code)
        self._write_evidence(built)
        variables = {
            **built.process_environment(inherited(os.environ)),
            "PYTHONUNBUFFERED": "1",
            "AML_APP_ROOT": str(folder.code),
            "AZUREML_MODEL_DIR": str(model_dir),
            **({"AZUREML_ENTRY_SCRIPT": plan.script} if plan.script else {}),
            **plan.variables,
        }
        return Launch(folder, plan, built.python, variables, served)

    def _place_model(self) -> tuple[Path, Path | None]:
        """Lay the model out as Azure does: ``NAME/VERSION/``, a folder below it, files flat."""
        model = self._plan.model
        if model is None:
            return self._folder.model, None
        directory = confined(self._folder.model, f"{model.name}/{model.version}")
        target = directory / model.source.name
        if model.source.is_file():
            self._place(model.source, directory)
        else:
            self._place(model.source, target)
        return directory, target if model.is_mlflow else None

    def _write_evidence(self, built: BuiltEnvironment | None) -> None:
        """Write down what the replicas are to run on. That it cannot be is no reason not to serve.

        Of replicas that an earlier supervisor has left, that one's evidence holds.
        """
        left = any(replica.process and replica.process.is_alive() for replica in self._state.replicas)
        if left and self._folder.evidence_file.exists():
            self._note("Replicas run already: what they run on is written down.")
            return
        deadline = time.monotonic() + _READING_S
        try:
            seen = evidence(self._serving(built), machine(), lambda: time.monotonic() > deadline)
            seen.write(self._folder.evidence_file)
        except Interrupted:
            raise
        except Exception:  # noqa: BLE001  whatever it is: it is in the log, and the replicas are what counts
            with contextlib.suppress(OSError):  # the disk may be full
                append(self._folder.supervisor_log, traceback.format_exc())

    def _serving(self, built: BuiltEnvironment | None) -> Serving:
        plan, folder, model = self._plan, self._folder, None
        if plan.model is not None:
            name = f"{plan.model.name}/{plan.model.version}/{plan.model.source.name}"
            model = Placed(confined(folder.model, name), plan.model.source)
        code = Placed(folder.code, plan.code) if plan.code else None
        return Serving(plan.environment, built, model, code, tuple(plan.variables))

    def _place(self, source: Path, target: Path) -> None:
        if target.exists():
            return
        self._note(f"Copying {source} to {target}")
        # Beside and renamed, so that a copy which was interrupted is not taken for a whole one.
        partial = target.with_name(f".{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        copy(entries(source), partial)
        partial.rename(target)

    def _serve(self, watch: Watch) -> None:
        bounded = time.monotonic()
        while self._wanted():
            self._write(watch.step(self._state))
            self._signals.wait(watch.pause_s)
            if time.monotonic() - bounded > _BOUND_PERIOD_S:
                bounded = time.monotonic()
                bound(self._folder.log_file)

    def _wanted(self) -> bool:
        stopped = self._folder.stop_file.exists() or self._signals.ending is not None
        return not stopped and self._folder.plan_file.exists()

    def _write(self, state: State) -> None:
        self._state = state
        if state != self._written:
            state.write(self._folder)
            self._written = state

    def _note(self, line: str) -> None:
        append(self._folder.supervisor_log, line)

    def _explained(self, reason: str) -> str:
        lines = tail(self._folder.log_file, TAIL_LINES, since=self._log_start).strip()
        shown = f"\nLast lines of the log:\n{lines}" if lines else ""
        where = f"\nThe whole log: {self._folder.log_file}"
        return f"Deployment {self._plan.deployment!r} could not start: {reason}{shown}{where}"


def main(root: str) -> None:
    """Supervise the generation in ``root``, unless another process does so already."""
    folder = ReplicaFolder(Path(root))
    signals = Signals()
    with folder.plan_file.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        plan = DeploymentPlan.read(folder)
        assert plan is not None, f"{folder.plan_file} is missing"
        Supervisor(folder, plan, signals).run()


def _left_over(folder: ReplicaFolder) -> State:
    """Return where an earlier supervisor was when it was killed, or the beginning."""
    state = State.read(folder)
    return State(ReplicaStatus.PREPARING) if state is None or state.status.is_finished() else state


def _self() -> ProcessId:
    own = ProcessId.of(os.getpid())
    assert own is not None
    return own


if __name__ == "__main__":
    main(sys.argv[1])
