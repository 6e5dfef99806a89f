"""A report as HTML that any mail program shows: styles in place, bars of table cells, nothing from outside."""

from collections.abc import Sequence
from html import escape

from ipecs_mw.reports.content import Cell, Content

_FONT = "font-family:Arial,Helvetica,sans-serif;font-size:14px"
_BODY = f"margin:0;padding:16px;background:#ffffff;color:#1c2430;{_FONT}"
_QUIET = "margin:4px 0;color:#5b6675"
_TABLE = "border-collapse:collapse;margin:16px 0"
_CELL = "padding:4px 10px;border-bottom:1px solid #dfe3e8;white-space:nowrap;vertical-align:middle"
_HEAD = f"{_CELL};border-bottom:2px solid #1c2430;font-weight:bold"
_TOTAL = f"{_CELL};border-top:2px solid #1c2430;font-weight:bold"
_BAR_PIXELS = 80
_FULL, _EMPTY = "#2f6fb3", "#e6eaf0"


def render_html(content: Content) -> str:
    """Return the report as a whole page; whatever its texts hold, they stay texts."""
    title = escape(content.title)
    parts = [
        f'<!DOCTYPE html>\n<html lang="{escape(content.locale)}">\n<head><meta charset="utf-8">',
        f"<title>{escape(content.subject)}</title></head>",
        f'<body style="{_BODY}">',
        f'<h1 style="margin:0 0 4px;font-size:20px">{title}</h1>',
        *(f'<p style="{_QUIET}">{escape(line)}</p>' for line in (content.days, *content.limits)),
        *(_render_table(content) if content.rows else ()),
        *(f'<p style="margin:4px 0">{escape(note)}</p>' for note in content.notes),
        f'<p style="{_QUIET};font-size:12px">{escape(content.footer)}</p>',
        "</body>\n</html>\n",
    ]
    return "\n".join(parts)


def _render_table(content: Content) -> Sequence[str]:
    return (
        f'<table cellspacing="0" cellpadding="0" style="{_TABLE}">',
        f"<thead>{_render_row(content.head, _HEAD, 'th')}</thead>",
        "<tbody>",
        *(_render_row(row, _CELL, "td") for row in content.rows),
        "</tbody>",
        *([f"<tfoot>{_render_row(content.total, _TOTAL, 'td')}</tfoot>"] if content.total else []),
        "</table>",
    )


def _render_row(cells: Sequence[Cell], style: str, tag: str) -> str:
    scope = ' scope="col"' if tag == "th" else ""
    return "<tr>" + "".join(_render_cell(cell, style, tag, scope) for cell in cells) + "</tr>"


def _render_cell(cell: Cell, style: str, tag: str, scope: str) -> str:
    side = "right" if cell.is_number else "left"
    bar = "" if cell.bar is None else _render_bar(cell.bar)
    return f'<{tag}{scope} align="{side}" style="{style};text-align:{side}">{escape(cell.text)}{bar}</{tag}>'


def _render_bar(share: float) -> str:
    full = round(share * _BAR_PIXELS)
    parts = "".join(
        f'<td width="{pixels}" height="6" style="width:{pixels}px;height:6px;line-height:6px;font-size:1px;'
        f'background:{colour}">&nbsp;</td>'
        for pixels, colour in ((full, _FULL), (_BAR_PIXELS - full, _EMPTY))
        if pixels
    )
    return (
        f'<table role="presentation" cellspacing="0" cellpadding="0" align="right" width="{_BAR_PIXELS}"'
        f' style="width:{_BAR_PIXELS}px;border-collapse:collapse;clear:both"><tr>{parts}</tr></table>'
    )
