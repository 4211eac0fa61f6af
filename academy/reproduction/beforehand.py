"""What is looked at before anything is started: the record itself, the code, the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from academy.audit.chain import breaks
from academy.audit.finding import Records, whole
from academy.evidence import digests
from academy.evidence.evidence import Data, Evidence, Tree
from academy.reproduction.errors import NotReproducible

_SEE_TRAIL = "See with 'academy audit verify'"

# How many differences of one tree a message lists.
_SHOWN = 5


def of_records(records: Records) -> Iterator[str]:
    """Yield where the chain of records does not hold."""
    for broken in breaks(*whole(records)):
        yield f"The audit trail does not hold: {broken.text}"


def of_code(evidence: Evidence) -> Iterator[str]:
    """Yield how the code differs from what is on record."""
    if evidence.code is not None:
        yield from _differences("The code", evidence.code, Path(evidence.code.path))


def of_inputs(evidence: Evidence, elsewhere: Mapping[str, Path]) -> Iterator[str]:
    """Yield how data differs from what is on record; ``elsewhere`` names other places of it."""
    for item in evidence.inputs:
        if item.tree is not None and (path := _place(item, elsewhere)) is not None:
            yield from _differences(f"The input {item.name!r}", item.tree, path)


def unknown_inputs(evidence: Evidence, elsewhere: Mapping[str, Path]) -> Iterator[str]:
    """Yield what of the data cannot be looked at."""
    for item in evidence.inputs:
        if item.value is not None:
            continue
        if item.tree is None:
            yield f"The input {item.name!r} was not hashed: it is not known what it held."
        elif _place(item, elsewhere) is None:
            yield f"The input {item.name!r} is not on this machine ({item.tree.path}): it is read anew."


def refuse(
    differences: Sequence[str], what: str, anyway: bool, *, next_step: str = "Put back what changed"
) -> None:
    """Raise ``NotReproducible`` with all differences, unless the caller wants to go on anyway."""
    if differences and not anyway:
        listed = "\n".join(f"  {text}" for text in differences)
        raise NotReproducible(
            f"{what} is not what it was, so the results would not tell much. Nothing was run.\n{listed}\n"
            + (f"{next_step}, or go on with --anyway." if next_step else "Go on with --anyway.")
        )


def advice(*, broken: bool, changed: bool, moved: bool = False) -> str:
    """Return what to do about what is not as it was: the audit trail, files, data that may be elsewhere."""
    said = []
    if broken:
        said.append(f"{_SEE_TRAIL} what is wrong with the audit trail")
    if changed or moved:
        elsewhere = ", or say with --data NAME=PATH where the data is as it was" if moved else ""
        said.append(f"Put back what changed{elsewhere}")
    return ". ".join(said)


def _place(item: Data, elsewhere: Mapping[str, Path]) -> Path | None:
    """Return where data is on this machine, or None when it came from elsewhere."""
    given = elsewhere.get(item.name)
    if given is not None or item.tree is None:
        return given
    return Path(item.tree.path) if item.tree.path.startswith("/") else None


def _differences(what: str, tree: Tree, path: Path) -> Iterator[str]:
    if not path.exists():
        yield f"{what} is gone: {path} is not there."
        return
    try:
        found = digests.matches(tree, path)
    except OSError as error:
        yield f"{what} cannot be read: {error.filename or path}: {error.strerror}."
        return
    for text in found[:_SHOWN]:
        yield f"{what} differs: {text}"
    if len(found) > _SHOWN:
        yield f"{what} differs in {len(found) - _SHOWN} more files."
