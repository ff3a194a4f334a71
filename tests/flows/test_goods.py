"""Goods (CT 5.5, 6.2): uploaded, reviewed, shown by category and hot list to whom they are for (CT 4.2), taken down."""

from __future__ import annotations

import base64
import struct
import time
import zlib
from typing import Any

import pytest

from tests.support.center import Center, refusal
from tests.support.clauses import clause
from tests.support.eventually import eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.xdist_group("center"),
    clause("CT 4.2", "CT 5.5", "CT 6.2"),
]


def a_picture() -> bytes:
    """A PNG of one red dot."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0\xff\0\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def fields(**changed: Any) -> dict[str, Any]:
    return {
        "name": f"电影票 {time.time_ns()}",
        "description": "周六晚场，凭短信入场。",
        "category": "票务",
        "price_fen": 4_500,
        "currency": "CNY",
        "quantity": 20,
        "scope": "local",
        "picture": base64.b64encode(a_picture()).decode(),
        **changed,
    }


async def listed(center: Center, **query: str | int) -> list[str]:
    """The ids of everything that is listed, page by page."""
    found: list[str] = []
    cursor: dict[str, str | int] = {}
    while True:
        page = await center.api.get("/v1/products", **query, **cursor)
        found += [item["product_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


class TestAProduct:
    async def test_is_shown_as_uploaded_once_a_reviewer_has_published_it(self, shared_center: Center) -> None:
        keeper = shared_center.counter.shopkeeper(shared_center.kiosk)
        body = fields()
        draft = await keeper.post("/v1/merchant/products", body)
        path, review = f"/v1/products/{draft['product_id']}", f"/v1/staff/products/{draft['product_id']}"
        assert await refusal(shared_center.api.get(path)) == "unknown_product"
        submitted = await keeper.post(f"/v1/merchant{path[3:]}/submit")
        assert await refusal(shared_center.api.get(path)) == "unknown_product"
        revision = {"revision": submitted["revision"]}
        assert await refusal(shared_center.counter.clerk.post(f"{review}/publish", revision)) == "forbidden"
        await shared_center.counter.reviewer.post(f"{review}/publish", revision)
        shown = await shared_center.api.get(path)
        assert {name: shown[name] for name in ("name", "description", "category", "price_fen")} == {
            name: body[name] for name in ("name", "description", "category", "price_fen")
        }
        assert (shown["merchant_name"], shown["available"]) == (shared_center.kiosk.name, 20)
        picture = await shared_center.api.client.get(shown["picture"])
        assert (picture.headers["content-type"], picture.content) == ("image/png", a_picture())
        assert draft["product_id"] in await listed(shared_center, category="票务")

    async def test_that_was_refused_is_edited_and_submitted_again(self, shared_center: Center) -> None:
        keeper = shared_center.counter.shopkeeper(shared_center.kiosk)
        draft = await keeper.post("/v1/merchant/products", fields())
        own, review = (f"/v1/{who}/products/{draft['product_id']}" for who in ("merchant", "staff"))
        await keeper.post(f"{own}/submit")
        await shared_center.counter.reviewer.post(f"{review}/refuse", {"note": "图片不清晰"})
        assert (await keeper.get(own))["review_note"] == "图片不清晰"
        await keeper.call("PATCH", own, body={"description": "换了图片"})
        again = await keeper.post(f"{own}/submit")
        published = await shared_center.counter.reviewer.post(f"{review}/publish", {"revision": again["revision"]})
        assert (published["state"], published["description"]) == ("published", "换了图片")

    async def test_that_is_withdrawn_is_neither_shown_nor_sold(self, shared_center: Center) -> None:
        card = await shared_center.counter.put_on_sale(
            shared_center.kiosk, f"旧书 {time.time_ns()}", category="books", price_fen=900, quantity=3
        )
        li = await shared_center.subscriber(fen=1_000)
        keeper = shared_center.counter.shopkeeper(shared_center.kiosk)
        await keeper.post(f"/v1/merchant/products/{card['product_id']}/withdraw")
        assert card["product_id"] not in await listed(shared_center, category="books")
        assert await refusal(li.buy(card)) == "product_not_on_sale"


class TestTheShopWindow:
    async def test_is_by_category_by_name_and_in_pages(self, shared_center: Center) -> None:
        made = [
            await shared_center.counter.put_on_sale(
                shared_center.kiosk, f"灯谜 {number}", category="灯", price_fen=100, quantity=None
            )
            for number in range(5)
        ]
        newest_first = [product["product_id"] for product in reversed(made)]
        assert await listed(shared_center, category="灯", limit=2) == newest_first
        assert await listed(shared_center, q="谜 3") == [made[3]["product_id"]]
        categories = (await shared_center.api.get("/v1/categories"))["items"]
        assert {"name": "灯", "products": 5} in categories

    async def test_shows_everybody_what_is_for_them(self, shared_center: Center) -> None:
        goods = {
            scope: await shared_center.counter.put_on_sale(
                shared_center.kiosk, f"机票 {scope}", category="机票", price_fen=100, quantity=None, scope=scope
            )
            for scope in ("local", "national", "visited")
        }

        async def seen(**where: str) -> set[str]:
            ids = await listed(shared_center, category="机票", **where)
            return {scope for scope, product in goods.items() if product["product_id"] in ids}

        assert await seen(home_province="GD") == {"local", "national"}
        assert await seen(home_province="JS") == {"national"}
        assert await seen(home_province="JS", visited_province="GD") == {"national", "visited"}
        traveller = await shared_center.subscriber(fen=1_000, province="JS")
        assert await refusal(traveller.buy(goods["local"])) == "out_of_scope"
        assert await refusal(traveller.buy(goods["visited"])) == "out_of_scope"
        assert (await traveller.buy(goods["national"]))["state"] == "SUCCEEDED"

    async def test_has_a_hot_list_of_what_sold_most(self, shared_center: Center) -> None:
        warm, hot = [
            await shared_center.counter.put_on_sale(
                shared_center.lottery, f"热卖 {name}", category="hot", price_fen=100, quantity=100, scope="local"
            )
            for name in ("一", "二")
        ]
        li = await shared_center.subscriber(fen=5_000)
        for product, pieces in ((hot, 9), (warm, 8)):
            for _ in range(2):
                await li.buy(product, quantity=pieces)
        expected = [hot["product_id"], warm["product_id"]]

        async def counted() -> bool:
            page = await shared_center.api.get("/v1/products", hot="true", limit=2)
            return [item["product_id"] for item in page["items"]] == expected

        await eventually(counted, seconds=25)
