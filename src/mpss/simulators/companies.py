"""Companies of the town: each name has a unified social credit code of its own."""

from __future__ import annotations

import hashlib

from stdnum.cn import uscc

_SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""Those of a code: no I, O, S, V or Z."""


def credit_code(name: str) -> str:
    """A code of form, its check digit right: the same for the same name."""
    digest = hashlib.blake2b(name.encode(), digest_size=9).digest()
    body = "91440100" + "".join(_SIGNS[byte % len(_SIGNS)] for byte in digest)
    return body + str(uscc.calc_check_digit(body))
