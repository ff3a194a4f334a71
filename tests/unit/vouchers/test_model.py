"""Vouchers as values: when one is good, how its card password is read."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mpss.kernel.errors import ErrorCode, MalformedField
from mpss.kernel.ids import AccountId, VoucherBatchId
from mpss.kernel.machine import IllegalMove
from mpss.vouchers.machine import BATCH, BatchEvent
from mpss.vouchers.model import BatchState, VoucherRow, check_voucher, parse_card_password
from tests.support.instants import NOON, TODAY

GOOD = VoucherRow(b"d", VoucherBatchId.new(NOON), "1" * 18, 5_000, BatchState.ACTIVATED, TODAY, None, None, None)


class TestVoucher:
    def test_is_good_up_to_and_including_its_last_day(self) -> None:
        assert check_voucher(GOOD, TODAY) is None
        assert check_voucher(GOOD, TODAY + timedelta(days=1)) is ErrorCode.VOUCHER_NOT_ACTIVE

    @pytest.mark.parametrize("state", [BatchState.GENERATED, BatchState.VOID])
    def test_is_no_money_unless_its_batch_is_on_sale(self, state: BatchState) -> None:
        assert check_voucher(GOOD._replace(batch_state=state), TODAY) is ErrorCode.VOUCHER_NOT_ACTIVE

    def test_once_redeemed_stays_used(self) -> None:
        used = GOOD._replace(redeemed_by=AccountId.new(NOON))
        assert check_voucher(used, TODAY) is ErrorCode.VOUCHER_USED
        assert check_voucher(used, TODAY + timedelta(days=9)) is ErrorCode.VOUCHER_USED


class TestCardPassword:
    @pytest.mark.parametrize("text", ["1234567890123456", "1234 5678 9012 3456", "1234-5678-9012-3456"])
    def test_is_sixteen_digits_however_grouped(self, text: str) -> None:
        assert parse_card_password(text) == "1234567890123456"

    @pytest.mark.parametrize("text", ["", "123456789012345", "12345678901234567", "123456789012345x", " " * 5000])
    def test_is_refused_otherwise(self, text: str) -> None:
        with pytest.raises(MalformedField, match="voucher_password must be 16 digits"):
            parse_card_password(text)


class TestBatch:
    def test_goes_on_sale_or_is_thrown_away_and_never_both(self) -> None:
        assert BATCH.move(BatchState.GENERATED, BatchEvent.ACTIVATE) is BatchState.ACTIVATED
        assert BATCH.is_final(BatchState.ACTIVATED)
        assert BATCH.is_final(BatchState.VOID)
        with pytest.raises(IllegalMove):
            BATCH.move(BatchState.ACTIVATED, BatchEvent.DISCARD)
