"""Secrets in commands and values: what is one, or looks like one, is masked before anything is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from academy.evidence.credentials import SECRET, printable, without_access

MASK = "***"

_SECRET_WORDS = frozenset(
    {
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "key",
        "apikey",
        "credential",
        "credentials",
    }
    | {"auth", "sas", "pat", "bearer"}
)
# Of words that are written without a border: PGPASSWORD, authtoken.
_SECRET_ENDS = ("password", "passwd", "secret", "token", "apikey")
# A variable is taken for a secret sooner: all that comes of it is that its name stands for its value.
_VARIABLE = re.compile(SECRET, re.IGNORECASE)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

# What is equal to a secret is one too, unless it is as short as a number.
_TELLING_LENGTH = 6

# The beginning of an argument: --name=value, NAME=value.
_WHOLE = re.compile(r"(?P<name>-{0,2}[A-Za-z][\w.-]*)=(?P<value>.+)", re.DOTALL)
# In the text of an argument, as after bash -c, or in a connection string.
_ASSIGNED = re.compile(r"(?P<name>[A-Za-z_][\w.-]*)\s*[=:]\s*['\"]?(?P<value>[^\s'\";,&]+)")
_OPTION = re.compile(r"(?P<name>--?[A-Za-z][\w-]*)\s+['\"]?(?P<value>[^\s'\"-][^\s'\"]*)")
# What only names a secret.
_REFERENCE = re.compile(r"\$\{\w+\}|\$\{\{[\w.]+\}\}")
_ADDRESS = re.compile(
    r"(?P<name>[a-z][a-z0-9+.-]*)://(?:[^\s/:@]*:)?(?!git@)(?P<value>[^\s/@]+)(?=@)", re.IGNORECASE
)
_SIGNATURE = re.compile(r"[?&](?P<name>sig)=(?P<value>[^&\s'\"]+)")
_BEARER = re.compile(r"\b(?P<name>bearer)\s+(?P<value>[^\s'\"]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Masked:
    """A command line without secrets. ``names`` are the options that had one; ``secrets`` what was masked."""

    command: tuple[str, ...]
    names: tuple[str, ...] = ()
    secrets: frozenset[str] = frozenset()

    def masked(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return named values without secrets, by their names or because they are those of the command."""
        return {
            name: MASK if is_secret(name) or value in self.secrets else masked([value]).command[0]
            for name, value in values.items()
        }


def is_secret(name: str) -> bool:
    """Return whether what an option of this name holds is likely a secret: ``--api-key``, ``PGPASSWORD``."""
    words = [word.lower() for word in _WORD.findall(name)]
    return bool(words) and (words[-1] in _SECRET_WORDS or words[-1].endswith(_SECRET_ENDS))


def known(variables: Mapping[str, str], inputs: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets among the values of variables and inputs, and what stands for each."""
    named = {value: f"${{{name}}}" for name, value in variables.items() if _VARIABLE.search(name)}
    given = {value: f"${{{{inputs.{name}}}}}" for name, value in inputs.items() if is_secret(name)}
    return {value: shown for value, shown in {**given, **named}.items() if len(value) >= _TELLING_LENGTH}


def without_secrets(text: str, secrets: Mapping[str, str]) -> str:
    """Return a shell's command or a value with what stands for each of the ``secrets``, others masked."""
    for value, shown in secrets.items():
        text = text.replace(value, shown)
    return printable(masked([without_access(text)]).command[0])


def masked(command: Sequence[str]) -> Masked:
    """Return the command with what looks like a secret replaced by ``***``."""
    masking = _Masking()
    return Masked(
        tuple(masking.argument(item) for item in command), tuple(masking.names), frozenset(masking.secrets)
    )


class _Masking:
    """Goes through a command line and gathers what it masks."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self.secrets: set[str] = set()
        self._before = ""

    def argument(self, text: str) -> str:
        before, self._before = self._before, text
        is_option = text.startswith("--") and text[2:3].isalpha()
        if before.startswith("-") and is_secret(before) and not is_option:
            return self._hidden(before, text)
        whole = _WHOLE.fullmatch(text)
        if whole is not None and is_secret(whole["name"]):
            return f"{whole['name']}={self._hidden(whole['name'], whole['value'])}"
        for pattern in (_ASSIGNED, _OPTION):
            text = pattern.sub(self._hide_secret, text)
        for pattern in (_ADDRESS, _SIGNATURE, _BEARER):
            text = pattern.sub(self._hide, text)
        return text

    def _hide_secret(self, match: re.Match[str]) -> str:
        # A key alone is one of a dictionary or of a sorting, in code: sorted(x, key=len).
        told = is_secret(match["name"]) and match["name"].lower() != "key"
        return self._hide(match) if told and not _REFERENCE.match(match["value"]) else match[0]

    def _hide(self, match: re.Match[str]) -> str:
        hidden = self._hidden(match["name"], match["value"])
        start, end = match.start("value") - match.start(), match.end("value") - match.start()
        return match[0][:start] + hidden + match[0][end:]

    def _hidden(self, name: str, value: str) -> str:
        self.names[name] = None
        if len(value) >= _TELLING_LENGTH:
            self.secrets.add(value)
        return MASK
