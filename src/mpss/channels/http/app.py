"""The HTTP channel as one application: its operations, its error replies, its outermost layer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, cast

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Lifespan

from mpss import __version__
from mpss.channels.http.errors import HANDLERS
from mpss.channels.http.exchange import Context
from mpss.channels.http.listed_sources import ListedSources
from mpss.channels.http.middleware import Edge
from mpss.channels.http.openapi import draw
from mpss.channels.http.operation import Operation, route_class
from mpss.channels.http.rate_limit import Proven, TokenBuckets
from mpss.channels.http.routes.subjects import subjects_of
from mpss.channels.http.sessions import SessionCache
from mpss.kernel.clock import SandboxClock
from mpss.runtime import Runtime

_Handler = Callable[[Request, Exception], Coroutine[Any, Any, Response]]


def create_app(runtime: Runtime, *, lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """The application over a runtime whose database is open and whose desk serves, or which `lifespan` starts.

    Where the runtime's clock can be set, the operations that a sandbox alone has are there.
    """
    settings = runtime.settings
    context = Context(
        runtime,
        SessionCache(),
        callers=TokenBuckets(rate=settings.rate_per_second, burst=settings.rate_burst),
        sources=TokenBuckets(rate=settings.source_rate_per_second, burst=settings.source_rate_burst),
        proven=Proven(),
        listed=ListedSources(),
    )
    app = FastAPI(
        title="MPSS",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=cast(dict[Any, _Handler], HANDLERS),
        lifespan=lifespan,
    )
    operations = operations_of(sandbox_too=isinstance(runtime.clock, SandboxClock))
    for operation in operations:
        context.methods.setdefault(operation.path, []).append(operation.method)
        _add(app, operation)
    app.add_middleware(cast(Any, Edge), context=context, trusted_proxy=settings.trusted_proxy)
    _draw_once(app, operations)
    return app


def operations_of(*, sandbox_too: bool) -> list[Operation]:
    """Every operation, in the order it is documented and matched; the busiest come first."""
    found: list[Operation] = []
    for subject in subjects_of(sandbox_too=sandbox_too):
        found += subject.operations
    return found


def _add(app: FastAPI, operation: Operation) -> None:
    """One route. Added to the application itself: a router included in another is matched twice."""
    status, said = next(iter(operation.says.items()))
    others: dict[int | str, dict[str, Any]] = {
        other: {"model": more.view} for other, more in operation.says.items() if other != status and more.view
    }
    app.router.add_api_route(
        operation.path,
        operation.endpoint,
        methods=[operation.method],
        tags=[operation.tag],
        summary=operation.summary,
        description=_described(operation),
        status_code=status,
        response_model=said.view,
        response_class=Response,
        responses=others,
        operation_id=operation.endpoint.__name__,
        route_class_override=route_class(operation),
    )


def _described(operation: Operation) -> str:
    parts = [operation.description]
    if operation.permission is not None:
        parts.append(f"Needs the permission `{operation.permission}`.")
    if operation.clauses:
        parts.append(f"Spec: {', '.join(operation.clauses)}.")
    return "\n\n".join(parts)


def _draw_once(app: FastAPI, operations: Iterable[Operation]) -> None:
    drawn: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not drawn:
            drawn.update(draw(app, operations))
        return drawn

    app.openapi = openapi  # type: ignore[method-assign]
