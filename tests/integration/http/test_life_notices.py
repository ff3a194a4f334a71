"""What an account's life tells its holder: each event is sent, in the holder's language, whatever was switched off.

Which events those are is read from the code of the account areas, so that a new one cannot be forgotten here.
"""

from __future__ import annotations

import re
from datetime import time
from pathlib import Path

import pytest

import mpss
from mpss.accounts.notify import sealed, tell
from mpss.accounts.preferences import Wishes, set_wishes
from mpss.kernel.ids import Id
from mpss.kernel.language import LANGUAGES
from mpss.notices.compose import compose
from mpss.notices.model import Event
from mpss.notices.preference_model import GROUPS, Group, Preferences
from tests.integration.http.test_preferences import Phone, serve
from tests.support.clauses import clause
from tests.support.http import Counter
from tests.support.market import PHONE
from tests.unit.notices.test_compose import facts

SOURCE = Path(mpss.__file__).parent
NAMED = re.compile(r"\"([a-z_]+)\"|\bEvent\.([A-Z_]+)\b")
SECRETS = ("code", "url")
NOT_OF_LIFE = {Event.REPLY, Event.PAID}
"""A reply is asked for; `paid` is also the word of a payment order."""


def told_in_life() -> set[Event]:
    """Every event that the areas of the account's life name."""
    files = [*(SOURCE / "accounts").glob("*.py"), *(SOURCE / "transactions" / "closings").glob("*.py")]
    found = [names for file in files for names in NAMED.findall(file.read_text(encoding="utf-8"))]
    words = {value or name.lower() for value, name in found}
    return {event for event in Event if event.value in words} - NOT_OF_LIFE


@clause("CM 5.5", "CT 5.4")
class TestTheLifeOfAnAccount:
    def test_names_loss_freezes_silence_closing_and_the_number(self) -> None:
        assert told_in_life() >= {
            Event.LOSS_REPORTED, Event.LOSS_WRITTEN, Event.LOSS_LIFTED, Event.LOSS_EXPIRED, Event.FROZEN,
            Event.UNFROZEN, Event.DORMANCY_NEAR, Event.FALLEN_DORMANT, Event.WOKEN, Event.CLOSING_ASKED,
            Event.CLOSED, Event.NUMBER_STOPPED, Event.NUMBER_RESUMED, Event.NUMBER_CANCELLED, Event.NUMBER_CHANGED,
            Event.SIM_SWAPPED, Event.PASSWORD_CHANGED, Event.PASSWORD_LOCKED, Event.CODE, Event.PASSWORD_LINK,
            Event.ACCOUNT_LINK, Event.UPGRADED,
        }  # fmt: skip

    def test_can_be_done_without_only_where_a_setting_was_changed(self) -> None:
        assert {GROUPS[event] for event in told_in_life() if event in GROUPS} <= {Group.SETTINGS}

    @pytest.mark.parametrize("language", LANGUAGES)
    async def test_is_told_at_once_to_who_switched_everything_off(self, shop: Counter, language: str) -> None:
        phone = Phone()
        account_id = shop.market.payer.account_id
        nothing = Preferences(frozenset(Group), quiet_from=time(0, 0), quiet_to=time(23, 59))
        await set_wishes(shop.runtime, account_id=account_id, wishes=Wishes(language, nothing))
        await serve(shop, phone)
        phone.texts.clear()
        key_store, now = shop.runtime.ports.key_store, shop.runtime.clock.now()
        events = sorted(told_in_life())
        async with shop.runtime.database.transaction() as uow:
            for event in events:
                params = {
                    f"{name}_sealed" if name in SECRETS else name: sealed(key_store, str(value))
                    if name in SECRETS
                    else value
                    for name, value in facts(event).items()
                }
                await tell(uow, event, reference=Id.new(now), phone=PHONE, language=language, now=now, params=params)
        await serve(shop, phone)
        due = [compose(event, language, facts(event), 0) for event in events if event not in GROUPS]
        assert sorted(map(without_serial, phone.texts)) == sorted(map(without_serial, due))


def without_serial(text: str) -> str:
    return re.sub(r" ?[【\[](MPSS|No\.) ?\d+[】\]]$", "", text)
