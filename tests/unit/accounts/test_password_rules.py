"""What a payment password may be, and how it is digested."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpss.accounts.password_rules import (
    candidate_digests,
    check_form,
    check_holder,
    check_new,
    fingerprint,
    is_weak,
    new_digest,
)
from mpss.adapters.key_store_file import FileKeyStore
from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.kernel.ids import AccountId
from tests.support.clauses import clause
from tests.support.instants import NOON

PHONE = "+8618912344078"


@clause("CM 7.4")
class TestNewPassword:
    @pytest.mark.parametrize(
        "password",
        [
            "111111", "123456", "654321", "012345", "567890", "098765", "121212", "123123", "789789", "112233",
            "123789", "344078", "912344", "891231", "800229",
        ],
    )  # fmt: skip
    def test_must_not_be_easily_guessed(self, password: str) -> None:
        assert is_weak(password, phone=PHONE)
        with pytest.raises(Refused) as refused:
            check_new(password, phone=PHONE)
        assert (refused.value.code, refused.value.field) == (ErrorCode.WEAK_PASSWORD, "password")

    @pytest.mark.parametrize("password", ["390174", "258147", "907164", "800230", "135790"])
    def test_may_be_anything_else(self, password: str) -> None:
        assert check_new(password, phone=PHONE) == password

    @pytest.mark.parametrize("password", ["360426", "042619", "910101", "010191", "101007", "170010", "101991"])
    def test_must_not_be_of_the_holders_document(self, password: str) -> None:
        with pytest.raises(Refused) as refused:
            check_holder(password, "360426199101010071", field="new_password")
        assert (refused.value.code, refused.value.field) == (ErrorCode.WEAK_PASSWORD, "new_password")

    def test_may_be_what_the_document_does_not_say(self) -> None:
        check_holder("390174", "360426199101010071")
        check_holder("120591", "E12345678")

    @pytest.mark.parametrize("password", ["", "12345", "1234567", "12345a", "１２３４５６", " 12345", "12345\n"])
    def test_must_be_six_digits(self, password: str) -> None:
        with pytest.raises(MalformedField, match="old_password must be six digits"):
            check_form(password, field="old_password")


@clause("CT 12.1")
class TestDigests:
    def test_two_accounts_with_one_password_have_two_digests_and_one_fingerprint(self, tmp_path: Path) -> None:
        keys = FileKeyStore.open_or_make(tmp_path / "keys.json")
        one, two = AccountId.new(NOON), AccountId.new(NOON)
        assert new_digest(keys, one, "470983") != new_digest(keys, two, "470983")
        assert fingerprint(keys, "470983") == fingerprint(keys, "470983") != fingerprint(keys, "470984")

    def test_an_old_digest_is_among_the_candidates_after_the_key_was_rotated(self, tmp_path: Path) -> None:
        keys = FileKeyStore.open_or_make(tmp_path / "keys.json")
        account_id = AccountId.new(NOON)
        old, version = new_digest(keys, account_id, "470983")
        keys.rotate("payment_password")
        new, next_version = new_digest(keys, account_id, "470983")
        assert next_version == version + 1
        assert candidate_digests(keys, account_id, "470983") == {version: old, next_version: new}
