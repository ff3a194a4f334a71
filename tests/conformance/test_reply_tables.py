"""Every channel has one table from ErrorCode to reply, and every code is in every table."""

from __future__ import annotations

from mpss.channels.http.problems import REPLIES
from mpss.kernel.errors import ErrorCode


class TestTheHttpTable:
    def test_knows_every_code(self) -> None:
        assert REPLIES.keys() == set(ErrorCode)

    def test_tells_every_code_in_both_languages(self) -> None:
        assert [code for code, reply in REPLIES.items() if not (reply.zh and reply.en)] == []

    def test_gives_refusals_a_status_of_the_4xx_and_our_own_faults_one_of_the_5xx(self) -> None:
        ours = {code for code, reply in REPLIES.items() if reply.status >= 500}
        assert ours == {ErrorCode.BUSY, ErrorCode.INTERNAL}
        assert all(400 <= reply.status < 600 for reply in REPLIES.values())
