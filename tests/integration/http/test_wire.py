"""Payments over real sockets: keep-alive connections, signed calls, many at once, what a client should not send."""

from __future__ import annotations

import asyncio
import json
import socket
from urllib.parse import urlsplit

import httpx

from mpss.db.database import Database
from mpss.security.signing import new_nonce, sign_request
from mpss.transactions.verify import verify
from tests.support.clauses import clause
from tests.support.house import PASSWORD
from tests.support.serving import PAYER, Served


def sign(served: Served, request: httpx.Request) -> httpx.Request:
    request.headers["x-api-key"] = served.people.api_key
    request.headers.update(
        sign_request(
            method=request.method,
            url=str(request.url),
            headers=dict(request.headers),
            body=request.content,
            key_id=served.people.merchant_id,
            private_key=served.people.private_key,
            now=served.clock.now(),
            nonce=new_nonce(),
        )
    )
    return request


def purchase(served: Served, amount_fen: int = 100) -> dict[str, object]:
    return {
        "merchant_id": served.people.merchant_id,
        "amount_fen": amount_fen,
        "currency": "CNY",
        "payment_password": PASSWORD,
    }


@clause("CT 5.3", "CT 10.1")
class TestOverTheWire:
    async def test_a_payment_is_made_read_and_reversed(self, served: Served) -> None:
        payer = {"authorization": f"Bearer {served.people.token}"}
        async with httpx.AsyncClient(base_url=served.url, trust_env=False) as client:
            body = purchase(served) | {"product_id": served.people.product_id, "quantity": 2, "amount_fen": 5000}
            paid = await client.post("/v1/purchases", json=body, headers={**payer, "idempotency-key": "k1"})
            assert paid.status_code == 201, paid.text
            identity = paid.json()["transaction_id"]
            asked = client.build_request(
                "POST",
                "/v1/reversals",
                json={"transaction_id": identity, "reason": "x"},
                headers={"idempotency-key": "r"},
            )
            done = await client.send(sign(served, asked))
            assert done.status_code == 201, done.text
            now = await client.get(f"/v1/transactions/{identity}", headers=payer)
            assert now.json()["state"] == "REVERSED"
            account = await client.get("/v1/account", headers=payer)
            assert account.json()["balance_fen"] == 500_000

    async def test_a_signature_covers_path_and_query_as_they_are_sent(self, served: Served) -> None:
        async with httpx.AsyncClient(base_url=served.url, trust_env=False) as client:
            for path in ("/v1/merchant", "/v1/merchant/transactions?limit=2&state=SUCCEEDED", "/v1/merch%61nt"):
                answer = await client.send(sign(served, client.build_request("GET", path)))
                assert answer.status_code == 200, (path, answer.text)

    async def test_one_key_sent_many_times_at_once_pays_once(self, served: Served) -> None:
        headers = {"authorization": f"Bearer {served.people.token}", "idempotency-key": "k"}
        async with httpx.AsyncClient(base_url=served.url, trust_env=False, timeout=30) as client:
            answers = await asyncio.gather(
                *(client.post("/v1/purchases", json=purchase(served), headers=headers) for _ in range(40))
            )
            assert {answer.status_code for answer in answers} == {201}
            assert len({answer.json()["transaction_id"] for answer in answers}) == 1
            assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
            account = await client.get("/v1/account", headers=headers)
            assert account.json()["balance_fen"] == 499_900

    async def test_many_payments_at_once_are_all_made_and_the_books_hold(self, served: Served) -> None:
        headers = {"authorization": f"Bearer {served.people.token}"}
        async with httpx.AsyncClient(base_url=served.url, trust_env=False, timeout=30) as client:

            async def pay(number: int) -> int:
                keyed = {**headers, "idempotency-key": f"k{number}"}
                return (await client.post("/v1/purchases", json=purchase(served), headers=keyed)).status_code

            assert set(await asyncio.gather(*map(pay, range(200)))) == {201}
            account = await client.get("/v1/account", headers=headers)
            assert account.json()["balance_fen"] == 500_000 - 200 * 100
        database = Database(served.urls.run_url, pool_size=1)
        await database.open()
        async with database.read() as uow:
            checks = await verify(uow)
        await database.close()
        assert [check for check in checks if not check.holds] == []

    async def test_a_body_too_long_is_refused_whether_or_not_it_says_so(self, served: Served) -> None:
        headers = {
            "authorization": f"Bearer {served.people.token}",
            "idempotency-key": "k",
            "content-type": "application/json",
        }

        async def pieces() -> object:
            for _ in range(20):
                yield b" " * 65_536

        async with httpx.AsyncClient(base_url=served.url, trust_env=False) as client:
            for content in (b" " * 1_100_000, pieces()):
                answer = await client.post("/v1/purchases", content=content, headers=headers)  # type: ignore[arg-type]
                assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
            assert (await client.get("/healthz")).status_code == 200


