from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mpss.db.database import Database
from mpss.kernel.clock import FixedClock
from mpss.kernel.errors import ErrorCode, MalformedField, MpssError, Refused
from mpss.kernel.ids import MerchantId
from mpss.kernel.machine import IllegalMove
from mpss.ledger.chart import Code
from mpss.merchants.credentials import (
    authenticate_merchant,
    change_notify_url,
    change_public_key,
    endpoint_of,
    rotate_api_key,
    rotate_webhook_secret,
    sweep_nonces,
    verify_request,
)
from mpss.merchants.queries import get_merchant, list_merchants, merchant_of_sms_code
from mpss.merchants.register import (
    RegisteredMerchant,
    register_merchant,
    resume_merchant,
    suspend_merchant,
)
from mpss.runtime import Runtime
from mpss.security.signing import new_nonce, sign_request
from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.closing import close_merchant
from tests.support.house import employee, house
from tests.support.instants import NOON

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw()
URL = "http://127.0.0.1:8080/v1/products"
BODY = b'{"name":"tea"}'
CLOCK = FixedClock(NOON)


@pytest.fixture
async def runtime(database: Database, tmp_path: Path) -> AsyncIterator[Runtime]:
    CLOCK.set(NOON)
    async with house(database, tmp_path, CLOCK) as made:
        yield made


async def kiosk(runtime: Runtime, **changes: Any) -> RegisteredMerchant:
    asked: dict[str, Any] = {
        "name": "Kiosk", "province": "GD", "public_key": PUBLIC, "notify_url": "http://127.0.0.1:9/",
    }  # fmt: skip
    return await register_merchant(runtime, **{**asked, **changes})


async def actions(runtime: Runtime) -> list[str]:
    async with runtime.database.read() as uow:
        return [row["action"] for row in await uow.dicts("SELECT action FROM audit_record ORDER BY id")]


def signed(merchant: RegisteredMerchant, *, nonce: str | None = None, key: Ed25519PrivateKey = KEY) -> dict[str, str]:
    return sign_request(
        method="POST", url=URL, headers={"X-API-Key": merchant.api_key}, body=BODY,
        key_id=str(MerchantId.from_uuid(merchant.merchant.id)), private_key=key, now=CLOCK.now(),
        nonce=nonce or new_nonce(),
    )  # fmt: skip


async def verify(runtime: Runtime, headers: dict[str, str]) -> str:
    found = await verify_request(runtime, method="POST", url=URL, headers=list(headers.items()), body=BODY)
    return found.name


async def code_of(runtime: Runtime, headers: dict[str, str]) -> ErrorCode:
    with pytest.raises(MpssError) as refused:
        await verify(runtime, headers)
    return refused.value.code


@clause("CT 7.1")
class TestRegistration:
    async def test_opens_a_payable_account_and_shows_the_secrets_once(self, runtime: Runtime) -> None:
        made = await kiosk(runtime)
        assert made.api_key.startswith("mk_")
        assert made.webhook_secret.startswith("whsec_")
        assert made.merchant.notify_url == "http://127.0.0.1:9"
        async with runtime.database.read() as uow:
            (ledger,) = await uow.dicts(
                "SELECT code, has_floor FROM ledger_account WHERE id = %(id)s", {"id": made.merchant.ledger_account_id}
            )
            (row,) = await uow.dicts("SELECT * FROM merchant")
            assert await get_merchant(uow, made.merchant.id) == made.merchant
            assert await merchant_of_sms_code(uow, made.merchant.sms_code) == made.merchant
        assert ledger == {"code": Code.MERCHANT_PAYABLE, "has_floor": False}
        stored = repr(row)
        assert made.api_key not in stored
        assert made.webhook_secret not in stored
        assert await actions(runtime) == ["merchant.register"]
        endpoint = await endpoint_of(runtime, made.merchant.id)
        assert (endpoint.url, endpoint.secret) == ("http://127.0.0.1:9", made.webhook_secret)

    @pytest.mark.parametrize(
        ("field", "value"),
        [("name", ""), ("province", "XX"), ("public_key", b"short"), ("notify_url", "shop.example")],
    )
    async def test_of_a_malformed_merchant_is_refused(self, runtime: Runtime, field: str, value: object) -> None:
        with pytest.raises(MalformedField) as malformed:
            await kiosk(runtime, **{field: value})
        assert malformed.value.field == field

    async def test_of_a_taken_name_is_refused_and_leaves_nothing(self, runtime: Runtime) -> None:
        await kiosk(runtime)
        with pytest.raises(MalformedField, match="name is taken"):
            await kiosk(runtime)
        async with runtime.database.read() as uow:
            code = Code.MERCHANT_PAYABLE
            assert await uow.value("SELECT count(*) FROM ledger_account WHERE code = %(code)s", {"code": code}) == 1

    async def test_needs_the_permission(self, runtime: Runtime) -> None:
        clerk = await employee(runtime, "clerk", Permission.CASH_TOPUP, hall="H01", clerk="C01")
        with pytest.raises(Refused, match="merchant_register"):
            await kiosk(runtime, by=clerk)
        await kiosk(runtime, by=await employee(runtime, "officer", Permission.MERCHANT_REGISTER))

    async def test_is_listed_in_pages(self, runtime: Runtime) -> None:
        made = [(await kiosk(runtime, name=f"Shop {n}")).merchant.id for n in range(5)]
        async with runtime.database.read() as uow:
            first = await list_merchants(uow, limit=3)
            rest = await list_merchants(uow, after=first[-1].id, limit=3)
        assert sorted(made) == [merchant.id for merchant in first + rest]


