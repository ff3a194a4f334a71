"""One request on its way through the channel: who asks, from where, in which language, under which key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from starlette.requests import Request
from starlette.types import Scope

from mpss.accounts.sign_in import Session
from mpss.channels.http.listed_sources import ListedSources
from mpss.channels.http.rate_limit import Proven, TokenBuckets
from mpss.channels.http.sessions import SessionCache
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import AccountId, MerchantId, StaffId
from mpss.merchants.model import Merchant
from mpss.runtime import Runtime
from mpss.staff.model import StaffMember

SCOPE_KEY = "mpss.exchange"

Caller = Session | Merchant | StaffMember


@dataclass(slots=True)
class Context:
    """What the channel keeps in this process. `methods` are the methods of each path template; `readiness` is what was
    found last, and when; `reference` is the reference page once it was asked for."""

    runtime: Runtime
    sessions: SessionCache
    callers: TokenBuckets
    sources: TokenBuckets
    proven: Proven
    listed: ListedSources
    methods: dict[str, list[str]] = field(default_factory=dict)
    readiness: tuple[dict[str, bool], float] | None = None
    reference: str = ""


@dataclass(slots=True)
class Exchange:
    """`source` is the caller's address, of IPv6 its network; `key` the Idempotency-Key of a money call, checked;
    `watched` says that the address or the counter is on the grey list."""

    context: Context
    request_id: str
    source: str
    language: str
    caller: Caller | None = None
    key: str = ""
    watched: bool = False

    @property
    def runtime(self) -> Runtime:
        return self.context.runtime

    @property
    def session(self) -> Session:
        """Who is signed in, with or without an account."""
        assert isinstance(self.caller, Session)
        return self.caller

    @property
    def account_id(self) -> AccountId:
        """
        Raises:
            Refused: UNKNOWN_ACCOUNT, the number has none yet.
        """
        account_id = self.session.account_id
        if account_id is None:
            raise Refused(ErrorCode.UNKNOWN_ACCOUNT, detail="the number has no account yet: open one")
        return account_id

    @property
    def merchant(self) -> Merchant:
        assert isinstance(self.caller, Merchant)
        return self.caller

    @property
    def staff(self) -> StaffMember:
        assert isinstance(self.caller, StaffMember)
        return self.caller

    @property
    def caller_name(self) -> str:
        """Whose key it is, and who is counted: "account:acc_…", "phone:+86…", "merchant:mer_…", "staff:stf_…"."""
        match self.caller:
            case Session(account_id=None, phone=phone):
                return f"phone:{phone}"
            case Session(account_id=account_id):
                return f"account:{account_id}"
            case Merchant(id=identity):
                return f"merchant:{MerchantId.from_uuid(identity)}"
            case StaffMember(id=identity):
                return f"staff:{StaffId.from_uuid(identity)}"
            case None:
                return ""


def exchange(request: Request) -> Exchange:
    return exchange_of(request.scope)


def exchange_of(scope: Scope) -> Exchange:
    return cast(Exchange, scope[SCOPE_KEY])
