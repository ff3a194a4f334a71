"""JSON as a payment interface reads it: UTF-8, no name twice in an object, no NaN, no endless depth."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from mpss.kernel.errors import ErrorCode, MpssError


class MalformedJson(MpssError):
    """The body is no JSON that we read; the message says why and repeats nothing of it."""

    code = ErrorCode.MALFORMED_REQUEST


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise MalformedJson("a name stands twice in one object")
    return made


def _constant(_name: str) -> NoReturn:
    raise MalformedJson("NaN and Infinity are no JSON")


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant).decode


def loads(body: bytes) -> Any:
    """The value.

    Raises:
        MalformedJson: it is none.
    """
    try:
        return _decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise MalformedJson("the body is not UTF-8") from None
    except json.JSONDecodeError as problem:
        raise MalformedJson(f"the body is not JSON: {problem.msg} at line {problem.lineno}") from None
    except RecursionError:
        raise MalformedJson("the body is nested too deeply") from None
    except ValueError:  # an integer of more digits than Python reads
        raise MalformedJson("a number in the body is too long") from None
