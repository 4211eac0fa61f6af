"""What a command about records is told: which thing, in which service or folder of scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from academy.audit.record import Kind
from academy.audit.target import SPELLING, Target
from academy.cli.verb import Scope
from academy.errors import NotFound
from academy.paths import AuditFolder
from academy.store.ids import DEFAULT_WORKSPACE, Workspace

if TYPE_CHECKING:
    from academy.audit.chain import Sealed
    from academy.audit.export import LocalRuns
    from academy.audit.finding import Records
    from academy.audit.local.ledger import LocalLedger
    from academy.service.loopback import Loopback
    from academy.service.process import ServiceInfo

Callback = Callable[..., Any]

_KINDS = (Kind.JOB, Kind.MODEL, Kind.DEPLOYMENT, Kind.RUN)
_SERVICE = ("workspace_name", "resource_group", "subscription")
# Where the document of each kind says how far it is.
_STATUS = {Kind.JOB: "status", Kind.DEPLOYMENT: "provisioningState"}
_UNDER_WAY = frozenset(
    {"NotStarted", "Queued", "Starting", "Preparing", "Running", "Finalizing", "CancelRequested"}
    | {"Creating", "Updating", "Scaling", "Deleting"}
)


@dataclass(frozen=True)
class Opened:
    """The records that a command is about. Without a target, it is about all of them.

    ``id`` is the one that the target's records have. ``folder`` is the scripts' folder whose records these
    are; None for a service's. ``is_found`` says that nobody named this ledger: it was at hand. ``runs``
    are the records of local runs at hand: one may have written what is in the service.
    """

    target: Target | None
    id: str | None
    records: Records
    folder: AuditFolder | None = None
    service: Loopback | None = None
    is_found: bool = False
    runs: LocalLedger | None = None

    @property
    def place(self) -> str:
        """Where the ledger is: the folder of local runs' records, or the service's home."""
        if self.folder is not None:
            return str(self.folder.root)
        return self.service.info.home if self.service is not None else ""

    @property
    def title(self) -> str:
        """Say whose records these are, where there may be others."""
        return title_of_runs(self.folder) if self.folder else f"The service of {self.place}"

    def local_runs(self) -> LocalRuns | None:
        """Read the records of local runs at hand."""
        from academy.audit.export import LocalRuns
        from academy.audit.finding import whole

        if self.runs is None:
            return None
        return LocalRuns(str(self.runs.folder.root), *whole(self.runs))

    def sealed(self) -> Sequence[Sealed]:
        """Return the records of the target, oldest first (all records when there is none).

        Raises
        ------
        NotFound
            The target has no record; the message says why, or suggests other names.
        """
        from academy.audit.finding import not_on_record

        found = self.records.read(id=self.id)
        if self.target is not None and not found:
            raise not_on_record(self.target, self.records, self._why_not())
        return found

    def _why_not(self) -> str:
        if self.service is None or self.target is None:
            return ""
        try:
            document = self.service.get(str(self.id))
        except NotFound:
            return ""
        status = document.get("properties", {}).get(_STATUS.get(self.target.kind, ""))
        if status in _UNDER_WAY:
            done = "ends" if self.target.kind is Kind.JOB else "is done"
            return f"it is {status}. Its record is written when it {done}."
        return "it is older than the audit trail of this home. What is made from now on is recorded."


def title_of_runs(folder: AuditFolder) -> str:
    """Say whose the records in a folder are."""
    return f"Local runs of {folder.root.parent}"


def target_options(callback: Callback) -> Callback:
    """Add the options that ``opened`` reads; the command gets them as keywords."""
    texts = {
        "--job": (SPELLING[Kind.JOB], "A job of the service."),
        "--model": ("NAME[:VERSION]", "A model; the newest version on record when none is given."),
        "--deployment": (SPELLING[Kind.DEPLOYMENT], "An online deployment."),
        "--run": (SPELLING[Kind.RUN], "A local script's run, made with 'academy audit run'."),
        "--ledger": (
            "DIR",
            "The folder of local runs, also of one that wrote the model. Default: the nearest one with "
            ".academy-audit, upwards.",
        ),
        "--workspace-name": ("NAME", "Default: the home's own workspace."),
        "--resource-group": ("NAME", ""),
        "--subscription": ("ID", ""),
    }
    short = {"--workspace-name": ("-w",), "--resource-group": ("-g",)}
    for flag, (metavar, text) in reversed(texts.items()):
        callback = click.option(flag, *short.get(flag, ()), metavar=metavar, help=text)(callback)
    return callback


def opened(scope: Scope, options: Mapping[str, Any], *, needed: bool = True) -> Opened:
    """Return what the options of ``target_options`` name.

    Parameters
    ----------
    needed
        A target must be named. Without it, none stands for all records.

    Raises
    ------
    click.UsageError
        No target where one is needed, several, or options that do not go together.
    NotFound
        There is no folder of local runs, or no model of the name. Whether the target has records is not
        looked at: ``Opened.sealed`` does.
    """
    kind = _only_kind(options, needed)
    local = kind is Kind.RUN or (kind is None and options.get("ledger") is not None)
    _check_place(options, kind, local)
    if local:
        return _of_folder(kind, options)
    from academy.cli.service import running

    return _of_service(running(scope), kind, options)


def opened_all(scope: Scope, options: Mapping[str, Any]) -> tuple[Opened, ...]:
    """Return what ``opened`` does; without any option, each ledger that is at hand, local runs first.

    A service is not started for that.

    Raises
    ------
    NotFound
        No ledger is at hand: there are no local runs, and the service does not run.
    """
    from academy.audit.local.ledger import LocalLedger
    from academy.service.process import status

    is_said = any(value is not None for value in options.values()) or _home_is_given()
    local = None if is_said else LocalLedger.above(Path.cwd())
    if is_said:
        return (opened(scope, options, needed=False),)
    service = status(scope.home)
    if local is None:
        if service.state in ("stopped", "stale"):
            raise NotFound(
                f"No service of {scope.home.root} runs, and there are no local runs in {Path.cwd()} or a "
                "folder above it. 'academy up' starts the service; 'academy audit run -- python train.py' "
                "makes a local run."
            )
        return (opened(scope, options, needed=False),)
    found = Opened(None, None, local, local.folder, is_found=True)
    if service.info is None or service.state != "running":
        if scope.home.database_file.exists():
            root = scope.home.root
            click.echo(
                f"The service of {root} does not run, and its records are left out: --home {root} starts it.",
                err=True,
            )
        return (found,)
    return found, replace(_of_service(service.info, None, options), is_found=True)


def _home_is_given() -> bool:
    context = click.get_current_context()
    return context.get_parameter_source("home") is ParameterSource.COMMANDLINE or bool(
        context.find_root().params.get("home")
    )


def local_ledger(given: str | None) -> LocalLedger:
    """Return the records of local runs: of the folder given, or of the nearest one upwards that has some."""
    from academy.audit.local.ledger import LocalLedger

    start = Path.cwd() if given is None else Path(given).expanduser().absolute()
    if given is None:
        found = LocalLedger.above(start)
    else:
        root = start if start.name == AuditFolder.NAME else start / AuditFolder.NAME
        found = LocalLedger(AuditFolder(root)) if root.is_dir() else None
    if found is None:
        where = f"{start} or a folder above it" if given is None else f"{start}"
        raise NotFound(
            f"There is no {AuditFolder.NAME} in {where}. 'academy audit run -- python train.py' makes one "
            "with the first run; --ledger DIR names another folder."
        )
    return found


def _only_kind(options: Mapping[str, Any], needed: bool) -> Kind | None:
    given = [kind for kind in _KINDS if options.get(kind) is not None]
    if len(given) > 1:
        named = " and ".join(f"--{kind}" for kind in given)
        raise click.UsageError(f"Give one of {_flags()}, not {named} together.")
    if needed and not given:
        raise click.UsageError(f"Say what it is about: {_flags()}. 'academy audit show' lists what there is.")
    return given[0] if given else None


def _check_place(options: Mapping[str, Any], kind: Kind | None, local: bool) -> None:
    if options.get("ledger") is not None and kind is Kind.JOB:
        raise click.UsageError(f"--ledger names a folder of local runs; a {kind} is in the service.")
    if local and any(options.get(name) is not None for name in _SERVICE):
        raise click.UsageError("Local runs are in no workspace. Leave -w, -g and --subscription out.")


def _of_folder(kind: Kind | None, options: Mapping[str, Any]) -> Opened:
    target = None if kind is None else Target.of(kind, options[kind])
    ledger = local_ledger(options.get("ledger"))
    return Opened(target, target.below("") if target else None, ledger, ledger.folder, runs=ledger)


def _of_service(info: ServiceInfo, kind: Kind | None, options: Mapping[str, Any]) -> Opened:
    from academy.audit.finding import LATEST, newest_version
    from academy.service.kept_records import KeptRecords
    from academy.service.loopback import Loopback

    records = KeptRecords(info)
    workspace = _workspace(options).id
    if kind is None:
        return Opened(None, None, records, service=Loopback(info))
    name = options[kind]
    if kind is Kind.MODEL and name and (name.endswith(LATEST) or not set(":/") & set(name)):
        target = newest_version(name, workspace, records)
    else:
        target = Target.of(kind, name)
    id = target.below(workspace)
    return Opened(target, id, records, service=Loopback(info), runs=_runs_at_hand(options))


def _runs_at_hand(options: Mapping[str, Any]) -> LocalLedger | None:
    from academy.audit.local.ledger import LocalLedger

    given = options.get("ledger")
    return local_ledger(given) if given is not None else LocalLedger.above(Path.cwd())


def _workspace(options: Mapping[str, Any]) -> Workspace:
    return Workspace(
        options.get("subscription") or DEFAULT_WORKSPACE.subscription,
        options.get("resource_group") or DEFAULT_WORKSPACE.resource_group,
        options.get("workspace_name") or DEFAULT_WORKSPACE.name,
    )


def _flags() -> str:
    return ", ".join(f"--{kind} {SPELLING[kind]}" for kind in _KINDS)
