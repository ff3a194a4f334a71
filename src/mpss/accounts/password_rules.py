"""What a payment password (支付密码) may be, and its keyed digests. Six digits, none of the easily guessed.

A million passwords are few, so the digest is keyed (HMAC under a key that never leaves the key store) and bound to the
account: two accounts with one password have two digests. The fingerprint is not bound, so that one password tried
over many numbers shows as one (spray.py).
"""

from __future__ import annotations

import re
from datetime import date
from uuid import UUID

from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.ports.key_store import KeyStore

PASSWORD_KEY = "payment_password"  # noqa: S105 - a key's name
FINGERPRINT_KEY = "fingerprint"
_SIX_DIGITS = re.compile(r"[0-9]{6}", re.ASCII)
_RESIDENT_LENGTH = 18
_RUNS = "01234567890 09876543210"


def check_form(password: str, *, field: str = "password") -> str:
    """The password itself.

    Raises:
        MalformedField: it is not six digits.
    """
    if _SIX_DIGITS.fullmatch(password) is None:
        raise MalformedField(field=field, problem="must be six digits")
    return password


def check_new(password: str, *, phone: str, field: str = "password") -> str:
    """The password itself, fit to be set for the number `phone` (E.164).

    Raises:
        MalformedField: it is not six digits.
        Refused: WEAK_PASSWORD.
    """
    if is_weak(check_form(password, field=field), phone=phone):
        raise Refused(ErrorCode.WEAK_PASSWORD, detail="the password is easily guessed", field=field)
    return password


def is_weak(password: str, *, phone: str) -> bool:
    """Whether six digits are easily guessed: repeated, sequential, a birthday (YYMMDD), or a piece of the number."""
    repeated = any(password == password[:length] * (6 // length) for length in (1, 2, 3))
    doubled = password[::2] == password[1::2]
    mirrored_run = password in _RUNS or (password[:3] in _RUNS and password[3:] in _RUNS)
    return repeated or doubled or mirrored_run or password in phone or _is_birthday(password)


def check_holder(password: str, document: str, *, field: str = "password") -> None:
    """
    Raises:
        Refused: WEAK_PASSWORD, it is a piece of the holder's document number or their birthday.
    """
    if is_of_document(password, document):
        raise Refused(
            ErrorCode.WEAK_PASSWORD, detail="the password is part of the document's number or a birthday", field=field
        )


def is_of_document(password: str, document: str) -> bool:
    """Whether six digits are a piece of the document's number, read either way, or the birthday a resident's tells."""
    if password in document or password in document[::-1]:
        return True
    if len(document) != _RESIDENT_LENGTH or not document[6:14].isdigit():
        return False
    year, month, day = document[8:10], document[10:12], document[12:14]
    return password in (year + month + day, day + month + year, month + day + year)


def _is_birthday(password: str) -> bool:
    try:
        # 2000 is a leap year, so that the 29th of February counts for every year.
        date(2000, int(password[2:4]), int(password[4:6]))
    except ValueError:
        return False
    return True


def new_digest(key_store: KeyStore, account_id: UUID, password: str) -> tuple[bytes, int]:
    """The digest to store, and the version of the key it is made under: the current one."""
    version = key_store.current(PASSWORD_KEY)
    return _digest(key_store, account_id, password, version), version


def candidate_digests(key_store: KeyStore, account_id: UUID, password: str) -> dict[int, bytes]:
    """The offered password's digest under every key version in use; made before the desk, compared in the decision."""
    versions = range(1, key_store.current(PASSWORD_KEY) + 1)
    return {version: _digest(key_store, account_id, password, version) for version in versions}


def fingerprint(key_store: KeyStore, password: str) -> bytes:
    """The password's keyed digest over all accounts, 32 bytes; only wrong ones are stored, and only for a while."""
    return key_store.mac(FINGERPRINT_KEY, password.encode())


def _digest(key_store: KeyStore, account_id: UUID, password: str, version: int) -> bytes:
    return key_store.mac(PASSWORD_KEY, account_id.bytes + password.encode(), version=version)
