"""The root command. A group's module is imported when one of its commands runs, so that help is fast."""

from __future__ import annotations

import click

from academy import __version__
from academy.cli.lazy import LazyGroup

# Where each command is, and what the root's help says of it.
_SERVICE = {
    "up": ("academy.cli.service:start", "Start the service, unless it runs."),
    "down": ("academy.cli.service:stop", "End the service; jobs that run go on."),
    "status": ("academy.cli.service:status", "Tell whether the service runs, and where."),
    "doctor": ("academy.cli.doctor:doctor", "Check what the service and its jobs need."),
    "logs": ("academy.cli.service:logs", "Show the service's log."),
    "audit": ("academy.cli.audit:audit", "Who did what; what ran, on what, with which result."),
    "open": ("academy.cli.service:open_page", "Open a page of the service in the browser."),
    "kernel": ("academy.cli.kernel:kernel", "Install or remove the Jupyter kernel."),
}
_AZURE = {
    "workspace": ("academy.cli.workspace:workspace", "Workspaces, and config.json."),
    "job": ("academy.cli.job:job", "Jobs."),
    "data": ("academy.cli.data:data", "Data assets."),
    "model": ("academy.cli.model:model", "Models."),
    "environment": ("academy.cli.environment:environment", "Software environments."),
    "component": ("academy.cli.component:component", "Components."),
    "datastore": ("academy.cli.datastore:datastore", "Datastores."),
    "compute": ("academy.cli.compute:compute", "Compute targets."),
    "online-endpoint": ("academy.cli.online_endpoint:online_endpoint", "Online endpoints."),
    "online-deployment": ("academy.cli.online_deployment:online_deployment", "Online deployments."),
}
_MATRIX = {
    "matrix": ("academy.cli.matrix:matrix", "The four environments: show, recommend, migrate."),
}
_LABS = {
    "lab": ("academy.cli.lab:lab", "Labs: list, start, check, submit; release, grade; new, lint."),
    "test": ("academy.cli.suite:test", "Run labs and compare them, as before a class."),
    "class": ("academy.cli.classroom:class_", "What a room needs, and how to set one up."),
}

_EPILOG = """\b
Exit status:
  0  done
  1  refused or failed; the message says why
  2  the command line is not valid
  3  there is no such resource or lab, or no service runs (status)
  4  the service does not answer
  5  the home cannot be written, or its disk is full
  6  the port is taken
  130  interrupted
"""


class _Root(LazyGroup):
    sections = {"Service": _SERVICE, "Matrix": _MATRIX, "Labs": _LABS, "As in az ml": _AZURE}


@click.group(cls=_Root, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="academy")
@click.option("--home", help="The service's folder. Default: ACADEMY_HOME, or the platform's place for data.")
@click.option("--debug", is_flag=True, help="Show tracebacks and the SDK's log.")
def academy(home: str | None, debug: bool) -> None:
    """Azure Machine Learning on one machine."""
