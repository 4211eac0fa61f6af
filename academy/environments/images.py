"""What a container image's name tells about the Python in it. No image is ever pulled."""

from __future__ import annotations

import re

from academy.environments.definition import DEFAULT_PYTHON

_TAG = re.compile(r"[:@][^/]*$")

_CURATED = re.compile(r"mcr\.microsoft\.com/azureml/curated/(?P<name>[^/]+)", re.IGNORECASE)
_INFERENCE = re.compile(r"mcr\.microsoft\.com/azureml/(?P<name>[^/]+-inference)", re.IGNORECASE)
_BASE = re.compile(r"mcr\.microsoft\.com/azureml/(openmpi|intelmpi|base)", re.IGNORECASE)
_OFFICIAL = re.compile(r"(^|/)python:(?P<version>3\.\d+)")

# py38 and py3.8 in Microsoft's names, python3.8 in others'.
_PYTHON = re.compile(r"(?:py|python)-?3\.?(?P<minor>\d{1,2})(?!\d)", re.IGNORECASE)


def curated_name(image: str) -> str | None:
    """Return the name of the curated environment that an image is of, or None."""
    plain = _TAG.sub("", image)
    match = _CURATED.fullmatch(plain) or _INFERENCE.fullmatch(plain)
    return match["name"] if match else None


def python_of(image: str | None) -> str:
    """Return the Python that an image brings, by its name; Azure's current one where it does not say."""
    if image is None:
        return DEFAULT_PYTHON
    official = _OFFICIAL.search(image)
    if official:
        return official["version"]
    named = _PYTHON.search(image)
    return f"3.{named['minor']}" if named else DEFAULT_PYTHON


def is_azure_base(image: str) -> bool:
    """Return whether the image is one of Azure ML's base images, which hold a bare Python."""
    return _BASE.match(image) is not None
