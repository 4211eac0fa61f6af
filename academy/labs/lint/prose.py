"""How the prose of a lab is written: its words, its names of things, its links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from academy.labs.lint.source import Cell, Finding, Rule, Source, without_code

# How the field spells things: what is looked for, and what to write.
SPELLINGS = {
    r"Azure[ -]?ML\b|\bAML\b|\bAzureMl\b": "Azure Machine Learning",
    r"\bAzure Machine Learning Studio\b|\bML [Ss]tudio\b": "Azure Machine Learning studio",
    r"\b[Mm]anaged[ -](?:Online[ -]Endpoint|online-endpoint)|\bManaged Online\b": "managed online endpoint",
    r"\b(?:[Oo]nline|[Bb]atch) Endpoint|\b[Ee]nd[ -]point": "endpoint",
    r"\b[Cc]ompute(?: I|-i)nstance": "compute instance",
    r"\b[Cc]ompute(?: C|-c)luster": "compute cluster",
    r"\b[Dd]ata(?: A|-a)sset": "data asset",
    r"\b[Dd]ata[ -][Ss]tores?\b": "datastore",
    r"\b[Cc]ommand(?: J|-j)ob": "command job",
    r"\b[Ww]ork[ -][Ss]pace": "workspace",
    r"\b[Hh]yper[ -][Pp]arameter": "hyperparameter",
    r"\bML[Ff]low(?<!MLflow)|\bM[Ll]flow(?<!MLflow)|\b[Mm]lflow\b": "MLflow",
    r"\bPytorch\b|\bpytorch\b|\bpyTorch\b": "PyTorch",
    r"\bSci[Kk]it[- ][Ll]earn\b(?<!scikit-learn)|\bsklearn\b": "scikit-learn",
    r"\bJupyter Lab\b|\bJupyterlab\b|\bjupyterlab\b": "JupyterLab",
    r"\bGithub\b|\bgithub\b": "GitHub",
    r"\b[Nn]umpy\b": "NumPy",
    r"\bPandas\b": "pandas",
}

# Words that make light of what the learner finds hard.
BELITTLING = re.compile(r"\b(simply|obviously|trivial(?:ly)?|as everyone knows|of course)\b", re.I)
_EMOJI = re.compile("[\U0001f300-\U0001faff☀-➿⭐️]")
_SHOUT = re.compile(r"!(?!\[)")

_LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]*)[^)]*\)")
_URL = re.compile(r"\bhttps?:[^\s<>\"'`)\]]*")
_GOOD_URL = re.compile(r"https://(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?(?:[/?#]\S*)?", re.I)
_LOCAL_URL = re.compile(r"https?://(?:127\.0\.0\.1|localhost)\b")
# A page's title before its address is quoted as it is.
_TITLE = re.compile(r"[*_][^*_\n]+[*_](?=[,:]?\s*<?https?://)")


@dataclass(frozen=True)
class _Prose:
    """A piece of prose, without code, addresses and titles of pages, and how to say where it stands."""

    text: str
    cell: Cell | None = None
    path: Path | None = None

    def finding(self, source: Source, rule: str, what: str, do: str) -> Finding:
        if self.path is not None:
            return source.in_file(rule, self.path, what, do)
        return source.in_notebook(rule, what, do, self.cell)


def _prose(source: Source) -> Iterator[_Prose]:
    for cell in source.cells:
        if cell.is_prose:
            yield _Prose(_bare(cell.source), cell=cell)
    for path, text in source.texts:
        if path.suffix == ".md":
            yield _Prose(_bare(text), path=path)
    manifest = source.manifest
    told = [manifest.title, *manifest.objectives]
    for task in manifest.tasks:
        told += [task.title, *task.hints]
    yield _Prose(_bare("\n".join(told)), path=source.lab.folder / "lab.yml")


def _bare(markdown: str) -> str:
    text = _TITLE.sub(" ", without_code(markdown))
    text = re.sub(r"\]\([^)]*\)", "] ", text)
    return _URL.sub(" ", re.sub(r"\$[^$\n]+\$|<!--.*?-->", " ", text, flags=re.S))


def _words(source: Source) -> Iterator[Finding]:
    for prose in _prose(source):
        if _SHOUT.search(prose.text):
            line = next(line for line in prose.text.split("\n") if _SHOUT.search(line))
            yield prose.finding(
                source, "tone", f"An exclamation mark: {line.strip()[:60]!r}.", "End with a full stop."
            )
        emoji = _EMOJI.search(prose.text)
        if emoji:
            yield prose.finding(source, "tone", f"An emoji: {emoji[0]!r}.", "Say it in words.")
        for word in dict.fromkeys(found[0] for found in BELITTLING.finditer(prose.text)):
            yield prose.finding(
                source, "tone", f"The word {word!r}.", "Leave it out: to the reader it may not be so."
            )


def _spelling(source: Source) -> Iterator[Finding]:
    for prose in _prose(source):
        for pattern, right in SPELLINGS.items():
            for word in dict.fromkeys(found[0] for found in re.finditer(pattern, prose.text)):
                yield prose.finding(
                    source, "spelling", f"{word!r} is not how it is spelled.", f"Write {right!r}."
                )


def _links(source: Source) -> Iterator[Finding]:
    pieces = [_Prose(cell.source, cell=cell) for cell in source.cells if cell.is_prose]
    pieces += [_Prose(text, path=path) for path, text in source.texts if path.suffix == ".md"]
    for prose in pieces:
        text = without_code(prose.text)
        for link in _LINK.finditer(text):
            for what, do in _faults(source, prose, link):
                yield prose.finding(source, "links", what, do)
        for url in _URL.findall(text):
            address = url.rstrip(".,;:*_")
            if not _GOOD_URL.fullmatch(address) and not _LOCAL_URL.match(address):
                yield prose.finding(
                    source, "links", f"{address!r} is not an https address.", "Write https://host/path."
                )


def _faults(source: Source, prose: _Prose, link: re.Match[str]) -> Iterator[tuple[str, str]]:
    target, text = link["target"], link["text"].strip()
    if not text:
        yield (
            f"The {'picture' if link['picture'] else 'link'} {target!r} has no text.",
            "Say what it shows, for those who do not see it.",
        )
    if not target:
        yield f"The link {text!r} leads nowhere.", "Give it a target."
    elif target.startswith("#"):
        if _slug(target[1:]) not in {_slug(heading) for heading in _anchors(source, prose)}:
            yield f"No heading is called {target[1:]!r}.", "Write the heading's words with '-' between them."
    elif target.startswith("attachment:"):
        held = prose.cell.node.get("attachments", {}) if prose.cell else {}
        if target.partition(":")[2] not in held:
            yield f"The cell has no {target!r}.", "Paste the picture into the cell again."
    elif not re.match(r"[a-z]+:", target):
        here = (prose.path or source.lab.notebook).parent
        file = here / target.partition("#")[0]
        if not file.exists():
            yield f"There is no file {target!r}.", f"It is looked for in {source.name(here)}/."


def _anchors(source: Source, prose: _Prose) -> list[str]:
    if prose.path is None:
        titles = re.findall(r"^#[ \t]+(.+)$", source.cells[0].source, re.M) if source.cells else []
        return [*titles, *(heading for _, heading in source.headings)]
    return re.findall(r"^#+[ \t]+(.+)$", prose.text, re.M)


def _slug(heading: str) -> str:
    """Return a heading as an anchor, whether JupyterLab's or GitHub's."""
    return re.sub(r"-+", "-", re.sub(r"[^\w-]", "", heading.strip().lower().replace(" ", "-")))


RULES = (
    Rule("tone", "prose has no exclamation marks, no emoji, no 'simply'", _words),
    Rule(
        "spelling",
        f"{len(SPELLINGS)} names of the field are spelled its way; no spelling checker for prose",
        _spelling,
    ),
    Rule("links", "links lead somewhere, and pictures have words", _links),
)
