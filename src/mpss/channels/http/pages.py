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
body { font-family: system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; line-height: 1.5; }
input, button { font: inherit; padding: 0.4rem 0.6rem; }
form { max-width: 20rem; display: grid; gap: 0.6rem; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.9em; }
pre { overflow-x: auto; background: #f4f4f4; padding: 0.6rem; }
table { border-collapse: collapse; } td, th { border: 1px solid #ccc; padding: 0.2rem 0.5rem; text-align: left; }
.problem { color: #a00; } .method { font-weight: bold; }
"""
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


def page(name: str, values: Mapping[str, Any], *, language: str, status: int = 200) -> Response:
    """The template `name` with these values."""
    html = _environment.get_template(name).render(**values, language=language, style=STYLE)
    headers = {"content-security-policy": POLICY, "content-language": language, "vary": "Accept-Language"}
    return Response(html, status, headers, "text/html; charset=utf-8")
