"""What every request and every answer has: ids, languages, headers, limits, metrics, logs; health and readiness."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from mpss.channels.http.app import create_app
from mpss.db.database import Database
from mpss.kernel.clock import SandboxClock
from mpss.observability import configure_logging
from tests.support.house import PASSWORD
from tests.support.http import BASE, Counter, counter, problem
from tests.support.market import PHONE, market
from tests.support.postgres import DatabaseUrls


class TestEveryAnswer:
    @pytest.mark.parametrize("given", ["req-12345678", "a" * 64, "0f3a:1.2_3-4"])
    async def test_takes_over_a_sane_request_id(self, shop: Counter, given: str) -> None:
        answer = await shop.client.get("/healthz", headers={"x-request-id": given})
        assert answer.headers["x-request-id"] == given

    @pytest.mark.parametrize("given", ["short", "a" * 65, "with blank 123", "line\tfeed-123", "<script>alert"])
    async def test_makes_a_request_id_where_none_is_sane(self, shop: Counter, given: str) -> None:
        answer = await shop.client.get("/healthz", headers={"x-request-id": given})
        assert answer.headers["x-request-id"] != given
        assert len(answer.headers["x-request-id"]) == 32

    @pytest.mark.parametrize(
        ("accepts", "language", "title"),
        [
            (None, "zh-CN", "未找到"),
            ("en", "en", "Not found"),
            ("en-GB,zh;q=0.5", "en", "Not found"),
            ("zh-TW,en;q=0.9", "zh-CN", "未找到"),
            ("fr,*;q=0.1", "zh-CN", "未找到"),
            (";;q=,q=x,\u00e9", "zh-CN", "未找到"),
        ],
    )
    async def test_speaks_the_callers_language(
        self, shop: Counter, accepts: str | None, language: str, title: str
    ) -> None:
        headers = [] if accepts is None else [(b"accept-language", accepts.encode("latin-1"))]
        answer = await shop.client.get("/v1/nothing", headers=headers)
        assert (answer.headers["content-language"], problem(answer, 404, "not_found")["title"]) == (language, title)

    async def test_is_not_kept_or_interpreted_by_a_browser(self, shop: Counter) -> None:
        for path in ("/healthz", "/v1/nothing", "/v1/products"):
            headers = (await shop.client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
            assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What was written to the log so far, as it stands there."""
    before, written = structlog.get_config(), io.StringIO()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", written)
        configure_logging("INFO")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    structlog.configure(**before)


Lines = Callable[[], list[dict[str, Any]]]


class TestTheLog:
    async def test_has_one_line_a_request_and_no_secret(self, shop: Counter, lines: Lines) -> None:
        payer = await shop.subscriber()
        skipped = len(lines())
        await payer.post("/v1/purchases", shop.purchase())
        await payer.post("/v1/purchases", shop.purchase(payment_password="135246"))
        await shop.client.get("/password/pwd_a-secret-token")
        await shop.client.get("/healthz")
        written = lines()[skipped:]
        told = [line for line in written if line["event"] == "http.request"]
        assert [line["route"] for line in told] == ["/v1/purchases", "/v1/purchases", "/password/{token}"]
        assert [line["status"] for line in told] == [201, 403, 403]
        assert len({line["request_id"] for line in told}) == 3
        text = json.dumps(written)
        for secret in (PASSWORD, "135246", "a-secret-token", payer.headers["authorization"].removeprefix("Bearer ")):
            assert secret not in text

    async def test_masks_the_phone_of_a_guest(self, shop: Counter, lines: Lines) -> None:
        guest = await shop.subscriber("18912340055")
        await guest.get("/v1/account")
        line = lines()[-1]
        assert line["caller"] == "phone:+86189****0055"

    async def test_of_a_fault_of_ours_names_the_place_and_no_values(
        self, shop: Counter, database_urls: DatabaseUrls, lines: Lines
    ) -> None:
        payer = await shop.subscriber()
        owner = Database(database_urls.owner_url, pool_size=1)
        await owner.open()
        async with owner.transaction() as uow:
            await uow.execute("ALTER TABLE fee_schedule RENAME COLUMN kind TO sort")
        await owner.close()
        answer = await payer.post("/v1/purchases", shop.purchase())
        document = problem(answer, 500, "internal")
        assert set(document) == {"type", "title", "status", "code", "instance", "request_id"}
        written = lines()
        (line,) = [line for line in written if line["event"] == "http.failed"]
        assert (line["problem"], line["sqlstate"], line["level"]) == ("UndefinedColumn", "42703", "error")
        assert line["request_id"] == document["request_id"]
        assert PASSWORD not in json.dumps(written)


