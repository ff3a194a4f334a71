"""Who somebody is never stands in a log line: names, numbers, addresses, pictures, whatever happens (CM 7.2.1)."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog.testing

from mpss.accounts.codes import Purpose
from mpss.db.database import Database
from mpss.staff.permissions import Permission
from tests.integration.http.test_identity import (
    BACK,
    COMPANY,
    FRONT,
    NAME,
    NEW,
    NUMBER,
    OTHER,
    PAPERS,
    PICTURE,
    clerk_of,
)
from tests.support.clauses import clause
from tests.support.house import sms_code
from tests.support.http import Counter, counter
from tests.support.market import PHONE, market
from tests.support.postgres import DatabaseUrls

CONTENT: str = base64.b64encode(PICTURE).decode()
SECRETS = (
    NAME, NUMBER, NUMBER[6:], COMPANY["name"], COMPANY["document_number"], PAPERS["address"],
    PAPERS["contact"], CONTENT[:40], repr(PICTURE[4:30])[2:-1], PICTURE.hex()[:40],
)  # fmt: skip


@pytest.fixture
async def shop(database: Database, tmp_path: Path) -> AsyncIterator[Counter]:
    async with market(database, tmp_path) as made, counter(made, rate_per_second=0, source_rate_per_second=0) as opened:
        yield opened


async def everything(shop: Counter) -> None:
    """Everything that is told of a customer, rightly and wrongly."""
    clerk = await clerk_of(shop)
    weak = {name: value for name, value in PAPERS.items() if name != "images"}
    wrong: list[dict[str, Any]] = [
        {"document_number": NUMBER[:-1] + "2"}, {"name": NAME + "9"}, {"images": [FRONT]}, {"images": "x"},
        {"images": [BACK, {"kind": "front", "content": CONTENT + "*"}]}, {"valid_until": "2020-01-01"},
        {"address": PAPERS["address"] * 60},
    ]  # fmt: skip
    for changed in wrong:
        answer = await clerk.post("/v1/staff/accounts", {**PAPERS, "phone": NEW, "real_name": True, **changed})
        assert answer.status_code == 400, (changed, answer.text)
    assert (await clerk.post("/v1/staff/accounts", {**weak, "phone": NEW, "real_name": False})).status_code == 201
    assert (await clerk.post("/v1/staff/accounts/corporate", {**COMPANY, "phone": OTHER})).status_code == 201
    payer = await shop.subscriber()
    sent = (await payer.post("/v1/account/identity", PAPERS)).json()
    reviewer = await shop.staff(Permission.IDENTITY_REVIEW, name="reader")
    path = f"/v1/staff/identities/{sent['submission_id']}"
    assert (await reviewer.get(path)).json()["customer"]["name"] == NAME
    assert (await reviewer.get(f"{path}/images/front")).status_code == 200
    assert (await reviewer.post(f"{path}/approve", {"verifications": ["police"]})).status_code == 200
    for tail in ("999999", NUMBER[-6:]):
        code = await sms_code(shop.runtime, PHONE, Purpose.SET_PASSWORD)
        body = {"phone": PHONE, "code": code, "password": "857214", "identity_tail": tail}
        await shop.nobody().post("/v1/account/password/reset", body)


async def unforeseen(shop: Counter, owner_url: str) -> None:
    """The database refuses in its own words, which repeat the row that it refuses."""
    clerk = await shop.staff(Permission.ACCOUNT_OPEN, name="unlucky", hall="H01", clerk="C08")
    async with await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as owner:
        await owner.execute("ALTER TABLE customer ADD CONSTRAINT none CHECK (nationality = 'XXX') NOT VALID")
    answer = await clerk.post("/v1/staff/accounts", {**PAPERS, "phone": "+8618912340079", "real_name": True})
    assert answer.status_code == 500, answer.text


@clause("CM 7.2.1", "CT 12.1")
async def test_nothing_of_a_customer_is_logged(shop: Counter, database_urls: DatabaseUrls) -> None:
    with structlog.testing.capture_logs() as lines:
        await everything(shop)
        await unforeseen(shop, database_urls.owner_url)
    told = [line["event"] for line in lines]
    assert told.count("http.request") >= 15
    assert "http.failed" in told
    written = json.dumps(lines, default=str, ensure_ascii=False)
    assert [secret for secret in SECRETS if secret in written] == []
