"""A customer's browser at the online bank's gateway."""

from __future__ import annotations

import re

import httpx


async def at_the_bank(address: str, *, agree: bool) -> str:
    """Open the page at `address` and press a button; where the browser is sent back to."""
    async with httpx.AsyncClient(trust_env=False) as browser:
        page = await browser.get(address)
        assert page.status_code == 200, page.text
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', page.text))
        url = str(page.url.copy_with(query=None))
        sent = await browser.post(url, data={**hidden, "decision": "agree" if agree else "refuse"})
    assert sent.status_code == 303, sent.text
    return sent.headers["location"]
