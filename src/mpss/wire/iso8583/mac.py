"""The message authentication code of UnionPay's terminals ("ECB MAC"), and working keys under a transport key.

The bytes from the message type to the last field before the MAC are XORed in blocks of eight, padded with zeros; the
result as 16 upper-case hexadecimal characters is encrypted half by half (DES, or 3DES under a double-length key); the
first eight characters of the hexadecimal answer are the MAC. No package has it; vectors are in the tests.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

MAC_BYTES = 8
CHECK_BYTES = 4
_BLOCK = 8


class BadKeyBlock(ValueError):
    """A working key that came does not have the check value that came with it."""


def ecb_mac(key: bytes, data: bytes) -> bytes:
    """Eight ASCII characters over `data` under a key of 8 or 16 bytes."""
    folded = 0
    for start in range(0, len(data), _BLOCK):
        folded ^= int.from_bytes(data[start : start + _BLOCK].ljust(_BLOCK, b"\0"), "big")
    text = f"{folded:016X}".encode("ascii")
    first = _encrypt(key, text[:_BLOCK])
    mixed = bytes(left ^ right for left, right in zip(first, text[_BLOCK:], strict=True))
    return _encrypt(key, mixed).hex().upper().encode("ascii")[:MAC_BYTES]


def mac_matches(key: bytes, data: bytes, mac: bytes) -> bool:
    """Whether `mac` is that of `data`; in constant time."""
    return hmac.compare_digest(ecb_mac(key, data), mac)


def wrap_key(transport_key: bytes, working_key: bytes) -> bytes:
    """The working key encrypted under the transport key, and its check value: zeros encrypted under the clear key."""
    return _encrypt(transport_key, working_key) + check_value(working_key)


def unwrap_key(transport_key: bytes, block: bytes) -> bytes:
    """The working key in clear.

    Raises:
        BadKeyBlock: the block has a wrong length or the check value another key.
    """
    wrapped, check = block[:-CHECK_BYTES], block[-CHECK_BYTES:]
    if len(wrapped) not in (8, 16):
        raise BadKeyBlock("the key block has a wrong length")
    decryptor = Cipher(TripleDES(_whole(transport_key)), modes.ECB()).decryptor()  # noqa: S305 - the protocol's own
    key = decryptor.update(wrapped) + decryptor.finalize()
    if not hmac.compare_digest(check_value(key), check):
        raise BadKeyBlock("the key has another check value")
    return key


def check_value(key: bytes) -> bytes:
    return _encrypt(key, bytes(_BLOCK))[:CHECK_BYTES]


def _encrypt(key: bytes, data: bytes) -> bytes:
    encryptor = Cipher(TripleDES(_whole(key)), modes.ECB()).encryptor()  # noqa: S305 - the protocol's own
    return encryptor.update(data) + encryptor.finalize()


def _whole(key: bytes) -> bytes:
    """24 bytes, as the cipher wants them: K‖K‖K is single DES, K1‖K2‖K1 is 3DES with two keys."""
    return key * 3 if len(key) == _BLOCK else key + key[:_BLOCK]
