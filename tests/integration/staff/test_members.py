"""Members of staff and the audit record (CT 9.1.1, CM 8.3)."""

from __future__ import annotations

import json

import psycopg
import pytest

from mpss.kernel.errors import ErrorCode, MalformedField, Refused
from mpss.runtime import Runtime
from mpss.staff.members import authenticate_member, create_member, list_members, renew_key, stop_member
from mpss.staff.permissions import Permission, parse_permission
from tests.support.clauses import clause
from tests.support.house import employee


@clause("CT 9.1.1", "CM 8.3")
class TestMembers:
    async def test_are_proven_by_a_key_that_the_database_does_not_hold(self, runtime: Runtime) -> None:
        made = await create_member(runtime, name="zhao", permissions=[Permission.CASH_TOPUP], hall="H01", clerk="C01")
        assert await authenticate_member(runtime, made.api_key) == made.member
        async with runtime.database.read() as uow:
            text = await uow.value("SELECT string_agg(m::text, ' ') FROM staff_member AS m")
        assert made.api_key not in text
        for key in ("", "sk_nothing", made.api_key + "x"):
            with pytest.raises(Refused) as refused:
                await authenticate_member(runtime, key)
            assert refused.value.code is ErrorCode.UNAUTHENTICATED

    async def test_key_is_renewed_and_ends_with_its_owner(self, runtime: Runtime) -> None:
        made = await create_member(runtime, name="zhao", permissions=[])
        new_key = await renew_key(runtime, member_id=made.member.id)
        with pytest.raises(Refused):
            await authenticate_member(runtime, made.api_key)
        assert await authenticate_member(runtime, new_key) == made.member
        await stop_member(runtime, member_id=made.member.id)
        with pytest.raises(Refused):
            await authenticate_member(runtime, new_key)
        with pytest.raises(Refused) as refused:
            await renew_key(runtime, member_id=made.member.id)
        assert refused.value.code is ErrorCode.NOT_FOUND
        assert [member.active for member in await list_members(runtime)] == [False]

    async def test_nobody_gives_what_they_do_not_have(self, runtime: Runtime) -> None:
        manager = await employee(runtime, "zhao", Permission.STAFF_MANAGE, Permission.CASH_TOPUP)
        await create_member(runtime, name="qian", permissions=[Permission.CASH_TOPUP], by=manager)
        clerk = await employee(runtime, "sun", Permission.CASH_TOPUP)
        for by, permission in ((manager, Permission.LEDGER_ADJUST), (clerk, Permission.CASH_TOPUP)):
            with pytest.raises(Refused) as refused:
                await create_member(runtime, name="li", permissions=[permission], by=by)
            assert refused.value.code is ErrorCode.FORBIDDEN
        auditor = await employee(runtime, "wu", Permission.LEDGER_ADJUST)
        with pytest.raises(Refused) as refused:
            await renew_key(runtime, member_id=auditor.id, by=manager)
        assert refused.value.code is ErrorCode.FORBIDDEN
        await renew_key(runtime, member_id=clerk.id, by=manager)
        for flow in (renew_key, stop_member):
            with pytest.raises(Refused):
                await flow(runtime, member_id=manager.id, by=clerk)

    @pytest.mark.parametrize(
        ("field", "name", "hall", "clerk"),
        [("name", "", None, None), ("name", " zhao", None, None), ("name", "z" * 65, None, None),
         ("clerk", "zhao", "H01", None), ("hall", "zhao", None, "C01"), ("hall", "zhao", "H/1", "C01"),
         ("clerk", "zhao", "H1", "1" * 17)],
    )  # fmt: skip
    async def test_are_named_in_form(
        self, runtime: Runtime, field: str, name: str, hall: str | None, clerk: str | None
    ) -> None:
        with pytest.raises(MalformedField) as malformed:
            await create_member(runtime, name=name, permissions=[], hall=hall, clerk=clerk)
        assert malformed.value.field == field

    async def test_name_and_clerk_are_one_persons(self, runtime: Runtime) -> None:
        await create_member(runtime, name="zhao", permissions=[], hall="H01", clerk="C01")
        for name, clerk in (("zhao", "C02"), ("qian", "C01")):
            with pytest.raises(MalformedField, match="is taken"):
                await create_member(runtime, name=name, permissions=[], hall="H01", clerk=clerk)

    async def test_permission_is_of_the_table(self) -> None:
        assert parse_permission("cash_topup") is Permission.CASH_TOPUP
        with pytest.raises(MalformedField, match="permissions"):
            parse_permission("everything")


class TestAudit:
    async def test_says_who_did_what_and_cannot_be_changed(self, runtime: Runtime) -> None:
        manager = await employee(runtime, "zhao", Permission.STAFF_MANAGE)
        made = await create_member(runtime, name="qian", permissions=[], by=manager)
        async with runtime.database.read() as uow:
            first, second = await uow.dicts("SELECT actor, action, subject, detail FROM audit_record ORDER BY id")
        assert (first["actor"], second["actor"]) == ("platform", str(manager.id))
        assert (second["action"], second["subject"]) == ("staff.create", str(made.member.id))
        assert json.loads(second["detail"]) == {"name": "qian", "permissions": [], "hall": None, "clerk": None}
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with runtime.database.transaction() as uow:
                await uow.execute("DELETE FROM audit_record")
