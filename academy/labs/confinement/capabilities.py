"""What the system's own root may do beyond any user: given up, for good."""

from __future__ import annotations

import ctypes
import os

_PR_CAPBSET_DROP, _LAST_CAPABILITY = 24, 63
_CAPABILITY_VERSION_3 = 0x20080522


def drop_capabilities() -> None:
    """Give up every capability. Programs that are started later, also by root, get none back.

    Raises
    ------
    OSError
        The system refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(_LAST_CAPABILITY + 1):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # refused to those who have none to begin with
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    if libc.capset(header, (ctypes.c_uint32 * 6)()):
        error = ctypes.get_errno()
        raise OSError(error, f"capset: {os.strerror(error)}")
