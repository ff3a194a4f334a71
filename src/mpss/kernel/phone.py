"""Phone numbers (MSISDN): parsing to E.164 and the home province by number segment (号段)."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers

from mpss.kernel.errors import MalformedField

PROVINCES: dict[str, str] = {
    "北京": "BJ", "天津": "TJ", "河北": "HE", "山西": "SX", "内蒙古": "NM", "辽宁": "LN", "吉林": "JL",
    "黑龙江": "HL", "上海": "SH", "江苏": "JS", "浙江": "ZJ", "安徽": "AH", "福建": "FJ", "江西": "JX",
    "山东": "SD", "河南": "HA", "湖北": "HB", "湖南": "HN", "广东": "GD", "广西": "GX", "海南": "HI",
    "重庆": "CQ", "四川": "SC", "贵州": "GZ", "云南": "YN", "西藏": "XZ", "陕西": "SN", "甘肃": "GS",
    "青海": "QH", "宁夏": "NX", "新疆": "XJ",
}  # fmt: skip
"""Chinese province name → its GB/T 2260 letter code, which is how the platform names a province."""

UNKNOWN_PROVINCE = "ZZ"

_FORM = re.compile(r"(?:\+?86|0086)?(1[0-9]{10})", re.ASCII)


@lru_cache(maxsize=65_536)
def parse_phone(text: str, *, field: str = "phone") -> str:
    """A Chinese mobile number as E.164, "+8618912340001"; accepts it with or without 86 and with spaces between.

    Raises:
        MalformedField: it is no valid mobile number of the mainland, naming `field`.
    """
    # phonenumbers reads leniently (extensions, letters, "tel:"); a number that names a wallet must be nothing but one.
    match = _FORM.fullmatch(text.replace(" ", "")) if len(text) <= 20 else None
    if match is not None:
        # With its country: a national one is searched for dialling prefixes, and "110…" has one of nowhere.
        number = phonenumbers.parse(f"+86{match[1]}")
        if phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE:
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    raise MalformedField(field=field, problem='must be a mobile number of the mainland, such as "18912340001"')


@lru_cache(maxsize=65_536)
def home_province(phone: str) -> str:
    """The letter code of the province the number's segment belongs to ("GD"), or "ZZ" where the segment says none."""
    # Imported where it is used: its tables take a third of a second to load, and most commands never ask.
    from phonenumbers import geocoder

    place = geocoder.description_for_number(phonenumbers.parse(phone, "CN"), "zh")
    for name, code in PROVINCES.items():
        if place.startswith(name):
            return code
    return UNKNOWN_PROVINCE
