"""Debian's freeDiameter as a relay between us and the OCS: another implementation reads both of our ends."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from mpss.adapters.charging_diameter import DiameterCharging
from mpss.kernel.outcome import Approved, Declined
from mpss.ports.charging import ChargingOperation
from mpss.simulators.ocs import REALM, Ocs
from tests.integration.charging.conftest import PHONE, Bill
from tests.support.eventually import eventually

pytestmark = pytest.mark.peers

RELAY = "relay.mpss"
_GOODBYE_SECONDS = 2.0
"""freeDiameter takes a quarter of a minute to leave its peers in good order, which no test waits for."""
CONFIGURATION = """
Identity = "{relay}";
Realm = "mpss";
Port = {port};
SecPort = 0;
No_SCTP;
No_IPv6;
ListenOn = "127.0.0.1";
TwTimer = 6;
TcTimer = 6;
TLS_Cred = "{folder}/relay.pem", "{folder}/relay.key";
TLS_CA = "{folder}/relay.pem";
LoadExtension = "dict_nasreq.fdx";
LoadExtension = "dict_dcca.fdx";
LoadExtension = "acl_wl.fdx" : "{folder}/acl.conf";
{peers}
"""
PEER = 'ConnectPeer = "ocs{number}.{realm}" {{ ConnectTo = "127.0.0.1"; Port = {port}; No_TLS; Realm = "{realm}"; }};'


@pytest.fixture
async def relayed(ocs: Ocs, tmp_path: Path) -> AsyncIterator[Bill]:
    """A bill whose calls go through the relay to both doors."""
    program = shutil.which("freeDiameterd")
    assert program is not None, "the Debian package freediameter is not installed"
    port = _free_port()
    configuration = tmp_path / "relay.conf"
    configuration.write_text(_configuration(ocs, tmp_path, port))
    with (tmp_path / "relay.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(program, "-c", str(configuration), stdout=log, stderr=log)
    charging = DiameterCharging([("127.0.0.1", port)], origin_host="test.mpss", origin_realm="mpss", realm=REALM)
    bill = Bill(charging, ocs, timeout_seconds=5.0)
    await charging.start()
    try:
        await bill.connected(doors=1)
        await eventually(lambda: _both_doors_taken(ocs))
        yield bill
    finally:
        await charging.stop()
        process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _GOODBYE_SECONDS)
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _both_doors_taken(ocs: Ocs) -> bool:
    return all(door.connections for door in ocs.doors)


class TestRelay:
    async def test_carries_every_operation(self, relayed: Bill) -> None:
        session, paid, back = (relayed.new_session() for _ in range(3))
        assert await relayed.ask(ChargingOperation.RESERVE, session) == Approved(session)
        assert await relayed.ask(ChargingOperation.COMMIT, session) == Approved(session)
        assert await relayed.ask(ChargingOperation.DEBIT, paid, 1000) == Approved(paid)
        assert await relayed.ask(ChargingOperation.REFUND, back, 400, original=paid) == Approved(back)
        assert relayed.lines() == [(session, "charge", 2500), (paid, "charge", 1000), (back, "refund", 400)]

    async def test_carries_a_decline_and_a_balance_check(self, relayed: Bill) -> None:
        declined = Declined("4012 credit limit reached")
        assert await relayed.ask(ChargingOperation.RESERVE, relayed.new_session(), 10_001) == declined
        asked = relayed.charging.balance_enough(phone=PHONE, amount_fen=10_001, timeout_seconds=5)
        assert await asked == declined

    async def test_carries_a_repeat_that_charges_once(self, relayed: Bill) -> None:
        session = relayed.new_session()
        for again in (False, True):
            assert await relayed.ask(ChargingOperation.DEBIT, session, again=again) == Approved(session)
        assert relayed.lines() == [(session, "charge", 2500)]


def _configuration(ocs: Ocs, folder: Path, port: int) -> str:
    _write_certificate(folder)
    (folder / "acl.conf").write_text("ALLOW_IPSEC *.mpss\n")
    peers = "\n".join(
        PEER.format(number=number, realm=REALM, port=door.port) for number, door in enumerate(ocs.doors, 1)
    )
    return CONFIGURATION.format(relay=RELAY, port=port, folder=folder, peers=peers)


def _write_certificate(folder: Path) -> None:
    """freeDiameter wants a certificate even where it speaks without TLS."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, RELAY)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "relay.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "relay.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
