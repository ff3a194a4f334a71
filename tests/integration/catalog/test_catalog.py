from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mpss.catalog.browse import browse, hot_list, refresh_heat
from mpss.catalog.model import Product, Scope
from mpss.catalog.queries import categories, get_product, picture, product_of_sms_code, products_of, review_queue
from mpss.catalog.review import publish, refuse, take_down
from mpss.catalog.store import STOCK, refill
from mpss.catalog.upload import (
    ProductFields,
    edit_product,
    restock_product,
    submit_product,
    upload_product,
    withdraw_product,
)
from mpss.db.database import Database
from mpss.kernel.errors import ErrorCode, MalformedField, MpssError, Refused
from mpss.kernel.ids import ProductId
from mpss.kernel.machine import IllegalMove
from mpss.merchants.register import suspend_merchant
from mpss.staff.permissions import Permission
from tests.support.clauses import clause
from tests.support.house import employee
from tests.support.instants import NOON
from tests.support.market import GOODS, Market, market, put_on_sale, start_shop

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 100


@pytest.fixture
async def town(database: Database, tmp_path: Path) -> AsyncIterator[Market]:
    async with market(database, tmp_path) as made:
        yield made


async def names(town: Market, home: str = "GD", visited: str | None = None, **asked: Any) -> list[str]:
    found = await browse(town.runtime, home_province=home, visited_province=visited, **asked)
    return [product.name for product in found]


async def own(town: Market, fields: ProductFields = GOODS) -> Product:
    return await upload_product(town.runtime, merchant_id=town.merchant.id, fields=fields)


