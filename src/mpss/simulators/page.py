"""How the pages of the town's simulators look: one style, without script, readable on a phone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from html import escape

from mpss.kernel.clock import SHANGHAI

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; color: #1c2733; background: #fff; line-height: 1.5; overflow-wrap: break-word;
  font-family: system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 0.75rem; } h2 { font-size: 1.15rem; margin: 2rem 0 0.25rem; }
a { color: #0b5cad; } :focus-visible { outline: 3px solid #0b5cad; outline-offset: 2px; }
small, .soft { color: #4c5968; } small { display: block; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: 0.4rem 0.6rem 0.4rem 0; vertical-align: top; border-bottom: 1px solid #d5dce3; }
th { color: #4c5968; white-space: nowrap; } time, .number { white-space: nowrap; }
ol { list-style: none; padding: 0; max-width: 46rem; }
li { width: fit-content; max-width: 80%; margin: 0.5rem 0; padding: 0.5rem 0.8rem; border-radius: 0.8rem; }
li { background: #eef2f6; white-space: pre-wrap; } li.sent { margin-left: auto; background: #d3efdc; }
form { display: flex; flex-wrap: wrap; gap: 0.5rem; max-width: 46rem; } label { flex-basis: 100%; font-weight: 600; }
input, button { font: inherit; min-height: 2.75rem; padding: 0.4rem 0.75rem; border-radius: 6px; }
input { flex: 1 1 12rem; min-width: 0; border: 1px solid #6b7886; color: inherit; }
button { border: 0; background: #0b5cad; color: #fff; font-weight: 600; cursor: pointer; }
button.second { border: 1px solid #0b5cad; background: #fff; color: #0b5cad; }
form.choice { max-width: 24rem; margin-top: 1.5rem; } form.choice button { flex: 1 1 8rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.5rem 1rem; align-items: baseline; margin: 0; }
dt { color: #4c5968; } dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
.amount { font-size: 1.5rem; font-weight: 700; }
[role=status], [role=alert] { padding: 0.6rem 0.8rem; border-left: 4px solid; max-width: 46rem; }
[role=status] { background: #e8f5ec; border-color: #1b7a3d; }
[role=alert] { background: #fdecee; border-color: #b00020; }
@media (max-width: 60rem) {
  body { overflow-wrap: anywhere; } th { white-space: normal; }
  thead { display: none; }
  tr { display: block; border-bottom: 1px solid #d5dce3; padding: 0.4rem 0; }
  td { display: block; border: 0; padding: 0.05rem 0; }
  td[data-name]::before { content: attr(data-name) " "; color: #4c5968; }
}
"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def page(title: str, body: str, *, language: str = "en") -> str:
    """A whole page. `title` is any text; `body` is HTML whose texts are escaped already."""
    return (
        f'<!doctype html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, empty: str) -> str:
    """A table of cells that are HTML already; on a phone each row is a block. `empty` is said where there is no row."""
    if not rows:
        return f'<p class="soft">{escape(empty)}</p>'
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "".join(
        "<tr>"
        + "".join(f'<td data-name="{escape(name)}">{cell}</td>' for name, cell in zip(heads, row, strict=True))
        + "</tr>\n"
        for row in rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"


def shown_time(text: str) -> str:
    """An ISO instant as the clocks of Shanghai show it."""
    local = datetime.fromisoformat(text).astimezone(SHANGHAI)
    return f'<time datetime="{escape(text)}">{local:%Y-%m-%d %H:%M:%S}</time>'
