"""Every setting of the platform, read once from MPSS_* variables by `Settings.from_environment`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import time
from pathlib import Path
from typing import Any

from mpss.kernel.phone import PROVINCES
from mpss.security.networks import parse_networks
from mpss.wire.iso8583.directory import parse_banks

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_LONGEST_SMPP_PASSWORD = 8
_HIGHEST_PORT = 65_535


class SettingInvalid(ValueError):
    """A variable has a value that it cannot have; the message names it, and does not repeat what may be a secret."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} {problem}")


def _setting(default: object, meaning: str, unit: str = "") -> Any:
    return field(default=default, metadata={"meaning": meaning, "unit": unit})


@dataclass(frozen=True, slots=True)
class Policy:
    """The figures of the business rules, a part of `Settings`; amounts in fen."""

    terms_version: str = _setting("2026-01", "Version of the terms a subscriber accepts at opening")
    single_limit_fen: int = _setting(500_000, "Largest single purchase", "fen")
    default_daily_limit_fen: int = _setting(500_000, "Daily spending limit a new wallet starts with", "fen")
    max_daily_limit_fen: int = _setting(500_000, "Highest daily limit a subscriber may set", "fen")
    phone_bill_single_limit_fen: int = _setting(20_000, "Largest single purchase from the phone bill", "fen")
    phone_bill_monthly_limit_fen: int = _setting(
        50_000, "What one account may pay from its phone bill in a month", "fen"
    )
    charging_timeout_seconds: int = _setting(3, "How long one call to the charging system waits for the answer", "s")
    charging_reservation_seconds: int = _setting(
        3600, "How long the charging system keeps what it reserved; what is not delivered by then is released", "s"
    )
    funding_give_up_seconds: int = _setting(120, "How long a collection may be in doubt before it is given up", "s")
    balance_limit_fen: int = _setting(5_000_000, "Highest balance of a wallet", "fen")
    topup_single_limit_fen: int = _setting(500_000, "Largest single cash top-up", "fen")
    password_tries_per_day: int = _setting(3, "Wrong payment passwords in a day before the lock-out")
    password_tries_in_a_row: int = _setting(10, "Wrong payment passwords in a row after which only a reset helps")
    voucher_tries: int = _setting(10, "Wrong voucher passwords in a row before the number is barred")
    spray_window_seconds: int = _setting(600, "Window in which one password over many numbers is looked for", "s")
    spray_numbers: int = _setting(5, "Numbers failing with one password in the window that count as a spray")
    spray_numbers_per_source: int = _setting(50, "Numbers failing from one address in the window: a spray too")
    code_ttl_seconds: int = _setting(300, "How long an SMS code holds", "s")
    code_tries: int = _setting(3, "Wrong entries of one SMS code before it is void")
    codes_per_phone_per_hour: int = _setting(5, "SMS codes one number may be sent in an hour")
    codes_per_source_per_hour: int = _setting(60, "SMS codes one address may ask for in an hour")
    sms_replies_per_hour: int = _setting(60, "Messages one phone may send in an hour before it gets no replies")
    session_ttl_seconds: int = _setting(1800, "How long a session token holds", "s")
    link_ttl_seconds: int = _setting(1800, "How long a one-time link holds", "s")
    confirmation_ttl_seconds: int = _setting(300, "How long a purchase waits for the payer's reply", "s")
    confirmations_per_phone: int = _setting(20, "Purchases that may wait for one number's reply at once")
    delivery_deadline_seconds: int = _setting(120, "How long a CP/SP may be silent before the sale is reversed", "s")
    merchant_timeout_seconds: int = _setting(5, "How long one call to a CP/SP's server waits for the answer", "s")
    transfer_single_limit_fen: int = _setting(500_000, "Largest single transfer", "fen")
    transfer_daily_limit_fen: int = _setting(500_000, "What one wallet may transfer in a day", "fen")
    free_transfer_single_limit_fen: int = _setting(
        100_000, "Largest transfer without a directed relation; 0: none without", "fen"
    )
    free_transfer_daily_limit_fen: int = _setting(200_000, "What may go without a directed relation in a day", "fen")
    transfer_hold_days: int = _setting(7, "How long a transfer waits for its payee to open a wallet", "d")
    withdrawal_single_limit_fen: int = _setting(500_000, "Largest single withdrawal", "fen")
    withdrawal_daily_limit_fen: int = _setting(500_000, "What one wallet may withdraw in a day", "fen")
    payees_per_account: int = _setting(20, "Directed relations one wallet may have")
    payee_cooling_hours: int = _setting(24, "Cooling period of a new directed relation", "h")
    payee_counter_cooling_hours: int = _setting(24, "Cooling period of one set up at a service hall; 0: none", "h")
    sim_cooling_hours: int = _setting(
        24, "How long after another SIM card or number the phone alone proves nothing that matters; 0: none", "h"
    )
    recharge_timeout_seconds: int = _setting(5, "How long one call to the recharge platform waits for the answer", "s")
    online_bank_timeout_seconds: int = _setting(5, "How long one inquiry at the online bank waits for the answer", "s")
    boss_timeout_seconds: int = _setting(3, "How long one question to BOSS waits for the answer", "s")
    boss_silent: str = _setting(
        "refuse", "What opening and waking do where BOSS is silent: refuse, or open and compare"
    )
    boss_known_hours: int = _setting(36, "How old may be what BOSS said of a number whose holder signs in", "h")
    bank_timeout_seconds: int = _setting(10, "How long one call to a bank waits for the answer", "s")
    card_binding_hours: int = _setting(72, "How long a bank card waits to be confirmed before its binding expires", "h")
    card_verification_limit_fen: int = _setting(99, "Largest debit that verifies a bank card; the smallest is 1", "fen")
    card_verification_tries: int = _setting(3, "Amounts that may be named for a card's debit before it is refused")
    card_verifications_per_day: int = _setting(3, "Debits that may verify the cards of one account in a day")
    identity_tries_per_day: int = _setting(3, "How often a subscriber may submit their identity papers in a day")
    identity_tail_tries: int = _setting(
        5, "Wrong ends of the document's number in a day before a password is reset at a hall alone"
    )
    document_warning_days: int = _setting(30, "How long before its end a holder is told that a document runs out", "d")
    document_grace_days: int = _setting(
        90, "How long after its document ran out a real-name account still pays; then it waits for a new one", "d"
    )
    online_bank_order_seconds: int = _setting(900, "How long an order can be paid at the online bank", "s")
    loss_oral_days: int = _setting(5, "How long an oral report of loss holds", "d")
    user_freeze_days: int = _setting(365, "How far off the end of one's own freeze may be set", "d")
    staff_freeze_days: int = _setting(365, "How far off the end of a freeze for a risk or by law may be set", "d")
    dormancy_days: int = _setting(180, "Without a movement for so long, a wallet falls dormant", "d")
    dormancy_warning_days: int = _setting(30, "How long before that its holder is warned", "d")
    grey_limit_percent: int = _setting(50, "What a payer on the grey list may pay at once, of the single limit", "%")
    review_hours: int = _setting(24, "How long what a risk rule held waits to be released before it is refused", "h")
    doubt_pause_hours: int = _setting(
        24, "How long a doubt is asked about no more while staff decide how it ended", "h"
    )
    grey_refusals: int = _setting(0, "Refusals that put an account on the grey list; 0: none do")
    grey_refusals_minutes: int = _setting(10, "Window in which those refusals are counted", "min")
    grey_days: int = _setting(7, "Days without such refusals after which that entry is released", "d")
    topup_undo_seconds: int = _setting(900, "How long a clerk may undo a cash top-up", "s")
    password_history: int = _setting(5, "Payment passwords, the present one among them, that may not come again")
    counter_tries_per_day: int = _setting(
        3, "Wrong documents at counters before no counter serves the account for a day"
    )
    login_tries: int = _setting(5, "Login passwords tried in a row before signing in by password rests")
    login_lock_minutes: int = _setting(30, "How long signing in by password rests", "min")
    statement_days: int = _setting(400, "Longest period of one exported statement", "d")
    statement_lines: int = _setting(100_000, "Most lines of one exported statement")
    merchant_closing_days: int = _setting(
        30, "How long a closing merchant may still take sales back before it is settled with and closed", "d"
    )
    ivr_pause_seconds: int = _setting(120, "How long a caller to the voice service may be silent or away", "s")
    signature_window_seconds: int = _setting(300, "How old a merchant's signature may be", "s")


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process runs."""

    database_url: str = _setting("", "Lesser role's PostgreSQL URL; empty: the embedded server in the data folder")
    owner_database_url: str = _setting("", "Owner role's URL, for migrations; empty: the database URL")
    data_dir: Path = _setting(Path("var"), "Folder of the embedded database, keys and logs")
    key_file: Path | None = _setting(None, "Key store file; empty: keys.json in the data folder")
    host: str = _setting("127.0.0.1", "Address the HTTP API listens on")
    port: int = _setting(8080, "Port the HTTP API listens on")
    public_url: str = _setting("", "Address that one-time links name; empty: http://host:port")
    province: str = _setting("GD", "Letter code of the province this center serves")
    day_cut: time = _setting(time(0, 0), "Instant of the day cut, Asia/Shanghai", "hh:mm")
    smsc_host: str = _setting("127.0.0.1", "The SMSC's address")
    smsc_port: int = _setting(2775, "The SMSC's port")
    smsc_system_id: str = _setting("mpss", "Name we bind to the SMSC with")
    smsc_password: str = _setting("", "Password we bind to the SMSC with")
    sms_number: str = _setting("10001888", "Our number: subscribers send commands to it, notices come from it")
    merchant_networks: str = _setting(
        "", "Private networks where merchants' servers may be, as 127.0.0.0/8,10.8.0.0/16; empty: public addresses only"
    )
    banks: str = _setting(
        "", "Banks we are connected to: CODE:name:host:port:profile:credit:sale with commas; profile ascii or bcd, "
        "credit real-time or batch, sale freeze (goods are frozen, then collected; the default) or debit; empty: none"
    )  # fmt: skip
    payment_cut: time = _setting(
        time(16, 0), "When the day's payment orders go to banks without real-time credit, Asia/Shanghai", "hh:mm"
    )
    payment_files_dir: Path | None = _setting(
        None, "Folder of the files exchanged with banks; empty: payment-files in the data folder"
    )
    boss_compare_at: time = _setting(time(2, 30), "When every account is compared with BOSS each night, Asia/Shanghai")
    payment_debtor_name: str = _setting("MPSS", "Our name in payment orders")
    payment_debtor_account: str = _setting("RESERVE", "Number of our account at the banks, in payment orders")
    boss_secret: str = _setting("", "Secret shared with BOSS, which signs its events: whsec_ and base 64; empty: none")
    boss_url: str = _setting("", "Address of BOSS, which is asked about numbers; empty: it is not asked")
    recharge_url: str = _setting("", "Address of the operator's recharge platform; empty: none is connected")
    recharge_secret: str = _setting("", "Secret shared with the recharge platform: whsec_ and base 64")
    recharge_card_prefix: str = _setting("19", "What the recharge platform's card numbers begin with")
    recharge_card_digits: int = _setting(18, "Digits of the recharge platform's card numbers")
    online_bank_url: str = _setting("", "Address of the online bank's gateway; empty: none is connected")
    online_bank_secret: str = _setting("", "Secret shared with the online bank's gateway: whsec_ and base 64")
    ivr_secret: str = _setting(
        "", "Secret shared with the operator's voice platform: whsec_ and base 64; empty: no voice channel"
    )
    ivr_host: str = _setting("127.0.0.1", "Address the voice channel listens on")
    ivr_port: int = _setting(8090, "Port the voice channel listens on")
    online_bank_return_url: str = _setting("", "Where the gateway sends the browser back to; empty: the start page")
    charging_peers: str = _setting(
        "", "The charging system's Diameter peers as host:port, commas between, first choice first; empty: none"
    )
    charging_realm: str = _setting("ocs.local", "Diameter realm of the charging system")
    charging_origin_host: str = _setting("mpss.local", "End of our Diameter identities, one for each process")
    charging_origin_realm: str = _setting("mpss.local", "Our Diameter realm")
    charging_watchdog_seconds: int = _setting(
        10, "Silence after which a Diameter peer is asked whether it is there", "s"
    )
    pool_size: int = _setting(8, "Database connections of a process")
    desk_batch: int = _setting(256, "Most commands in one unit of work of the desk")
    rate_per_second: int = _setting(50, "Requests a second one caller may make; 0: no limit")
    rate_burst: int = _setting(100, "Requests one caller may make at once")
    source_rate_per_second: int = _setting(20, "Requests a second one address may make unproven; 0: no limit")
    source_rate_burst: int = _setting(200, "Requests one address may make unproven at once")
    trusted_proxy: str = _setting("", "Address of the reverse proxy whose X-Forwarded-For is believed; empty: none")
    sandbox_clock: Path | None = _setting(None, "Sandbox: file the time is read from; empty: the system's time")
    log_level: str = _setting("INFO", "Lowest level logged")
    policy: Policy = field(default_factory=Policy)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read MPSS_<NAME> for every field, Policy's too.

        Raises:
            SettingInvalid: a variable is not of its type, or out of its range.
        """
        source = os.environ if environment is None else environment
        policy = Policy(**_read(Policy, source))
        return cls(**_read(cls, source), policy=policy)


