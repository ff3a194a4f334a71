"""No secret is in the database or in a log line in clear, whatever was done with it (CT 12.1, CM 9)."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest
import structlog.testing
from psycopg import sql

from mpss.accounts.codes import Purpose
from mpss.accounts.password import change, request_link, set_by_link
from mpss.accounts.sign_in import sign_in
from mpss.channels.sms.listener import on_message
from mpss.db.database import Database
from mpss.kernel.errors import Refused
from mpss.merchants.credentials import rotate_api_key, rotate_webhook_secret
from mpss.observability import mask_event
from mpss.ports.sms import InboundSms
from mpss.runtime import Runtime
from mpss.simulators.town import town
from mpss.staff.members import create_member, renew_key
from mpss.staff.permissions import Permission
from tests.support.cards import cards_on_sale
from tests.support.eventually import eventually
from tests.support.house import PASSWORD, last_secret, sms_code
from tests.support.market import PHONE, Market, market

NEW_PASSWORD, WRONG_PASSWORD, LINK_PASSWORD = "258147", "704983", "615294"
UNKNOWN_CARD = "0000111122223333"
NEW_PHONE = "+8618912340002"


async def everything_at_rest(runtime: Runtime) -> str:
    """Every value of every row, bytes as the text they may be."""
    found: list[str] = []
    async with runtime.database.read() as uow:
        tables = await uow.dicts(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        )
        for table in tables:
            cursor = await uow.connection.execute(
                sql.SQL("SELECT * FROM {}").format(sql.Identifier(table["table_name"]))
            )
            for row in await cursor.fetchall():
                found += [value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in row]
    return "\n".join(found)


async def secrets_of_a_day(made: Market) -> dict[str, str]:
    """Everything that has a secret is done once, by right ones and wrong ones; the secrets."""
    runtime, session = made.runtime, made.payer.signed_in
    assert session is not None
    secrets = {"password": PASSWORD, "session": session.token, "wrong": WRONG_PASSWORD, "new": NEW_PASSWORD}
    with pytest.raises(Refused):
        await change(
            runtime, session=session.session, old_password=WRONG_PASSWORD, new_password=NEW_PASSWORD, source="s"
        )
    await change(runtime, session=session.session, old_password=PASSWORD, new_password=NEW_PASSWORD, source="s")
    secrets["code"] = code = await sms_code(runtime, PHONE, Purpose.SIGN_IN)
    secrets["token"] = (await sign_in(runtime, phone=PHONE, code=code)).token
    await request_link(runtime, phone=PHONE)
    url = await last_secret(runtime, PHONE, "password_link", "url_sealed")
    secrets["link"] = token = url.rsplit("/", 1)[1]
    await set_by_link(runtime, token=token, password=LINK_PASSWORD)
    secrets["by link"] = LINK_PASSWORD

    cards = await cards_on_sale(runtime)
    secrets |= {f"card {number}": card.password for number, card in enumerate(cards)}
    secrets["unknown card"] = UNKNOWN_CARD
    for number, text in enumerate([f"CZ {cards[0].password}", f"CZ {UNKNOWN_CARD}", f"CZ {cards[0].password[:15]}",
                                   f"MM {LINK_PASSWORD}", "KT"]):  # fmt: skip
        await on_message(runtime, InboundSms(PHONE, text, str(number)))
    await on_message(runtime, InboundSms(NEW_PHONE, "KT", "1"))
    secrets["part of a card"] = cards[0].password[:15]

    member = await create_member(runtime, name="zhao", permissions=[Permission.CASH_TOPUP])
    secrets |= {"staff": member.api_key, "renewed": await renew_key(runtime, member_id=member.member.id)}
    credentials = made.shop.book.credentials()
    assert credentials is not None
    secrets |= {"merchant": credentials[1], "webhook": credentials[2].removeprefix("whsec_")}
    secrets["rotated"] = await rotate_api_key(runtime, merchant_id=made.merchant.id, by="test")
    renewed = await rotate_webhook_secret(runtime, merchant_id=made.merchant.id, by="test")
    secrets["webhook renewed"] = renewed.removeprefix("whsec_")
    return secrets


async def test_no_secret_is_at_rest_or_logged_in_clear(database: Database, tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as lines:
        async with market(database, tmp_path) as made:
            async with made.working():
                await made.buy(amount_fen=100)
                sold = await made.buy()

                async def delivered() -> bool:
                    return len(made.shop.book.orders()) == 1

                await eventually(delivered)
                secrets = await secrets_of_a_day(made)
            at_rest = await everything_at_rest(made.runtime)
    assert str(sold.id) in at_rest
    log = json.dumps([mask_event(None, "", dict(line)) for line in lines], default=str)
    for name, secret in secrets.items():
        # Six digits may be a piece of an id by chance.
        alone = re.compile(rf"(?<![0-9A-Za-z-]){re.escape(secret)}(?![0-9A-Za-z-])")
        assert alone.search(at_rest) is None, name
        assert alone.search(log) is None, name
    assert PHONE not in log
    assert PHONE.removeprefix("+86") not in log


async def test_the_towns_folder_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "town"
    async with town(folder, shop_names=("Kiosk",), smsc_password="town", number="10001888"):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
