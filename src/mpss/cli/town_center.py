"""A center in a town of its own, as the demo and the tests run it: simulators, people behind the counter, processes."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mpss.adapters.key_store_file import FileKeyStore
from mpss.bootstrap import key_file_of, make_runtime, migrate_and_seed, payment_folder_of, running, transport_key_of
from mpss.cli.center import environment_of, kept_secret
from mpss.cli.processes import Child, free_port, wait_ready
from mpss.config import Settings
from mpss.security.signing import new_webhook_secret
from mpss.simulators.ocs import REALM
from mpss.simulators.people import StaffKeys
from mpss.simulators.town import TOWN_BANKS, TOWN_NETWORK, Town, town
from mpss.staff.members import create_member
from mpss.staff.permissions import Permission

_MANAGER = [Permission.MERCHANT_REGISTER, Permission.VOUCHER_ACTIVATE, Permission.LEDGER_VIEW, Permission.ACCOUNT_VIEW]
_CLERK = [Permission.CASH_TOPUP, Permission.VOUCHER_GENERATE, Permission.LOSS_WRITTEN]


@dataclass(slots=True)
class TownCenter:
    """The running center. `settings` are its processes' own; `process` is `mpss serve` with all it started."""

    settings: Settings
    town: Town
    staff: StaffKeys
    process: Child

    @property
    def url(self) -> str:
        return self.settings.public_url

    @property
    def log(self) -> Path:
        return log_of(self.settings)

    async def start(self) -> None:
        """Start the processes again after their end, and wait until they serve."""
        self.process = serve_process(self.settings)
        await ready(self.settings, self.process)

    async def stop(self) -> None:
        """Stop the processes; the town goes on."""
        # In a thread, because the simulators that the processes say goodbye to live in this event loop.
        await asyncio.to_thread(self.process.stop)


@asynccontextmanager
async def town_center(
    settings: Settings, *, shop_names: tuple[str, ...], tell: Callable[[str], None] = lambda step: None
) -> AsyncIterator[TownCenter]:
    """Migrate, run the town and the center until the end of the block; yesterday's ports where they are free.

    `tell` is called with each step as it begins.

    Raises:
        ProcessEnded: the center did not start; the message has the end of its log.
    """
    secret = kept_secret(settings.data_dir / "smsc.secret")
    tell("the database is migrated")
    await migrate_and_seed(settings)
    tell("the town's simulators start")
    folder = settings.data_dir / "town"
    key_store = FileKeyStore.open_or_make(key_file_of(settings))
    bank_keys = {code: transport_key_of(key_store, code) for code in TOWN_BANKS}
    settings = replace(
        settings,
        smsc_password=secret,
        recharge_secret=kept_secret(settings.data_dir / "recharge.secret", make=new_webhook_secret),
        online_bank_secret=kept_secret(settings.data_dir / "online-bank.secret", make=new_webhook_secret),
        boss_secret=kept_secret(settings.data_dir / "boss.secret", make=new_webhook_secret),
        ivr_secret=kept_secret(settings.data_dir / "voice.secret", make=new_webhook_secret),
    )
    async with town(
        folder,
        shop_names=shop_names,
        smsc_password=secret,
        number=settings.sms_number,
        bank_keys=bank_keys,
        recharge_secret=settings.recharge_secret,
        online_bank_secret=settings.online_bank_secret,
        boss_secret=settings.boss_secret,
        ivr_secret=settings.ivr_secret,
        payment_files=payment_folder_of(settings),
    ) as place:
        settings = _placed(settings, place)
        if place.boss is not None:
            place.boss.connect(settings.public_url)
        if place.voice is not None:
            place.voice.connect(f"http://{settings.ivr_host}:{settings.ivr_port}")
        tell("the center starts")
        staff = await _hire(settings)
        center = TownCenter(settings, place, staff, serve_process(settings))
        try:
            await ready(settings, center.process)
            yield center
        finally:
            await center.stop()


def log_of(settings: Settings) -> Path:
    """Where the center's processes write what they have to say."""
    return settings.data_dir / "center.log"


def serve_process(settings: Settings) -> Child:
    """`mpss serve` with these settings; it ends with us."""
    arguments = ["-m", "mpss", "serve", "--follow-parent", str(os.getpid())]
    return Child("the center", arguments, environment=environment_of(settings), log=log_of(settings))


async def ready(settings: Settings, process: Child) -> None:
    """Wait until the center serves."""
    await asyncio.to_thread(wait_ready, f"{settings.public_url}/readyz", children=[process])
    voice = f"http://{settings.ivr_host}:{settings.ivr_port}"
    await asyncio.to_thread(wait_ready, f"{voice}/healthz", children=[process])


def _placed(settings: Settings, place: Town) -> Settings:
    """The settings with this run's addresses: yesterday's port where it is free."""
    path = settings.data_dir / "demo.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    port, ivr_port = free_port(known.get("port", 0)), free_port(known.get("ivr_port", 0))
    path.write_text(json.dumps({"port": port, "ivr_port": ivr_port}))
    assert place.recharge is not None
    assert place.online_bank is not None
    assert place.boss is not None
    return replace(
        settings,
        port=port,
        ivr_port=ivr_port,
        public_url=f"http://{settings.host}:{port}",
        smsc_port=place.smsc.port,
        recharge_url=place.recharge.url,
        online_bank_url=place.online_bank.url,
        boss_url=place.boss.url,
        merchant_networks=TOWN_NETWORK,
        charging_peers=place.ocs.peers,
        charging_realm=REALM,
        banks=",".join(str(entry) for entry in place.bank_entries()),
    )


async def _hire(settings: Settings) -> StaffKeys:
    """The people behind the counter, made by the command line as an operator's first are; kept in the data folder."""
    path = settings.data_dir / "staff.json"
    if path.exists():
        return StaffKeys(**json.loads(path.read_text()))
    async with running(make_runtime(settings)) as runtime:
        clerk = await create_member(runtime, name="Clerk C01", permissions=_CLERK, hall="H01", clerk="C01")
        manager = await create_member(runtime, name="Manager", permissions=_MANAGER)
        reviewer = await create_member(runtime, name="Reviewer", permissions=[Permission.PRODUCT_REVIEW])
    keys = StaffKeys(clerk.api_key, manager.api_key, reviewer.api_key)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump({"clerk": keys.clerk, "manager": keys.manager, "reviewer": keys.reviewer}, file)
    return keys
