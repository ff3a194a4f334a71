"""What may be logged or shown of a phone, a name or a secret."""

from __future__ import annotations


def mask_phone(phone: str) -> str:
    """The country code, three digits and the last four: "+86189****0001"; a shorter text becomes stars."""
    if len(phone) < 9:
        return "*" * len(phone)
    return f"{phone[:-8]}****{phone[-4:]}"


def mask_name(name: str) -> str:
    """The first character and stars."""
    return name[:1] + "*" * max(len(name) - 1, 0)


def mask_tail(text: str, shown: int = 4) -> str:
    """Stars and the last `shown` characters; for card and voucher numbers."""
    return "*" * max(len(text) - shown, 0) + text[-shown:] if len(text) > shown else "*" * len(text)
