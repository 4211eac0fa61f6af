"""The texts of the interface in the learner's language; English where a translation has none.

``strings/LANGUAGE/AREA.json`` maps keys to texts with ``{name}`` for what is filled in:

    say = texts()
    say("widget.points", earned="2", most="3")

A key with ``.one`` and ``.other`` is a plural: the value ``count`` chooses.

To add a language, copy ``strings/en`` to a folder of its ISO 639-1 code (``fr``) and translate every
text in its files, keeping the keys and what stands in braces; nothing else has to change. A text that
is the same in both languages on purpose goes by its full key into that folder's ``_same.json``.
``tests/test_labs_language.py`` says what is still missing. Files in ``strings`` that begin with ``_``
are no areas.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from academy.errors import InvalidField, NotFound, choices

SOURCE = "en"
STRINGS = Path(__file__).parent / "strings"


@dataclass(frozen=True)
class Texts:
    """The texts of one language; called with ``"area.key"`` and the values of its placeholders."""

    language: str

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of this key, filled in.

        Raises
        ------
        NotFound
            English has no such key.
        InvalidField
            A placeholder of the text has no value.
        """
        area, _, name = key.partition(".")
        text = _found(self.language, area, name, values) or _found(SOURCE, area, name, values)
        if text is None:
            raise NotFound(f"There is no text {key!r}. {_known(area)}")
        try:
            return text.format_map(values)
        except KeyError as error:
            raise InvalidField(f"The text {key!r} needs a value for {error}: {text}", target=key) from None

    def number(self, value: float, digits: int | None = None) -> str:
        """Return a number as this language writes it; without ``digits``, as short as it is exact."""
        text = f"{value:g}" if digits is None else f"{value:.{digits}f}"
        return text.replace(".", self("language.decimal"))

    def area(self, area: str) -> dict[str, str]:
        """Return all texts of an area, not filled in: for a page that fills them in itself."""
        return {**_read(SOURCE, area), **_read(self.language, area)}


def texts(language: str | None = None) -> Texts:
    """Return the texts of ``language`` (``de``, ``de-AT``, ``de_DE.UTF-8``), or of the one of this session.

    A session's language is ``ACADEMY_LANGUAGE``, else ``LC_ALL``, ``LC_MESSAGES`` or ``LANG``, as in other
    programs. There is always an answer: a language without texts gets the English ones.
    """
    wanted = language or _of_session()
    code = wanted.replace("-", "_").partition("_")[0].partition(".")[0].lower()
    return Texts(code if code in languages() else SOURCE)


@cache
def languages() -> tuple[str, ...]:
    """Return the codes of all languages, English first."""
    found = {folder.name for folder in STRINGS.iterdir() if folder.is_dir()} - {SOURCE}
    return (SOURCE, *sorted(found))


def _of_session() -> str:
    names = ("ACADEMY_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
    return next((os.environ[name] for name in names if os.environ.get(name)), SOURCE)


def _found(language: str, area: str, name: str, values: dict[str, object]) -> str | None:
    known = _read(language, area)
    if name in known or "count" not in values:
        return known.get(name)
    return known.get(f"{name}.{'one' if values['count'] in (1, '1') else 'other'}")


# Each file is read once a process, when its area is first asked for.
@cache
def _read(language: str, area: str) -> dict[str, str]:
    file = STRINGS / language / f"{area}.json"
    if area.startswith("_") or not file.is_file():
        return {}
    found: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _known(area: str) -> str:
    known = _read(SOURCE, area)
    if known:
        return f"Texts of {area}: {choices(known)}."
    areas = choices(file.stem for file in (STRINGS / SOURCE).glob("[!_]*.json"))
    return f"There is no area {area!r}. Areas: {areas}."