@clause("CT 5.5", "CT 6.2")
class TestAProduct:
    async def test_goes_from_draft_by_review_into_the_window(self, town: Market) -> None:
        town.clock.advance(timedelta(seconds=1))
        draft = await own(town, replace(GOODS, name="茶", picture=PNG))
        key = {"merchant_id": town.merchant.id, "product_id": draft.id}
        assert (draft.state, draft.available, draft.picture_type) == ("draft", 10, "image/png")
        assert await names(town) == ["上网卡"]
        with pytest.raises(IllegalMove):
            await publish(town.runtime, product_id=draft.id, revision=1)
        await submit_product(town.runtime, **key)
        async with town.runtime.database.read() as uow:
            assert [product.id for product in await review_queue(uow)] == [draft.id]
            assert await picture(uow, draft.id) == (PNG, "image/png")
        reviewer = await employee(town.runtime, "reviewer", Permission.PRODUCT_REVIEW)
        published = await publish(town.runtime, product_id=draft.id, revision=draft.revision, by=reviewer)
        assert published.published_at == town.clock.now()
        assert await names(town) == ["茶", "上网卡"]
        async with town.runtime.database.read() as uow:
            assert await product_of_sms_code(uow, draft.sms_code) == published
            row = (await uow.dicts("SELECT actor, action, subject FROM audit_record ORDER BY id DESC LIMIT 1"))[0]
        assert row == {
            "actor": str(reviewer.id),
            "action": "product.publish",
            "subject": str(ProductId.from_uuid(draft.id)),
        }

    async def test_refused_is_revised_and_submitted_again(self, town: Market) -> None:
        draft = await own(town)
        key: dict[str, Any] = {"merchant_id": town.merchant.id, "product_id": draft.id}
        await submit_product(town.runtime, **key)
        with pytest.raises(MalformedField, match="note"):
            await refuse(town.runtime, product_id=draft.id, note=" ")
        refused = await refuse(town.runtime, product_id=draft.id, note="the picture is missing")
        assert (refused.state, refused.review_note) == ("refused", "the picture is missing")
        revised = await edit_product(
            town.runtime, **key, fields=replace(GOODS, price_fen=2600, quantity=3, picture=PNG)
        )
        assert (revised.state, revised.price_fen, revised.available) == ("draft", 2600, 3)
        kept = await edit_product(town.runtime, **key, fields=replace(GOODS, quantity=None), keep_picture=True)
        assert (kept.picture_type, kept.available) == ("image/png", None)
        assert (await submit_product(town.runtime, **key)).state == "submitted"

    async def test_is_published_as_the_reviewer_saw_it_or_not_at_all(self, town: Market) -> None:
        draft = await own(town)
        key: dict[str, Any] = {"merchant_id": town.merchant.id, "product_id": draft.id}
        seen = await submit_product(town.runtime, **key)
        await edit_product(town.runtime, **key, fields=replace(GOODS, price_fen=99_900, quantity=5))
        edited = await submit_product(town.runtime, **key)
        assert (seen.revision, edited.revision) == (1, 2)
        with pytest.raises(Refused) as refused:
            await publish(town.runtime, product_id=draft.id, revision=seen.revision)
        assert (refused.value.code, refused.value.field) == (ErrorCode.PRODUCT_CHANGED, "revision")
        async with town.runtime.database.read() as uow:
            assert await get_product(uow, draft.id) == edited
        assert (await publish(town.runtime, product_id=draft.id, revision=edited.revision)).state == "published"

    async def test_on_sale_is_not_edited(self, town: Market) -> None:
        with pytest.raises(IllegalMove):
            await edit_product(
                town.runtime, merchant_id=town.merchant.id, product_id=town.product.id,
                fields=replace(GOODS, price_fen=1),
            )  # fmt: skip
        async with town.runtime.database.read() as uow:
            assert await get_product(uow, town.product.id) == town.product

    async def test_is_taken_out_by_its_merchant_or_by_staff(self, town: Market) -> None:
        other = await put_on_sale(town.runtime, town.merchant, replace(GOODS, name="茶"))
        await withdraw_product(town.runtime, merchant_id=town.merchant.id, product_id=other.id)
        taken = await take_down(town.runtime, product_id=town.product.id, note="complaints")
        assert (taken.state, taken.review_note) == ("withdrawn", "complaints")
        assert await names(town) == []
        with pytest.raises(IllegalMove):
            await submit_product(town.runtime, merchant_id=town.merchant.id, product_id=other.id)

    async def test_of_another_merchant_is_unknown(self, town: Market) -> None:
        shop, other = await start_shop(town.runtime, "Bakery")
        town.shops.append(shop)
        for act in (submit_product, withdraw_product):
            with pytest.raises(Refused) as refused:
                await act(town.runtime, merchant_id=other.id, product_id=town.product.id)
            assert refused.value.code is ErrorCode.UNKNOWN_PRODUCT

    async def test_of_a_suspended_merchant_is_off_sale_and_none_is_added(self, town: Market) -> None:
        await suspend_merchant(town.runtime, merchant_id=town.merchant.id)
        assert await names(town) == []
        with pytest.raises(Refused) as refused:
            await own(town)
        assert refused.value.code is ErrorCode.MERCHANT_NOT_ACTIVE

    async def test_review_needs_the_permission(self, town: Market) -> None:
        draft = await own(town)
        await submit_product(town.runtime, merchant_id=town.merchant.id, product_id=draft.id)
        officer = await employee(town.runtime, "officer", Permission.MERCHANT_REGISTER)
        with pytest.raises(Refused, match="product_review"):
            await publish(town.runtime, product_id=draft.id, revision=1, by=officer)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"name": " "}, "name"),
            ({"name": "x" * 61}, "name"),
            ({"category": ""}, "category"),
            ({"description": "x" * 2001}, "description"),
            ({"description": "\x00"}, "description"),
            ({"price_fen": 0}, "price_fen"),
            ({"price_fen": -1}, "price_fen"),
            ({"quantity": -1}, "quantity"),
            ({"quantity": 1_000_001}, "quantity"),
            ({"picture": PNG + b"\x00" * 512 * 1024}, "picture"),
            ({"picture": b"GIF89a"}, "picture"),
            ({"picture": b""}, "picture"),
        ],
    )
    async def test_out_of_form_is_refused(self, town: Market, changes: dict[str, Any], field: str) -> None:
        with pytest.raises(MpssError) as refused:
            await own(town, replace(GOODS, **changes))
        assert getattr(refused.value, "field", None) == field


