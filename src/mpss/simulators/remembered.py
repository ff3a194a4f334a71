"""What a simulator keeps of its last run beside its books: the ports it listened on."""

from __future__ import annotations

import json
from pathlib import Path


def remembered_ports(file: Path) -> dict[str, int]:
    """Yesterday's ports by name; none where the file is not there or cannot be read."""
    try:
        found: dict[str, int] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
