"""The bank cards of a replay's people: opened at the town's banks, bound through the public API when first needed."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict

from mpss.simulators.center_api import CenterApi
from mpss.simulators.month import CASH_OUT, DEBIT
from mpss.simulators.town import Town

BANKS = {CASH_OUT: "NANCHENG", DEBIT: "BEIHU"}
"""Cash out goes to a card at the bank that credits in real time, a debit to one at the bank that takes daily files."""
_HOLDER = "重放客户"


class Cards:
    """One card for each client and bank; asked for by two at once, it is bound once."""

    def __init__(self, place: Town) -> None:
        self._place = place
        self._bound: dict[tuple[str, int], str] = {}
        self._turns: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def card_of(self, action: str, client: int, phone: str, api: CenterApi) -> str:
        """The id of the client's card for this action."""
        key = BANKS[action], client
        async with self._turns[client]:
            if key not in self._bound:
                self._bound[key] = await self._bind(key[0], phone, api)
        return self._bound[key]

    async def _bind(self, bank: str, phone: str, api: CenterApi) -> str:
        number = card_number(bank, phone)
        self._place.banks[bank].store.open_card(number, holder_name=_HOLDER, phone=phone, balance_fen=0)
        async with self._place.handset(phone) as handset:
            before = await handset.last_id()
            asked = await api.post(
                "/v1/account/cards", {"bank": bank, "card_number": number, "holder_name": _HOLDER}
            )  # fmt: skip
            message = await handset.wait_for("验证码", after=before, timeout_seconds=120)
        found = code_in(message.text)
        await api.post(f"/v1/account/cards/{asked['card_id']}/confirm", {"code": found})
        return str(asked["card_id"])


def card_number(bank: str, phone: str) -> str:
    """The number of the phone's card at a bank of the town; no two are alike."""
    digits = f"62{sorted(BANKS.values()).index(bank)}{phone[-11:]}"
    doubled = [sum(divmod(int(digit) * 2, 10)) for digit in digits[::-2]]
    total = sum(doubled) + sum(int(digit) for digit in digits[-2::-2])
    return f"{digits}{-total % 10}"


def code_in(text: str) -> str:
    """The six digits of an SMS code."""
    found = re.search(r"(?<!\d)\d{6}(?!\d)", text)
    assert found is not None, text
    return found.group()
