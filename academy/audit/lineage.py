"""The chain from data to job to model to endpoint, as one thing's records and those around it tell it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from urllib.parse import unquote

from academy.audit import same_content
from academy.audit.chain import Sealed
from academy.audit.finding import Unreadable, record_in
from academy.audit.record import Kind, Link, Relation

# How a link of a record points in the chain: what it came from, and what came from it.
_FROM = frozenset({Relation.READ, Relation.FROM_JOB, Relation.MODEL})
_TO = frozenset({Relation.WROTE, Relation.ENDPOINT})

_VERSIONED = re.compile(r".*/(?:data|models|environments)/([^/]+)/versions/([^/]+)", re.IGNORECASE)
_DEPLOYED = re.compile(r".*/onlineEndpoints/([^/]+)/deployments/([^/]+)", re.IGNORECASE)
_NAMED = re.compile(r".*/(?:jobs|onlineEndpoints)/([^/]+)", re.IGNORECASE)
_DATASTORE = re.compile(r"azureml://subscriptions/.*?(/datastores/.+)", re.IGNORECASE)
_KINDS = (
    (re.compile(r".*/onlineEndpoints/[^/]+/deployments/[^/]+", re.IGNORECASE), "deployment"),
    (re.compile(r".*/onlineEndpoints/[^/]+", re.IGNORECASE), "endpoint"),
    (re.compile(r"/subscriptions/.*/models/[^/]+/versions/[^/]+", re.IGNORECASE), "model"),
    (re.compile(r"/subscriptions/.*/jobs/[^/]+", re.IGNORECASE), "job"),
    (re.compile(r"run:.+"), "run"),
)


@dataclass(frozen=True)
class Step:
    """One thing of the chain. ``key`` is its id in lower case; ``before`` are the keys of what it came from.

    ``level`` counts the steps from the furthest beginning. ``sealed`` is its record, where it has one;
    ``deleted`` the record of its deletion. ``place`` is where the ledger of that record is, where that is
    another one: a folder of local runs.
    """

    key: str
    kind: str
    name: str
    level: int = 0
    sha256: str | None = None
    sealed: Sealed | None = None
    deleted: Sealed | None = None
    before: tuple[str, ...] = ()
    place: str | None = None


class Shelf:
    """Sealed records, found by id and by hash. ``place`` is as a step's."""

    def __init__(self, records: Sequence[Sealed], place: str | None = None) -> None:
        self.records = records
        self.place = place

    @cached_property
    def by_hash(self) -> Mapping[str, Sealed]:
        return {sealed.hash: sealed for sealed in self.records}

    @cached_property
    def by_id(self) -> Mapping[str, list[Sealed]]:
        found: dict[str, list[Sealed]] = {}
        for sealed in self.records:
            found.setdefault(key_of(sealed), []).append(sealed)
        return found

    @cached_property
    def linking(self) -> Mapping[str, list[tuple[Relation, Sealed]]]:
        """The newest record of each thing that has a link to a target, and how it is linked."""
        found: dict[str, list[tuple[Relation, Sealed]]] = {}
        for key in self.by_id:
            newest = self.newest(key)
            if newest is not None:
                for link in links_of(newest):
                    found.setdefault(link.target.lower(), []).append((link.relation, newest))
        return found

    def newest(self, key: str) -> Sealed | None:
        """Return the newest record of an id that is not of its deletion."""
        kept = [one for one in self.by_id.get(key, ()) if one.body.get("kind") != Kind.DELETION]
        return kept[-1] if kept else None

    def deletion(self, sealed: Sealed) -> Sealed | None:
        """Return the record that says that what a record is about was deleted after it."""
        later = (one for one in self.by_id.get(key_of(sealed), ()) if one.sequence > sealed.sequence)
        return next((one for one in later if one.body.get("kind") == Kind.DELETION), None)


def chain_of(sealed: Sealed, shelf: Shelf, runs: Shelf | None = None) -> tuple[Step, ...]:
    """Return what a record's thing came from, itself, and what came from it; each after what it came from.

    Of models that no job made, the run is looked for in ``runs``, the records of local ones.
    """
    found: dict[str, Step] = {}
    _add(found, _step(key_of(sealed), shelf, sealed))
    _upstream(found, sealed, shelf)
    if runs is not None:
        _from_runs(found, runs)
    _downstream(found, sealed, shelf)
    return tuple(_in_order(found))


def linked(sealed: Sealed, shelf: Shelf) -> tuple[Sealed, ...]:
    """Return the records of a thing and of its chain, in the ledger's order: what an export holds."""
    own = shelf.by_id.get(key_of(sealed), [])
    others = [one for step in chain_of(sealed, shelf) for one in (step.sealed, step.deleted) if one]
    return tuple(
        sorted({one.sequence: one for one in (*own, *others)}.values(), key=lambda one: one.sequence)
    )


def origins(sealed: Sealed, shelf: Shelf) -> tuple[Sealed, ...]:
    """Return a record and those of what its thing came from, oldest first."""
    found = {key_of(sealed): _step(key_of(sealed), shelf, sealed)}
    _upstream(found, sealed, shelf)
    kept = [step.sealed for step in found.values() if step.sealed is not None]
    return tuple(sorted(kept, key=lambda one: one.sequence))


def key_of(sealed: Sealed) -> str:
    """Return the id that a record is about, as it is compared."""
    return str(sealed.body.get("id", "")).lower()


def links_of(sealed: Sealed) -> tuple[Link, ...]:
    """Return a record's links; none when it was changed into something that has no links."""
    try:
        return tuple(Link.from_json(link) for link in sealed.body["links"])
    except (KeyError, TypeError, ValueError):
        return ()


