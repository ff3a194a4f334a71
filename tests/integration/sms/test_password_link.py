"""A phone asks for its password link by SMS, whatever strangers do to its number on the web (CT 5.2, 12.1)."""

from __future__ import annotations

import pytest

from mpss.accounts.codes import Purpose, request_code
from mpss.accounts.password import change, set_by_link
from mpss.accounts.queries import overview
from mpss.accounts.state import EffectiveState
from mpss.channels.sms.handlers import handle
from mpss.kernel.errors import ErrorCode, Refused
from mpss.runtime import Runtime
from tests.support.clauses import clause
from tests.support.house import last_secret, subscriber

PHONE = "+8618912340001"


@clause("CT 5.2", "CT 12.1", "CM 7.5")
class TestPasswordLinkBySms:
    async def test_releases_a_number_that_strangers_shut_out_of_the_web(self, runtime: Runtime) -> None:
        opened = await subscriber(runtime, PHONE)
        assert opened.signed_in is not None
        session = opened.signed_in.session
        for wrong in ("704983", "704985", "704987"):
            with pytest.raises(Refused):
                await change(runtime, session=session, old_password=wrong, new_password="258147", source="s")
        # Opening took the hour's first code; a stranger takes the rest.
        for _ in range(runtime.policy.codes_per_phone_per_hour - 1):
            await request_code(runtime, phone=PHONE, purpose=Purpose.UNLOCK, source="203.0.113.9")
        with pytest.raises(Refused) as refused:
            await request_code(runtime, phone=PHONE, purpose=Purpose.UNLOCK, source="198.51.100.3")
        assert refused.value.code is ErrorCode.RATE_LIMITED
        assert await handle(runtime, phone=PHONE, text="MM", key="1") == (None, "zh-CN")
        token = (await last_secret(runtime, PHONE, "password_link", "url_sealed")).rsplit("/", 1)[1]
        await set_by_link(runtime, token=token, password="258147")
        assert (await overview(runtime, account_id=opened.account_id)).state is EffectiveState.ACTIVE

    async def test_needs_an_account(self, runtime: Runtime) -> None:
        reply, _ = await handle(runtime, phone=PHONE, text="MM", key="1")
        assert reply is not None
        assert "KT" in reply
