"""An operation of the API as it is declared once: what it does, who may call it, what it answers, how it can fail.

The declaration is what the router carries out (authentication, permission, media type, Idempotency-Key) and what the
OpenAPI document says, so the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from mpss.channels.http import authentication
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import Body, View, check_idempotency_key
from mpss.channels.http.strict_json import loads
from mpss.kernel.errors import ErrorCode, Refused

Endpoint = Callable[..., Coroutine[Any, Any, Response]]
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Said:
    """One way an operation answers well: the body's shape (None: none, or not JSON), and what it means."""

    meaning: str
    view: type[View] | None = None
    media_type: str = JSON
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """`permission` is what a member of staff needs; `money` calls carry an Idempotency-Key; `errors` are the codes
    beyond those that its access, body and key bring, and one with BLACKLISTED among them is refused to whom a black
    address or counter sends, and watched of a grey one; `form` is the shape of an HTML form that it takes."""

    method: str
    path: str
    endpoint: Endpoint
    tag: str
    summary: str
    description: str
    clauses: tuple[str, ...]
    access: Access
    permission: StrEnum | None
    says: Mapping[int, Said]
    errors: tuple[ErrorCode, ...]
    money: bool
    form: type[Body] | None


@dataclass(slots=True)
class Subject:
    """The operations of one subject, in the order they are documented."""

    tag: str
    operations: list[Operation] = field(default_factory=list)

    def operation(
        self,
        method: str,
        path: str,
        *,
        summary: str,
        access: Access,
        says: Mapping[int, Said],
        errors: Sequence[ErrorCode] = (),
        clauses: Sequence[str] = (),
        permission: StrEnum | None = None,
        money: bool = False,
        form: type[Body] | None = None,
    ) -> Callable[[Endpoint], Endpoint]:
        """Declare the decorated function, whose docstring describes it, as an operation."""

        def declare(endpoint: Endpoint) -> Endpoint:
            self.operations.append(
                Operation(
                    method, path, endpoint, self.tag, summary, _description(endpoint), tuple(clauses), access,
                    permission, says, tuple(errors), money, form,
                )
            )  # fmt: skip
            return endpoint

        return declare


def _description(endpoint: Endpoint) -> str:
    lines = (endpoint.__doc__ or "").strip().splitlines()
    return "\n".join(line.strip() for line in lines)


class BodyRequest(Request):
    """A request whose JSON was read strictly."""

    value: Any = None

    async def json(self) -> Any:
        return self.value


def route_class(operation: Operation) -> type[APIRoute]:
    """The route that carries the operation out: who asks, then the form of what is asked, then the operation."""

    class OperationRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            carry_on = super().get_route_handler()
            screened = ErrorCode.BLACKLISTED in operation.errors
            media_type = JSON if self.body_field is not None else FORM if operation.form is not None else None

            async def handle(given: Request) -> Response:
                told, request = exchange(given), BodyRequest(given.scope, given.receive)
                body = b""
                if media_type is not None or authentication.is_signed(operation.access, request):
                    body = await request.body()
                await authentication.admit(operation.access, operation.permission, request, told, body)
                if screened:
                    told.watched = await told.context.listed.screen(told.runtime, told.source, told.caller)
                if media_type is not None:
                    _check_media_type(request, media_type)
                if operation.money:
                    told.key = _key(request)
                if media_type == JSON and body:
                    request.value = loads(body)
                return await carry_on(request)

            return handle

    return OperationRoute


def _check_media_type(request: Request, accepted: str) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != accepted:
        raise Refused(ErrorCode.UNSUPPORTED_MEDIA_TYPE, detail=f"send {accepted}")


def _key(request: Request) -> str:
    keys = request.headers.getlist("idempotency-key")
    key = check_idempotency_key(keys[0]) if len(keys) == 1 else None
    if key is None:
        raise Refused(
            ErrorCode.IDEMPOTENCY_KEY_REQUIRED,
            detail="send one Idempotency-Key of 1 to 64 printable ASCII characters without blanks",
            field="Idempotency-Key",
        )
    return key
