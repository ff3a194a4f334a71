"""Lists as tables to take along: CSV in UTF-8, one line for each item."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from starlette.responses import Response

from mpss.channels.http.fields import View

MOST_EXPORTED = 10_000


def table(name: str, columns: Sequence[str], items: Iterable[View]) -> Response:
    """The columns of the items as a file of this name."""
    written = io.StringIO()
    writer = csv.DictWriter(written, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(item.model_dump(mode="json") for item in items)
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return Response(written.getvalue(), 200, headers, "text/csv; charset=utf-8")
