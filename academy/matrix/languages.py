"""Programming languages, which people call by several names."""

from __future__ import annotations

from academy.matrix.catalogue import Catalogue, Service

_ALSO_CALLED = {
    "csharp": "c#",
    ".net": "c#",
    "dotnet": "c#",
    "fsharp": "f#",
    "vb": "visual basic",
    "vb.net": "visual basic",
    "cpp": "c++",
    "js": "javascript",
    "node": "javascript",
    "node.js": "javascript",
    "ts": "typescript",
    "py": "python",
    "python3": "python",
    "golang": "go",
    "shell": "bash",
}


def canonical(language: str) -> str:
    """Return the one way in which a language is compared."""
    word = language.strip().casefold()
    return _ALSO_CALLED.get(word, word)


def names(service: Service, language: str) -> bool:
    """Tell whether a service names the language as one of its own; ``languages_any`` is not asked."""
    return canonical(language) in {canonical(one) for one in service.languages}


def known_languages(catalogue: Catalogue) -> tuple[str, ...]:
    """Return the languages that services name, each once, in the alphabet's order."""
    found = {canonical(one): one for service in catalogue.services() for one in service.languages}
    return tuple(found[key] for key in sorted(found))
