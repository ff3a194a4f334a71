"""The few pages of this channel: server-rendered, without script, in zh-CN and en.

A page gets plain values and nothing else, and is sent with a policy that lets it load nothing: its style is in it,
named by its digest.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import Response

STYLE = """
:root { color-scheme: light; --ink: #1b2430; --soft: #4c5968; --line: #d3dae2; --wash: #f3f6f9; --blue: #0b5cad; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; overflow-wrap: break-word; line-height: 1.55;
  font-family: system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
main.narrow { max-width: 28rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.25rem; margin: 3rem 0 0.5rem; padding-top: 0.5rem; border-top: 2px solid var(--ink); }
h3 { font-size: 1.05rem; margin: 2.25rem 0 0.5rem; }
a { color: var(--blue); text-underline-offset: 0.25em; }
:focus-visible { outline: 3px solid var(--blue); outline-offset: 2px; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.9em; }
code { background: var(--wash); padding: 0 0.2em; border-radius: 3px; }
pre { white-space: pre-wrap; background: var(--wash); padding: 0.6rem 0.8rem; border-radius: 6px; margin: 0.5rem 0; }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0 1rem; }
caption { text-align: left; font-weight: 600; padding: 0.25rem 0; }
td, th { border-bottom: 1px solid var(--line); padding: 0.35rem 0.6rem 0.35rem 0; text-align: left; }
td { vertical-align: top; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
nav ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; }
nav.operations ul { display: block; columns: 20rem; }
summary { cursor: pointer; padding: 0.25rem 0; }
.method { font-weight: 700; }
.soft { color: var(--soft); }
form { display: grid; gap: 0.4rem; }
label { font-weight: 600; margin-top: 0.6rem; }
input, button { font: inherit; width: 100%; min-height: 2.9rem; padding: 0.5rem 0.75rem; border-radius: 6px; }
input { border: 1px solid #6b7886; background: #fff; color: inherit; font-size: 1.25rem; letter-spacing: 0.2em; }
input[aria-invalid="true"] { border: 2px solid #b00020; }
button { margin-top: 1rem; border: 0; background: var(--blue); color: #fff; font-weight: 600; cursor: pointer; }
.problem { color: #8c0019; background: #fdecee; border-left: 4px solid #b00020; padding: 0.6rem 0.8rem; }
.done { background: #e8f5ec; border-left: 4px solid #1b7a3d; padding: 0.6rem 0.8rem; }
@media (max-width: 40rem) {
  body { overflow-wrap: anywhere; }
  table.rows thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table.rows tr { display: block; border-bottom: 1px solid var(--line); padding: 0.4rem 0; }
  table.rows td { display: block; border: 0; padding: 0.05rem 0; }
  nav.operations ul { columns: 1; }
}
"""
HTML = "text/html"
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)

_environment = Environment(
    loader=PackageLoader("mpss.channels.http"),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def rendered(name: str, values: Mapping[str, Any], *, language: str) -> str:
    """The template `name` with these values, as HTML."""
    return _environment.get_template(name).render(**values, language=language, style=STYLE)


def page(name: str, values: Mapping[str, Any], *, language: str, status: int = 200) -> Response:
    """The template `name` with these values, as an answer."""
    return html_answer(rendered(name, values, language=language), language=language, status=status)


def html_answer(html: str, *, language: str, status: int = 200, cache: str = "no-store") -> Response:
    """HTML of ours, with the policy that lets it load nothing."""
    headers = {
        "content-security-policy": POLICY,
        "content-language": language,
        "vary": "Accept-Language",
        "cache-control": cache,
    }
    return Response(html, status, headers, f"{HTML}; charset=utf-8")
