"""Lines of pip's requirements format: which are understood, and which are refused by name."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement

from academy.environments.errors import EnvironmentBuildError

# Gives the text of a file that a line names (``-r other.txt``), or raises when there is no such file.
ReadFile = Callable[[str], str]

_TAKES_VALUE = {
    "-i": "--index-url",
    "--index-url": "--index-url",
    "--extra-index-url": "--extra-index-url",
    "-f": "--find-links",
    "--find-links": "--find-links",
    "--no-binary": "--no-binary",
    "--only-binary": "--only-binary",
    "--trusted-host": "--allow-insecure-host",
}
_ALONE = {"--no-index": "--no-index", "--pre": "--prerelease=allow"}

# They change how pip goes about its work, not what is installed.
_WITHOUT_EFFECT = frozenset({"--upgrade", "-U", "--no-cache-dir", "--prefer-binary", "-q", "--quiet"})

_DIRECT = ("git+", "http://", "https://")


@dataclass(frozen=True)
class Requirements:
    """What a list of lines asks for: requirements, and options for the installer."""

    lines: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def __add__(self, other: Requirements) -> Requirements:
        return Requirements((*self.lines, *other.lines), (*self.options, *other.options))


def parse(lines: Iterable[str], *, where: str, read_file: ReadFile | None = None) -> Requirements:
    """Return what the lines ask for.

    Parameters
    ----------
    where
        What messages call the place of the lines.
    read_file
        Without it, lines that name further files are refused: there are none.

    Raises
    ------
    EnvironmentBuildError
        When a line is not understood, naming it.
    """
    found = Requirements()
    for line in _joined(lines):
        text = _without_comment(line)
        if text:
            found += _one(text, where, read_file)
    return found


def _joined(lines: Iterable[str]) -> Iterable[str]:
    pending = ""
    for line in lines:
        if line.rstrip().endswith("\\"):
            pending += line.rstrip()[:-1] + " "
        else:
            yield pending + line
            pending = ""
    if pending:
        yield pending


def _without_comment(line: str) -> str:
    return "" if line.lstrip().startswith("#") else line.split(" #", 1)[0].strip()


def _one(text: str, where: str, read_file: ReadFile | None) -> Requirements:
    if text.startswith("-"):
        return _option(text, where, read_file)
    if text.startswith(_DIRECT):
        return Requirements((text,))
    if text.startswith((".", "/", "file:")) or text.endswith((".whl", ".tar.gz")):
        raise EnvironmentBuildError(
            f"{where} names the local package {text!r}, which is not in the environment. Put it into the "
            "job's code folder and install it in its command, or name a package of the package index."
        )
    # A line of `pip-compile --generate-hashes`: the pin is kept, the hashes are pip's own business.
    plain = text.split(" --hash", 1)[0].strip()
    try:
        Requirement(plain)
    except InvalidRequirement as error:
        raise EnvironmentBuildError(
            f"{where} holds {text!r}, which is no requirement that pip understands. Write NAME, "
            "NAME==VERSION or NAME>=LOWEST,<HIGHEST."
        ) from error
    return Requirements((plain,))


def _option(text: str, where: str, read_file: ReadFile | None) -> Requirements:
    name, _, rest = text.partition(" ")
    if "=" in name and name.startswith("--"):
        name, _, rest = text.partition("=")
    value = " ".join(shlex.split(rest))
    if name in ("-r", "--requirement") and read_file is not None:
        return parse(read_file(value).splitlines(), where=value, read_file=read_file)
    if name in _TAKES_VALUE and value:
        return Requirements((), (_TAKES_VALUE[name], value))
    if name in _ALONE:
        return Requirements((), (_ALONE[name],))
    if name in _WITHOUT_EFFECT:
        return Requirements()
    raise EnvironmentBuildError(
        f"{where} holds {text!r}, which is not supported. "
        + (
            "There is no file beside a conda file on Azure: write its lines here."
            if name in ("-r", "--requirement", "-c", "--constraint", "-e", "--editable")
            else f"Options that are: {', '.join(sorted({*_TAKES_VALUE, *_ALONE}))}."
        )
    )
