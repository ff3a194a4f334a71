"""Where the cluster and the programs go when the OS user of PostgreSQL cannot reach ours."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpss.db.embedded import wheel_bin_dir
from mpss.db.service_user import ServiceUser, new_cluster_folder, reachable_programs, service_user
from tests.support.postgres import data_folder

STRANGER = ServiceUser(uid=os.geteuid() + 12345, gid=os.getegid() + 12345)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that only we may enter; the service folder is beside it, where everybody may."""
    with data_folder() as outside:
        monkeypatch.setattr("mpss.db.service_user.SERVICE_FOLDER", outside / "service")
        folder = outside / "closed"
        folder.mkdir(mode=0o700)
        yield folder


class TestServiceUser:
    def test_is_ourselves_unless_we_are_root(self) -> None:
        if os.geteuid() == 0:
            assert service_user().uid not in (None, 0)
        else:
            assert service_user() == ServiceUser()

    def test_can_enter_what_the_modes_of_all_parents_allow(self, closed: Path) -> None:
        assert STRANGER.can_enter(closed.parent)
        assert not STRANGER.can_enter(closed)
        inside = closed / "inside"
        inside.mkdir(mode=0o777)
        assert not STRANGER.can_enter(inside)
        assert not STRANGER.can_enter(inside / "not yet there")
        assert ServiceUser().can_enter(inside)
        closed.chmod(0o711)
        assert STRANGER.can_enter(inside / "not yet there")


class TestPlaces:
    def test_the_cluster_is_in_the_data_folder_where_it_can_be(self, closed: Path) -> None:
        assert new_cluster_folder(closed.parent, STRANGER) == closed.parent / "postgres"
        assert new_cluster_folder(closed, ServiceUser()) == closed / "postgres"

    def test_the_cluster_is_else_in_the_service_folder_under_a_new_name(self, closed: Path) -> None:
        first, second = new_cluster_folder(closed, STRANGER), new_cluster_folder(closed, STRANGER)
        assert first != second
        assert {first.parent, second.parent} == {closed.parent / "service"}
        assert closed.stat().st_mode & 0o777 == 0o700
        assert (closed.parent / "service").stat().st_mode & 0o777 == 0o711

    def test_the_programs_are_copied_once_and_run_from_there(self, closed: Path) -> None:
        package = wheel_bin_dir().parent.parent
        for part in (package, package.with_name(f"{package.name}.libs")):
            subprocess.run(["cp", "-r", part, closed], check=True)
        programs = reachable_programs(closed / package.name / "pginstall18" / "bin", STRANGER)
        assert programs.is_relative_to(closed.parent / "service")
        assert STRANGER.can_enter(programs)
        for name in ("postgres", "initdb", "psql"):
            said = subprocess.run([programs / name, "--version"], check=True, capture_output=True, text=True).stdout
            assert "(PostgreSQL) 18" in said
        assert reachable_programs(closed / package.name / "pginstall18" / "bin", STRANGER) == programs
        assert [entry.name for entry in programs.parents[2].parent.iterdir()] == [programs.parents[2].name]

    def test_the_programs_are_used_where_they_are_when_they_can_be(self, closed: Path) -> None:
        closed.chmod(0o755)
        assert reachable_programs(closed, STRANGER) == closed
