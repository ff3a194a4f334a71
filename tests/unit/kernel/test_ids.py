"""Typed ids: made in time order, read strictly, equal to the uuid the database returns."""

from __future__ import annotations

import os
import random
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis.strategies import datetimes, integers, uuids

from mpss.kernel import ids
from mpss.kernel.errors import MalformedField
from mpss.kernel.ids import AccountId, Id, TransactionId, request_id

NOW = datetime(2026, 3, 1, 4, 0, 0, 123_457, tzinfo=UTC)
INSTANTS = datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda naive: naive.replace(tzinfo=UTC))  # noqa: DTZ001


class TestNew:
    @given(now=INSTANTS)
    def test_is_a_version_7_uuid_that_begins_with_the_milliseconds(self, now: datetime) -> None:
        made = TransactionId.new(now)
        assert (made.version, made.variant) == (7, uuid.RFC_4122)
        assert made.int >> 80 == (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)

    @given(now=INSTANTS, microseconds=integers(1, 10**9))
    def test_grows_with_the_time(self, now: datetime, microseconds: int) -> None:
        assert TransactionId.new(now) < TransactionId.new(now + timedelta(microseconds=microseconds))

    def test_differs_within_one_instant(self) -> None:
        assert len({TransactionId.new(NOW) for _ in range(1000)}) == 1000

    def test_differs_though_the_common_generator_is_seeded_alike(self) -> None:
        before = random.getstate()
        made = set()
        for _ in range(2):
            random.seed(0)
            made.add(TransactionId.new(NOW))
        random.setstate(before)
        assert len(made) == 2

    def test_differs_in_a_forked_process(self) -> None:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, TransactionId.new(NOW).bytes)
            os._exit(0)
        os.waitpid(child, 0)
        assert os.read(reading, 16) != TransactionId.new(NOW).bytes
        os.close(reading)
        os.close(writing)


class TestText:
    @given(value=uuids())
    def test_is_read_back(self, value: uuid.UUID) -> None:
        made = AccountId.from_uuid(value)
        assert str(made) == f"acc_{value.hex}"
        assert AccountId.parse(str(made), field="account_id") == made

    @pytest.mark.parametrize(
        "text",
        [
            "", "acc_", "acc", "txn_0195f6f1c8a07000800000000000000a", "0195f6f1c8a07000800000000000000a",
            "acc_0195f6f1c8a07000800000000000000", "acc_0195f6f1c8a07000800000000000000aa",
            "acc_0195F6F1C8A07000800000000000000A", "acc_0195f6f1-c8a0-7000-8000-00000000000a",
            "ACC_0195f6f1c8a07000800000000000000a", " acc_0195f6f1c8a07000800000000000000a",
            "acc_0195f6f1c8a07000800000000000000a\n", "acc_٠195f6f1c8a07000800000000000000a",
        ],
    )  # fmt: skip
    def test_of_another_form_is_refused_and_the_field_named(self, text: str) -> None:
        with pytest.raises(MalformedField) as refused:
            AccountId.parse(text, field="payer")
        assert refused.value.field == "payer"
        assert "acc_" in refused.value.problem


class TestIdentity:
    @given(value=uuids())
    def test_is_that_of_the_uuid(self, value: uuid.UUID) -> None:
        made = TransactionId.from_uuid(value)
        assert made == value
        assert {made, value} == {value}
        assert made.bytes == value.bytes

    def test_has_a_prefix_of_its_own_for_each_kind(self) -> None:
        kinds = [kind for kind in vars(ids).values() if isinstance(kind, type) and issubclass(kind, Id)]
        assert len({kind.prefix for kind in kinds}) == len(kinds)


class TestRequestId:
    def test_is_32_hexadecimal_digits_and_never_twice_the_same(self) -> None:
        made = {request_id() for _ in range(100)}
        assert len(made) == 100
        assert all(len(text) == 32 and int(text, 16) >= 0 for text in made)
