"""The key store over a file."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis.strategies import binary, integers

from mpss.adapters.key_store_file import KEY_NAMES, FileKeyStore, KeyFileDamaged, KeyFileExposed
from mpss.ports.key_store import KeyStore, UnknownKey


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "keys.json"


@pytest.fixture
def store(path: Path) -> FileKeyStore:
    return FileKeyStore.open_or_make(path)


def start_and_rotate(path: Path) -> int:
    return FileKeyStore.open_or_make(path).rotate("voucher")


class TestKeyFile:
    def test_is_made_at_the_first_start_for_its_owner_alone(self, path: Path, store: FileKeyStore) -> None:
        assert path.stat().st_mode & 0o777 == 0o600
        assert {name: store.current(name) for name in KEY_NAMES} == dict.fromkeys(KEY_NAMES, 1)
        keys = json.loads(path.read_text())["keys"]
        assert len({key for versions in keys.values() for key in versions.values()}) == len(KEY_NAMES)

    def test_is_kept_at_the_next_start(self, path: Path, store: FileKeyStore) -> None:
        digest = store.mac("voucher", b"1234")
        assert FileKeyStore.open_or_make(path).mac("voucher", b"1234") == digest

    def test_that_others_may_read_is_refused(self, path: Path, store: FileKeyStore) -> None:
        for mode in (0o640, 0o604, 0o620, 0o660):
            path.chmod(mode)
            with pytest.raises(KeyFileExposed):
                FileKeyStore(path)

    def test_that_is_missing_is_not_made_where_it_must_exist(self, path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            FileKeyStore(path)

    @pytest.mark.parametrize(
        "text",
        [
            "", "{}", "[]", "null", '{"format": 2, "keys": {"seal": {}}}', '{"format": 1, "keys": {}}',
            '{"format": 1, "keys": {"seal": {}}}', '{"format": 1, "keys": {"seal": {"1": "c2hvcnQ="}}}',
            '{"format": 1, "keys": {"seal": {"1": "§"}}}', '{"format": 1, "keys": {"seal": ["1"]}}',
            '{"format": 1, "keys": {"seal": {"2": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}}',
        ],
    )  # fmt: skip
    def test_that_is_damaged_is_refused_and_left_as_it_is(self, path: Path, text: str) -> None:
        path.parent.mkdir()
        path.write_text(text)
        path.chmod(0o600)
        with pytest.raises(KeyFileDamaged):
            FileKeyStore.open_or_make(path)
        assert path.read_text() == text

    def test_is_made_once_when_many_processes_start_together(self, path: Path) -> None:
        with multiprocessing.get_context("spawn").Pool(4) as pool:
            versions = pool.map(start_and_rotate, [path] * 8)
        assert sorted(versions) == list(range(2, 10))
        assert FileKeyStore(path).current("voucher") == 9

    def test_is_whole_when_a_process_died_while_it_wrote(self, path: Path, store: FileKeyStore) -> None:
        path.with_name("keys.json.new").write_text('{"format": 1, "ke')
        assert FileKeyStore(path).rotate("seal") == 2
        assert [entry.name for entry in sorted(path.parent.iterdir())] == ["keys.json", "keys.json.lock"]


class TestMac:
    def test_is_hmac_sha256_under_the_named_key(self, path: Path, store: FileKeyStore) -> None:
        key = base64.b64decode(json.loads(path.read_text())["keys"]["token"]["1"])
        assert store.mac("token", b"data") == hmac.new(key, b"data", hashlib.sha256).digest()

    def test_differs_between_names_and_versions(self, store: FileKeyStore) -> None:
        first = store.mac("voucher", b"data")
        store.rotate("voucher")
        assert len({first, store.mac("voucher", b"data"), store.mac("token", b"data")}) == 3
        assert store.mac("voucher", b"data", version=1) == first

    def test_refuses_an_unknown_name_or_version(self, store: FileKeyStore) -> None:
        with pytest.raises(UnknownKey):
            store.mac("nothing", b"")
        with pytest.raises(UnknownKey):
            store.mac("voucher", b"", version=2)
        with pytest.raises(UnknownKey):
            store.mac("voucher", b"", version=0)
        with pytest.raises(UnknownKey):
            store.rotate("nothing")

    def test_follows_a_rotation_by_another_process(self, path: Path, store: FileKeyStore) -> None:
        other = FileKeyStore(path)
        assert other.rotate("payment_password") == 2
        assert store.current("payment_password") == 2
        assert store.mac("payment_password", b"1") == other.mac("payment_password", b"1", version=2)

    def test_of_a_version_made_elsewhere_is_had_without_asking_for_the_current_one(
        self, path: Path, store: FileKeyStore
    ) -> None:
        other = FileKeyStore(path)
        other.rotate("voucher")
        assert store.mac("voucher", b"1", version=2) == other.mac("voucher", b"1")

    def test_refuses_a_file_that_was_opened_to_others_meanwhile(self, path: Path, store: FileKeyStore) -> None:
        FileKeyStore(path).rotate("voucher")
        path.chmod(0o644)
        with pytest.raises(KeyFileExposed):
            store.current("voucher")


class TestSeal:
    @given(data=binary(max_size=200))
    def test_opens_to_what_was_sealed_also_after_a_rotation(
        self, tmp_path_factory: pytest.TempPathFactory, data: bytes
    ) -> None:
        store: KeyStore = FileKeyStore.open_or_make(tmp_path_factory.mktemp("keys") / "keys.json")
        sealed = store.seal(data)
        assert data not in sealed or len(data) < 4
        assert sealed[0] == 1
        assert store.seal(data) != sealed
        store.rotate("seal")
        assert store.unseal(sealed) == data
        assert store.seal(data)[0] == 2

    @given(position=integers(1, 40), bit=integers(0, 7))
    def test_refuses_a_changed_text(self, tmp_path_factory: pytest.TempPathFactory, position: int, bit: int) -> None:
        store = FileKeyStore.open_or_make(tmp_path_factory.mktemp("keys") / "keys.json")
        sealed = bytearray(store.seal(b"a secret of 16 by"))
        sealed[position] ^= 1 << bit
        with pytest.raises(ValueError, match="changed"):
            store.unseal(bytes(sealed))

    def test_refuses_a_version_it_does_not_have(self, store: FileKeyStore) -> None:
        with pytest.raises(UnknownKey):
            store.unseal(b"\x07" + store.seal(b"x")[1:])

    @pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + bytes(11)])
    def test_refuses_what_was_never_sealed(self, store: FileKeyStore, sealed: bytes) -> None:
        with pytest.raises(ValueError, match="short"):
            store.unseal(sealed)

    def test_versions_end_where_one_byte_ends(self, path: Path, store: FileKeyStore) -> None:
        for _ in range(254):
            store.rotate("seal")
        with pytest.raises(OverflowError):
            store.rotate("seal")
        assert store.unseal(store.seal(b"x")) == b"x"
