"""JUnit XML: one suite per lab, one case per cell and per check."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from academy.labs.suite.report import CellReport, CheckReport, EditionReport, LabReport, Status, Verdict
from academy.paths import write_atomic

# What XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(labs: Sequence[LabReport], file: Path) -> None:
    """Write the results for a build server to read."""
    root = ElementTree.Element("testsuites", name="academy")
    for lab in labs:
        _suite(root, lab)
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    root.set("time", f"{sum(lab.seconds for lab in labs):.3f}")
    ElementTree.indent(root)
    write_atomic(file, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _suite(root: ElementTree.Element, lab: LabReport) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=lab.lab)
    editions = [("solved", lab.solved)] + ([("learner", lab.learner)] if lab.learner else [])
    for name, edition in editions:
        _run(suite, lab, name, edition)
    suite.set("tests", str(len(suite)))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("time", f"{lab.seconds:.3f}")


def _run(suite: ElementTree.Element, lab: LabReport, name: str, edition: EditionReport) -> None:
    for cell in edition.cells:
        title = _text(f"{cell.place}: {cell.line}")
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"{lab.lab}.{name}", name=title, time=f"{cell.seconds:.3f}"
        )
        _cell(case, cell)
    for check in edition.checks:
        wanted = "passes" if name == "solved" else "fails"
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"{lab.lab}.{name}",
            name=_text(f"check {check.task} {wanted}"),
            time=f"{check.seconds:.3f}",
        )
        _check(case, check)
    for problem in edition.problems:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"{lab.lab}.{name}", name="run", time=f"{edition.seconds:.3f}"
        )
        _add(case, "error", _line(problem), problem)


def _cell(case: ElementTree.Element, cell: CellReport) -> None:
    if cell.status in (Status.SKIPPED, Status.NOT_REACHED):
        _add(case, "skipped", cell.reason)
    elif cell.status.is_fault:
        details = "\n".join(part for part in (cell.reason, cell.difference, cell.traceback) if part)
        _add(case, "failure", cell.reason, details, kind=str(cell.status))
    if cell.reached:
        ElementTree.SubElement(case, "system-out").text = _text(cell.reached)
    if cell.stderr:
        ElementTree.SubElement(case, "system-err").text = _text(cell.stderr)


def _check(case: ElementTree.Element, check: CheckReport) -> None:
    if check.fault:
        _add(case, "failure", check.fault, f"{check.fault}\n{check.message}".strip(), kind=str(check.verdict))
    elif check.verdict in (Verdict.NO_RESULT, Verdict.MISSING):
        _add(case, "skipped", check.message or str(check.verdict))


def _add(case: ElementTree.Element, tag: str, message: str, details: str = "", kind: str = "") -> None:
    made = ElementTree.SubElement(case, tag, message=_text(_line(message)))
    if kind:
        made.set("type", kind)
    if details:
        made.text = _text(details)


def _line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
