"""`mpss bench --quick` runs every part and prints every figure; what the figures are is not for tests to judge."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mpss.cli.bench import find_checkout

FIGURES = {
    "rate",
    "ratio",
    "p50_ms",
    "p99_ms",
    "wal_bytes_per_payment",
    "cpu_own",
    "cpu_postgres",
    "cpu_client",
    "cpu_us_per_payment",
    "refused",
    "rates",
    "ratios",
}
GROWTH = FIGURES | {"accounts", "payments_before", "slower_percent"}


def bench(*options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "mpss", "bench", "--quick", "--json", *options],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


class TestBench:
    def test_measures_desk_and_growth_and_leaves_books_that_hold(self) -> None:
        printed = bench("--part", "desk", "--part", "growth")
        assert set(printed) == {
            "at", "commit", "quick", "machine", "disk", "tpcb", "desk", "http", "funded", "growth", "goals", "verify",
            "refused", "seconds",
        }  # fmt: skip
        assert set(printed["machine"]) == {
            "cores", "processor", "memory_gib", "kernel", "file_system", "python", "postgresql",
        }  # fmt: skip
        assert set(printed["disk"]["commit_latency"]) == {"p50_ms", "p99_ms"}
        assert set(printed["desk"]) == {"random_1", "random_2", "hot_1", "hot_2", "screened_2"}
        assert all(set(figure) == FIGURES for figure in printed["desk"].values())
        assert set(printed["growth"]) == {"small", "medium", "large", "after"}
        assert all(set(figure) == GROWTH for figure in printed["growth"].values())
        assert printed["growth"]["after"]["payments_before"] >= 500
        assert set(printed["tpcb"]) == {"clients_8", "clients_32", "better_rate"}
        assert printed["http"] is None
        assert printed["funded"] is None
        assert printed["refused"] == 0
        assert printed["verify"] == {"holds": True, "breaches": [], "worlds": 5}

    def test_measures_purchases_that_others_fund_and_payments_beside_calls_that_wait(self) -> None:
        printed = bench("--part", "funded")
        kinds = {"phone_bill", "bank_card", "bank_topup"}
        assert set(printed["funded"]) == kinds | {"waiting"}
        for kind in kinds:
            assert set(printed["funded"][kind]) == FIGURES
            assert printed["funded"][kind]["rate"] > 0
        waiting = printed["funded"]["waiting"]
        assert waiting["waiting_least"] == waiting["calls"] == 50
        # The desk's own connection, and one that looks for sprayed passwords: a waiting call holds none.
        assert waiting["connections_in_use"] <= 2
        assert waiting["beside"]["rate"] > 0
        assert printed["refused"] == 0
        assert printed["verify"] == {"holds": True, "breaches": [], "worlds": 1}

    @pytest.mark.peers
    def test_measures_purchases_over_http(self) -> None:
        printed = bench("--part", "http")
        assert set(printed["http"]) == {"amount", "product", "reason"}
        assert printed["http"]["reason"] is None
        for kind in ("amount", "product"):
            assert set(printed["http"][kind]) == FIGURES
            assert printed["http"][kind]["rate"] > 0
        assert printed["refused"] == 0
        assert printed["verify"] == {"holds": True, "breaches": [], "worlds": 1}


class TestFindCheckout:
    def test_finds_the_one_that_the_package_is_in(self) -> None:
        checkout = Path(__file__).resolve().parents[3]
        assert find_checkout(checkout / "src") == checkout

    def test_finds_none_where_the_package_is_installed_by_itself(self, tmp_path: Path) -> None:
        assert find_checkout(tmp_path / "site-packages") is None
