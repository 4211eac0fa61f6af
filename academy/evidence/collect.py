"""What a supervisor notes of the run that it sees through. Nothing that it meets here ends the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from academy.datasets.ports import InputMode, InputPlan, OutputMode, OutputPlan, PortKind
from academy.environments.built import BuiltEnvironment
from academy.environments.definition import EnvironmentSpec
from academy.environments.folders import kept_hashes
from academy.evidence import digests, sightings, software
from academy.evidence.credentials import printable, without_credentials
from academy.evidence.evidence import Data, Evidence, Machine, Package, Tree
from academy.evidence.hashes import Hasher, Memory
from academy.evidence.kept_packages import packages_at_hand
from academy.evidence.notes import Notes
from academy.evidence.secrecy import MASK, is_secret, known, without_secrets
from academy.evidence.sightings import Sighting

# A folder that the run may write to is read before the run, up to the size that others are copied.
_READ_AT_ONCE_BYTES = 64 << 20

# What a job leaves in ./outputs is its output ``default``, as on Azure.
DEFAULT_OUTPUT = "default"


@dataclass(frozen=True)
class Ports:
    """What a run is given and is to leave. ``left`` is the folder of what it left without naming it."""

    inputs: Sequence[InputPlan] = ()
    outputs: Sequence[OutputPlan] = ()
    left: Path | None = None


class Collector:
    """One run: its supervisor says what happens when it happens, and asks for the evidence at the end.

    ``named`` are the names of the variables that its document sets. The values of all ``variables`` are
    looked at only so that none that is a secret stands in the command.
    """

    def __init__(
        self,
        machine: Machine,
        spec: EnvironmentSpec,
        ports: Ports,
        variables: Mapping[str, str],
        named: Sequence[str],
    ) -> None:
        self._machine = machine
        self._spec = spec
        self._ports = ports
        literals = {plan.name: plan.value or "" for plan in ports.inputs if plan.kind is PortKind.LITERAL}
        self._secrets = known(variables, literals)
        self._named = named
        self._built: BuiltEnvironment | None = None
        self._shared: tuple[Package, ...] | None = None
        self._command: str | None = None
        self._code: Sighting | None = None
        self._inputs: dict[str, Sighting] = {}
        self._notes = Notes()

    def uses(self, built: BuiltEnvironment) -> None:
        """Note the environment, the run's private one if it has one."""
        self._built = built

    def takes_code(self, folder: Path) -> None:
        """Note the code, which the run gets a copy of."""
        self._code = self._notes.tried("The code", lambda: sightings.sight(folder))

    def takes_input(self, plan: InputPlan, place: str, began_ns: int) -> None:
        """Note an input that is at ``place`` now; making it ready began at ``began_ns`` (Unix time)."""
        if plan.kind is PortKind.LITERAL or plan.mode is InputMode.DIRECT:
            return
        what = _of_input(plan)
        evaluated = plan.mode is not None and plan.mode.evaluates
        origin = None if evaluated else plan.path
        shown_as = str(origin) if origin else _address(plan)
        seen = self._notes.tried(
            what,
            lambda: sightings.sight(Path(place), shown_as=shown_as, origin=origin, began_ns=began_ns),
        )
        if seen is None:
            return
        if plan.mode is InputMode.READ_WRITE_MOUNT and sightings.size(seen) <= _READ_AT_ONCE_BYTES:
            tree = self._notes.tried(what, lambda: sightings.read(seen, _hasher())[0])
            self._inputs[plan.name] = replace(seen, tree=tree)
        else:
            self._inputs[plan.name] = seen

    def starts(self, command: str) -> None:
        """Note the command line that runs now, and what is known already of what it runs on."""
        self._command = without_secrets(command, self._secrets)
        built = self._built
        if built is not None:
            self._shared = self._notes.tried("The environment", lambda: packages_at_hand(built.site))

    def evidence(self, stop: Callable[[], bool] = lambda: False) -> Evidence:
        """Look at all of it; when ``stop`` says so, what is not read yet stays unread, with a note."""
        hasher = _hasher(stop)
        started = self._command is not None
        if not started:
            self._notes.add("It ended before its command started.")
        return Evidence(
            machine=self._machine,
            software=software.known(self._built, self._spec, self._notes, self._shared),
            command=self._command,
            code=self._settled("The code", self._code, hasher),
            inputs=tuple(self._input(plan, hasher) for plan in self._ports.inputs),
            outputs=tuple(self._outputs(hasher)) if started else (),
            variables=tuple(sorted(map(printable, self._named))),
            notes=self._notes.texts,
        )

    def _input(self, plan: InputPlan, hasher: Hasher) -> Data:
        if plan.kind is PortKind.LITERAL:
            value = MASK if is_secret(plan.name) else without_secrets(plan.value or "", self._secrets)
            return Data(plan.name, plan.kind.value, value=value)
        if plan.mode is InputMode.DIRECT:
            self._notes.add(
                f"{_of_input(plan)} is handed over as an address (mode direct): what was read from it is not "
                "known."
            )
        tree = self._settled(_of_input(plan), self._inputs.get(plan.name), hasher)
        return Data(plan.name, plan.kind.value, _address(plan), tree=tree)

    def _outputs(self, hasher: Hasher) -> Iterator[Data]:
        for plan in self._ports.outputs:
            what, tree = f"The output {plan.name!r}", None
            if plan.mode is OutputMode.DIRECT:
                self._notes.add(f"{what} is an address (mode direct): what was written to it is not known.")
            else:
                tree = self._hashed(what, plan.target, hasher)
            yield Data(plan.name, plan.kind.value, without_credentials(plan.uri), tree=tree)
        if self._ports.left is not None and self._ports.left.is_dir():
            tree = self._hashed("What it left in ./outputs", self._ports.left, hasher)
            yield Data(DEFAULT_OUTPUT, PortKind.URI_FOLDER.value, tree=tree)

    def _hashed(self, what: str, path: Path, hasher: Hasher) -> Tree | None:
        if not path.exists():
            return None
        return self._notes.tried(what, lambda: digests.tree(path, hasher=hasher))

    def _settled(self, what: str, seen: Sighting | None, hasher: Hasher) -> Tree | None:
        """Return the tree of something as the run saw it, and note of what that is not sure."""
        found = None if seen is None else self._notes.tried(what, lambda: sightings.read(seen, hasher))
        if seen is None or found is None:
            return None
        tree, unsure = found
        if unsure:
            when = "at its end" if seen.tree is None else "before it started"
            self._notes.add(
                f"{what} was changed while it ran ({sightings.named(unsure)}): the hashes are of what was "
                f"there {when}."
            )
        return tree


def _hasher(stop: Callable[[], bool] = lambda: False) -> Hasher:
    return Hasher(Memory(kept_hashes()), stop)


def _of_input(plan: InputPlan) -> str:
    return f"The input {plan.name!r}"


def _address(plan: InputPlan) -> str:
    return printable(without_credentials(plan.uri or plan.url or ""))
