"""Opening a wallet by HTTP and by SMS (CT 6.1.1)."""

from __future__ import annotations

import asyncio

import pytest

from mpss.accounts.codes import Purpose
from mpss.accounts.model import Life
from mpss.accounts.open import open_by_sms, open_wallet
from mpss.accounts.password import request_link, set_by_link
from mpss.accounts.queries import overview, overview_by_phone
from mpss.accounts.sign_in import authenticate_session, sign_in, sign_out
from mpss.accounts.state import EffectiveState
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import AccountId
from mpss.runtime import Runtime
from tests.support.clauses import clause
from tests.support.house import PASSWORD, assert_books_balance, events, last_secret, one, sms_code, subscriber
from tests.support.instants import NOON

PHONE = "18912340001"


@clause("CT 4.3", "CT 5.1", "CT 5.2", "CT 6.1.1", "CM 6.1.1")
class TestOpenByHttp:
    async def test_makes_an_active_empty_wallet_and_tells_the_phone(self, runtime: Runtime) -> None:
        opened = await subscriber(runtime, PHONE)
        seen = await overview(runtime, account_id=opened.account_id)
        assert (seen.phone, seen.home_province, seen.kind) == ("+8618912340001", opened.home_province, "wallet")
        assert (seen.state, seen.life, seen.opened_at) == (EffectiveState.ACTIVE, Life.ACTIVE, NOON)
        assert (seen.balance_fen, seen.withdrawable_fen, seen.spent_today_fen) == (0, 0, 0)
        assert (seen.daily_limit_fen, seen.password_set) == (runtime.policy.default_daily_limit_fen, True)
        assert await events(runtime, PHONE) == ["code", "opened"]
        assert await overview_by_phone(runtime, phone=PHONE) == seen
        await assert_books_balance(runtime)

    async def test_keeps_no_secret_in_the_database(self, runtime: Runtime) -> None:
        code = await sms_code(runtime, PHONE, Purpose.OPEN)
        await open_wallet(
            runtime, phone=PHONE, code=code, terms_version=runtime.policy.terms_version, password=PASSWORD,
            language="en", channel="http",
        )  # fmt: skip
        await open_by_sms(runtime, phone="18912340002")
        link = await last_secret(runtime, "18912340002", "password_link", "url_sealed")
        async with runtime.database.read() as uow:
            for table in ("sms_code", "outbox", "account", "account_session", "one_time_link"):
                text = await uow.value(f"SELECT string_agg(t::text, ' ') FROM {table} AS t")
                assert text is not None
                assert f'"{code}"' not in text
                assert PASSWORD not in text
                assert link.rsplit("/", 1)[1] not in text

    async def test_signs_the_opener_in(self, runtime: Runtime) -> None:
        opened = await subscriber(runtime, PHONE)
        assert opened.signed_in is not None
        session = await authenticate_session(runtime, opened.signed_in.token)
        assert (session.phone, session.account_id) == ("+8618912340001", opened.account_id)

    async def test_is_refused_a_second_time(self, runtime: Runtime) -> None:
        await subscriber(runtime, PHONE)
        with pytest.raises(Refused) as refused:
            await subscriber(runtime, PHONE)
        assert refused.value.code is ErrorCode.ACCOUNT_EXISTS
        await assert_books_balance(runtime)

    async def test_opens_one_account_when_two_requests_race(self, runtime: Runtime) -> None:
        code = await sms_code(runtime, PHONE, Purpose.OPEN)

        async def race() -> AccountId | ErrorCode:
            try:
                opened = await open_wallet(
                    runtime, phone=PHONE, code=code, terms_version=runtime.policy.terms_version, password=PASSWORD,
                    language="zh-CN", channel="http",
                )  # fmt: skip
            except Refused as refused:
                return refused.code
            return opened.account_id

        answers = await asyncio.gather(*(race() for _ in range(6)))
        assert sum(isinstance(answer, AccountId) for answer in answers) == 1
        assert (await events(runtime, PHONE)).count("opened") == 1

    async def test_needs_the_terms_in_force_and_a_good_password_and_does_not_use_the_code_up(
        self, runtime: Runtime
    ) -> None:
        code = await sms_code(runtime, PHONE, Purpose.OPEN)
        terms = runtime.policy.terms_version
        for version, password, expected in (
            ("2019-01", PASSWORD, ErrorCode.TERMS_NOT_ACCEPTED),
            (terms, "123456", ErrorCode.WEAK_PASSWORD),
        ):
            with pytest.raises(Refused) as refused:
                await open_wallet(
                    runtime, phone=PHONE, code=code, terms_version=version, password=password, language="en",
                    channel="http",
                )  # fmt: skip
            assert refused.value.code is expected
        for field, bad in (("phone", {"phone": "0201234"}), ("language", {"language": "fr"}), ("code", {"code": "12"})):
            given = {"phone": PHONE, "code": code, "language": "en", **bad}
            with pytest.raises(MalformedField) as malformed:
                await open_wallet(runtime, terms_version=terms, password=PASSWORD, channel="http", **given)
            assert malformed.value.field == field
        opened = await open_wallet(
            runtime, phone=PHONE, code=code, terms_version=terms, password=PASSWORD, language="en", channel="http"
        )
        assert opened.life is Life.ACTIVE


