"""Phone numbers: what is taken for one, and the province it belongs to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import integers, sampled_from, text

from mpss.kernel.errors import MalformedField
from mpss.kernel.phone import PROVINCES, UNKNOWN_PROVINCE, home_province, parse_phone


class TestParsing:
    @pytest.mark.parametrize(
        "given_as",
        ["18912340001", "+8618912340001", "8618912340001", "008618912340001", "189 1234 0001", "+86 189 1234 0001"],
    )
    def test_takes_a_mobile_number_as_people_write_it(self, given_as: str) -> None:
        assert parse_phone(given_as) == "+8618912340001"

    @pytest.mark.parametrize("prefix", ["133", "153", "173", "177", "180", "181", "189", "190", "191", "193", "199"])
    def test_takes_every_prefix_of_the_operator(self, prefix: str) -> None:
        assert parse_phone(f"{prefix}12345678") == f"+86{prefix}12345678"

    @pytest.mark.parametrize(
        "given_as",
        [
            "", " ", "10086", "1891234000", "189123400011", "02012345678", "12012345678", "+14155552671",
            "+8611072003840", "+85251234567", "tel:18912340001", "18912340001x5", "18912340001;ext=5", "18912340001x",
            "１８９１２３４０００１", "018912340001", "1-8-9-1-2-3-4-0-0-0-1", "(189)12340001",
            "+86+8618912340001", "18912340001\n", "1" * 21, "'; DROP TABLE",
        ],
    )  # fmt: skip
    def test_refuses_anything_else_and_names_the_field(self, given_as: str) -> None:
        with pytest.raises(MalformedField) as refused:
            parse_phone(given_as, field="payer_phone")
        assert refused.value.field == "payer_phone"

    @given(digits=integers(10_000_000_000, 19_999_999_999))
    def test_of_any_eleven_digits_gives_that_number_or_refuses(self, digits: int) -> None:
        try:
            phone = parse_phone(str(digits))
        except MalformedField:
            return
        assert phone == f"+86{digits}"

    @given(given_as=text(max_size=25))
    def test_of_any_text_gives_a_number_or_refuses(self, given_as: str) -> None:
        try:
            phone = parse_phone(given_as)
        except MalformedField:
            return
        assert phone.startswith("+861")
        assert len(phone) == 14
        assert parse_phone(phone) == phone


class TestHomeProvince:
    @pytest.mark.parametrize(
        ("phone", "province"),
        [
            ("+8618912340001", "JS"),
            ("+8618011112222", "SC"),
            ("+8613312345678", "GZ"),
            ("+8619912345678", UNKNOWN_PROVINCE),
        ],
    )
    def test_is_that_of_the_segment(self, phone: str, province: str) -> None:
        assert home_province(phone) == province

    @given(prefix=sampled_from(["133", "153", "177", "180", "181", "189"]), rest=integers(0, 10**8 - 1))
    def test_of_any_number_is_a_known_code(self, prefix: str, rest: int) -> None:
        assert home_province(parse_phone(f"{prefix}{rest:08d}")) in {*PROVINCES.values(), UNKNOWN_PROVINCE}

    def test_has_a_code_for_each_of_the_31_provinces(self) -> None:
        assert len(PROVINCES) == len(set(PROVINCES.values())) == 31
