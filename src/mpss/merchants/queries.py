"""Reads of merchants."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.merchants.model import Merchant

BY_ID = """
    SELECT id, name, province, state, ledger_account_id, public_key, notify_url, webhook_secret, created_at,
           sms_code, credit_code
      FROM merchant WHERE id = %(id)s
"""
BY_API_KEY = """
    SELECT id, name, province, state, ledger_account_id, public_key, notify_url, webhook_secret, created_at,
           sms_code, credit_code
      FROM merchant WHERE api_key_digest = %(digest)s
"""
BY_SMS_CODE = """
    SELECT id, name, province, state, ledger_account_id, public_key, notify_url, webhook_secret, created_at,
           sms_code, credit_code
      FROM merchant WHERE sms_code = %(sms_code)s
"""
PAGE = """
    SELECT id, name, province, state, ledger_account_id, public_key, notify_url, webhook_secret, created_at,
           sms_code, credit_code
      FROM merchant
     WHERE (%(after)s::uuid IS NULL OR id > %(after)s) ORDER BY id LIMIT %(limit)s
"""
OF_LEDGER = "SELECT id FROM merchant WHERE ledger_account_id = ANY(%(ids)s) ORDER BY id"


async def get_merchant(uow: UnitOfWork, merchant_id: UUID) -> Merchant | None:
    return await uow.row(Merchant, BY_ID, {"id": merchant_id})


async def merchant_of_api_key(uow: UnitOfWork, api_key_digest: bytes) -> Merchant | None:
    return await uow.row(Merchant, BY_API_KEY, {"digest": api_key_digest})


async def merchant_of_sms_code(uow: UnitOfWork, sms_code: int) -> Merchant | None:
    """The merchant a subscriber names in an SMS, in any state."""
    return await uow.row(Merchant, BY_SMS_CODE, {"sms_code": sms_code})


async def list_merchants(uow: UnitOfWork, *, after: UUID | None = None, limit: int = 50) -> list[Merchant]:
    """A page of merchants in the order they were registered; `after` is the last id of the page before."""
    return await uow.rows(Merchant, PAGE, {"after": after, "limit": limit})


async def merchants_of_ledger(uow: UnitOfWork, ledger_account_ids: Collection[int]) -> list[UUID]:
    """Of these ledger accounts, whose the merchants' are."""
    return [row["id"] for row in await uow.dicts(OF_LEDGER, {"ids": list(ledger_account_ids)})]