class TestWhatNoClientShouldSend:
    def ask(self, served: Served, raw: bytes) -> bytes:
        """The bytes that come back until the connection closes or is silent."""
        place = urlsplit(served.url)
        received = b""
        with socket.create_connection((place.hostname, place.port), timeout=5) as connection:
            connection.sendall(raw)
            connection.settimeout(2)
            try:
                while piece := connection.recv(65_536):
                    received += piece
            except TimeoutError:
                pass
        return received

    def test_is_answered_without_a_fault_of_ours(self, served: Served) -> None:
        head = b"Host: x\r\nConnection: close\r\n"
        json_head = head + b"Content-Type: application/json\r\n"
        requests = [
            b"nonsense\r\n\r\n",
            b"GET /v1/%ff%fe HTTP/1.1\r\n" + head + b"\r\n",
            b"GET /v1/transactions/%00 HTTP/1.1\r\n" + head + b"\r\n",
            b"GET /../../etc/passwd HTTP/1.1\r\n" + head + b"\r\n",
            b"GET /v1/products?q=%00&category=%ff HTTP/1.1\r\n" + head + b"\r\n",
            b"GET /v1/account HTTP/1.1\r\nAuthorization: Bearer \xff\xfe\r\n" + head + b"\r\n",
            b"GET /v1/account HTTP/1.1\r\nX-Request-ID: \x7f\xff\r\n" + head + b"\r\n",
            b"POST /v1/codes HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n" + json_head + b"\r\n{}",
            b"POST /v1/codes HTTP/1.1\r\nContent-Length: -1\r\n" + json_head + b"\r\n{}",
            b"POST /v1/codes HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n" + json_head + b"\r\n{}",
            b"PROPFIND /v1/account HTTP/1.1\r\n" + head + b"\r\n",
            b"GET http://other/v1/account HTTP/1.1\r\n" + head + b"\r\n",
        ]
        for raw in requests:
            answer = self.ask(served, raw)
            status = answer[9:12]
            assert not answer or status.startswith(b"4"), (raw, answer[:300])
        fine = self.ask(served, b"GET /healthz HTTP/1.1\r\n" + head + b"\r\n")
        assert fine.startswith(b"HTTP/1.1 200")

    def test_a_body_that_stops_in_the_middle_does_nothing(self, served: Served) -> None:
        body = json.dumps(purchase(served)).encode()
        head = (
            b"POST /v1/purchases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: cut\r\n"
            b"Authorization: Bearer " + served.people.token.encode() + b"\r\n"
            b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n"
        )
        place = urlsplit(served.url)
        with socket.create_connection((place.hostname, place.port), timeout=5) as connection:
            connection.sendall(head + body[:-5])
        with httpx.Client(base_url=served.url, trust_env=False) as client:
            account = client.get("/v1/account", headers={"authorization": f"Bearer {served.people.token}"})
            assert account.json()["balance_fen"] == 500_000

    def test_a_phone_of_a_stranger_is_told_nothing(self, served: Served) -> None:
        with httpx.Client(base_url=served.url, trust_env=False) as client:
            known = client.post("/v1/codes", json={"phone": PAYER, "purpose": "sign_in"})
            unknown = client.post("/v1/codes", json={"phone": "18912349999", "purpose": "sign_in"})
        assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
