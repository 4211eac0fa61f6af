"""What a command line says of a run: which Python it runs in, what it is called, its parameters."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from academy.errors import AcademyError

NOT_FOUND = 127
NOT_EXECUTABLE = 126

_PYTHON = re.compile(r"(python|pypy)(\d+(\.\d+)?t?)?")
_SHELL = re.compile(r"(ba|da|k|z)?sh")
_TEXT_FOLLOWS = re.compile(r"-[a-z]*c")
# How far a script's first lines are read: those that pip writes for long paths have the Python in the second.
_HEADER_BYTES = 1024
_IN_SHELL = re.compile(rb"exec' (?:\"([^\"]+)\"|(\S+))")
# Python's own options that take a value.
_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")
_NAMED = re.compile(r"(?P<name>[A-Za-z_][\w./-]*)=(?P<value>.*)", re.DOTALL)
_NUMBER = re.compile(r"-\.?\d")
_NO_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


class NotRunnable(AcademyError):
    """The command cannot be started; the exit status is a shell's."""

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


@dataclass(frozen=True)
class Interpreter:
    """The Python that a command runs in, None where there is none; ``note`` says how sure that is."""

    executable: Path | None
    note: str | None = None


def program(command: Sequence[str], variables: Mapping[str, str]) -> Path:
    """Return the file that a shell would run.

    Raises
    ------
    NotRunnable
        There is none, or it is not executable.
    """
    name = command[0]
    found = shutil.which(name, path=variables.get("PATH", os.defpath))
    if found is not None:
        return Path(found).absolute()
    path = Path(name)
    hint = f" Did you mean: python {name} …?" if path.suffix == ".py" else ""
    if path.is_file() and ("/" in name or hint):
        raise NotRunnable(f"{name} is not executable: nothing was run.{hint}", NOT_EXECUTABLE)
    raise NotRunnable(f"{name}: command not found; nothing was run.{hint}", NOT_FOUND)


def interpreter(command: Sequence[str], variables: Mapping[str, str]) -> Interpreter:
    """Return the Python that the command runs in, as far as its words and the script's first line tell."""
    path = variables.get("PATH", os.defpath)
    for word in command:
        found = shutil.which(word, path=path) if word and len(word) < 4096 else None
        if found is None:
            continue
        if _is_python(found):
            return Interpreter(Path(found).absolute())
        if word == command[0] and (named := _of_script(Path(found), path)) is not None:
            return Interpreter(named)
    for name in ("python", "python3"):
        found = shutil.which(name, path=path)
        if found is not None:
            return Interpreter(Path(found).absolute(), _guessed(command[0], found))
    return Interpreter(None, f"No Python was found for {command[0]!r}: its packages are not on record.")


def script(command: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return what the run is called after (a script's or a module's name), and the script's own arguments."""
    rest = list(command)
    while len(rest) > 1 and not _is_python(rest[0]) and _has_python(rest[1:]):
        rest.pop(0)  # env, nohup, accelerate launch …
    name, rest = rest[0], rest[1:]
    if not _is_python(name):
        if len(rest) and rest[0].endswith(".sh"):
            name, rest = rest[0], rest[1:]
        elif len(rest) and _SHELL.fullmatch(PurePath(name).name) and _TEXT_FOLLOWS.fullmatch(rest[0]):
            rest = rest[2:]  # a program, and no parameter
        return _stem(name), rest
    while rest:
        word = rest.pop(0)
        if word == "-m" and rest:
            module = rest.pop(0).removesuffix(".__main__")
            return _stem(module.rpartition(".")[2]), rest
        if word.startswith("-c") or word == "-":
            return "python", rest[1:] if word == "-c" else rest
        if word in _WITH_VALUE and rest:
            rest.pop(0)
        elif not word.startswith("-"):
            return _stem(word), rest
    return "python", rest


def parameters(arguments: Sequence[str]) -> dict[str, str]:
    """Return named arguments: ``--name value``, ``--name=value``, ``name=value``; ``true`` for a flag.

    One that is given several times, or several values, has them with a space between.
    """
    found: dict[str, str] = {}
    name = None
    for word in arguments:
        if word == "--":
            name = None
        elif word.startswith("-") and len(word) > 1 and not _NUMBER.match(word):
            name, sign, value = word.lstrip("-").partition("=")
            found[name] = _joined(found.get(name), value if sign else None)
            name = None if sign else name
        elif name is not None:
            found[name] = _joined(found[name], word)
        elif (match := _NAMED.fullmatch(word)) is not None:
            found[match["name"]] = match["value"]
    return {name: value or "true" for name, value in found.items() if name}


def _joined(before: str | None, value: str | None) -> str:
    return " ".join(part for part in (before, value) if part)


def _of_script(file: Path, path: str) -> Path | None:
    """Return the Python that a script names in its first line."""
    try:
        with open(file, "rb") as opened:
            header = opened.read(_HEADER_BYTES)
    except OSError:
        return None
    if not header.startswith(b"#!"):
        return None
    first, _, rest = header[2:].partition(b"\n")
    words = os.fsdecode(first).split()
    if words and PurePath(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    if words and _is_python(words[0]):
        found = shutil.which(words[0], path=path)
        return None if found is None else Path(found).absolute()
    match = _IN_SHELL.search(rest)
    named = Path(os.fsdecode(match[1] or match[2])) if match else None
    return named if named is not None and _is_python(str(named)) and named.exists() else None


def _guessed(name: str, found: str) -> str:
    return (
        f"It is not known which Python {name!r} runs. The packages on record are those of {found}, "
        "the first one on PATH."
    )


def _is_python(word: str) -> bool:
    return _PYTHON.fullmatch(PurePath(word).name) is not None


def _has_python(words: Sequence[str]) -> bool:
    return any(_is_python(word) for word in words)


def _stem(name: str) -> str:
    stem = _NO_NAME.sub("-", PurePath(name).stem).strip("-.")
    return stem[:100] or "run"
