"""Reading and drawing a month."""

from __future__ import annotations

from pathlib import Path
from statistics import mean, stdev

import pytest

from mpss.simulators.month import CASH_IN, CASH_OUT, DEBIT, PAYMENT, TRANSFER, Draw, Hour, MonthUnreadable, read_month
from tests.support.month import write_month


class TestReadMonth:
    def test_takes_the_actions_that_are_replayed_in_order_of_time(self, tmp_path: Path) -> None:
        month = read_month(write_month(tmp_path))
        assert [(hour.step, hour.action, hour.count) for hour in month.hours] == [
            (1, CASH_IN, 4),
            (1, CASH_OUT, 5),
            (1, PAYMENT, 10),
            (1, TRANSFER, 7),
            (2, DEBIT, 4),
            (20, DEBIT, 3),
            (26, PAYMENT, 10),
            (27, CASH_IN, 3),
        ]
        assert month.total(PAYMENT) == 20

    def test_names_the_file_that_is_missing(self, tmp_path: Path) -> None:
        write_month(tmp_path)
        (tmp_path / "clientsProfiles.csv").unlink()
        with pytest.raises(MonthUnreadable, match=r"clientsProfiles\.csv is missing"):
            read_month(tmp_path)

    def test_names_the_line_that_is_wrong(self, tmp_path: Path) -> None:
        path = write_month(tmp_path) / "aggregatedTransactions.csv"
        path.write_text(path.read_text().replace("CASH_IN,10,0,1,4,", "CASH_IN,10,0,1,four,"))
        with pytest.raises(MonthUnreadable, match=r"aggregatedTransactions\.csv, line 2: count is no number"):
            read_month(tmp_path)

    def test_names_the_column_that_is_missing(self, tmp_path: Path) -> None:
        path = write_month(tmp_path) / "maxOccurrencesPerClient.csv"
        path.write_text("action,most\nCASH_IN,1\n")
        with pytest.raises(MonthUnreadable, match=r"max\(numTrans\) are missing"):
            read_month(tmp_path)


class TestDraw:
    def test_carries_what_rounding_leaves_over(self, tmp_path: Path) -> None:
        draw = Draw(read_month(write_month(tmp_path)), counts=0.25, amounts=1, seed=1)
        hour = Hour(1, PAYMENT, 10, 1, 0)
        assert [draw.count(hour) for _ in range(4)] == [2, 3, 2, 3]

    def test_draws_amounts_of_the_hours_mean_and_deviation(self, tmp_path: Path) -> None:
        draw = Draw(read_month(write_month(tmp_path)), counts=1, amounts=0.01, seed=2)
        amounts = draw.amounts_fen(Hour(1, PAYMENT, 1, 13_000.0, 6_500.0), 40_000)
        assert mean(amounts) == pytest.approx(13_000, rel=0.02)
        assert stdev(amounts) == pytest.approx(6_500, rel=0.05)
        assert min(amounts) > 0

    def test_draws_another_client_than_the_one_who_sends(self, tmp_path: Path) -> None:
        draw = Draw(read_month(write_month(tmp_path)), counts=1, amounts=1, seed=3)
        assert draw.clients == 4
        assert {draw.other(2) for _ in range(200)} == {0, 1, 3}

    def test_draws_the_same_from_the_same_seed(self, tmp_path: Path) -> None:
        month = read_month(write_month(tmp_path))
        hour = month.hours[0]
        drawn = []
        for _ in range(2):
            draw = Draw(month, counts=1, amounts=1, seed=7)
            drawn.append((draw.opening_fen(), draw.amounts_fen(hour, 5), draw.actors(CASH_IN, 5), draw.shop(3)))
        assert drawn[0] == drawn[1]