class TestAMerchantsState:
    async def test_goes_to_and_fro_and_ends(self, runtime: Runtime) -> None:
        made = await kiosk(runtime)
        await suspend_merchant(runtime, merchant_id=made.merchant.id)
        assert (await authenticate_merchant(runtime, made.api_key)).state == "suspended"
        with pytest.raises(IllegalMove):
            await suspend_merchant(runtime, merchant_id=made.merchant.id)
        await resume_merchant(runtime, merchant_id=made.merchant.id)
        await close_merchant(runtime, CLOCK, made.merchant.id)
        with pytest.raises(Refused) as refused:
            await authenticate_merchant(runtime, made.api_key)
        assert refused.value.code is ErrorCode.UNAUTHENTICATED
        with pytest.raises(IllegalMove):
            await resume_merchant(runtime, merchant_id=made.merchant.id)
        written = [action for action in await actions(runtime) if action.startswith("merchant.")]
        assert written == [
            "merchant.register", "merchant.suspend", "merchant.resume", "merchant.closing_asked",
            "merchant.closing_begun", "merchant.closed",
        ]  # fmt: skip


@clause("CT 7.1")
class TestASignedRequest:
    async def test_tells_who_is_asking(self, runtime: Runtime) -> None:
        assert await verify(runtime, signed(await kiosk(runtime))) == "Kiosk"

    async def test_sent_again_is_a_replay(self, runtime: Runtime) -> None:
        headers = signed(await kiosk(runtime))
        await verify(runtime, headers)
        assert await code_of(runtime, headers) is ErrorCode.SIGNATURE_REPLAYED

    async def test_with_a_nonce_another_merchant_used_is_none(self, runtime: Runtime) -> None:
        nonce = new_nonce()
        await verify(runtime, signed(await kiosk(runtime), nonce=nonce))
        assert await verify(runtime, signed(await kiosk(runtime, name="Bakery"), nonce=nonce)) == "Bakery"

    async def test_is_refused_without_a_known_api_key(self, runtime: Runtime) -> None:
        headers = signed(await kiosk(runtime))
        assert await code_of(runtime, headers | {"X-API-Key": "mk_unknown"}) is ErrorCode.UNAUTHENTICATED
        del headers["X-API-Key"]
        assert await code_of(runtime, headers) is ErrorCode.UNAUTHENTICATED

    async def test_is_refused_with_another_merchants_api_key(self, runtime: Runtime) -> None:
        headers = signed(await kiosk(runtime))
        other = await kiosk(
            runtime, name="Bakery", public_key=Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        )
        assert await code_of(runtime, headers | {"X-API-Key": other.api_key}) is ErrorCode.SIGNATURE_INVALID

    async def test_does_not_use_its_nonce_up_when_it_is_refused(self, runtime: Runtime) -> None:
        made = await kiosk(runtime)
        nonce = new_nonce()
        assert (
            await code_of(runtime, signed(made, nonce=nonce, key=Ed25519PrivateKey.generate()))
            is ErrorCode.SIGNATURE_INVALID
        )
        assert await verify(runtime, signed(made, nonce=nonce)) == "Kiosk"

    async def test_too_old_stays_refused_after_its_nonce_is_forgotten(self, runtime: Runtime) -> None:
        headers = signed(await kiosk(runtime))
        await verify(runtime, headers)
        assert await sweep_nonces(runtime) == 0
        CLOCK.advance(timedelta(seconds=runtime.policy.signature_window_seconds + 2))
        assert await sweep_nonces(runtime) == 1
        assert await code_of(runtime, headers) is ErrorCode.SIGNATURE_INVALID


class TestChangingCredentials:
    async def test_ends_the_old_ones_at_once(self, runtime: Runtime) -> None:
        made = await kiosk(runtime)
        merchant_id = made.merchant.id
        api_key = await rotate_api_key(runtime, merchant_id=merchant_id, by="merchant")
        with pytest.raises(Refused):
            await authenticate_merchant(runtime, made.api_key)
        assert (await authenticate_merchant(runtime, api_key)).id == merchant_id
        secret = await rotate_webhook_secret(runtime, merchant_id=merchant_id, by="merchant")
        await change_notify_url(runtime, merchant_id=merchant_id, notify_url="https://new.example/x/", by="merchant")
        endpoint = await endpoint_of(runtime, merchant_id)
        assert (endpoint.secret, endpoint.url) == (secret, "https://new.example/x")
        assert secret != made.webhook_secret
        fresh = RegisteredMerchant(made.merchant, api_key, secret)
        new_key = Ed25519PrivateKey.generate()
        await change_public_key(
            runtime, merchant_id=merchant_id, public_key=new_key.public_key().public_bytes_raw(), by="merchant"
        )
        assert await code_of(runtime, signed(fresh)) is ErrorCode.SIGNATURE_INVALID
        assert await verify(runtime, signed(fresh, key=new_key)) == "Kiosk"
        assert len(await actions(runtime)) == 5
        async with runtime.database.read() as uow:
            told = await uow.value("SELECT detail FROM audit_record WHERE action = 'merchant.change_notify_url'")
        assert json.loads(told) == {"notify_url": "https://new.example/x"}

    async def test_of_an_unknown_merchant_is_refused(self, runtime: Runtime) -> None:
        with pytest.raises(Refused) as refused:
            await rotate_api_key(runtime, merchant_id=MerchantId.new(NOON), by="merchant")
        assert refused.value.code is ErrorCode.UNKNOWN_MERCHANT
