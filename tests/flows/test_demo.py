"""`mpss demo` as a newcomer starts it: on nothing but Python, twice on the same folder, stopped and killed."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from mpss.db.embedded import EmbeddedPostgres
from tests.support.postgres import data_folder
from tests.support.programs import Program, alive, descendants, run, wait_until

FACTS = (
    "Li Na 李娜 paid 30.00 to 街角小铺",
    "街角小铺 delivered the card",
    "the sale is reversed",
    "Wang Wei 王伟 confirms and is told",
    "the sale stands as",
    "Wang Wei 王伟 is asked to pay meanwhile: refused",
    "Li Na 李娜, new number has",
    "trial balance",
    "the invariants, recomputed from the books",
)


@pytest.fixture
def data() -> Iterator[Path]:
    with data_folder() as folder:
        yield folder


def ports(data: Path) -> dict[str, object]:
    """Where everything listens, as the folder remembers it."""
    return {
        name: json.loads((data / name).read_text()) for name in ("demo.json", "town/ports.json", "town/smsc-ports.json")
    }


def transactions(data: Path) -> int:
    with EmbeddedPostgres(data) as server, psycopg.connect(server.run_url) as connection:
        row = connection.execute("SELECT count(*) FROM transaction").fetchone()
    assert row is not None
    return int(row[0])


def assert_gone(pids: list[int]) -> None:
    """Every process ends, the embedded server too."""
    wait_until(lambda: not any(alive(pid) for pid in pids))


class TestTheDemo:
    def test_plays_its_story_on_an_empty_folder_and_again_on_yesterdays(self, data: Path, tmp_path: Path) -> None:
        first = run("demo", "--once", "--data", str(data))
        assert first.returncode == 0, first.stdout + first.stderr
        assert [fact for fact in FACTS if fact not in first.stdout] == []
        assert "✗" not in first.stdout
        assert "+8618022220001" in first.stdout
        known, paid = ports(data), transactions(data)
        assert not EmbeddedPostgres(data).is_running()

        with Program("demo", "--data", str(data), output=tmp_path / "second.log") as second:
            second.wait_for("Ctrl-C stops everything.")
            said = second.said()
            assert "✗" not in said
            assert "+8618022220004" in said
            assert "+8618022220001" not in said
            assert ports(data) == known
            started = list(descendants(second.pid))
            assert len(started) >= 4  # the supervisor, http with its worker, jobs; PostgreSQL with its own
            second.signal(signal.SIGINT)
            assert second.wait() == 0
            assert_gone(started)
        assert not EmbeddedPostgres(data).is_running()
        assert transactions(data) == 2 * paid

    def test_stops_everything_when_interrupted_while_it_plays(self, data: Path, tmp_path: Path) -> None:
        with Program("demo", "--data", str(data), output=tmp_path / "demo.log") as demo:
            demo.wait_for("a reviewer publishes it")
            started = list(descendants(demo.pid))
            demo.signal(signal.SIGINT)
            demo.signal(signal.SIGINT)
            assert demo.wait() == 1
            assert_gone(started)
        assert "Stopped before the story ended." in demo.said()
        assert "Traceback" not in demo.said()
        assert not EmbeddedPostgres(data).is_running()

    def test_that_is_killed_leaves_a_server_to_join_and_nothing_else(self, data: Path, tmp_path: Path) -> None:
        with Program("demo", "--data", str(data), output=tmp_path / "demo.log") as demo:
            demo.wait_for("a reviewer publishes it")
            started = descendants(demo.pid)
            demo.signal(signal.SIGKILL)
            demo.wait()
            assert_gone([pid for pid, arguments in started.items() if "mpss serve" in arguments])
        assert EmbeddedPostgres(data).is_running()
        verified = run("verify", "--data", str(data))
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert_gone(list(started))
