"""Landlock: what files a process and all that it starts may reach. Linux 5.13 and later.

The interface is three system calls without a wrapper in libc. https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

# The same on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_RULE_PATH, _RULE_PORT = 1, 2
_VERSION = 1 << 0
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEVICE = 1 << 14, 1 << 15
_ALL_SINCE_1 = (1 << 13) - 1
_RENAME_ELSEWHERE = 1 << 13
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_CONNECT_TCP = 1 << 1
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1 << 0, 1 << 1

_LIST = _READ_DIR
_READ = _EXECUTE | _READ_FILE | _READ_DIR


def abi() -> int:
    """Return the version of Landlock that this kernel has; 0 when it has none, or forbids it."""
    if sys.platform != "linux":
        return 0
    version: int = _libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    return max(0, version)


def restrict(*, listed: Iterable[Path], readable: Iterable[Path], writable: Iterable[Path]) -> None:
    """Let this process reach only these files from here on, and signal only what it starts.

    Parameters
    ----------
    listed
        Folders whose names can be read, not their files' content.

    Raises
    ------
    OSError
        The kernel refuses.
    """
    version = abi()
    handled = _handled(version)
    scopes = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if version >= 6 else 0
    attributes = struct.pack("QQQ", handled, 0, scopes)[: _size(version)]
    ruleset = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    try:
        for paths, access in ((listed, _LIST), (readable, _READ), (writable, handled)):
            for path in paths:
                _allow(ruleset, path, access & handled)
        _restrict(ruleset)
    finally:
        os.close(ruleset)


def port_rules(ports: Iterable[int]) -> int:
    """Return a ruleset (a descriptor) that lets TCP connections go to these ports only (version 4)."""
    attributes = struct.pack("QQ", _RENAME_ELSEWHERE, _CONNECT_TCP)
    ruleset = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    rule = (ctypes.c_uint64 * 2)(_CONNECT_TCP, 0)
    add = _libc().syscall
    for port in ports:
        rule[1] = port
        add(_ADD_RULE, ruleset, _RULE_PORT, rule, 0)
    return ruleset


def restrict_ports(ruleset: int) -> None:
    """Put the process under rules for ports, for good; where it may move files stays as it is.

    Moving files to other folders is the one thing that every ruleset forbids unless it says otherwise.
    What is said here of this process's root means nothing to others that share the ruleset.
    """
    _allow(ruleset, Path("/"), _RENAME_ELSEWHERE)
    _restrict(ruleset)


def _restrict(ruleset: int) -> None:
    _libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call(_RESTRICT_SELF, ruleset, 0)


def _handled(version: int) -> int:
    handled = _ALL_SINCE_1
    for since, access in ((2, _RENAME_ELSEWHERE), (3, _TRUNCATE), (5, _IOCTL_DEVICE)):
        if version >= since:
            handled |= access
    return handled


def _size(version: int) -> int:
    return 8 if version < 4 else 16 if version < 6 else 24


def _allow(ruleset: int, path: Path, access: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                access &= _OF_FILES
            _call(_ADD_RULE, ruleset, _RULE_PATH, struct.pack("=Qi", access, descriptor), 0)
        finally:
            os.close(descriptor)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    found: int = _libc().syscall(number, *arguments)
    if found < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock refuses: {os.strerror(error)}")
    return found
