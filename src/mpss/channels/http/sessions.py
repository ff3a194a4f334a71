"""Sessions known to this process, for a few seconds: a signed-in caller's requests do not each ask the database.

A session that ended in another process may be answered here for `_FRESH_SECONDS` more; one that ended here is
forgotten at once. While the database is asked about some, whoever comes waits, and is asked about with the next: one
question for many callers.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from contextvars import Context
from uuid import UUID

from mpss.accounts.sign_in import Session, find_sessions
from mpss.kernel.errors import ErrorCode, Refused
from mpss.runtime import Runtime
from mpss.security.tokens import token_digest

_FRESH_SECONDS = 5.0
_MOST = 50_000
_MOST_AT_ONCE = 1_000


class SessionCache:
    """Sessions by the digest of their token."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[Session, float]] = OrderedDict()
        self._ended = 0
        self._waiting: list[tuple[bytes, asyncio.Future[Session | None]]] = []
        self._asking: asyncio.Task[None] | None = None

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
        asked = await self._find(runtime, digest)
        if asked is None:
            raise Refused(ErrorCode.UNAUTHENTICATED, detail="sign in again")
        # A number without an account may open one at any moment, in any process: that is asked each time. What was
        # read while a session ended here may be the session that ended.
        if asked.account_id is not None and ended == self._ended:
            self._known[digest] = (asked, time.monotonic() + _FRESH_SECONDS)
            self._known.move_to_end(digest)
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        return asked

    async def _find(self, runtime: Runtime, digest: bytes) -> Session | None:
        future: asyncio.Future[Session | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((digest, future))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(runtime), name="sessions", context=Context())
        return await future

    async def _ask(self, runtime: Runtime) -> None:
        """Ask the database about everyone who waits, until nobody does."""
        asked: list[tuple[bytes, asyncio.Future[Session | None]]] = []
        try:
            while self._waiting:
                asked, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
                try:
                    found = await find_sessions(runtime, [digest for digest, _ in asked])
                except Exception as problem:
                    for _, future in asked:
                        if not future.done():
                            future.set_exception(problem)
                else:
                    for (_, future), session in zip(asked, found, strict=True):
                        if not future.done():  # its caller may have gone
                            future.set_result(session)
        finally:  # whose callers would wait for good where this was cancelled
            for _, future in [*asked, *self._waiting]:
                future.cancel()
            self._waiting.clear()

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
