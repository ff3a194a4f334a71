"""The payment password: changed, reset, locked and unlocked; the daily limit (CT 5.2, 12.1)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from mpss.accounts import spray
from mpss.accounts.codes import Purpose
from mpss.accounts.history import account_history
from mpss.accounts.limits import change_daily_limit
from mpss.accounts.open import open_by_sms
from mpss.accounts.password import change, request_link, set_by_code, set_by_link, unlock
from mpss.accounts.password_rules import fingerprint
from mpss.accounts.queries import overview
from mpss.accounts.sign_in import Session, authenticate_session, sign_in
from mpss.accounts.state import EffectiveState
from mpss.kernel.clock import FixedClock
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.runtime import Runtime
from tests.support.clauses import clause
from tests.support.house import PASSWORD, events, last_secret, notices, one, sms_code, subscriber

PHONE = "18912340001"
NEW = "258147"
WRONG = "907164"


async def session_of(runtime: Runtime, phone: str = PHONE) -> Session:
    opened = await subscriber(runtime, phone)
    assert opened.signed_in is not None
    return opened.signed_in.session


async def tried(runtime: Runtime, session: Session, old: str, *, source: str = "192.0.2.1") -> ErrorCode | None:
    try:
        await change(runtime, session=session, old_password=old, new_password=NEW, source=source)
    except Refused as refused:
        return refused.code
    return None


async def state(runtime: Runtime, session: Session) -> EffectiveState:
    assert session.account_id is not None
    return (await overview(runtime, account_id=session.account_id)).state


def wrong_passwords() -> Iterator[str]:
    """Distinct ones, so that none is seen over many numbers."""
    return (f"{number:06d}" for number in range(704_983, 800_000, 1_001))


@clause("CT 5.2", "CM 7.4")
class TestChange:
    async def test_needs_the_old_one_and_tells_the_phone(self, runtime: Runtime) -> None:
        session = await session_of(runtime)
        assert await tried(runtime, session, WRONG) is ErrorCode.WRONG_PASSWORD
        assert await tried(runtime, session, PASSWORD) is None
        assert await tried(runtime, session, PASSWORD) is ErrorCode.WRONG_PASSWORD
        assert await tried(runtime, session, NEW) is ErrorCode.PASSWORD_REUSED
        assert (await events(runtime, PHONE))[2:] == ["password_changed"]

    async def test_ends_the_other_sessions(self, runtime: Runtime) -> None:
        opened = await subscriber(runtime, PHONE)
        assert opened.signed_in is not None
        other = await sign_in(runtime, phone=PHONE, code=await sms_code(runtime, PHONE, Purpose.SIGN_IN))
        assert await tried(runtime, opened.signed_in.session, PASSWORD) is None
        await authenticate_session(runtime, opened.signed_in.token)
        with pytest.raises(Refused):
            await authenticate_session(runtime, other.token)

    async def test_needs_an_account(self, runtime: Runtime) -> None:
        signed_in = await sign_in(runtime, phone=PHONE, code=await sms_code(runtime, PHONE, Purpose.SIGN_IN))
        assert await tried(runtime, signed_in.session, PASSWORD) is ErrorCode.UNKNOWN_ACCOUNT

    async def test_works_after_the_key_was_rotated_and_moves_to_the_new_version(self, runtime: Runtime) -> None:
        session = await session_of(runtime)
        assert session.account_id is not None
        assert (await one(runtime, "account", session.account_id))["password_key"] == 1
        runtime.ports.key_store.rotate("payment_password")
        assert await tried(runtime, session, PASSWORD) is None
        assert (await one(runtime, "account", session.account_id))["password_key"] == 2
        assert await tried(runtime, session, NEW) is ErrorCode.PASSWORD_REUSED


@clause("CT 12.1", "CM 7.5")
class TestLock:
    async def test_lasts_until_midnight_and_is_told_once(self, runtime: Runtime, clock: FixedClock) -> None:
        session = await session_of(runtime)
        for _ in range(3):
            assert await tried(runtime, session, WRONG) is ErrorCode.WRONG_PASSWORD
        for old in (WRONG, PASSWORD):
            assert await tried(runtime, session, old) is ErrorCode.PASSWORD_LOCKED
        assert await state(runtime, session) is EffectiveState.PASSWORD_LOCKED
        assert (await events(runtime, PHONE)).count("password_locked") == 1
        clock.advance(timedelta(hours=12))
        assert await state(runtime, session) is EffectiveState.ACTIVE
        assert await tried(runtime, session, PASSWORD) is None

    async def test_is_released_by_an_sms_code(self, runtime: Runtime) -> None:
        session = await session_of(runtime)
        for _ in range(3):
            await tried(runtime, session, WRONG)
        await unlock(runtime, phone=PHONE, code=await sms_code(runtime, PHONE, Purpose.UNLOCK))
        assert await tried(runtime, session, PASSWORD) is None
        assert "password_unlocked" in await events(runtime, PHONE)

    async def test_after_ten_in_a_row_is_released_by_a_new_password_alone(
        self, runtime: Runtime, clock: FixedClock
    ) -> None:
        session = await session_of(runtime)
        assert session.account_id is not None
        wrong = wrong_passwords()
        for _ in range(3):
            for _ in range(3):
                assert await tried(runtime, session, next(wrong)) is ErrorCode.WRONG_PASSWORD
            clock.advance(timedelta(days=1))
        assert await tried(runtime, session, next(wrong)) is ErrorCode.WRONG_PASSWORD
        clock.advance(timedelta(days=30))
        assert await tried(runtime, session, PASSWORD) is ErrorCode.PASSWORD_LOCKED
        seen = await overview(runtime, account_id=session.account_id)
        assert (seen.must_reset, seen.locked_until) == (True, None)
        with pytest.raises(Refused) as refused:
            await unlock(runtime, phone=PHONE, code=await sms_code(runtime, PHONE, Purpose.UNLOCK))
        assert refused.value.code is ErrorCode.PASSWORD_LOCKED
        code = await sms_code(runtime, PHONE, Purpose.SET_PASSWORD)
        await set_by_code(runtime, phone=PHONE, code=code, password=NEW)
        assert await state(runtime, session) is EffectiveState.ACTIVE
        assert await tried(runtime, session, NEW) is ErrorCode.PASSWORD_REUSED

    async def test_is_released_over_a_link_the_phone_asked_for(self, runtime: Runtime) -> None:
        session = await session_of(runtime)
        for _ in range(3):
            await tried(runtime, session, WRONG)
        await request_link(runtime, phone=PHONE)
        token = (await last_secret(runtime, PHONE, "password_link", "url_sealed")).rsplit("/", 1)[1]
        await set_by_link(runtime, token=token, password=NEW)
        assert await state(runtime, session) is EffectiveState.ACTIVE

    async def test_of_an_unknown_number_is_not_there(self, runtime: Runtime) -> None:
        with pytest.raises(Refused) as refused:
            await unlock(runtime, phone=PHONE, code=await sms_code(runtime, PHONE, Purpose.UNLOCK))
        assert refused.value.code is ErrorCode.UNKNOWN_ACCOUNT


@clause("CT 12.1", "CM 9")
class TestSpray:
    async def test_one_password_over_many_numbers_needs_a_code_right_or_wrong(
        self, runtime: Runtime, clock: FixedClock
    ) -> None:
        numbers = [f"1891234000{number}" for number in range(runtime.policy.spray_numbers + 1)]
        sessions = [await session_of(runtime, phone) for phone in numbers]
        for place, session in enumerate(sessions[:-1]):
            source = f"192.0.2.{place}"
            assert await tried(runtime, session, WRONG, source=source) is ErrorCode.WRONG_PASSWORD
        last = sessions[-1]
        assert await tried(runtime, last, WRONG, source="192.0.2.99") is ErrorCode.CHALLENGE_REQUIRED
        assert await tried(runtime, last, PASSWORD, source="192.0.2.99") is None
        tried_print = fingerprint(runtime.ports.key_store, WRONG)
        assert await spray.hot(runtime, tried_print, "192.0.2.99")
        code = await sms_code(runtime, last.phone, Purpose.CHALLENGE)
        await spray.prove(runtime, phone=last.phone, code=code)
        for used_up in (code, "000000"):
            with pytest.raises(Refused) as refused:
                await spray.prove(runtime, phone=last.phone, code=used_up)
            assert refused.value.code is ErrorCode.CODE_EXPIRED
        clock.advance(timedelta(seconds=runtime.policy.spray_window_seconds + 1))
        assert not await spray.hot(runtime, tried_print, "192.0.2.99")

    async def test_one_password_failing_again_and_again_on_one_number_is_no_spray(self, runtime: Runtime) -> None:
        session = await session_of(runtime)
        for _ in range(3):
            await tried(runtime, session, WRONG)
        assert not await spray.hot(runtime, fingerprint(runtime.ports.key_store, WRONG), "192.0.2.1")

    async def test_failures_keep_no_password(self, runtime: Runtime) -> None:
        await tried(runtime, await session_of(runtime), WRONG)
        async with runtime.database.read() as uow:
            (row,) = await uow.dicts("SELECT fingerprint, source FROM password_failure")
        assert row["fingerprint"] == fingerprint(runtime.ports.key_store, WRONG)
        assert row["source"] == "192.0.2.1"


@clause("CT 5.2", "CT 5.4")
class TestDailyLimit:
    async def test_is_set_within_ours_and_told(self, runtime: Runtime) -> None:
        session = await session_of(runtime)
        assert session.account_id is not None
        highest = runtime.policy.max_daily_limit_fen
        for limit, password in ((0, None), (12_345, PASSWORD), (highest, PASSWORD)):
            await change_daily_limit(
                runtime, account_id=session.account_id, daily_limit_fen=limit, password=password, source="test"
            )
            assert (await overview(runtime, account_id=session.account_id)).daily_limit_fen == limit
        for limit in (-1, highest + 1):
            with pytest.raises(Refused) as refused:
                await change_daily_limit(runtime, account_id=session.account_id, daily_limit_fen=limit, source="test")
            assert (refused.value.code, refused.value.field) == (ErrorCode.AMOUNT_OUT_OF_RANGE, "daily_limit_fen")
        told = [params for event, params in await notices(runtime, PHONE) if event == "daily_limit_set"]
        assert [params["daily_limit_fen"] for params in told] == [0, 12_345, highest]

    @clause("CM 7.3")
    async def test_stands_in_the_accounts_history(self, runtime: Runtime) -> None:
        session = await session_of(runtime)
        assert session.account_id is not None
        before = (await overview(runtime, account_id=session.account_id)).daily_limit_fen
        await change_daily_limit(runtime, account_id=session.account_id, daily_limit_fen=700, source="test")
        newest = (await account_history(runtime, account_id=session.account_id, before=None, limit=9))[0]
        assert (newest.event, newest.actor) == ("daily_limit_set", "subscriber")
        detail = json.loads(newest.detail)
        assert [detail[side]["payment_daily_fen"] for side in ("from", "to")] == [before, 700]

    @clause("CM 9.5", "CT 12.1")
    async def test_is_lowered_at_will_and_raised_with_the_password_alone(self, runtime: Runtime) -> None:
        session = await session_of(runtime)
        assert session.account_id is not None
        account_id = session.account_id

        async def put(fen: int, password: str | None = None) -> None:
            await change_daily_limit(
                runtime, account_id=account_id, daily_limit_fen=fen, password=password, source="test"
            )

        await put(500)
        with pytest.raises(MalformedField) as missing:
            await put(501)
        assert missing.value.field == "payment_password"
        tries = runtime.policy.password_tries_per_day
        for _ in range(tries):
            with pytest.raises(Refused) as wrong:
                await put(501, WRONG)
            assert (wrong.value.code, wrong.value.field) == (ErrorCode.WRONG_PASSWORD, "payment_password")
        with pytest.raises(Refused) as locked:
            await put(501, PASSWORD)
        assert locked.value.code is ErrorCode.PASSWORD_LOCKED
        assert (await overview(runtime, account_id=session.account_id)).daily_limit_fen == 500

    async def test_waits_until_the_account_is_active(self, runtime: Runtime) -> None:
        opened = await open_by_sms(runtime, phone=PHONE)
        with pytest.raises(Refused) as refused:
            await change_daily_limit(runtime, account_id=opened.account_id, daily_limit_fen=1, source="test")
        assert refused.value.code is ErrorCode.ACCOUNT_NOT_ACTIVE
