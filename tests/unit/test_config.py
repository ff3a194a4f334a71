"""Settings read from the environment."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from mpss.config import SettingInvalid, Settings


class TestASetting:
    def test_has_its_default_where_nothing_is_said(self) -> None:
        assert Settings.from_environment({"MPSS_PORT": "", "PATH": "/bin"}) == Settings()

    def test_is_read_by_its_name_and_type(self) -> None:
        found = Settings.from_environment(
            {
                "MPSS_PORT": "8081",
                "MPSS_DATA_DIR": "/srv/mpss",
                "MPSS_DAY_CUT": "23:30",
                "MPSS_DATABASE_URL": "postgresql://run@db/mpss",
                "MPSS_SINGLE_LIMIT_FEN": "100000",
            }
        )
        assert (found.port, found.data_dir, found.day_cut) == (8081, Path("/srv/mpss"), time(23, 30))
        assert found.policy.single_limit_fen == 100_000

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("MPSS_PORT", "eighty"),
            ("MPSS_PORT", "0"),
            ("MPSS_PORT", "65536"),
            ("MPSS_POOL_SIZE", "0"),
            ("MPSS_SINGLE_LIMIT_FEN", "-1"),
            ("MPSS_SINGLE_LIMIT_FEN", "12.5"),
            ("MPSS_SINGLE_LIMIT_FEN", "\u0661"),
            ("MPSS_DAY_CUT", "25:00"),
            ("MPSS_DATABASE_URL", "mysql://root:letmein@db/mpss"),
            ("MPSS_OWNER_DATABASE_URL", "letmein"),
            ("MPSS_PUBLIC_URL", "mpss.example"),
            ("MPSS_MERCHANT_NETWORKS", "10.0.0.0/99"),
            ("MPSS_LOG_LEVEL", "loud"),
            ("MPSS_PROVINCE", "Guangdong"),
            ("MPSS_SMSC_PASSWORD", "letmein-letmein"),
        ],
    )
    def test_that_cannot_be_is_told_by_its_variable_and_no_secret_with_it(self, name: str, value: str) -> None:
        with pytest.raises(SettingInvalid, match=f"^{name} must ") as problem:
            Settings.from_environment({name: value})
        assert "letmein" not in str(problem.value)
