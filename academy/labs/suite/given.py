"""Whose parameters are given: the rules of ``academy test`` and of pytest's plugin."""

from __future__ import annotations

from collections.abc import Sequence

from academy.errors import UserError
from academy.labs.collection import Lab


def lab_with_parameters(labs: Sequence[Lab], *, update: bool, named: str, update_named: str) -> Lab:
    """Return the lab that parameters are for; ``named`` and ``update_named`` are what the options are called.

    Raises
    ------
    UserError
        There is not one lab, or the outputs are to be stored.
    """
    if len(labs) != 1:
        raise UserError(f"Parameters ({named}) are those of one lab: name it.")
    if update:
        raise UserError(
            f"With parameters ({named}), outputs are not those to store: leave {update_named} out."
        )
    return labs[0]