@clause("CT 4.2")
class TestWhatIsSeen:
    async def test_follows_scope_home_and_visited_province(self, town: Market) -> None:
        for scope in (Scope.LOCAL, Scope.VISITED):
            town.clock.advance(timedelta(seconds=1))
            await put_on_sale(
                town.runtime, town.merchant, replace(GOODS, name=scope.value, scope=scope, category="tickets")
            )
        assert await names(town, "GD") == ["local", "上网卡"]
        assert await names(town, "GD", "BJ") == ["local", "上网卡"]
        assert await names(town, "BJ") == ["上网卡"]
        assert await names(town, "BJ", "SH") == ["上网卡"]
        assert await names(town, "BJ", "GD") == ["visited", "上网卡"]
        assert await names(town, "GD", category="tickets") == ["local"]
        async with town.runtime.database.read() as uow:
            assert await categories(uow, home_province="BJ", visited_province=None) == {"cards": 1}
            assert await categories(uow, home_province="GD", visited_province=None) == {"cards": 1, "tickets": 1}

    async def test_is_found_by_a_part_of_its_name(self, town: Market) -> None:
        await put_on_sale(town.runtime, town.merchant, replace(GOODS, name="Green Tea 100%"))
        assert await names(town, name="tea") == ["Green Tea 100%"]
        assert await names(town, name="100%") == ["Green Tea 100%"]
        assert await names(town, name="%") == ["Green Tea 100%"]
        assert await names(town, name="coffee") == []

    async def test_comes_in_pages_that_neither_miss_nor_repeat(self, town: Market) -> None:
        for n in range(7):
            if n % 3 == 0:
                town.clock.advance(timedelta(seconds=1))
            await put_on_sale(town.runtime, town.merchant, replace(GOODS, name=f"p{n}"))
        seen: list[str] = []
        before = None
        while page := await browse(
            town.runtime, home_province="GD", visited_province=None, before=before, limit=3
        ):  # fmt: skip
            seen += [product.name for product in page]
            assert page[-1].published_at is not None
            before = (page[-1].published_at, page[-1].id)
        assert sorted(seen) == sorted(["上网卡", *(f"p{n}" for n in range(7))])
        assert seen[0] == "p6"
        async with town.runtime.database.read() as uow:
            first = await products_of(uow, town.merchant.id, limit=5)
            rest = await products_of(uow, town.merchant.id, after=first[-1].id, limit=5)
        assert len(first) + len(rest) == 8

    async def test_is_hot_when_it_sold_in_the_last_day(self, town: Market) -> None:
        tea = await put_on_sale(town.runtime, town.merchant, replace(GOODS, name="茶", quantity=None))
        await put_on_sale(town.runtime, town.merchant, replace(GOODS, name="unsold"))
        await town.buy()
        await town.buy(tea, quantity=3)
        assert await refresh_heat(town.runtime) == 2
        hot = await hot_list(town.runtime, home_province="GD", visited_province=None)
        assert [product.name for product in hot] == ["茶", "上网卡"]
        town.clock.advance(timedelta(hours=25))
        assert await refresh_heat(town.runtime) == 0
        assert await hot_list(town.runtime, home_province="GD", visited_province=None) == []


class TestStock:
    async def test_is_sold_to_the_last_piece_and_no_further(self, town: Market) -> None:
        for left in range(9, -1, -1):
            await town.buy()
            assert await town.available() == left
        with pytest.raises(AssertionError, match="out_of_stock"):
            await town.buy()

    async def test_is_added_to_and_taken_from(self, town: Market) -> None:
        key = {"merchant_id": town.merchant.id, "product_id": town.product.id}
        await town.buy()  # moves a portion to the desk
        assert (await restock_product(town.runtime, **key, change=5)).available == 14
        assert (await restock_product(town.runtime, **key, change=-14)).available == 0
        with pytest.raises(Refused) as refused:
            await restock_product(town.runtime, **key, change=-1)
        assert refused.value.code is ErrorCode.OUT_OF_STOCK
        for wrong in (0, 1_000_001, -1_000_001):
            with pytest.raises(MalformedField, match="change"):
                await restock_product(town.runtime, **key, change=wrong)
        await restock_product(town.runtime, **key, change=1)
        await town.buy()
        assert await town.available() == 0

    async def test_without_limit_is_not_restocked(self, town: Market) -> None:
        tea = await put_on_sale(town.runtime, town.merchant, replace(GOODS, quantity=None))
        with pytest.raises(Refused, match="unlimited"):
            await restock_product(town.runtime, merchant_id=town.merchant.id, product_id=tea.id, change=5)

    async def test_is_shared_by_desks_without_losing_a_piece(self, town: Market) -> None:
        """Twelve desks sell 97 pieces one by one, each gathering when its own portion is empty."""
        tea = await put_on_sale(town.runtime, town.merchant, replace(GOODS, quantity=97))

        async def desk(slot: int) -> int:
            sold = 0
            while True:
                async with town.runtime.database.transaction() as uow:
                    row = (await refill(uow, [(tea.id, 1)], slot))[tea.id]
                    if row.available < 1:
                        assert row.exhausted
                        return sold
                    assert STOCK.save is not None
                    await uow.execute(STOCK.save, {"ids": [tea.id], "available": [row.available - 1], "slot": slot})
                    sold += 1
                await asyncio.sleep(0)

        sold = await asyncio.gather(*(desk(slot) for slot in range(1, 13)))
        assert sum(sold) == 97
        assert await town.available(tea) == 0

    async def test_of_a_product_that_has_none_is_exhausted(self, town: Market) -> None:
        unknown = ProductId.new(NOON)
        async with town.runtime.database.transaction() as uow:
            assert await refill(uow, [(unknown, 1)], 1) == {unknown: (0, True)}
