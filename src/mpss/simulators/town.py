"""The town: the SMSC with its handsets and the CP/SPs that a center talks to, and the people with new phones.

Its folder keeps the ports, the handsets, the shops' order books and which phone numbers were given out, so a second
start finds yesterday's town.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from mpss.kernel.phone import home_province, parse_phone
from mpss.simulators.bank import Bank, BankSettings
from mpss.simulators.boss import Boss
from mpss.simulators.handset import Handset
from mpss.simulators.ivr_platform import VoicePlatform
from mpss.simulators.merchant_shop import MerchantShop
from mpss.simulators.ocs import Ocs, OcsSettings
from mpss.simulators.ocs import serve as serve_ocs
from mpss.simulators.online_bank import OnlineBank
from mpss.simulators.recharge_platform import RechargePlatform
from mpss.simulators.smsc import Smsc, SmscSettings
from mpss.simulators.smsc import serve as serve_smsc
from mpss.wire.iso8583.directory import BankEntry
from mpss.wire.iso8583.fields import ProfileName

TOWN_NETWORK = "127.0.0.0/8"
"""Where the shops' servers are, which a center in this town must be let call."""
SEGMENTS = {"GD": "1802222", "JS": "1771234", "BJ": "1891000"}
"""A number segment of each province the town's people come from, by its letter code."""


TOWN_BANKS = {
    "NANCHENG": BankEntry("NANCHENG", "南城银行", "127.0.0.1", 0, ProfileName.ASCII, True),
    "BEIHU": BankEntry("BEIHU", "北湖银行", "127.0.0.1", 0, ProfileName.BCD, False, False),
}
"""The town's banks by code; each writes as the other does not."""
NO_BANKS: Mapping[str, bytes] = {}


@dataclass(frozen=True, slots=True)
class Town:
    """The running town."""

    folder: Path
    smsc: Smsc
    ocs: Ocs
    shops: dict[str, MerchantShop]
    banks: dict[str, Bank] = field(default_factory=dict)
    recharge: RechargePlatform | None = None
    online_bank: OnlineBank | None = None
    boss: Boss | None = None
    voice: VoicePlatform | None = None

    def bank_entries(self) -> tuple[BankEntry, ...]:
        """The banks as a center's settings name them."""
        return tuple(replace(TOWN_BANKS[code], port=bank.port) for code, bank in self.banks.items())

    def new_phone(self, province: str) -> str:
        """A number of that province that nobody in the town has had yet, as E.164."""
        given = _read(self.folder / "numbers.json")
        count = given.get(province, 0) + 1
        phone = parse_phone(f"{SEGMENTS[province]}{count:04d}")
        assert home_province(phone) == province
        _write(self.folder / "numbers.json", {**given, province: count})
        return phone

    def handset(self, phone: str) -> Handset:
        """The phone with this number; close it."""
        return Handset(self.smsc.control_url, phone)


@asynccontextmanager
async def town(
    folder: Path,
    *,
    shop_names: tuple[str, ...],
    smsc_password: str,
    number: str,
    bank_keys: Mapping[str, bytes] = NO_BANKS,
    recharge_secret: str | None = None,
    online_bank_secret: str | None = None,
    boss_secret: str | None = None,
    ivr_secret: str | None = None,
    payment_files: Path | None = None,
) -> AsyncIterator[Town]:
    """Run the town on yesterday's ports where they are free. `number` is the center's, which phones send to.

    `bank_keys` are the transport keys that the banks of `TOWN_BANKS` share with the center; the others stay closed.
    A bank without real-time credit takes payment orders from its folder in `payment_files`, if that is given.
    The recharge platform, the online bank, BOSS and the voice platform stay closed without the secrets that they share
    with the center.
    """
    _make_private(folder)
    ports = _read(folder / "ports.json")
    shops: dict[str, MerchantShop] = {}
    smsc_settings = SmscSettings(folder, password=smsc_password, number=number)
    async with (
        serve_smsc(smsc_settings) as smsc,
        serve_ocs(OcsSettings(folder)) as ocs,
        AsyncExitStack() as open_banks,
        _recharge(folder, recharge_secret, ports.get("recharge", 0)) as recharge,
        _online_bank(folder, online_bank_secret, ports.get("online bank", 0)) as online_bank,
        _boss(folder, boss_secret, ports.get("BOSS", 0)) as boss,
        _voice(ivr_secret, ports.get("voice", 0)) as voice,
    ):
        try:
            banks = {
                code: await _start_bank(folder, code, key, ports, payment_files) for code, key in bank_keys.items()
            }
            for bank in banks.values():
                open_banks.push_async_callback(bank.stop)
            for name in shop_names:
                shop = MerchantShop(name, path=folder / f"shop-{name}.sqlite")
                shops[name] = shop
                await _start(shop, ports.get(name, 0))
            shop_ports = {name: _port_of(shop.url) for name, shop in shops.items()}
            bank_ports = {f"bank {code}": bank.port for code, bank in banks.items()}
            others = {"recharge": recharge, "online bank": online_bank, "BOSS": boss, "voice": voice}
            other_ports = {name: _port_of(server.url) for name, server in others.items() if server is not None}
            _write(folder / "ports.json", shop_ports | bank_ports | other_ports)
            yield Town(folder, smsc, ocs, shops, banks, recharge, online_bank, boss, voice)
        finally:
            for shop in shops.values():
                await shop.stop()
                shop.close()