@clause("CT 5.2", "CT 5.4", "CT 6.1.1")
class TestOpenBySms:
    async def test_waits_for_the_password_set_over_a_link(self, runtime: Runtime) -> None:
        opened = await open_by_sms(runtime, phone=PHONE)
        assert opened.life is Life.PENDING
        assert (await overview(runtime, account_id=opened.account_id)).state is EffectiveState.PENDING
        url = await last_secret(runtime, PHONE, "password_link", "url_sealed")
        base, token = url.rsplit("/", 1)
        assert base == "http://127.0.0.1:8080/password"
        await set_by_link(runtime, token=token, password=PASSWORD)
        assert (await overview(runtime, account_id=opened.account_id)).state is EffectiveState.ACTIVE
        assert await events(runtime, PHONE) == ["opened", "password_link", "password_set"]

    async def test_link_works_once_and_a_weak_password_leaves_it(self, runtime: Runtime) -> None:
        await open_by_sms(runtime, phone=PHONE)
        token = (await last_secret(runtime, PHONE, "password_link", "url_sealed")).rsplit("/", 1)[1]
        with pytest.raises(Refused) as refused:
            await set_by_link(runtime, token=token, password="111111")
        assert refused.value.code is ErrorCode.WEAK_PASSWORD
        await set_by_link(runtime, token=token, password=PASSWORD)
        for used in (token, "pwd_nothing"):
            with pytest.raises(Refused) as refused:
                await set_by_link(runtime, token=used, password=PASSWORD)
            assert refused.value.code is ErrorCode.CODE_EXPIRED

    async def test_sent_twice_gives_a_fresh_link_and_ends_the_old_one(self, runtime: Runtime) -> None:
        first = await open_by_sms(runtime, phone=PHONE)
        old = (await last_secret(runtime, PHONE, "password_link", "url_sealed")).rsplit("/", 1)[1]
        assert (await open_by_sms(runtime, phone=PHONE)).account_id == first.account_id
        with pytest.raises(Refused):
            await set_by_link(runtime, token=old, password=PASSWORD)
        new = (await last_secret(runtime, PHONE, "password_link", "url_sealed")).rsplit("/", 1)[1]
        await set_by_link(runtime, token=new, password=PASSWORD)
        with pytest.raises(Refused) as refused:
            await open_by_sms(runtime, phone=PHONE)
        assert refused.value.code is ErrorCode.ACCOUNT_EXISTS

    async def test_links_are_counted(self, runtime: Runtime) -> None:
        await open_by_sms(runtime, phone=PHONE)
        for _ in range(runtime.policy.codes_per_phone_per_hour - 1):
            await request_link(runtime, phone=PHONE)
        with pytest.raises(Refused) as refused:
            await request_link(runtime, phone=PHONE)
        assert refused.value.code is ErrorCode.RATE_LIMITED


class TestSession:
    async def test_of_a_number_without_an_account_gets_the_account_that_is_opened(self, runtime: Runtime) -> None:
        signed_in = await sign_in(runtime, phone=PHONE, code=await sms_code(runtime, PHONE, Purpose.SIGN_IN))
        assert signed_in.session.account_id is None
        opened = await subscriber(runtime, PHONE)
        assert (await authenticate_session(runtime, signed_in.token)).account_id == opened.account_id

    async def test_ends_when_signed_out(self, runtime: Runtime) -> None:
        opened = await subscriber(runtime, PHONE)
        signed_in = await sign_in(runtime, phone=PHONE, code=await sms_code(runtime, PHONE, Purpose.SIGN_IN))
        assert signed_in.session.account_id == opened.account_id
        await sign_out(runtime, signed_in.session)
        await sign_out(runtime, signed_in.session)
        with pytest.raises(Refused) as refused:
            await authenticate_session(runtime, signed_in.token)
        assert refused.value.code is ErrorCode.UNAUTHENTICATED

    async def test_row_names_the_account_row(self, runtime: Runtime) -> None:
        opened = await subscriber(runtime, PHONE)
        row = await one(runtime, "account", opened.account_id)
        assert (row["terms_version"], row["channel"], row["language"]) == (
            runtime.policy.terms_version,
            "http",
            "zh-CN",
        )
