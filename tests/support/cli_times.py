"""What a command lists in both forms: instants are ISO in JSON, and minutes in Asia/Shanghai in the table."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from mpss.cli.acting import local
from mpss.cli.center import environment_of
from tests.support.center import Center
from tests.support.programs import run

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d\S*")


async def listed(center: Center, key: str, *command: str) -> list[dict[str, Any]]:
    """The items that a command of a member of staff prints; every instant in them is told as the rule says."""
    named = {name: value for name, value in environment_of(center.settings).items() if name.startswith("MPSS_")}
    places = {**named, "MPSS_STAFF_KEY": key, "COLUMNS": "400"}
    printed = await asyncio.to_thread(lambda: run(*command, "--json", **places))
    shown = await asyncio.to_thread(lambda: run(*command, **places))
    assert (printed.returncode, shown.returncode) == (0, 0), printed.stderr + shown.stderr
    told = json.loads(printed.stdout)
    instants = [datetime.fromisoformat(text) for text in _texts(told) if _INSTANT.fullmatch(text)]
    assert instants, told
    assert all(instant.tzinfo is not None for instant in instants), told
    minutes = set(_INSTANT.findall(shown.stdout))
    assert minutes, shown.stdout
    assert minutes <= {local(instant) for instant in instants}, (told, shown.stdout)
    items: list[dict[str, Any]] = told.get("items", [told])
    return items


def _texts(told: Any) -> Iterator[str]:
    if isinstance(told, str):
        yield told
    elif isinstance(told, dict | list):
        for part in told.values() if isinstance(told, dict) else told:
            yield from _texts(part)
