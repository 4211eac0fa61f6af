"""Read the fields of one entry of a job document's ``inputs`` or ``outputs``, naming what is wrong."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from academy.datasets.ports import PortKind
from academy.errors import InvalidField, NotFound, Unsupported, choices

_PORT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXPRESSION = re.compile(r"\$\{\{\s*([^}]*?)\s*\}\}")


@dataclass(frozen=True)
class Port:
    """One entry of ``inputs`` or ``outputs``, and how its errors name it."""

    side: str
    name: str
    given: Mapping[str, Any]

    @classmethod
    def of(cls, side: str, name: str, given: object) -> Port:
        port = cls(side, name, given if isinstance(given, Mapping) else {})
        if not _PORT.fullmatch(name):
            raise InvalidField(
                f"{name!r} cannot be the name of one of a job's {side}: use letters, digits and '_', and no "
                "digit first.",
                target=f"properties.{side}",
            )
        if not isinstance(given, Mapping):
            raise InvalidField(
                f"{name!r} in {side} must be an object; it is {given!r}.", target=port.target()
            )
        return port

    def target(self, field: str = "") -> str:
        return ".".join(part for part in ("properties", self.side, self.name, field) if part)

    def fail(self, field: str, message: str) -> NoReturn:
        raise InvalidField(message, target=self.target(field))

    @contextlib.contextmanager
    def explaining(self, uri: str) -> Iterator[None]:
        """Say of what is wrong with a URI which input it is."""
        try:
            yield
        except (NotFound, InvalidField, Unsupported) as error:
            raise type(error)(
                f"The input {self.name!r} is {uri!r}. {error.message}", target=self.target("uri")
            ) from error

    def refuse_others(self, fields: frozenset[str]) -> None:
        unknown = sorted(key for key, value in self.given.items() if value is not None and key not in fields)
        if unknown:
            raise Unsupported(
                f"{self.name!r} in {self.side} has {choices(unknown)}, which is not supported. Supported "
                f"here: {choices(fields)}.",
                target=self.target(unknown[0]),
            )

    def text(self, field: str) -> str | None:
        value = self.given.get(field)
        if value is not None and not isinstance(value, str):
            self.fail(field, f"{field} of {self.name!r} must be a text; it is {value!r}.")
        return value or None

    def kind(self, field: str, valid: list[str], default: str | None = None) -> PortKind:
        value = self.text(field) or default
        if value not in valid:
            self.fail(field, f"{field} {value!r} of {self.name!r} is not valid. Valid: {choices(valid)}.")
        return PortKind(value)

    def mode(self, field: str, valid: list[str], default: str) -> str:
        value = self.text(field) or default
        if value not in valid:
            self.fail(field, f"The mode {value!r} of {self.name!r} is not valid. Valid: {choices(valid)}.")
        return value

    def filled(self, field: str, text: str, values: Mapping[str, str]) -> str:
        unknown = sorted({name for name in _EXPRESSION.findall(text) if name not in values})
        if unknown:
            self.fail(
                field,
                f"{text!r} holds {choices(f'${{{{{name}}}}}' for name in unknown)}. A path of an output may "
                f"hold {choices(f'${{{{{name}}}}}' for name in values)}.",
            )
        return _EXPRESSION.sub(lambda match: values[match[1]], text)
