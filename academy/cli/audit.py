"""``academy audit …``: who did what, and what ran; each command's module is imported when it runs."""

from __future__ import annotations

import click

from academy.cli.lazy import LazyGroup

# Where each command is, and what the group's help says of it.
_ACTS = {
    "log": ("academy.cli.audit_log:log", "Show who did what to which resource (also without 'log')."),
}
_RECORDS = {
    "show": ("academy.cli.audit_show:show", "Show what is on record of a job, model, deployment or run."),
    "export": ("academy.cli.audit_export:export", "Write records as JSON, bill of materials or page."),
    "verify": ("academy.cli.audit_verify:verify", "Check records, and what they say, against what is there."),
    "reproduce": ("academy.cli.audit_reproduce:reproduce", "Run it again and compare the metrics."),
    "run": ("academy.cli.audit_run:run", "Run a local script, outside the service, with a record."),
}


class _Audit(LazyGroup):
    sections = {"Records": _RECORDS, "Acts": _ACTS}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # `academy audit` was the log before there were records, and still is.
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["log", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Audit)
def audit() -> None:
    """The audit trail: who did what to which resource; what ran, on what, with which result."""
