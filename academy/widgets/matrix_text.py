"""The matrix and a recommendation as plain text and as a page without scripts."""

from __future__ import annotations

from html import escape
from textwrap import wrap

from academy.matrix.catalogue import Catalogue
from academy.matrix.text import grid
from academy.widgets.matrix_answer import Answer, RankedView, ReasonView
from academy.widgets.matrix_view import CellView, MatrixView

_WIDTH = 90


def plain(catalogue: Catalogue, view: MatrixView, answer: Answer) -> str:
    """Return the grid, and what was recommended, as lines of text."""
    lines = [view.labels["title"], "", grid(catalogue, _WIDTH)]
    lines += ["", *_wrapped(answer.error or answer.summary or view.labels["ask_here"], "")]
    for cell in answer.cells:
        lines += ["", f"{cell.name}: {cell.badge}"]
        for reason in cell.reasons:
            lines += _wrapped(f"  {_sentence(reason)}", "    ")
        if fitting := _fitting(cell):
            names = ", ".join(one.name for one in fitting)
            lines += _wrapped(f"  {view.labels['answer.services']}: {names}", "    ")
        for service in _best(cell):
            lines += [f"  {service.name}: {service.badge}"]
            lines += [line for one in service.reasons for line in _wrapped(f"    {_sentence(one)}", "      ")]
    for note in answer.notes:
        lines += ["", *_wrapped(note, "")]
    return "\n".join(lines)


def static_page(view: MatrixView, answer: Answer, at: str) -> str:
    """Return the same as HTML that reads well without style sheets; ``at`` says when it was so."""
    labels = view.labels
    ranked = {cell.id: cell for cell in answer.cells}
    head = "".join(f'<th scope="col">{escape(column.text)}</th>' for column in view.columns)
    rows = "".join(_row(view, row.value, row.text, ranked) for row in view.rows)
    said = answer.error or answer.summary
    region = escape(labels["region"])
    return (
        f'<section class="academy-matrix-static" lang="{view.language}" aria-label="{region}">'
        f"<h3>{escape(labels['title'])}</h3>"
        f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<p>{escape(labels['compute.means'])}</p>"
        + (f"<p>{escape(said)}</p>" if said else "")
        + "".join(_ranked(cell) for cell in answer.cells)
        + "".join(f"<p>{escape(note)}</p>" for note in answer.notes)
        + f"<p><small>{escape(labels['static'].format(time=at))}</small></p></section>"
    )


def _row(view: MatrixView, row: str, text: str, ranked: dict[str, RankedView]) -> str:
    inner = "".join(
        f"<td>{_tile(cell, ranked.get(cell.id))}</td>"
        for column in view.columns
        for cell in view.cells
        if (cell.row, cell.column) == (row, column.value)
    )
    return f'<tr><th scope="row">{escape(text)}</th>{inner}</tr>'


def _tile(cell: CellView, ranked: RankedView | None) -> str:
    badge = f" ({escape(ranked.badge)})" if ranked else ""
    services = "<br>".join(escape(service.name) for service in cell.services)
    return f"<strong>{escape(cell.name)}</strong>{badge}<br>{services}"


def _ranked(cell: RankedView) -> str:
    services = ", ".join(escape(one.name) for one in _fitting(cell))
    return (
        f"<h4>{escape(cell.name)}: {escape(cell.badge)}</h4><ul>{_reasons(cell)}</ul>"
        + (f"<p>{services}</p>" if services else "")
        + "".join(
            f"<h5>{escape(one.name)}: {escape(one.badge)}</h5><ul>{_reasons(one)}</ul>" for one in _best(cell)
        )
    )


def _reasons(one: RankedView) -> str:
    return "".join(f"<li>{escape(_sentence(reason))}</li>" for reason in one.reasons)


def _fitting(cell: RankedView) -> list[RankedView]:
    return [one for one in cell.services if one.state != "refused"]


def _best(cell: RankedView) -> list[RankedView]:
    """Return the best service of the best cell, which is the only one whose reasons are told."""
    return [one for one in cell.services if cell.state == one.state == "best"]


def _sentence(reason: ReasonView) -> str:
    return f"{reason.said}: {reason.text}" if reason.said else reason.text


def _wrapped(text: str, later: str) -> list[str]:
    return wrap(text, _WIDTH, subsequent_indent=later, break_long_words=False)
