"""Checking what a record says against the files, data and packages that are there now."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from academy.audit.chain import Sealed
from academy.audit.lineage import Shelf, key_of
from academy.audit.local import snapshot
from academy.audit.record import Kind, Record
from academy.audit.verification import Findings
from academy.evidence import digests, packages
from academy.evidence.evidence import Data, Package, Software, Tree
from academy.paths import AuditFolder

# Of files that were edited since, this many are named.
NAMES_SHOWN = 20


class Contents:
    """Checks records one after the other; what several of them name is read once."""

    def __init__(
        self,
        shelf: Shelf,
        findings: Findings,
        folder: AuditFolder | None,
        looking: Callable[[str], None] | None = None,
    ) -> None:
        self._shelf = shelf
        self._findings = findings
        self._folder = folder
        self._looking = looking
        self._sites: dict[str, Mapping[str, Sequence[Package]]] = {}
        self._changed: dict[str, Mapping[str, Sequence[str]]] = {}

    def check(self, sealed: Sealed, record: Record) -> None:
        """Check all that a record says of what can be looked at from here."""
        one = _One(self._shelf, self._findings, sealed, record)
        one.notes()
        if record.model is not None:
            one.tree("model", "model", record.model)
        evidence = record.evidence
        if evidence is None:
            return
        if evidence.code is not None and record.kind is Kind.RUN and self._folder is not None:
            one.kept_code(evidence.code, self._folder)
        elif evidence.code is not None:
            one.tree("code", "code", evidence.code)
        if evidence.model is not None:
            one.tree("model", "model", evidence.model)
        for what, several in (("input", evidence.inputs), ("output", evidence.outputs)):
            for data in several:
                one.data(what, data)
        self._packages(one, evidence.software)

    def _packages(self, one: _One, software: Software) -> None:
        """Compare the packages that are installed now; the files of each are read as well."""
        if not software.folders:
            one.unchecked("packages: its environment was never built.")
            return
        there = [folder for folder in software.folders if Path(folder).is_dir()]
        gone = [folder for folder in software.folders if folder not in there]
        if software.site in gone or not there:
            one.unchecked(f"packages: {' and '.join(gone)} {_is(gone)} gone. {one.reproduce()}")
            return
        compared = [(package, self._compared(package, there)) for package in software.packages]
        lost = [package for package, texts in compared if gone and texts is None]
        if lost:
            names = _named([package.name for package in lost])
            one.unchecked(
                f"packages {names}: {' and '.join(gone)} {_is(gone)} gone, where Python also looked. "
                f"{one.reproduce()}"
            )
        where = " and ".join(there)
        differs = [
            (package, text)
            for package, texts in compared
            if package not in lost
            for text in ([_missing(package, where)] if texts is None else texts)
        ]
        for package, text in differs:
            one.differs("package", f"package {package.name!r}: {text}")
        if not differs:
            count = len(software.packages) - len(lost)
            one.checked(f"{_several(count, 'package')}, with all files, in {where}")
        if software.own_packages:
            own = _several(len(software.own_packages), "package")
            one.unchecked(f"{own} of its own: they went with it when it ended. {one.reproduce()}")
        self._added(one, software, there)

    def _added(self, one: _One, software: Software, there: Sequence[str]) -> None:
        recorded = {canonicalize_name(one.name) for one in (*software.packages, *software.own_packages)}
        for folder in there:
            found = [one for named in self._in(folder).values() for one in named]
            added = [
                f"{one.name} {one.version}" for one in found if canonicalize_name(one.name) not in recorded
            ]
            if added:
                one.note(f"installed in {folder} since then: {', '.join(sorted(added))}")

    def _compared(self, recorded: Package, folders: Sequence[str]) -> Sequence[str] | None:
        """Return how a package differs where Python finds it now; None when it finds none."""
        name = canonicalize_name(recorded.name)
        site = next((folder for folder in folders if name in self._in(folder)), None)
        if site is None:
            return None
        several = self._in(site)[name]
        # What is left of an older version may lie beside it.
        found = next((one for one in several if one.version == recorded.version), several[0])
        if found.version != recorded.version:
            return [f"{recorded.version} was recorded; {found.version} is in {site}."]
        if recorded.sha256 is not None and found.sha256 != recorded.sha256:
            return [
                f"{recorded.version} has another list of files (RECORD) in {site}: expected sha256 "
                f"{recorded.sha256}, found {found.sha256}."
            ]
        changed = self._changed_in(site).get(name, ())
        return [f"{recorded.version} in {site}: {file} is not what was installed." for file in changed]

    def _changed_in(self, site: str) -> Mapping[str, Sequence[str]]:
        if site not in self._changed:
            changed: dict[str, list[str]] = {}
            for name, files in packages.changed_in_all(Path(site)):
                changed.setdefault(canonicalize_name(name), []).extend(files)
                if self._looking is not None:
                    self._looking(f"files of {name}")
            self._changed[site] = changed
        return self._changed[site]

    def _in(self, site: str) -> Mapping[str, Sequence[Package]]:
        if site not in self._sites:
            found: dict[str, list[Package]] = {}
            for one in packages.packages(Path(site)):
                found.setdefault(canonicalize_name(one.name), []).append(one)
            self._sites[site] = found
        return self._sites[site]


def _missing(recorded: Package, where: str) -> str:
    return f"{recorded.version} was recorded; it is not in {where} any more."


class _One:
    """Checks of one record; each sentence says which record it is about."""

    def __init__(self, shelf: Shelf, findings: Findings, sealed: Sealed, record: Record) -> None:
        self._shelf = shelf
        self._findings = findings
        self._sealed = sealed
        self._record = record
        self._begins = f"Record {sealed.sequence}, {record.kind} {record.name!r}: "

    def checked(self, text: str) -> None:
        self._findings.checked.append(f"{self._begins}{text}.")

    def unchecked(self, text: str) -> None:
        self._findings.unchecked.append(self._begins + text)

    def note(self, text: str) -> None:
        self._findings.notes.append(f"{self._begins}{text}.")

    def differs(self, what: str, text: str) -> None:
        self._findings.differs(self._sealed.sequence, what, self._begins + text)

    def reproduce(self) -> str:
        """Return the next step where packages are gone."""
        return f"'academy audit reproduce --{self._record.kind} {self._record.name}' builds them anew."

    def notes(self) -> None:
        """Repeat what could not be looked at when the record was made."""
        evidence = self._record.evidence
        for text in (*self._record.notes, *(evidence.notes if evidence else ())):
            self.unchecked(text)

    def data(self, what: str, data: Data) -> None:
        if data.tree is not None:
            self.tree(what, f"{what} {data.name!r}", data.tree)
        elif data.value is None:
            where = f" ({data.uri})" if data.uri else ""
            self.unchecked(f"{what} {data.name!r}{where}: its content was not looked at when it ran.")

    def tree(self, what: str, label: str, tree: Tree) -> None:
        """Compare a file or a folder with what was in it; say why where it cannot be as it was."""
        path = Path(tree.path)
        if not path.exists():
            self._gone(what, label, tree)
            return
        differences = _differences(tree, path)
        later = self._written_since(tree.path, what) if differences else None
        if not differences:
            self.checked(f"{label}, {_several(tree.count, 'file')} in {tree.path}")
        elif later is not None:
            self.unchecked(
                f"{label}: {tree.path} was written again since, see record {later.sequence} "
                f"({later.body.get('kind')} {later.body.get('name')!r})."
            )
        else:
            for text in differences:
                self.differs(what, f"{label} in {tree.path}: {text}")

    def kept_code(self, code: Tree, folder: AuditFolder) -> None:
        """Check the copy of the code that a local run keeps; the folder itself may have gone on since."""
        copies_gone = not folder.objects.is_dir()
        wrong = [] if copies_gone else snapshot.damaged(folder, code)
        for text in wrong:
            self.differs("code", f"code: {text}")
        files = snapshot.listed(folder, code)
        edited = [name for name, sha256 in files if _sha256(Path(code.path) / name) != sha256]
        if edited:
            self.note(f"code edited in {code.path} since then: {_named(edited)}")
        if copies_gone and (edited or len(files) < code.count):
            self.unchecked(
                f"code: the copies of it in {folder.objects} are gone; git does not take them along."
            )
        elif not wrong:
            where = code.path if copies_gone else str(folder.objects)
            self.checked(f"code, {_several(code.count, 'file')} in {where}")

    def _gone(self, what: str, label: str, tree: Tree) -> None:
        deletion = self._shelf.deletion(self._sealed)
        newer = self._shelf.newest(key_of(self._sealed))
        if deletion is not None:
            who, at = deletion.body.get("who"), str(deletion.at)[:19]
            self.unchecked(
                f"{label}: {tree.path} is gone: {who} deleted the {self._record.kind} "
                f"(record {deletion.sequence}, {at} UTC)."
            )
        elif newer is not None and newer.sequence > self._sealed.sequence:
            self.unchecked(f"{label}: {tree.path} is gone; record {newer.sequence} took this one's place.")
        else:
            self.differs(what, f"{label}: {tree.path} is gone; expected sha256 {tree.sha256}.")

    def _written_since(self, path: str, what: str) -> Sealed | None:
        """Return the newest other record of a run that wrote to this path later on."""
        for sealed in reversed(self._shelf.records):
            # A run may write where it reads; its own output is what it left there.
            if sealed.sequence < self._sealed.sequence or (sealed is self._sealed and what != "input"):
                return None
            if path in _written(sealed):
                return sealed
        return None


def _differences(before: Tree, path: Path) -> list[str]:
    """Return which files are not as they were, with both hashes; nothing when all are."""
    now = digests.tree(path)
    if now.sha256 == before.sha256:
        return []
    if path.is_file():
        return [f"changed: expected sha256 {before.sha256}, found {now.sha256}."]
    if max(before.count, now.count) > len(before.files):  # too many to be listed one by one
        return digests.matches(before, path) or [f"expected sha256 {before.sha256}, found {now.sha256}."]
    were, are = ({file.name: file.sha256 for file in tree.files} for tree in (before, now))
    return [
        *(
            f"{name}: changed: expected sha256 {were[name]}, found {are[name]}."
            for name in were
            if name in are and are[name] != were[name]
        ),
        *(f"{name}: missing: expected sha256 {were[name]}." for name in were if name not in are),
        *(f"{name}: was not there: found sha256 {are[name]}." for name in are if name not in were),
    ]


def _written(sealed: Sealed) -> set[str]:
    evidence = sealed.body.get("evidence")
    outputs = evidence.get("outputs", ()) if isinstance(evidence, Mapping) else ()
    return {data["tree"]["path"] for data in outputs if isinstance(data, Mapping) and data.get("tree")}


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def _is(several: Sequence[str]) -> str:
    return "is" if len(several) == 1 else "are"


def _several(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
