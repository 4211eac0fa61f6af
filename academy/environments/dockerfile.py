"""Dockerfiles that only add packages to an image, read without a container engine.

Understood are a single ``FROM`` and the ``RUN`` lines that install with pip or conda. An instruction
that does anything else to the image is refused by name: it could not be carried out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath

from academy.environments import conda, requirements
from academy.environments.errors import EnvironmentBuildError
from academy.environments.requirements import Requirements
from academy.paths import confined

# They say how a container of the image runs, which a job's own command decides.
_WITHOUT_EFFECT = frozenset(
    {
        "CMD", "ENTRYPOINT", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "SHELL", "STOPSIGNAL", "USER",
        "VOLUME", "WORKDIR",
    }
)  # fmt: skip

# Variables that only lead to where an image keeps its Python.
_PLACES = frozenset(
    {
        "PATH", "LD_LIBRARY_PATH", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "AZUREML_CONDA_ENVIRONMENT_PATH",
        "DEBIAN_FRONTEND",
    }
)  # fmt: skip

# Commands that leave the installed packages as they are.
_HARMLESS = re.compile(
    r"(apt-get|apt) (update|clean|autoremove|autoclean)\b.*"
    r"|rm -rf? (/var/lib/apt|/root/\.cache|/tmp|~/\.cache).*|rm (-f )?[\w./-]+\.(txt|ya?ml)"
    r"|conda (clean|config|init|activate)\b.*|(conda run .* )?pip cache purge"
    r"|mkdir .*|echo .*|true|set -[a-z]+|python3? --version|pip3? --version|(source|\.) \S+"
)

_PIP = re.compile(r"(?:conda run (?:-\S+ \S+ )*)?(?:python(?:3|3\.\d+)? -m )?pip3? install\s+(.*)")
_CONDA_FILE = re.compile(r"(?:conda|mamba) env (?:create|update)\s+(.*)")
_CONDA_ITEMS = re.compile(r"(?:conda|mamba) (create|install)\s+(.*)")

# Options of pip and conda that say where to install, or how.
_SKIPPED_WITH_VALUE = frozenset(
    {
        "--timeout", "--retries", "--default-timeout", "--root-user-action", "-n", "--name", "-p", "--prefix",
        "-c", "--channel", "--progress-bar",
    }
)  # fmt: skip
_SKIPPED = frozenset({"--user", "--ignore-installed", "--force-reinstall", "-y", "--no-deps", "-v"})
_PIP_WITH_VALUE = frozenset(
    {"-r", "--requirement", "-f", "--find-links", "-i", "--index-url", "--extra-index-url", "--trusted-host"}
)


@dataclass(frozen=True)
class Recipe:
    """What a Dockerfile makes of its image.

    ``python`` is None unless it makes a conda environment with another one; ``replaces_base`` is whether
    such an environment stands in place of the image's own.
    """

    image: str
    requirements: Requirements = field(default_factory=Requirements)
    variables: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None
    replaces_base: bool = False
    notes: tuple[str, ...] = ()


def read(context: Path, dockerfile: str) -> Recipe:
    """Read the Dockerfile of a build context.

    Raises
    ------
    EnvironmentBuildError
        When it is not there, or holds an instruction that is not understood, naming it.
    """
    file = confined(context, dockerfile.removeprefix("./"))
    if not file.is_file():
        raise EnvironmentBuildError(f"The build context has no Dockerfile {dockerfile!r}.")
    reader = _Reader(context)
    for number, instruction, rest in _instructions(file.read_text(encoding="utf-8")):
        reader.follow(instruction, rest, number)
    return reader.recipe()


def _instructions(text: str) -> list[tuple[int, str, str]]:
    """Return line number, instruction and the rest of it, continued lines joined."""
    found: list[tuple[int, str, str]] = []
    pending, start = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#") or not line.strip():
            continue
        start = start if pending else number
        if line.rstrip().endswith("\\"):
            pending += line.rstrip()[:-1] + " "
            continue
        instruction, _, rest = (pending + line).strip().partition(" ")
        found.append((start, instruction.upper(), " ".join(rest.split())))
        pending = ""
    return found


class _Refused(Exception):
    """An instruction that cannot be carried out, and why."""


class _Reader:
    """Follows a Dockerfile from line to line."""

    def __init__(self, context: Path) -> None:
        self._context = context
        self._image: str | None = None
        self._python: str | None = None
        self._replaces_base = False
        self._requirements = Requirements()
        self._variables: dict[str, str] = {}
        self._notes: list[str] = []
        self._arguments: dict[str, str] = {}
        self._copied: dict[str, str] = {}

    def follow(self, instruction: str, rest: str, number: int) -> None:
        """Take one instruction into account, or refuse it."""
        handlers: dict[str, Callable[[str], None]] = {
            "FROM": self._from,
            "ARG": self._argument,
            "ENV": self._variable,
            "COPY": self._copy,
            "ADD": self._copy,
            "RUN": self._run,
        }
        try:
            if instruction in handlers:
                handlers[instruction](self._expanded(rest))
            elif instruction not in _WITHOUT_EFFECT:
                raise _Refused("this instruction is not understood")
        except _Refused as refused:
            raise EnvironmentBuildError(
                f"Line {number} of the Dockerfile cannot be carried out without a container engine "
                f"({refused}): {instruction} {rest}. Understood are one FROM, ENV, COPY of requirement "
                "files, and RUN with pip install, conda install and conda env create or update. An image "
                "with a conda file does nearly all of it."
            ) from refused

    def recipe(self) -> Recipe:
        """Return what was read."""
        if self._image is None:
            raise EnvironmentBuildError("The Dockerfile has no FROM.")
        return Recipe(
            image=self._image,
            requirements=self._requirements,
            variables=self._variables,
            python=self._python,
            replaces_base=self._replaces_base,
            notes=tuple(self._notes),
        )

    def _expanded(self, text: str) -> str:
        values = {**self._arguments, **self._variables}
        return re.sub(
            r"\$(?:\{(\w+)\}|(\w+))", lambda match: values.get(match[1] or match[2], match[0]), text
        )

    def _from(self, rest: str) -> None:
        words = [word for word in rest.split() if not word.startswith("--")]
        if self._image is not None:
            raise _Refused("there is a second FROM")
        if not words or "$" in words[0]:
            raise _Refused("the image is not known")
        self._image = words[0]

    def _argument(self, rest: str) -> None:
        name, _, value = rest.partition("=")
        self._arguments[name.strip()] = value.strip().strip("\"'")

    def _variable(self, rest: str) -> None:
        words = shlex.split(rest)
        # "ENV NAME the rest" is the old form of "ENV NAME=value NAME=value".
        pairs = [word.split("=", 1) for word in words] if "=" in words[0] else [rest.split(" ", 1)]
        for pair in pairs:
            if len(pair) != 2:
                raise _Refused(f"{pair[0]!r} has no value")
            if pair[0] not in _PLACES:
                self._variables[pair[0]] = pair[1]

    def _copy(self, rest: str) -> None:
        words = shlex.split(rest)
        if any(word.startswith("--from") for word in words):
            raise _Refused("it copies from another image")
        *sources, target = [word for word in words if not word.startswith("--")]
        for source in sources:
            if "://" in source:
                raise _Refused("it downloads a file")
            name = PurePosixPath(source).name
            self._copied[PurePosixPath(target).name or name] = source
            self._copied[name] = source
            if confined(self._context, source.removeprefix("./")).is_dir():
                self._notes.append(f"The files that the Dockerfile copies ({rest}) are not there in jobs.")

    def _run(self, rest: str) -> None:
        for command in _commands(rest):
            self._command(command)

    def _command(self, command: str) -> None:
        if _HARMLESS.fullmatch(command):
            return
        if pip := _PIP.fullmatch(command):
            self._pip(shlex.split(pip[1]))
        elif file := _CONDA_FILE.fullmatch(command):
            self._conda_file(shlex.split(file[1]))
        elif items := _CONDA_ITEMS.fullmatch(command):
            self._conda_items(shlex.split(items[2]), creates=items[1] == "create")
        else:
            name = command.partition(" ")[0]
            raise _Refused(f"the command {name!r} does not install with pip or conda")

    def _pip(self, words: Sequence[str]) -> None:
        lines: list[str] = []
        left = iter(words)
        for word in left:
            if word in _SKIPPED_WITH_VALUE:
                next(left, None)
            elif word in _PIP_WITH_VALUE:
                lines.append(f"{word} {next(left, '')}")
            elif word not in _SKIPPED:
                lines.append(word)
        self._requirements += requirements.parse(lines, where="The Dockerfile", read_file=self._text)

    def _conda_file(self, words: Sequence[str]) -> None:
        named = [after for word, after in pairwise(words) if word in ("-f", "--file")]
        named += [word.removeprefix("--file=") for word in words if word.startswith("--file=")]
        if not named:
            raise _Refused("it names no file")
        self._take(conda.read(self._text(named[0])), creates=True)

    def _conda_items(self, words: Sequence[str], *, creates: bool) -> None:
        left = iter(words)
        for word in left:
            if word in _SKIPPED_WITH_VALUE:
                next(left, None)
            elif not word.startswith("-"):
                self._take(conda.requirement(word), creates=creates)

    def _take(self, file: conda.CondaFile, *, creates: bool) -> None:
        self._requirements += file.requirements
        self._variables.update(file.variables)
        self._python = file.python or self._python
        self._replaces_base = self._replaces_base or creates
        self._notes += file.notes

    def _text(self, path: str) -> str:
        """Return the text of a file of the context, by the path that it has in the image."""
        name = PurePosixPath(path).name
        source = self._copied.get(name, name)
        file = confined(self._context, source.removeprefix("./"))
        if not file.is_file():
            raise _Refused(f"the build context has no file {source!r}")
        return file.read_text(encoding="utf-8")


def _commands(line: str) -> list[str]:
    """Split a shell line at ``&&`` and ``;``, but not within quotes."""
    lexer = shlex.shlex(line, posix=False, punctuation_chars=";&|")
    lexer.whitespace_split = True
    lexer.commenters = ""
    commands: list[list[str]] = [[]]
    try:
        for word in lexer:
            if word in ("&&", ";"):
                commands.append([])
            elif set(word) <= set(";&|"):
                raise _Refused(f"{word!r} in a command is not understood")
            else:
                commands[-1].append(word)
    except ValueError as error:
        raise _Refused("a quotation has no end") from error
    return [" ".join(words) for words in commands if words]
