"""What runs by the clock. Each job asks a flow; none has rules of its own.

Any number of processes may run the schedule: every job is safe to run twice at once, and one that fails is logged and
run again at its next turn. Decision: ADR-0006.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mpss.accounts.boss_comparison import compare_due
from mpss.accounts.calls import sweep_calls
from mpss.accounts.customers import mark_persons
from mpss.accounts.document_expiry import find_expired
from mpss.accounts.dormancy import find_dormant
from mpss.accounts.freeze import end_dated_freezes
from mpss.accounts.loss import end_oral_losses
from mpss.accounts.sweep import sweep
from mpss.accounts.upgrade import warn_of_documents
from mpss.catalog.browse import refresh_heat
from mpss.kernel.clock import business_date
from mpss.ledger.day_close import close_day
from mpss.merchants.close import finish_merchant_closings
from mpss.merchants.credentials import sweep_nonces
from mpss.merchants.register import mark_companies
from mpss.notices.inbound import sweep_inbound
from mpss.observability import JOB_RUNS, log
from mpss.risk.grey_rules import grey_often_refused, grey_topped_up
from mpss.risk.lists import lapse_entries
from mpss.risk.reports import search_days
from mpss.runtime import Runtime
from mpss.transactions.closings.close import finish_closings
from mpss.transactions.closings.rest import take_rests
from mpss.transactions.confirm import lapse_waiting
from mpss.transactions.resolve import resolve_due
from mpss.transactions.reviews import expire_reviews
from mpss.transactions.topups.card_verification import end_verifications
from mpss.transactions.transfers.end import claim_transfers, return_transfers
from mpss.transactions.withdrawals.payment_answer import read_answers
from mpss.transactions.withdrawals.payment_batch import make_due_batches


@dataclass(frozen=True, slots=True)
class Job:
    """`action` is run every `every_seconds`, and once at the start."""

    name: str
    every_seconds: float
    action: Callable[[Runtime], Awaitable[object]]


async def close_day_if_due(runtime: Runtime) -> object:
    """Close every business day that is over at the day cut."""
    now = runtime.clock.now()
    return await close_day(runtime.database, today=business_date(now, cut=runtime.settings.day_cut), now=now)


JOBS = (
    Job("day_close", 1.0, close_day_if_due),
    Job("lapse_waiting", 1.0, lapse_waiting),
    Job("claim_transfers", 1.0, claim_transfers),
    Job("return_transfers", 60.0, return_transfers),
    Job("resolve_funding", 0.5, resolve_due),
    Job("payment_batches", 5.0, make_due_batches),
    Job("payment_answers", 5.0, read_answers),
    Job("end_verifications", 10.0, end_verifications),
    Job("end_oral_losses", 10.0, end_oral_losses),
    Job("end_dated_freezes", 10.0, end_dated_freezes),
    Job("finish_closings", 5.0, finish_closings),
    Job("finish_merchant_closings", 5.0, finish_merchant_closings),
    Job("take_rests", 30.0, take_rests),
    Job("compare_with_boss", 30.0, compare_due),
    Job("find_dormant", 3600.0, find_dormant),
    Job("grey_often_refused", 30.0, grey_often_refused),
    Job("grey_topped_up", 1.0, grey_topped_up),
    Job("lapse_entries", 10.0, lapse_entries),
    Job("search_days", 60.0, search_days),
    Job("expire_reviews", 10.0, expire_reviews),
    Job("hot_list", 10.0, refresh_heat),
    Job("sweep_accounts", 60.0, sweep),
    Job("warn_of_documents", 600.0, warn_of_documents),
    Job("find_expired", 600.0, find_expired),
    Job("mark_persons", 60.0, mark_persons),
    Job("mark_companies", 60.0, mark_companies),
    Job("sweep_nonces", 60.0, sweep_nonces),
    Job("sweep_inbound", 600.0, sweep_inbound),
    Job("sweep_calls", 600.0, sweep_calls),
)


async def run_schedule(runtime: Runtime) -> None:
    """Run every job at its pace until cancelled."""
    async with asyncio.TaskGroup() as group:
        for job in JOBS:
            group.create_task(_repeat(runtime, job), name=f"job-{job.name}")


async def _repeat(runtime: Runtime, job: Job) -> None:
    while True:
        try:
            await job.action(runtime)
            JOB_RUNS.labels(job=job.name, outcome="done").inc()
        except Exception:
            JOB_RUNS.labels(job=job.name, outcome="failed").inc()
            log.exception("job.failed", job=job.name)
        # Spread a little, so that several processes do not come at once.
        await asyncio.sleep(job.every_seconds * random.uniform(0.9, 1.1))  # noqa: S311
