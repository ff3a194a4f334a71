"""The center that a month is replayed in: its settings, and when the month begins."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from mpss.cli.processes import free_port
from mpss.config import Policy, Settings
from mpss.kernel.clock import SHANGHAI
from mpss.simulators.town import TOWN_NETWORK, Town


def next_month(after: datetime) -> datetime:
    """The beginning of the month after that of an instant, in Shanghai."""
    local = after.astimezone(SHANGHAI)
    year, month = (local.year + 1, 1) if local.month == 12 else (local.year, local.month + 1)
    return datetime(year, month, 1, tzinfo=SHANGHAI)


def sandboxed(settings: Settings, place: Town, secret: str) -> Settings:
    """A center that one busy caller may use: no rate limits, sessions that last the month, the data's own limits."""
    policy = Policy(
        session_ttl_seconds=60 * 86_400,
        codes_per_source_per_hour=10_000_000,
        single_limit_fen=settings.policy.single_limit_fen,
        topup_single_limit_fen=settings.policy.topup_single_limit_fen,
        balance_limit_fen=settings.policy.balance_limit_fen,
        transfer_single_limit_fen=settings.policy.transfer_single_limit_fen,
        transfer_daily_limit_fen=settings.policy.transfer_daily_limit_fen,
        free_transfer_single_limit_fen=settings.policy.transfer_single_limit_fen,
        free_transfer_daily_limit_fen=settings.policy.transfer_daily_limit_fen,
        withdrawal_single_limit_fen=settings.policy.withdrawal_single_limit_fen,
        withdrawal_daily_limit_fen=settings.policy.withdrawal_daily_limit_fen,
        codes_per_phone_per_hour=10_000_000,
    )
    port = free_port()
    return replace(
        settings,
        port=port,
        public_url=f"http://{settings.host}:{port}",
        smsc_port=place.smsc.port,
        smsc_password=secret,
        merchant_networks=TOWN_NETWORK,
        banks=",".join(str(entry) for entry in place.bank_entries()),
        rate_per_second=0,
        source_rate_per_second=0,
        log_level="WARNING",
        policy=policy,
    )
