"""The composition root: settings → database, desk, ports, runtime, servers. The only place that chooses.

A center runs as kinds of process, any number of each: `http` answers requests, each with a desk of its own; `ivr`
answers the operator's voice platform, where there is one; `jobs` hands over what is due (SMS, deliveries, webhooks),
takes in SMS, and does what runs by the clock.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.applications import Starlette

from mpss.adapters.bank_iso8583 import BankLine, Iso8583Banks
from mpss.adapters.boss_http import BossHttp
from mpss.adapters.charging_diameter import DiameterCharging
from mpss.adapters.iso8583_session import Line
from mpss.adapters.key_store_file import FileKeyStore
from mpss.adapters.merchant_http import MerchantHttp
from mpss.adapters.online_bank_http import OnlineBankHttp
from mpss.adapters.payment_files import PaymentFolders
from mpss.adapters.recharge_http import RechargeHttp
from mpss.adapters.sms_smpp import SmppSms
from mpss.channels.bank.listener import listen as listen_to_banks
from mpss.channels.http.app import create_app
from mpss.channels.ivr.app import create_ivr_app
from mpss.channels.sms.listener import listen
from mpss.config import Settings, parse_peers
from mpss.db.database import Database, opened
from mpss.db.migrate import migrate, role_of
from mpss.desk.desk import Desk
from mpss.jobs.outbox import outbox_worker
from mpss.jobs.schedule import run_schedule
from mpss.kernel.clock import Clock, SandboxClock, SystemClock, business_date
from mpss.kernel.garbage import calm_collector
from mpss.ledger.seed import seed
from mpss.observability import configure_logging, log
from mpss.ports.bank import BankPort, BankProfile
from mpss.ports.bundle import Ports
from mpss.ports.key_store import KeyStore
from mpss.runtime import Runtime
from mpss.security.networks import parse_networks
from mpss.wire.iso8583.directory import parse_banks
from mpss.wire.iso8583.fields import PROFILES


def make_clock(settings: Settings) -> Clock:
    """The system's time, or the sandbox's from its file."""
    return SandboxClock(settings.sandbox_clock) if settings.sandbox_clock is not None else SystemClock()


def key_file_of(settings: Settings) -> Path:
    """Where this center's keys are."""
    return settings.key_file or settings.data_dir / "keys.json"


def payment_folder_of(settings: Settings) -> Path:
    """Where files are exchanged with banks that take payment orders by the file."""
    return settings.payment_files_dir or settings.data_dir / "payment-files"


def transport_key_of(key_store: KeyStore, bank: str) -> bytes:
    """The key that a bank sends its session keys under, 16 bytes; the bank is handed it when it is connected."""
    return key_store.mac("bank_transport", bank.encode())[:16]


def make_banks(settings: Settings, key_store: KeyStore) -> BankPort | None:
    """The banks of the settings, or None where there are none."""
    lines = [
        BankLine(
            BankProfile(entry.code, entry.name, entry.real_time_credit, entry.freezes),
            Line(
                entry.code, entry.host, entry.port, PROFILES[entry.profile], transport_key_of(key_store, entry.code)
            ),
        )
        for entry in parse_banks(settings.banks)
    ]  # fmt: skip
    return Iso8583Banks(lines) if lines else None


def make_charging(settings: Settings) -> DiameterCharging | None:
    """The charging system of the settings, or None where there is none."""
    peers = parse_peers(settings.charging_peers)
    if not peers:
        return None
    # A peer takes one connection from an identity, and a center has many processes.
    host = f"{socket.gethostname().split('.')[0]}-{os.getpid()}.{settings.charging_origin_host}"
    return DiameterCharging(
        peers,
        origin_host=host,
        origin_realm=settings.charging_origin_realm,
        realm=settings.charging_realm,
        watchdog_seconds=float(settings.charging_watchdog_seconds),
        reservation_seconds=settings.policy.charging_reservation_seconds,
    )


