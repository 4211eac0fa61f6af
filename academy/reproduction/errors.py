"""What keeps something from being reproduced, before anything is started."""

from __future__ import annotations

from academy.errors import UserError


class NotReproducible(UserError):
    """What it takes is not there any more, or is not what it was; the message names each thing."""

    code = "NotReproducible"