def _read(kind: type[Policy] | type[Settings], source: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in fields(kind):
        name = f"MPSS_{item.name.upper()}"
        text = source.get(name, "")
        if item.name == "policy" or not text:
            continue
        value = _convert(name, str(item.type), text)
        problem = _PROBLEMS[item.name](value) if item.name in _PROBLEMS else ""
        if problem:
            raise SettingInvalid(name, problem)
        found[item.name] = value
    return found


def _convert(name: str, kind: str, text: str) -> object:
    if kind == "int":
        if not (text.isascii() and text.isdigit()):
            raise SettingInvalid(name, "must be a whole number from 0 up")
        return int(text)
    if kind.startswith("Path"):
        return Path(text)
    if kind == "time":
        try:
            return time.fromisoformat(text)
        except ValueError:
            raise SettingInvalid(name, "must be a time of the day as hh:mm") from None
    return text


def _range(least: int, most: int) -> Callable[[int], str]:
    return lambda value: "" if least <= value <= most else f"must be from {least} to {most}"


def _one_of(*allowed: str) -> Callable[[str], str]:
    return lambda value: "" if value in allowed else f"must be one of {', '.join(allowed)}"


def _address(*schemes: str) -> Callable[[str], str]:
    expected = " or ".join(f"{scheme}://" for scheme in schemes)
    return lambda value: "" if value.partition("://")[0] in schemes else f"must begin with {expected}"


def _networks(value: str) -> str:
    try:
        parse_networks(value)
    except ValueError as problem:
        return f"must be networks with commas between them: {problem}"
    return ""


def _banks(value: str) -> str:
    try:
        parse_banks(value)
    except ValueError as problem:
        return f"must name banks: {problem}"
    return ""


def _shared_secret(value: str) -> str:
    return "" if value.startswith("whsec_") else "must begin with whsec_"


def parse_peers(text: str) -> tuple[tuple[str, int], ...]:
    """Host and port of each peer, in order.

    Raises:
        ValueError: one is not host:port.
    """
    found = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        host, _, port = entry.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and 0 < int(port) <= _HIGHEST_PORT):
            raise ValueError(f"{entry!r} is not host:port")
        found.append((host, int(port)))
    return tuple(found)


