"""From what a YAML file says to frozen values: every field known, none missing, each of its type."""

from __future__ import annotations

import difflib
import functools
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from academy.errors import InvalidField, NotFound, choices

T = TypeVar("T")

# A close word: one letter left out or two exchanged, in words as short as these fields have.
_CLOSE = 0.6

_LARGEST_BYTES = 256 * 1024
# libyaml ends the whole process where a file nests more than some twenty thousand levels; PyYAML raises.
_SAFE_IN_C_BYTES = 16 * 1024

_WORDS = {str: "a text", int: "a whole number", bool: "true or false"}


@dataclass(frozen=True)
class At:
    """A place in a file: ``environments/hosted/cell.yml: here.commands[0]``."""

    file: Path
    path: str = ""

    def field(self, name: str) -> At:
        return At(self.file, f"{self.path}.{name}" if self.path else name)

    def item(self, index: int) -> At:
        return At(self.file, f"{self.path}[{index}]")

    def __str__(self) -> str:
        return f"{self.file}: {self.path}" if self.path else str(self.file)

    def refuse(self, message: str) -> NoReturn:
        """Raise ``InvalidField``: the place, then ``message``."""
        raise InvalidField(f"{self}{message}", target=self.path or None)


def did_you_mean(value: object, known: Iterable[object]) -> str:
    """Return " Did you mean …?" for what is nearest to ``value``, or nothing."""
    shown = {str(name).casefold(): str(name) for name in known}
    near = difflib.get_close_matches(str(value).casefold(), shown, n=1, cutoff=_CLOSE)
    return f" Did you mean {shown[near[0]]!r}?" if near else ""


def parse(file: Path) -> Any:
    """Return what the YAML file holds.

    Raises
    ------
    NotFound
        There is no such file.
    InvalidField
        It cannot be read, is too large, is not text in UTF-8, is not YAML, or says one field twice.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise NotFound(f"There is no {file}.") from None
    except OSError as error:
        raise InvalidField(f"{file} cannot be read: {error.strerror}.") from None
    if len(content) > _LARGEST_BYTES:
        raise InvalidField(
            f"{file} is larger than {_LARGEST_BYTES // 1024} KiB, the most that such a file has."
        )
    loader = _StrictInC if len(content) <= _SAFE_IN_C_BYTES else _StrictInPython
    try:
        return yaml.load(content.decode("utf-8"), Loader=loader)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        at = f"byte {content[error.start]:#04x} in line {line}"
        raise InvalidField(f"{file} is not text in UTF-8: {at}. Save it as UTF-8.") from None
    except (yaml.YAMLError, ValueError) as error:  # a ValueError: a date such as 2026-13-99
        raise InvalidField(f"{file} is not YAML: {error}") from None
    except RecursionError:
        raise InvalidField(f"{file} nests lists or mappings in each other too deeply.") from None


def record(kind: type[T], value: Any, at: At, **given: Any) -> T:
    """Return the dataclass that the mapping ``value`` describes; ``given`` fields are not in the file."""
    wanted = {name: hint for name, hint in _hints(kind).items() if name not in given}  # type: ignore[arg-type]
    parts = mapping(value, at, wanted)
    optional = {field.name for field in fields(kind) if field.default is not MISSING}  # type: ignore[arg-type]
    missing = [name for name in wanted if name not in parts and name not in optional]
    if missing:
        word = "field" if len(missing) == 1 else "fields"
        at.refuse(f" lacks the {word} {choices(missing, in_order=True)}.")
    found = {name: typed(wanted[name], part, at.field(name)) for name, part in parts.items()}
    return kind(**found, **given)


def mapping(value: Any, at: At, known: Iterable[str]) -> Mapping[str, Any]:
    """Return ``value`` when it is a mapping that holds no other fields than ``known``."""
    if not isinstance(value, Mapping):
        at.refuse(f" is {_shown(value)}; it takes fields: {choices(known, in_order=True)}.")
    names = list(known)
    for name in value:
        if name not in names:
            meant = did_you_mean(name, set(names) - set(value))
            at.refuse(f" has no field {name!r}.{meant} Its fields: {choices(names, in_order=True)}.")
    return value


def typed(hint: Any, value: Any, at: At) -> Any:
    """Return ``value`` as the type ``hint``: a text, number, choice, list, mapping, or dataclass."""
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = (one for one in get_args(hint) if one is not type(None))
        return None if value is None else typed(inner, value, at)
    if get_origin(hint) is tuple:
        return _listed(get_args(hint)[0], value, at)
    if get_origin(hint) is Mapping:
        return _keyed(get_args(hint), value, at)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return choice(hint, value, at)
    if is_dataclass(hint):
        return record(hint, value, at)  # type: ignore[arg-type]
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        quoted = hint is str and not isinstance(value, list | Mapping | types.NoneType)
        at.refuse(f" is {_shown(value)}; it takes {_WORDS[hint]}.{' Put it in quotes.' if quoted else ''}")
    if isinstance(value, str):
        _check_text(value, at)
    return value


def _check_text(value: str, at: At) -> None:
    """Refuse a text without a letter, and one that would move the cursor of the terminal it is shown on."""
    if not value.strip():
        at.refuse(" is empty.")
    hidden = next((letter for letter in value if not letter.isprintable() and letter != "\n"), None)
    if hidden is not None:
        at.refuse(f" holds the character {hidden!r}, which cannot be shown. Leave it out.")


def choice(kind: type[StrEnum], value: Any, at: At) -> StrEnum:
    """Return the member of ``kind`` that ``value`` names."""
    for member in kind:
        if member.value == value:
            return member
    meant = did_you_mean(value, kind) if isinstance(value, str) else ""
    return at.refuse(f" is {_shown(value)}.{meant} It takes one of {choices(kind, in_order=True)}.")


def sequence(value: Any, at: At) -> list[Any]:
    """Return ``value`` when it is a list."""
    if not isinstance(value, list):
        at.refuse(f" is {_shown(value)}; it takes a list.")
    return value


def _listed(hint: Any, value: Any, at: At) -> tuple[Any, ...]:
    found = tuple(typed(hint, item, at.item(index)) for index, item in enumerate(sequence(value, at)))
    seen = set()
    for index, item in enumerate(found):
        if item in seen:
            at.item(index).refuse(f" is {_shown(item)}, which is there already.")
        seen.add(item)
    return found


def _keyed(hints: tuple[Any, ...], value: Any, at: At) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        at.refuse(f" is {_shown(value)}; it takes a mapping.")
    key_hint, hint = hints
    key = At(at.file, f"a key of {at.path}")
    keys = {name: typed(key_hint, name, key) for name in value}
    return types.MappingProxyType(
        {key: typed(hint, value[name], at.field(str(name))) for name, key in keys.items()}
    )


def _shown(value: Any) -> str:
    """Return a value as an error names it: what kind of thing it is, when it is no text or number."""
    if value is None:
        return "empty"
    if isinstance(value, Mapping):
        return f"a mapping of {choices(value, in_order=True)}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(str(value)) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


class _Strict:
    """Refuses a field that is there twice, of which YAML would keep the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the field {key.value!r} is there twice", key.start_mark
                )
            seen.add(key.value)
        found: dict[Any, Any] = super().construct_mapping(node, deep)  # type: ignore[misc]
        return found


# libyaml reads ten times faster where it is there: commands read the whole catalogue.
_InC: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _StrictInC(_Strict, _InC):  # type: ignore[misc]
    pass


class _StrictInPython(_Strict, yaml.SafeLoader):
    pass
