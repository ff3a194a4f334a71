"""SMS codes: who gets one, how long it holds, how often it may be guessed (CT 12.1)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from mpss.accounts.codes import BY_SMS, Purpose, check_code, request_code, use_code
from mpss.accounts.sign_in import authenticate_session, sign_in
from mpss.accounts.sweep import sweep
from mpss.kernel.clock import FixedClock
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.runtime import Runtime
from tests.support.clauses import clause
from tests.support.house import events, notices, sms_code, subscriber

PHONE = "18912340001"
E164 = "+8618912340001"


async def answer(runtime: Runtime, code: str, purpose: Purpose = Purpose.SIGN_IN) -> ErrorCode | None:
    try:
        await check_code(runtime, phone=E164, purpose=purpose, code=code)
    except Refused as refused:
        return refused.code
    return None


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


@clause("CT 12.1")
class TestCode:
    async def test_holds_for_its_purpose_and_number_alone(self, runtime: Runtime) -> None:
        code = await sms_code(runtime, PHONE, Purpose.SIGN_IN)
        assert await answer(runtime, code, Purpose.UNLOCK) is ErrorCode.WRONG_CODE
        with pytest.raises(Refused):
            await check_code(runtime, phone="+8618912340002", purpose=Purpose.SIGN_IN, code=code)
        assert await answer(runtime, code) is None

    async def test_is_void_after_three_wrong_entries(self, runtime: Runtime) -> None:
        code = await sms_code(runtime, PHONE, Purpose.SIGN_IN)
        for _ in range(runtime.policy.code_tries):
            assert await answer(runtime, other_than(code)) is ErrorCode.WRONG_CODE
        assert await answer(runtime, code) is ErrorCode.CODE_EXPIRED

    async def test_cannot_be_guessed_faster_by_guessing_at_once(self, runtime: Runtime) -> None:
        code = await sms_code(runtime, PHONE, Purpose.SIGN_IN)
        answers = await asyncio.gather(*(answer(runtime, other_than(code)) for _ in range(12)))
        assert answers.count(ErrorCode.WRONG_CODE) == runtime.policy.code_tries
        assert answers.count(ErrorCode.CODE_EXPIRED) == 12 - runtime.policy.code_tries

    async def test_runs_out(self, runtime: Runtime, clock: FixedClock) -> None:
        code = await sms_code(runtime, PHONE, Purpose.SIGN_IN)
        clock.advance(timedelta(seconds=runtime.policy.code_ttl_seconds))
        assert await answer(runtime, code) is ErrorCode.CODE_EXPIRED

    async def test_is_replaced_by_a_newer_one_even_of_the_same_instant(self, runtime: Runtime) -> None:
        old = await sms_code(runtime, PHONE, Purpose.SIGN_IN)
        new = await sms_code(runtime, PHONE, Purpose.SIGN_IN)
        if old != new:
            assert await answer(runtime, old) is ErrorCode.WRONG_CODE
        assert await answer(runtime, new) is None

    async def test_is_used_once_also_by_two_at_once(self, runtime: Runtime) -> None:
        code = await sms_code(runtime, PHONE, Purpose.SIGN_IN)
        answers = await asyncio.gather(
            *(sign_in(runtime, phone=PHONE, code=code) for _ in range(5)), return_exceptions=True
        )
        assert sum(not isinstance(given, BaseException) for given in answers) == 1
        assert await answer(runtime, code) is ErrorCode.CODE_EXPIRED

    async def test_still_holds_after_the_key_was_rotated(self, runtime: Runtime) -> None:
        code = await sms_code(runtime, PHONE, Purpose.SIGN_IN)
        runtime.ports.key_store.rotate("token")
        runtime.ports.key_store.rotate("seal")
        assert await answer(runtime, code) is None

    async def test_cannot_be_used_twice_within_one_check(self, runtime: Runtime, clock: FixedClock) -> None:
        code = await sms_code(runtime, PHONE, Purpose.SIGN_IN)
        code_id = await check_code(runtime, phone=E164, purpose=Purpose.SIGN_IN, code=code)
        async with runtime.database.transaction() as uow:
            await use_code(uow, code_id, now=clock.now())
        with pytest.raises(Refused) as refused:
            async with runtime.database.transaction() as uow:
                await use_code(uow, code_id, now=clock.now())
        assert refused.value.code is ErrorCode.CODE_EXPIRED

    async def test_says_what_it_is_for_and_how_long_it_holds(self, runtime: Runtime) -> None:
        await sms_code(runtime, PHONE, Purpose.UNLOCK)
        ((event, params),) = await notices(runtime, PHONE)
        assert (event, params["purpose"], params["minutes"]) == ("code", "unlock", 5)
        assert set(params) == {"code_sealed", "purpose", "minutes"}

    @pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef"])
    async def test_must_be_six_digits(self, runtime: Runtime, code: str) -> None:
        with pytest.raises(MalformedField) as malformed:
            await check_code(runtime, phone=E164, purpose=Purpose.SIGN_IN, code=code)
        assert malformed.value.field == "code"


@clause("CT 12.1")
class TestRequest:
    async def test_is_answered_alike_with_and_without_an_account(self, runtime: Runtime) -> None:
        await subscriber(runtime, PHONE)
        for purpose in Purpose:
            known = await request_code(runtime, phone=PHONE, purpose=purpose, source="192.0.2.7")
            unknown = await request_code(runtime, phone="18912340002", purpose=purpose, source="192.0.2.7")
            assert known == unknown
            if purpose is Purpose.UNLOCK:
                break
        wrong = await asyncio.gather(
            *(sign_in(runtime, phone=phone, code="000000") for phone in (PHONE, "18912340002")), return_exceptions=True
        )
        codes = {problem.code for problem in wrong if isinstance(problem, Refused)}
        assert len(codes) == 1

    async def test_is_limited_for_a_number_by_the_hour(self, runtime: Runtime, clock: FixedClock) -> None:
        for _ in range(runtime.policy.codes_per_phone_per_hour):
            await request_code(runtime, phone=PHONE, purpose=Purpose.SIGN_IN, source="192.0.2.1")
        with pytest.raises(Refused) as refused:
            await request_code(runtime, phone=PHONE, purpose=Purpose.OPEN, source="192.0.2.2")
        assert refused.value.code is ErrorCode.RATE_LIMITED
        assert len(await events(runtime, PHONE)) == runtime.policy.codes_per_phone_per_hour
        clock.advance(timedelta(hours=1))
        await request_code(runtime, phone=PHONE, purpose=Purpose.OPEN, source="192.0.2.2")

    async def test_of_the_phone_itself_is_not_shut_out_by_strangers(self, runtime: Runtime) -> None:
        for _ in range(runtime.policy.codes_per_phone_per_hour):
            await request_code(runtime, phone=PHONE, purpose=Purpose.SIGN_IN, source="192.0.2.1")
        await request_code(runtime, phone=PHONE, purpose=Purpose.SIGN_IN, source=BY_SMS)

    async def test_is_limited_for_a_source_by_the_hour_also_at_once(self, runtime: Runtime) -> None:
        most = runtime.policy.codes_per_source_per_hour
        answers = await asyncio.gather(
            *(
                request_code(runtime, phone=f"1891234{number:04d}", purpose=Purpose.OPEN, source="192.0.2.1")
                for number in range(most + 5)
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(given, Refused) for given in answers) == 5


async def test_sweep_removes_what_ran_out_and_nothing_else(runtime: Runtime, clock: FixedClock) -> None:
    opened = await subscriber(runtime, PHONE)
    assert opened.signed_in is not None
    assert await sweep(runtime) == 0
    clock.advance(timedelta(seconds=runtime.policy.session_ttl_seconds + 1))
    with pytest.raises(Refused):
        await authenticate_session(runtime, opened.signed_in.token)
    assert await sweep(runtime) == 1
    clock.advance(timedelta(days=2))
    assert await sweep(runtime) == 1
