"""The instant at which tests begin: the databases they get have this business day open."""

from __future__ import annotations

from datetime import UTC, date, datetime

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
"""12:00 in Shanghai."""
TODAY = date(2026, 3, 1)
