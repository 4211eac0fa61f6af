"""What goes wrong with an environment."""

from __future__ import annotations

from academy.errors import UserError


class EnvironmentBuildError(UserError):
    """The environment cannot be built as it is described; the message names the package at fault."""

    code = "ImageBuildFailure"
