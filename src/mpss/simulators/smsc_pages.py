"""The pages on which a person looks at the town's handsets. Every text is escaped: it came from outside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

from mpss.simulators.page import page, shown_time, table

_LINK = re.compile(r"https?://[!-~]+")
_CHINESE = re.compile("[\u4e00-\u9fff]")


def handsets_page(handsets: Sequence[dict[str, Any]], stats: dict[str, Any]) -> str:
    """A line for each handset: its number, how many messages it received, the last one."""
    rows = [
        (
            f'<a class="number" href="/phones/{escape(line["phone"])}#send">{escape(line["phone"])}</a>',
            str(line["received"]),
            f"<span{_language(line['last'] or '')}>{escape(line['last'] or '')}</span>",
        )
        for line in handsets
    ]
    bound = escape(", ".join(stats["bound"])) or "nobody"
    return page(
        "The town's handsets",
        f"<p>Bound: {bound}. Received by phones: {stats['received']}. "
        f"On the way to the center: {stats['waiting_upstream']}. Times are Shanghai's.</p>\n"
        + table(("Phone", "Received", "Last message"), rows, empty="No phone has sent or received anything yet."),
    )


def handset_page(phone: str, messages: Sequence[dict[str, Any]]) -> str:
    """One handset's conversation with our number, oldest first, and a form that sends."""
    lines = "".join(
        f'<li class="{"sent" if message["sent"] else "received"}"{_language(message["text"])}>'
        f"{_linked(message['text'])}<small>{shown_time(message['at'])}</small></li>\n"
        for message in messages
    )
    return page(
        phone,
        '<p><a href="/">All handsets</a></p>\n'
        + (f"<ol>\n{lines}</ol>" if lines else '<p class="soft">No messages yet.</p>')
        + f'\n<form method="post" action="/phones/{escape(phone)}" id="send">\n'
        + '<label for="text">Send a message, such as BZ for help</label>\n'
        + '<input id="text" name="text" required maxlength="500" autocomplete="off">\n<button>Send</button>\n</form>',
    )


def _language(text: str) -> str:
    return ' lang="zh-CN"' if _CHINESE.search(text) else ""


def _linked(text: str) -> str:
    """The text, what is an address in it as a link."""
    parts, end = [], 0
    for match in _LINK.finditer(text):
        address = escape(match.group())
        parts += [escape(text[end : match.start()]), f'<a href="{address}" rel="noreferrer">{address}</a>']
        end = match.end()
    return "".join([*parts, escape(text[end:])])