def called(target: str) -> str:
    """Return how people call what a link names: ``iris:1`` for data, a path, a URI without workspace."""
    if stored := _DATASTORE.fullmatch(target):
        return f"azureml:/{stored[1]}"
    if versioned := _VERSIONED.fullmatch(target):
        return f"{versioned[1]}:{versioned[2]}"
    if deployed := _DEPLOYED.fullmatch(target):
        return f"{deployed[1]}/{deployed[2]}"
    if target.startswith("/subscriptions/") and (named := _NAMED.fullmatch(target)):
        return named[1]
    if target.startswith("file:///"):
        return unquote(target.removeprefix("file://"))
    return target.removeprefix("run:")


def _upstream(found: dict[str, Step], sealed: Sealed, shelf: Shelf) -> None:
    key = key_of(sealed)
    for link in links_of(sealed):
        if link.relation not in _FROM:
            continue
        target = link.target.lower()
        source = shelf.by_hash.get(link.record or "") or shelf.newest(target)
        seen = target in found
        _add(found, _step(target, shelf, source, link), to=key)
        if seen:
            continue
        if source is not None:
            _upstream(found, source, shelf)
        for relation, writer in shelf.linking.get(target, ()) if source is None else ():
            if relation is Relation.WROTE and writer.sequence < sealed.sequence:
                known = key_of(writer) in found
                _add(found, _step(key_of(writer), shelf, writer), to=target)
                if not known:
                    _upstream(found, writer, shelf)


def _from_runs(found: dict[str, Step], runs: Shelf) -> None:
    """Note the local runs that wrote what models hold of which it is not known where they are from."""
    for step in list(found.values()):
        if step.sealed is None or step.kind != Kind.MODEL:
            continue
        if any(found[key].kind in (Kind.JOB, Kind.RUN) for key in step.before):
            continue
        try:
            record = record_in(step.sealed)
        except Unreadable:
            continue
        run = (
            same_content.writer(record.model, runs.records, until=record.created_at) if record.model else None
        )
        if run is not None:
            _add(found, _step(key_of(run), runs, run), to=step.key)
            _upstream(found, run, runs)


def _downstream(found: dict[str, Step], sealed: Sealed, shelf: Shelf) -> None:
    key = key_of(sealed)
    for link in links_of(sealed):
        if link.relation in _TO:
            target = link.target.lower()
            made, seen = shelf.newest(target), target in found
            _add(found, _step(target, shelf, made, link), after=key)
            if not seen and made is not None:
                _downstream(found, made, shelf)
            elif not seen:
                _read_by(found, target, shelf)
    _read_by(found, key, shelf)


def _read_by(found: dict[str, Step], key: str, shelf: Shelf) -> None:
    for relation, user in shelf.linking.get(key, ()):
        if relation in _FROM:
            seen = key_of(user) in found
            _add(found, _step(key_of(user), shelf, user), after=key)
            if not seen:
                _downstream(found, user, shelf)


def _step(key: str, shelf: Shelf, sealed: Sealed | None, link: Link | None = None) -> Step:
    target = link.target if link is not None else str(sealed.body.get("id", "")) if sealed else key
    if sealed is None:
        kind = next((kind for pattern, kind in _KINDS if pattern.fullmatch(target)), "data")
        sha256, gone = link.sha256 if link else None, shelf.by_id.get(key, [])
        return Step(key, kind, called(target), sha256=sha256, deleted=gone[-1] if gone else None)
    model = sealed.body.get("model")
    content = model.get("sha256") if isinstance(model, Mapping) else None
    name, kind = str(sealed.body.get("name", "")), str(sealed.body.get("kind", ""))
    deleted = shelf.deletion(sealed)
    return Step(key, kind, name, sha256=content, sealed=sealed, deleted=deleted, place=shelf.place)


def _add(found: dict[str, Step], step: Step, *, to: str | None = None, after: str | None = None) -> None:
    """Note a step, and the edge to the step that it came from or went to."""
    found.setdefault(step.key, step)
    later, earlier = (to, step.key) if to is not None else (step.key, after)
    if later is not None and earlier is not None and later != earlier:
        known = found[later]
        if earlier not in known.before:
            found[later] = replace(known, before=(*known.before, earlier))


def _in_order(found: Mapping[str, Step]) -> Iterator[Step]:
    """Yield each step after all that it came from, with its level; branches stay together."""
    levels = _levels(found)
    after: dict[str, list[str]] = {}
    for step in found.values():
        for earlier in step.before:
            after.setdefault(earlier, []).append(step.key)
    done: set[str] = set()

    def walk(key: str) -> Iterator[Step]:
        if key in done:
            return
        done.add(key)
        for earlier in found[key].before:
            yield from walk(earlier)
        yield replace(found[key], level=levels[key])
        for later in after.get(key, ()):
            if all(one in done for one in found[later].before):
                yield from walk(later)

    for key in found:
        yield from walk(key)


def _levels(found: Mapping[str, Step]) -> dict[str, int]:
    """Return each thing's steps from the furthest beginning; a beginning is next to its first use."""
    levels: dict[str, int] = {}

    def level(key: str, above: frozenset[str]) -> int:
        if key not in levels:
            # A job that reads what it writes goes round in a circle; it is cut where it closes.
            before = [one for one in found[key].before if one not in above]
            levels[key] = max((level(one, above | {key}) + 1 for one in before), default=0)
        return levels[key]

    for key in found:
        level(key, frozenset({key}))
    for key in [key for key, step in found.items() if not step.before]:
        used = [levels[step.key] for step in found.values() if key in step.before]
        levels[key] = min(used, default=1) - 1
    return levels
