"""Text that every file can hold, of text that learners made up."""

from __future__ import annotations

from typing import Any


def wholesome(text: str) -> str:
    r"""Return a text without halves of characters, which no file can hold: they are spelled out (``\ud800``).

    They come from names of files that are not UTF-8, from JSON, and from what a function returns.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def wholesome_data(value: Any) -> Any:
    """Return JSON data whose texts are wholesome; tuples stay tuples."""
    if isinstance(value, str):
        return wholesome(value)
    if isinstance(value, dict):
        return {wholesome_data(key): wholesome_data(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(wholesome_data(one) for one in value)
    return value
