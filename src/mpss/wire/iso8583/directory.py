"""The banks a center is connected to, as one setting names them.

CODE:name:host:port:profile:credit:sale, with commas between; `sale` may be left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mpss.wire.iso8583.fields import ProfileName

_CODE = re.compile(r"[A-Z0-9]{2,8}", re.ASCII)
_CREDIT = {"real-time": True, "batch": False}
_SALE = {"freeze": True, "debit": False}


@dataclass(frozen=True, slots=True)
class BankEntry:
    """`real_time_credit` False: withdrawals go by a daily file; `freezes` False: goods are debited before they are
    delivered (实时方式), not frozen and then collected (预冻结方式)."""

    code: str
    name: str
    host: str
    port: int
    profile: ProfileName
    real_time_credit: bool
    freezes: bool = True

    def __str__(self) -> str:
        credit = "real-time" if self.real_time_credit else "batch"
        sale = "freeze" if self.freezes else "debit"
        return f"{self.code}:{self.name}:{self.host}:{self.port}:{self.profile}:{credit}:{sale}"


def parse_banks(text: str) -> tuple[BankEntry, ...]:
    """The banks, in the order they are named.

    Raises:
        ValueError: an entry is not of the form, or two have one code.
    """
    entries = tuple(_entry(part) for part in text.split(",") if part.strip())
    if len({entry.code for entry in entries}) != len(entries):
        raise ValueError("two banks have one code")
    return entries


def _entry(text: str) -> BankEntry:
    parts = [part.strip() for part in text.split(":")]
    if len(parts) == 6:
        parts.append("freeze")
    if len(parts) != 7:
        raise ValueError("a bank is CODE:name:host:port:profile:credit:sale")
    code, name, host, port, profile, credit, sale = parts
    if _CODE.fullmatch(code) is None:
        raise ValueError("a bank's code is 2 to 8 capital letters and digits")
    if not name or not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(f"bank {code} needs a name, a host and a port")
    if credit not in _CREDIT:
        raise ValueError(f"bank {code}: credit is real-time or batch")
    if sale not in _SALE:
        raise ValueError(f"bank {code}: sale is freeze or debit")
    try:
        return BankEntry(code, name, host, int(port), ProfileName(profile), _CREDIT[credit], _SALE[sale])
    except ValueError:
        raise ValueError(f"bank {code}: the profile is {' or '.join(ProfileName)}") from None
