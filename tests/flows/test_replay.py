"""A month through the public API, and the books beside it."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

from tests.support.month import write_month
from tests.support.postgres import data_folder


def test_replays_a_month_and_finds_the_books_equal_to_the_fen(tmp_path: Path) -> None:
    with data_folder() as data:
        command = [sys.executable, "-m", "mpss", "replay", str(write_month(tmp_path)), "--counts", "1"]
        done = subprocess.run(
            [*command, "--amounts", "0.01", "--data", str(data)], capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "invariants hold" in done.stdout
        with (data / "replay" / "hours.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert "<svg" in (data / "replay" / "month.svg").read_text()
    by_hour = {(row["hour"], row["type"]): row for row in rows}
    assert int(by_hour["1", "CASH_IN"]["accepted"]) == 4
    assert by_hour["1", "CASH_IN"]["moved_fen"] == by_hour["1", "CASH_IN"]["books_fen"]
    # 3,000 yuan each, more than the largest single top-up allows only at the data's own scale.
    assert int(by_hour["27", "CASH_IN"]["books_entries"]) == 3
    assert all(row["agrees"] == "True" for row in rows)
    transfers = [row for row in rows if row["type"] == "TRANSFER"]
    assert sum(int(row["asked"]) for row in transfers) == 7
    assert sum(int(row["accepted"]) for row in transfers) > 0
    assert [row["moved_fen"] for row in transfers] == [row["books_fen"] for row in transfers]
    for action, asked in (("CASH_OUT", 5), ("DEBIT", 7)):
        out = [row for row in rows if row["type"] == action]
        assert sum(int(row["asked"]) for row in out) == asked
        assert sum(int(row["accepted"]) for row in out) > 0
        assert [row["moved_fen"] for row in out] == [row["books_fen"] for row in out]
    payments = [row for row in rows if row["type"] == "PAYMENT"]
    assert sum(int(row["asked"]) for row in payments) == 20
    refused = sum(int(row[name] or 0) for row in payments for name in row if name.startswith("refused_"))
    assert sum(int(row["accepted"]) for row in payments) + refused == 20
