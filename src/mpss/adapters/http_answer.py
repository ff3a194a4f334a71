"""Reading what another system's server answers, and no more of it than it may be long."""

from __future__ import annotations

import httpx

MAX_ANSWER_BYTES = 65_536


class AnswerTooLong(Exception):
    """The answer has more than MAX_ANSWER_BYTES."""


async def read_answer(response: httpx.Response) -> bytes:
    """
    Raises:
        AnswerTooLong: what the name says; nothing more of it was read.
    """
    chunks = bytearray()
    # Raw: a compressed answer is out of form, and may unpack to any size.
    async for chunk in response.aiter_raw(16_384):
        chunks += chunk
        if len(chunks) > MAX_ANSWER_BYTES:
            raise AnswerTooLong
    return bytes(chunks)
