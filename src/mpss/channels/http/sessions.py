"""Sessions known to this process, for a few seconds: a signed-in caller's requests do not each ask the database.

A session that ended in another process may be answered here for `_FRESH_SECONDS` more; one that ended here is
forgotten at once.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from mpss.accounts.sign_in import Session, authenticate_session
from mpss.kernel.errors import ErrorCode, Refused
from mpss.runtime import Runtime
from mpss.security.tokens import token_digest

_FRESH_SECONDS = 5.0
_MOST = 50_000


class SessionCache:
    """Sessions by the digest of their token."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[Session, float]] = OrderedDict()
        self._ended = 0

    async def authenticate(self, runtime: Runtime, token: str) -> Session:
        """Who the token says is asking.

        Raises:
            Refused: UNAUTHENTICATED.
        """
        digest = token_digest(token)
        found = self._known.get(digest)
        if found is not None and time.monotonic() < found[1]:
            session = found[0]
            if runtime.clock.now() < session.expires_at:
                return session
            raise Refused(ErrorCode.UNAUTHENTICATED, detail="sign in again")
        ended = self._ended
        session = await authenticate_session(runtime, token)
        # A number without an account may open one at any moment, in any process: that is asked each time. What was
        # read while a session ended here may be the session that ended.
        if session.account_id is not None and ended == self._ended:
            self._known[digest] = (session, time.monotonic() + _FRESH_SECONDS)
            self._known.move_to_end(digest)
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        return session

    def forget(self, session: Session) -> None:
        """The session ended."""
        self._ended += 1
        self._known.pop(session.token_digest, None)

    def forget_account(self, account_id: UUID) -> None:
        """Every session of the account may have ended."""
        self._forget_where(lambda session: session.account_id == account_id)

    def forget_phone(self, phone: str) -> None:
        """Every session of the number (E.164) may have ended."""
        self._forget_where(lambda session: session.phone == phone)

    def _forget_where(self, ended: Callable[[Session], bool]) -> None:
        self._ended += 1
        for digest in [digest for digest, (session, _) in self._known.items() if ended(session)]:
            del self._known[digest]