def _peers(value: str) -> str:
    try:
        parse_peers(value)
    except ValueError as problem:
        return f"must name peers as host:port: {problem}"
    return ""


def _smpp_password(value: str) -> str:
    right = value.isascii() and len(value) <= _LONGEST_SMPP_PASSWORD
    return "" if right else f"must have at most {_LONGEST_SMPP_PASSWORD} ASCII characters, as SMPP has it"


_PROBLEMS: dict[str, Callable[[Any], str]] = {
    "database_url": _address("postgresql", "postgres"),
    "owner_database_url": _address("postgresql", "postgres"),
    "public_url": _address("http", "https"),
    "port": _range(1, 65_535),
    "smsc_port": _range(1, 65_535),
    "ivr_port": _range(1, 65_535),
    "ivr_secret": _shared_secret,
    "ivr_pause_seconds": _range(30, 3_600),
    "recharge_url": _address("http", "https"),
    "boss_secret": _shared_secret,
    "boss_url": _address("http", "https"),
    "boss_timeout_seconds": _range(1, 60),
    "boss_silent": _one_of("refuse", "open"),
    "boss_known_hours": _range(1, 8_760),
    "recharge_secret": _shared_secret,
    "recharge_card_prefix": lambda value: "" if value.isascii() and value.isdigit() else "must be digits",
    "recharge_card_digits": _range(10, 32),
    "online_bank_url": _address("http", "https"),
    "online_bank_secret": _shared_secret,
    "online_bank_return_url": _address("http", "https"),
    "online_bank_order_seconds": _range(1, 86_400),
    "pool_size": _range(1, 1_000),
    "desk_batch": _range(1, 10_000),
    "province": _one_of(*PROVINCES.values()),
    "log_level": _one_of(*LOG_LEVELS),
    "merchant_networks": _networks,
    "banks": _banks,
    "charging_peers": _peers,
    "charging_watchdog_seconds": _range(1, 3_600),
    "charging_reservation_seconds": _range(60, 7 * 86_400),
    "smsc_password": _smpp_password,
    "transfer_hold_days": _range(1, 365),
    "card_binding_hours": _range(1, 8_760),
    "grey_limit_percent": _range(1, 100),
    "grey_refusals_minutes": _range(1, 1_440),
    "grey_days": _range(1, 3_650),
    "card_verification_limit_fen": _range(1, 999),
    "card_verification_tries": _range(1, 10),
    "password_history": _range(0, 24),
    "login_tries": _range(1, 20),
    "merchant_closing_days": _range(0, 365),
    "login_lock_minutes": _range(1, 1_440),
    "statement_days": _range(1, 3_660),
    "statement_lines": _range(1, 1_000_000),
}
"""What is wrong with a value, or '': for the settings that have more than a type."""