class TestTheRates:
    @pytest.fixture
    async def slow(self, database: Database, tmp_path: Path) -> AsyncIterator[Counter]:
        limits = {"rate_per_second": 1, "rate_burst": 3, "source_rate_per_second": 1, "source_rate_burst": 5}
        async with market(database, tmp_path) as opened, counter(opened, **limits) as api:
            yield api

    async def test_hold_for_each_caller(self, slow: Counter) -> None:
        payer = await slow.subscriber()
        merchant = slow.merchant()
        for _ in range(3):
            assert (await payer.get("/v1/account")).status_code == 200
        answer = await payer.get("/v1/account")
        assert problem(answer, 429, "rate_limited")["status"] == 429
        assert answer.headers["retry-after"] in ("1", "2")
        assert (await merchant.get("/v1/merchant")).status_code == 200

    async def test_hold_for_an_address_that_proves_nothing(self, slow: Counter) -> None:
        payer = await slow.subscriber()  # takes one
        stranger = slow.nobody()
        stranger.headers = {"authorization": "Bearer ses_guessed"}
        assert (await payer.get("/v1/account")).status_code == 200
        for _ in range(4):
            problem(await slow.client.get("/v1/account"), 401, "unauthenticated")
        problem(await slow.client.get("/v1/account"), 429, "rate_limited")
        problem(await slow.client.get("/v1/products"), 429, "rate_limited")
        problem(await stranger.get("/v1/account"), 429, "rate_limited")
        # Who was proven here before is not shut out by who guesses from behind the same address.
        assert (await payer.get("/v1/account")).status_code == 200

    async def test_do_not_count_proven_requests_against_the_address(self, slow: Counter) -> None:
        payer, merchant = await slow.subscriber(), slow.merchant()
        for _ in range(3):
            assert (await payer.get("/v1/account")).status_code == 200
            assert (await merchant.get("/v1/merchant")).status_code == 200
        assert (await slow.client.get("/v1/products")).status_code == 200

    async def test_do_not_hold_for_the_probes(self, slow: Counter) -> None:
        for _ in range(20):
            assert (await slow.client.get("/healthz")).status_code == 200
            assert (await slow.client.get("/readyz")).status_code == 200
            assert (await slow.client.get("/metrics")).status_code == 200


class TestTheSourceAddress:
    @pytest.mark.parametrize(
        ("proxy", "forwarded", "source"),
        [
            ("", "203.0.113.9", "http:198.51.100.7"),
            ("198.51.100.7", "203.0.113.9", "http:203.0.113.9"),
            ("198.51.100.7", "1.2.3.4, 203.0.113.9", "http:203.0.113.9"),
            ("192.0.2.1", "203.0.113.9", "http:198.51.100.7"),
            ("198.51.100.7", "2001:db8:1:2::99", "http:2001:db8:1:2::/64"),
        ],
    )
    async def test_is_the_proxys_word_only_where_the_proxy_is_trusted(
        self, database: Database, tmp_path: Path, proxy: str, forwarded: str, source: str
    ) -> None:
        async with market(database, tmp_path) as opened, counter(opened, trusted_proxy=proxy) as shop:
            headers = {"x-forwarded-for": forwarded}
            body = {"phone": PHONE, "purpose": "sign_in"}
            await shop.client.post("/v1/codes", json=body, headers=headers)
            async with shop.runtime.database.read() as uow:
                found = await uow.value("SELECT source FROM sms_code WHERE source LIKE 'http:%%'")
        assert found == source


class TestHealth:
    async def test_is_told(self, shop: Counter) -> None:
        assert (await shop.client.get("/healthz")).json() == {"status": "ok"}
        ready = await shop.client.get("/readyz")
        assert (ready.status_code, set(ready.json().values())) == (200, {True})

    async def test_is_not_ready_without_its_desk(self, shop: Counter) -> None:
        await shop.runtime.desk.stop()
        answer = await shop.client.get("/readyz")
        assert (answer.status_code, answer.json()["desk"], answer.json()["database"]) == (503, False, True)
        assert (await shop.client.get("/healthz")).status_code == 200

    async def test_is_not_ready_without_its_migrations(self, shop: Counter, database_urls: DatabaseUrls) -> None:
        owner = Database(database_urls.owner_url, pool_size=1)
        await owner.open()
        async with owner.transaction() as uow:
            await uow.execute("DELETE FROM schema_migration WHERE name LIKE '0006%'")
        await owner.close()
        answer = await shop.client.get("/readyz")
        assert (answer.status_code, answer.json()["migrations"]) == (503, False)

    async def test_is_not_ready_without_its_database_and_says_busy(self, shop: Counter) -> None:
        await shop.runtime.database.close()
        answer = await shop.client.get("/readyz")
        assert (answer.status_code, answer.json()["database"]) == (503, False)
        products = await shop.client.get("/v1/products")
        problem(products, 503, "busy")
        assert products.headers["retry-after"] == "1"

    async def test_metrics_count_requests_by_route(self, shop: Counter) -> None:
        await shop.client.get("/v1/products/prd_" + "1" * 32)
        text = (await shop.client.get("/metrics")).text
        assert 'mpss_http_requests_total{route="/v1/products/{product_id}",status="404"}' in text
        assert 'mpss_http_seconds_bucket{le="0.1",route="/v1/products/{product_id}"}' in text
        assert "prd_1111" not in text


class TestTheSandbox:
    async def test_has_a_clock_that_can_be_set_forward(self, shop: Counter, tmp_path: Path) -> None:
        runtime = replace(shop.runtime, clock=SandboxClock(tmp_path / "clock"))
        transport = httpx.ASGITransport(app=create_app(runtime))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            now = (await client.get("/v1/sandbox/clock")).json()["now"]
            later = {"now": "2099-01-01T00:00:00Z"}
            assert (await client.put("/v1/sandbox/clock", json=later)).json() == later
            for wrong in (now, "2099-01-02T00:00:00", "2100-01-01T00:00:00Z", "x"):
                problem(await client.put("/v1/sandbox/clock", json={"now": wrong}), 400, "malformed_request")

    async def test_is_not_there_otherwise(self, shop: Counter) -> None:
        problem(await shop.client.get("/v1/sandbox/clock"), 404, "not_found")
