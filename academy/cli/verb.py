"""What every command has: the home and the workspace, output formats, and errors in one line."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import click

from academy.cli.failures import explain
from academy.cli.output import FORMATS, render
from academy.errors import AcademyError
from academy.paths import Home

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

# Options of az that take several values after one flag: --set a=1 b=2.
_SEVERAL = ("--set", "--tags", "--traffic", "--mirror-traffic")

PATIENCE_S = 1.0


class Failure(click.ClickException):
    """Ends the command with one line on stderr and an exit status."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        setattr(self, "exit_code", exit_code)  # noqa: B010  click declares it for the class

    def show(self, file: Any = None) -> None:
        click.echo(f"academy: {self.format_message()}", file=file or sys.stderr)


@dataclass(frozen=True)
class Scope:
    """Which service, and which of its workspaces, a command is about."""

    home: Home
    workspace: str | None = None
    resource_group: str | None = None
    subscription: str | None = None

    def client(self) -> MLClient:
        """Return the SDK's client, starting the service when it does not run."""
        with said_when_slow(f"Starting the service of {self.home.root}, or waiting for it …"):
            from academy.client import connect  # what makes these commands slower than --help

        return connect(
            self.home.root,
            workspace=self.workspace,
            resource_group=self.resource_group,
            subscription_id=self.subscription,
        )


class ServiceCommand(click.Command):
    """A command about the service itself; its callback's first argument is the ``Scope``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [
            click.Option(["--home"], help="The service's folder."),
            click.Option(["--debug"], is_flag=True, help="Show tracebacks and the SDK's log."),
        ]

    def invoke(self, ctx: click.Context) -> Any:
        root = ctx.find_root().params
        debug = bool(ctx.params.pop("debug") or root.get("debug"))
        ctx.obj = Scope(Home.locate(ctx.params.pop("home") or root.get("home")))
        try:
            with _talkative() if debug else _quiet():
                return self._run(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            raise Failure("interrupted", 130) from None
        except Exception as error:
            if debug:
                raise
            _fail(error)

    def _run(self, ctx: click.Context) -> Any:
        return super().invoke(ctx)


class Verb(ServiceCommand):
    """A command of ``az ml``: speaks through the SDK, and prints what its callback returns.

    Parameters
    ----------
    prints
        The callback prints its result itself, as ``job stream`` does. Otherwise what the SDK prints on
        the way goes to stderr, and stdout holds the result alone.
    """

    def __init__(self, *args: Any, prints: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prints = prints
        self.params += [
            click.Option(["--workspace-name", "-w"], help="Default: the home's own workspace."),
            click.Option(["--resource-group", "-g"]),
            click.Option(["--subscription"]),
            click.Option(
                ["--output", "-o"], type=click.Choice(FORMATS), default="json", help="How the result looks."
            ),
            click.Option(["--json", "as_json"], is_flag=True, help="The same as --output json."),
            click.Option(
                ["--query"], help="What of the result: name, [0].name, [].id, services.Studio.endpoint."
            ),
        ]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(_each_with_its_flag(args)))

    def _run(self, ctx: click.Context) -> Any:
        params = ctx.params
        ctx.obj = Scope(
            ctx.obj.home,
            params.pop("workspace_name"),
            params.pop("resource_group"),
            params.pop("subscription"),
        )
        output, query = params.pop("output"), params.pop("query")
        if params.pop("as_json"):
            output = "json"
        if self._prints:
            return super()._run(ctx)
        with contextlib.redirect_stdout(sys.stderr):
            result = super()._run(ctx)
            text = None if result is None else render(result, output, query)
        if text:
            click.echo(text)
        return None


def _each_with_its_flag(args: Sequence[str]) -> Iterator[str]:
    flag = None
    for arg in args:
        if arg in _SEVERAL:
            flag = arg
        elif flag is None or arg.startswith("-"):
            flag = None
            yield arg
        else:
            yield from (flag, arg)


@contextlib.contextmanager
def said_when_slow(text: str) -> Iterator[None]:
    """Say on stderr what goes on, when it takes longer than a second."""
    timer = threading.Timer(PATIENCE_S, lambda: click.echo(text, err=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def _talkative() -> Iterator[None]:
    """Show every request of the SDK, and what it says of itself."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop the SDK's notes about itself; what matters comes as a result or an error."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _fail(error: Exception) -> NoReturn:
    if isinstance(error, AcademyError):
        raise Failure(error.message, error.exit_status) from error
    raise Failure(*explain(error)) from error
