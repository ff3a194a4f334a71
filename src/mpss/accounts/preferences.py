"""What a subscriber wants to be told, when, and in which language. Spec: CM 5.5, 8.2.2; CT 5.4."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from mpss.accounts.locks import lock_known, lock_live
from mpss.accounts.notify import check_language
from mpss.kernel.errors import MalformedField
from mpss.notices.preference_model import Preferences
from mpss.notices.preference_store import preferences_of, save_language, save_preferences
from mpss.runtime import Runtime


class Wishes(NamedTuple):
    """`language` of notices, and which of them."""

    language: str
    preferences: Preferences


async def read_wishes(runtime: Runtime, *, account_id: UUID) -> Wishes:
    """
    Raises:
        Refused: UNKNOWN_ACCOUNT.
    """
    async with runtime.database.transaction() as uow:
        account, _ = await lock_known(uow, account_id)
        return Wishes(account.language, await preferences_of(uow, account_id))


async def set_wishes(runtime: Runtime, *, account_id: UUID, wishes: Wishes) -> None:
    """Replace them all; what is on its way already is sent by the new ones, in the language it was written in.

    Raises:
        MalformedField: `language`, or one end of the quiet hours is missing.
        Refused: UNKNOWN_ACCOUNT.

    Spec: CM 5.5; CT 5.4.
    """
    check_language(wishes.language)
    preferences = wishes.preferences
    if (preferences.quiet_from is None) != (preferences.quiet_to is None):
        missing = "quiet_from" if preferences.quiet_from is None else "quiet_to"
        raise MalformedField(field=missing, problem="must be given with the other end of the quiet hours")
    async with runtime.database.transaction() as uow:
        await lock_live(uow, account_id)
        await save_language(uow, account_id, wishes.language)
        await save_preferences(uow, account_id, preferences)
