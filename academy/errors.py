"""The exception tree of Academy.

Each error knows the HTTP status and the Azure error code that it travels under, and the exit
status of the command line. A message says what is wrong, the value, the valid choices and the
next step, so that it can be shown to a learner as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable


class AcademyError(Exception):
    """Base of every error that Academy raises on purpose.

    Parameters
    ----------
    message
        What is wrong, with the value, the valid choices and the next step.
    target
        The field or resource at fault, in Azure ML's own spelling (``properties.limits.timeout``).
    """

    http_status = 500
    code = "InternalServerError"
    exit_status = 1

    def __init__(self, message: str, *, target: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.target = target


class UserError(AcademyError):
    """The caller sent something that cannot be carried out as it stands."""

    http_status = 400
    code = "UserError"


class InvalidField(UserError):
    """A field of a document holds a value that is not valid."""

    code = "ValidationError"


class Unsupported(UserError):
    """A field or feature of Azure ML that Academy does not have: refused by name, never ignored."""

    code = "NotSupported"


class Unauthenticated(AcademyError):
    """No token, or one that this service did not issue."""

    http_status = 401
    code = "AuthenticationFailed"


class Forbidden(AcademyError):
    """The caller is known, or not trusted to be known, and may not do this."""

    http_status = 403
    code = "AuthorizationFailed"


class NotFound(AcademyError):
    """The named resource does not exist."""

    http_status = 404
    code = "ResourceNotFound"
    exit_status = 3


class Conflict(AcademyError):
    """The resource exists, or is in a state that does not allow this."""

    http_status = 409
    code = "Conflict"


class PreconditionFailed(AcademyError):
    """An ``If-Match`` style condition does not hold."""

    http_status = 412
    code = "PreconditionFailed"


class StorageFull(AcademyError):
    """The disk of the home is full."""

    http_status = 507
    code = "InsufficientStorage"
    exit_status = 5


class ServiceUnavailable(AcademyError):
    """The service, or a part of it, does not answer."""

    http_status = 503
    code = "ServiceUnavailable"
    exit_status = 4


def choices(values: Iterable[object], *, in_order: bool = False) -> str:
    """Return the valid choices as they appear in a message: quoted, comma-separated, sorted or as given."""
    shown = values if in_order else sorted(values, key=str)
    return ", ".join(repr(str(value)) for value in shown) or "none"