def make_runtime(settings: Settings) -> Runtime:
    """Everything a flow may use, built and not yet started."""
    database = Database(settings.database_url, pool_size=settings.pool_size)
    key_store = FileKeyStore.open_or_make(key_file_of(settings))
    ports = Ports(
        key_store=key_store,
        banks=make_banks(settings, key_store),
        payment_files=PaymentFolders(payment_folder_of(settings)),
        sms=SmppSms(
            host=settings.smsc_host,
            port=settings.smsc_port,
            system_id=settings.smsc_system_id,
            password=settings.smsc_password,
            number=settings.sms_number,
        ),
        merchant=MerchantHttp(networks=parse_networks(settings.merchant_networks)),
        charging=make_charging(settings),
        recharge_card=_recharge(settings),
        online_bank=_online_bank(settings),
        boss=BossHttp(secret=settings.boss_secret, url=settings.boss_url) if settings.boss_secret else None,
    )
    desk = Desk(database, batch_size=settings.desk_batch)
    return Runtime(database, desk, make_clock(settings), ports, settings)


def _recharge(settings: Settings) -> RechargeHttp | None:
    if not settings.recharge_url:
        return None
    return RechargeHttp(url=settings.recharge_url, secret=settings.recharge_secret)


def _online_bank(settings: Settings) -> OnlineBankHttp | None:
    if not settings.online_bank_url:
        return None
    here = settings.public_url or f"http://{settings.host}:{settings.port}"
    return OnlineBankHttp(
        url=settings.online_bank_url,
        secret=settings.online_bank_secret,
        return_url=settings.online_bank_return_url or f"{here}/",
        notify_url=f"{here}/v1/callbacks/online-bank",
    )


@asynccontextmanager
async def running(runtime: Runtime) -> AsyncIterator[Runtime]:
    """Open the database and start the desk; close both at the end."""
    await runtime.database.open()
    try:
        await runtime.desk.start()
        if runtime.ports.charging is not None:
            await runtime.ports.charging.start()
        await listen_to_banks(runtime)
        try:
            yield runtime
        finally:
            if runtime.ports.banks is not None:
                await runtime.ports.banks.stop()
            await runtime.desk.stop()
            if runtime.ports.charging is not None:
                await runtime.ports.charging.stop()
    finally:
        if isinstance(runtime.ports.merchant, MerchantHttp):
            await runtime.ports.merchant.close()
        for port in (runtime.ports.recharge_card, runtime.ports.online_bank, runtime.ports.boss):
            if port is not None:
                await port.close()
        await runtime.database.close()


async def migrate_and_seed(settings: Settings) -> tuple[str, ...]:
    """Bring the database to this release as the owner role, with the house's accounts and an open business day.

    The names of the migrations applied now.
    """
    owner_url = settings.owner_database_url or settings.database_url
    applied = await migrate(owner_url, run_role=role_of(settings.database_url))
    now = make_clock(settings).now()
    async with opened(settings.database_url) as database, database.transaction() as uow:
        await seed(uow, today=business_date(now, cut=settings.day_cut), now=now)
    return applied


def http_application() -> FastAPI:
    """The HTTP API of one process, as granian loads it; settings come from the environment."""
    settings = Settings.from_environment()
    configure_logging(settings.log_level)
    runtime = make_runtime(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with running(runtime):
            calm_collector()
            yield

    return create_app(runtime, lifespan=lifespan)


def ivr_application() -> Starlette:
    """The voice channel of one process, as granian loads it; settings come from the environment."""
    settings = Settings.from_environment()
    configure_logging(settings.log_level)
    runtime = make_runtime(settings)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with running(runtime):
            yield

    return create_ivr_app(runtime, lifespan=lifespan)


async def run_jobs(settings: Settings) -> None:
    """The jobs process, until SIGTERM or SIGINT: outbox, inbound SMS, what runs by the clock."""
    configure_logging(settings.log_level)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running(make_runtime(settings)) as runtime:
        worker = outbox_worker(runtime)
        await listen(runtime)
        await worker.start()
        schedule = asyncio.create_task(run_schedule(runtime), name="schedule")
        log.info("jobs.started")
        await stop.wait()
        schedule.cancel()
        await asyncio.gather(schedule, return_exceptions=True)
        await worker.stop()
        await runtime.ports.sms.stop()
