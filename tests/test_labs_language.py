"""The interface speaks the learner's language, and every translation is whole."""

from __future__ import annotations

import json
import re
import string
from pathlib import Path
from typing import Any

import pytest

from academy.errors import InvalidField, NotFound
from academy.labs import language
from academy.labs.language import SOURCE, STRINGS, languages, texts

SESSION = ("ACADEMY_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
AREAS = sorted(file.stem for file in (STRINGS / SOURCE).glob("[!_]*.json"))
TRANSLATIONS = [(code, area) for code in languages() if code != SOURCE for area in AREAS]


def read(code: str, area: str) -> dict[str, str]:
    file = STRINGS / code / f"{area}.json"
    assert file.exists(), f"{file} is missing: copy strings/{SOURCE}/{area}.json and translate it"
    pairs = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=list)
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), f"{file} has a key twice"
    return dict(pairs)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in SESSION:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def strings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write texts of a made-up area in two languages."""

    def write(english: dict[str, str], german: dict[str, str]) -> None:
        for code, content in (("en", english), ("de", german)):
            (tmp_path / code).mkdir()
            (tmp_path / code / "words.json").write_text(json.dumps(content), encoding="utf-8")

    monkeypatch.setattr(language, "STRINGS", tmp_path)
    for cached in (language._read, language.languages):
        cached.cache_clear()
    yield write
    for cached in (language._read, language.languages):
        cached.cache_clear()


@pytest.mark.parametrize(("code", "area"), TRANSLATIONS)
def test_a_translation_has_the_keys_and_placeholders_of_the_source(code: str, area: str) -> None:
    source, translated = read(SOURCE, area), read(code, area)
    assert set(translated) == set(source)
    for key, text in source.items():
        assert placeholders(translated[key]) == placeholders(text), f"{code}: {area}.{key}"


@pytest.mark.parametrize(("code", "area"), TRANSLATIONS)
def test_a_translation_leaves_no_english_behind(code: str, area: str) -> None:
    same = set(json.loads((STRINGS / code / "_same.json").read_text(encoding="utf-8")))
    source, translated = read(SOURCE, area), read(code, area)
    left = {
        f"{area}.{key}": text
        for key, text in source.items()
        if translated.get(key) == text and re.search(r"[A-Za-z]{2}", re.sub(r"\{\w+\}", "", text))
    }
    assert not {key: text for key, text in left.items() if key not in same}, f"put into {code}/_same.json"
    stale = {key for key in same if key.startswith(f"{area}.") and key not in left}
    assert not stale, f"{code}/_same.json names texts that differ"


@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize("code", languages())
def test_no_text_is_empty_or_ill_formed(code: str, area: str) -> None:
    for key, text in read(code, area).items():
        assert text == text.strip(), f"{code}: {area}.{key}"
        assert text, f"{code}: {area}.{key}"
        assert "!" not in text, f"{code}: {area}.{key} has an exclamation mark"
        assert all(name.isidentifier() for name in placeholders(text)), f"{code}: {area}.{key}"


@pytest.mark.parametrize("area", AREAS)
def test_plurals_come_in_pairs(area: str) -> None:
    keys = read(SOURCE, area)
    for key in keys:
        stem, _, form = key.rpartition(".")
        if form in ("one", "other"):
            assert {f"{stem}.one", f"{stem}.other"} <= set(keys), key


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ACADEMY_LANGUAGE", "de", "de"),
        ("LC_ALL", "de_DE.UTF-8", "de"),
        ("LC_MESSAGES", "de_AT@euro", "de"),
        ("LANG", "de", "de"),
        ("LANG", "C.UTF-8", "en"),
        ("LC_ALL", "POSIX", "en"),
        ("ACADEMY_LANGUAGE", "xx", "en"),
    ],
)
def test_the_language_comes_from_the_session(
    session: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    session.setenv(name, value)
    assert texts().language == expected


def test_own_variable_goes_before_those_of_the_system(session: pytest.MonkeyPatch) -> None:
    session.setenv("LC_ALL", "de_DE.UTF-8")
    session.setenv("ACADEMY_LANGUAGE", "en")
    assert texts().language == "en"
    session.setenv("ACADEMY_LANGUAGE", "")
    assert texts().language == "de"


def test_nothing_set_is_english(session: pytest.MonkeyPatch) -> None:
    assert texts().language == "en"
    assert texts("de-AT").language == "de"
    assert languages()[0] == "en"
    assert "de" in languages()


def test_a_text_is_filled_in_and_falls_back_to_english(strings: Any) -> None:
    strings({"one": "{name} is there", "two": "both of {name}"}, {"one": "{name} ist da"})
    assert texts("de")("words.one", name="Ada") == "Ada ist da"
    assert texts("de")("words.two", name="Ada") == "both of Ada"
    assert texts("de").area("words") == {"one": "{name} ist da", "two": "both of {name}"}


def test_the_count_chooses_the_plural(strings: Any) -> None:
    strings({"hint.one": "{count} hint", "hint.other": "{count} hints"}, {"hint.one": "{count} Hinweis"})
    assert [texts("en")("words.hint", count=n) for n in (0, 1, 2)] == ["0 hints", "1 hint", "2 hints"]
    assert [texts("de")("words.hint", count=n) for n in (1, 2)] == ["1 Hinweis", "2 hints"]


def test_a_missing_key_or_value_is_named(strings: Any) -> None:
    strings({"one": "{name} is there"}, {})
    with pytest.raises(NotFound, match=r"no text 'words\.three'. Texts of words: 'one'"):
        texts("de")("words.three")
    with pytest.raises(NotFound, match=r"no area 'other'. Areas: 'words'"):
        texts("en")("other.one")
    with pytest.raises(InvalidField, match=r"'words\.one' needs a value for 'name'"):
        texts("en")("words.one")


def test_numbers_are_written_as_in_the_language() -> None:
    assert texts("en").number(0.5, 2) == "0.50"
    assert texts("de").number(0.5, 2) == "0,50"
    assert texts("de").number(2.0) == "2"
