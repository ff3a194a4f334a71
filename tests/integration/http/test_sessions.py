"""Sessions known to a process: many callers are found with few questions, and each is told of its own alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from mpss.accounts.sign_in import SignedIn, sign_out, start_session
from mpss.channels.http.sessions import SessionCache
from mpss.db.database import Database
from mpss.kernel.clock import FixedClock
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import AccountId
from mpss.runtime import Runtime
from mpss.security.tokens import new_token


async def signed_in(runtime: Runtime, phone: str) -> SignedIn:
    now = runtime.clock.now()
    async with runtime.database.transaction() as uow:
        return await start_session(uow, runtime, phone=phone, account_id=AccountId.new(now), now=now)


class TestSessionCache:
    async def test_finds_each_of_many_callers_that_come_at_once(self, runtime: Runtime) -> None:
        cache = SessionCache()
        signed = [await signed_in(runtime, f"+86189123400{number:02d}") for number in range(40)]
        unknown = [new_token("ses") for _ in range(10)]
        asked = [*(each.token for each in signed), *unknown]
        answers = await asyncio.gather(*(cache.authenticate(runtime, token) for token in asked), return_exceptions=True)
        assert answers[:40] == [each.session for each in signed]
        assert [each.code for each in answers[40:] if isinstance(each, Refused)] == [ErrorCode.UNAUTHENTICATED] * 10

    async def test_answers_the_others_where_one_caller_goes_away(self, runtime: Runtime) -> None:
        cache = SessionCache()
        first, second = await signed_in(runtime, "+8618912340001"), await signed_in(runtime, "+8618912340002")
        gone = asyncio.create_task(cache.authenticate(runtime, first.token))
        stays = asyncio.create_task(cache.authenticate(runtime, second.token))
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays == second.session
        assert await cache.authenticate(runtime, first.token) == first.session

    async def test_tells_each_caller_that_the_database_is_away_and_asks_it_anew(self, runtime: Runtime) -> None:
        cache = SessionCache()
        signed = await signed_in(runtime, "+8618912340001")
        away = Database("postgresql://nobody@127.0.0.1:1/none", timeout_seconds=0.2)
        without = Runtime(away, runtime.desk, runtime.clock, runtime.ports, runtime.settings)
        answers = await asyncio.gather(
            *(cache.authenticate(without, signed.token) for _ in range(5)), return_exceptions=True
        )
        assert len(answers) == 5
        assert all(isinstance(each, Exception) for each in answers)
        assert await cache.authenticate(runtime, signed.token) == signed.session

    async def test_forgets_a_session_that_ended_and_one_that_ran_out(self, runtime: Runtime, clock: FixedClock) -> None:
        cache = SessionCache()
        ended, over = await signed_in(runtime, "+8618912340001"), await signed_in(runtime, "+8618912340002")
        for each in (ended, over):
            await cache.authenticate(runtime, each.token)
        await sign_out(runtime, ended.session)
        cache.forget(ended.session)
        clock.advance(timedelta(seconds=runtime.policy.session_ttl_seconds))
        for each in (ended, over):
            with pytest.raises(Refused) as refused:
                await cache.authenticate(runtime, each.token)
            assert refused.value.code is ErrorCode.UNAUTHENTICATED
