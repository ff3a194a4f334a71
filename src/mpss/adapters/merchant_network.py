"""Connections to merchants' servers: to addresses that may be called, and to the very address that was looked at.

A name is looked up here and connected to by address, so that it cannot mean another address a moment later. TLS is
still checked against the name.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

import httpcore
import httpx

from mpss.security.networks import Network, may_be_called


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport, which connects to public addresses and to those in `networks` alone."""

    def __init__(self, *, limits: httpx.Limits, networks: Sequence[Network]) -> None:
        context = httpx.create_ssl_context(trust_env=False)
        super().__init__(verify=context)
        # A transport takes no network of ours, but the pool under it does.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_GuardedNetwork(networks),
        )


class _GuardedNetwork(httpcore.AsyncNetworkBackend):
    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """
        Raises:
            httpcore.ConnectError: the name is unknown, none of its addresses may be called, or none answers.
            httpcore.ConnectTimeout: not in time.
        """
        failure: httpcore.ConnectError = httpcore.ConnectError("its address may not be called")
        try:
            async with asyncio.timeout(timeout):
                for address in await _look_up(host, port):
                    if not may_be_called(ip_address(address), self._networks):
                        continue
                    try:
                        return await self._network.connect_tcp(
                            address, port, local_address=local_address, socket_options=socket_options
                        )
                    except httpcore.ConnectError as problem:
                        failure = problem
        except TimeoutError:
            raise httpcore.ConnectTimeout("no connection in time") from None
        raise failure

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


async def _look_up(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise httpcore.ConnectError("its name is unknown") from None
    # An address with a zone ("fe80::1%eth0") is of this machine's own links.
    return [str(place[0]) for *_, place in found if "%" not in str(place[0])]