def _port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


@asynccontextmanager
async def _recharge(folder: Path, secret: str | None, preferred: int) -> AsyncIterator[RechargePlatform | None]:
    if secret is None:
        yield None
        return
    platform = RechargePlatform(secret, path=folder / "recharge.sqlite")
    await _start(platform, preferred)
    try:
        yield platform
    finally:
        await platform.stop()
        platform.close()


@asynccontextmanager
async def _online_bank(folder: Path, secret: str | None, preferred: int) -> AsyncIterator[OnlineBank | None]:
    if secret is None:
        yield None
        return
    bank = OnlineBank(secret, path=folder / "online-bank.sqlite")
    await _start(bank, preferred)
    try:
        yield bank
    finally:
        await bank.stop()
        bank.close()


@asynccontextmanager
async def _boss(folder: Path, secret: str | None, preferred: int) -> AsyncIterator[Boss | None]:
    if secret is None:
        yield None
        return
    boss = Boss(secret, path=folder / "boss.sqlite", everybody=True)
    await _start(boss, preferred)
    try:
        yield boss
    finally:
        await boss.stop()
        boss.close()


@asynccontextmanager
async def _voice(secret: str | None, preferred: int) -> AsyncIterator[VoicePlatform | None]:
    if secret is None:
        yield None
        return
    platform = VoicePlatform(secret)
    await _start(platform, preferred)
    try:
        yield platform
    finally:
        await platform.stop()


async def _start(server: MerchantShop | RechargePlatform | OnlineBank | Boss | VoicePlatform, preferred: int) -> None:
    try:
        await server.start(preferred)
    except OSError:  # Somebody else has yesterday's port.
        await server.start(0)


async def _start_bank(
    folder: Path, code: str, key: bytes, ports: Mapping[str, int], payment_files: Path | None
) -> Bank:
    path, entry = folder / f"bank-{code}.sqlite", TOWN_BANKS[code]
    files = None if payment_files is None or entry.real_time_credit else payment_files / code
    settings = BankSettings(code, path, entry.profile, key, ports.get(f"bank {code}", 0), files=files)
    bank = Bank(settings)
    try:
        await bank.start()
    except OSError:  # Somebody else has yesterday's port.
        bank = Bank(replace(settings, port=0))
        await bank.start()
    return bank


def _make_private(folder: Path) -> None:
    """The shops' private keys and everybody's SMS are in it."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


def _read(path: Path) -> dict[str, int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _write(path: Path, content: dict[str, int]) -> None:
    path.write_text(json.dumps(content, indent=1))


async def run(folder: Path, *, shop_names: tuple[str, ...], smsc_password: str, number: str) -> None:
    """Run the town until SIGTERM or SIGINT; prints its addresses as one line of JSON."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stop.set)
    async with town(folder, shop_names=shop_names, smsc_password=smsc_password, number=number) as running:
        addresses = {
            "smsc_port": running.smsc.port,
            "handsets": running.smsc.control_url,
            "shops": {name: shop.url for name, shop in running.shops.items()},
            "charging_peers": running.ocs.peers,
            "phone_bills": running.ocs.control_url,
        }
        print(json.dumps(addresses), flush=True)  # noqa: T201 - how the one who starts it learns the addresses
        await stop.wait()


def main(arguments: list[str] | None = None) -> None:
    """Run the town until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m mpss.simulators.town", description="The town's simulators.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the town")
    parser.add_argument("--shop", action="append", default=[], help="a CP/SP's name; may be repeated")
    parser.add_argument("--smsc-password", default="town", help="at most 8 characters")
    parser.add_argument("--number", default="10001888", help="the center's number")
    given = parser.parse_args(arguments)
    names = tuple(given.shop) or ("kiosk",)
    asyncio.run(run(given.data, shop_names=names, smsc_password=given.smsc_password, number=given.number))


if __name__ == "__main__":
    main()
