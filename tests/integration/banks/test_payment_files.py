"""Withdrawal by the daily file of payment orders: wallet, hold and the bank's lines agree whatever happens to files.

The bank of the town works through the same folders as the center does (CM 5.3.3, 6.6).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mpss.accounts.codes import Purpose
from mpss.adapters.bank_iso8583 import BankLine, Iso8583Banks
from mpss.adapters.iso8583_session import Line
from mpss.adapters.payment_files import PaymentFolders
from mpss.config import Policy
from mpss.db.database import Database
from mpss.ports.bank import BankProfile
from mpss.ports.payment_files import NotPlaced
from mpss.simulators.bank import Bank, BankSettings
from mpss.simulators.bank import serve as serve_bank
from mpss.simulators.bank_files import BankFiles, FileFault, FileFaultKind
from mpss.staff.permissions import Permission
from mpss.transactions.closings.close import finish_closings
from mpss.transactions.closings.rest import take_rests
from mpss.transactions.verify import verify
from mpss.transactions.withdrawals.payment_answer import read_answers
from mpss.transactions.withdrawals.payment_batch import make_batches_now, make_due_batches
from mpss.transactions.withdrawals.payment_store import AnswerRow
from mpss.wire.iso8583.fields import PROFILES, ProfileName
from mpss.wire.pain import read_orders
from tests.integration.banks.conftest import HOLDER, KEY
from tests.integration.banks.scene import CARD, bind_card
from tests.support.clauses import clause
from tests.support.house import PASSWORD, events, sms_code
from tests.support.http import Caller, Counter, counter
from tests.support.market import PHONE, market
from tests.support.programs import run

POLICY = Policy(session_ttl_seconds=864_000, withdrawal_single_limit_fen=50_000, withdrawal_daily_limit_fen=100_000)
PAST_THE_CUT = timedelta(hours=5)
"""From noon in Shanghai."""


@dataclass(slots=True)
class Scene:
    """The market with a bank that takes orders by the file; the payer has 1,000 yuan and an empty bound card."""

    shop: Counter
    bank: Bank
    folder: Path
    payer: Caller
    card_id: str

    @property
    def files(self) -> BankFiles:
        return BankFiles("BEIHU", self.bank.store, self.folder / "BEIHU")

    async def ask(self, amount_fen: int = 20_000, **changed: Any) -> Any:
        body = {
            "card_id": self.card_id, "amount_fen": amount_fen, "currency": "CNY", "payment_password": PASSWORD,
            **changed,
        }  # fmt: skip
        answer = await self.payer.post("/v1/account/withdrawals", body)
        assert (answer.status_code, answer.json()["state"]) == (202, "FUNDING"), answer.text
        return answer

    async def cut(self) -> int:
        """The next cut comes, and with it the file."""
        self.shop.market.clock.advance(PAST_THE_CUT)
        return await make_due_batches(self.shop.runtime)

    async def answered(self, *faults: FileFaultKind) -> list[AnswerRow]:
        """The bank works through what there is, meeting these faults, and we read what it says."""
        files = self.files
        for kind in faults:
            files.faults.add(FileFault(kind, 1))
        files.work()
        return await read_answers(self.shop.runtime)

    async def states(self) -> list[str]:
        listed = (await self.payer.get("/v1/account/withdrawals")).json()["items"]
        return [item["state"] for item in reversed(listed)]

    async def agrees(self, *, paid: int, held: int = 0) -> None:
        """The card has `paid` fen, the wallet gave it, `held` waits, and every invariant holds."""
        async with self.shop.runtime.database.read() as uow:
            assert [check for check in await verify(uow) if not check.holds] == []
        lines = [line for line in self.bank.store.lines() if line["card"] == CARD]
        assert sum(line["amount_fen"] for line in lines) == paid
        credits = [line["reference"] for line in lines if line["service"] == "credit"]
        assert len(set(credits)) == len(credits)
        account = (await self.payer.get("/v1/account")).json()
        assert (account["balance_fen"], account["held_fen"]) == (100_000 - paid, held)


@pytest.fixture
async def scene(database: Database, tmp_path: Path) -> AsyncIterator[Scene]:
    folder = tmp_path / "payment-files"
    async with serve_bank(BankSettings("BEIHU", tmp_path / "bank.sqlite", ProfileName.ASCII, KEY)) as bank:
        bank.store.open_card(CARD, holder_name=HOLDER, phone=PHONE, balance_fen=0)
        line = Line("BEIHU", "127.0.0.1", bank.port, PROFILES[ProfileName.ASCII], KEY)
        banks = Iso8583Banks([BankLine(BankProfile("BEIHU", "北湖银行", False), line)])
        await banks.start()
        assert await banks.session("BEIHU").wait_up(timeout_seconds=5)
        async with market(database, tmp_path, policy=POLICY) as opened:
            ports = replace(opened.runtime.ports, banks=banks, payment_files=PaymentFolders(folder))
            opened.runtime = replace(opened.runtime, ports=ports)
            async with counter(opened, rate_per_second=0, source_rate_per_second=0) as shop:
                payer = await shop.subscriber()
                yield Scene(shop, bank, folder, payer, await bind_card(shop, payer, bank="BEIHU"))
        await banks.stop()


@clause("CM 5.3.3")
@clause("CM 6.6")
class TestTheDailyFile:
    async def test_pays_what_waited_for_it(self, scene: Scene) -> None:
        await scene.ask()
        await scene.ask(10_000)
        assert await make_due_batches(scene.shop.runtime) == 0
        await scene.agrees(paid=0, held=30_000)
        assert await scene.cut() == 1
        (path,) = (scene.folder / "BEIHU" / "orders").iterdir()
        file = read_orders(path.read_bytes())
        assert [(order.amount_fen, order.card_number, order.holder_name) for order in file.orders] == [
            (20_000, CARD, HOLDER), (10_000, CARD, HOLDER),
        ]  # fmt: skip
        (answer,) = await scene.answered()
        assert (answer.outcome, answer.problem, answer.paid, answer.rejected) == ("taken", "", 2, 0)
        assert await scene.states() == ["SUCCEEDED", "SUCCEEDED"]
        told = await events(scene.shop.runtime, PHONE)
        assert told[-4:] == ["withdrawal_ordered", "withdrawal_ordered", "withdrawal_paid", "withdrawal_paid"]
        await scene.agrees(paid=30_000)

    async def test_is_made_once_a_day_and_at_an_operators_word(self, scene: Scene) -> None:
        await scene.ask()
        assert await scene.cut() == 1
        await scene.ask(10_000)
        assert await make_due_batches(scene.shop.runtime) == 0
        assert len(await make_batches_now(scene.shop.runtime)) == 1
        assert await make_batches_now(scene.shop.runtime) == []
        await scene.ask(5_000)
        scene.shop.market.clock.advance(timedelta(days=1))
        assert await make_due_batches(scene.shop.runtime) == 1
        assert len(await scene.answered()) == 3
        await scene.agrees(paid=35_000)

    async def test_rejected_in_part_frees_what_was_rejected(self, scene: Scene) -> None:
        await scene.ask()
        await scene.ask(10_000)
        await scene.cut()
        (answer,) = await scene.answered(FileFaultKind.WRONG_NAME)
        assert (answer.paid, answer.rejected) == (1, 1)
        assert await scene.states() == ["DECLINED", "SUCCEEDED"]
        assert sorted((await events(scene.shop.runtime, PHONE))[-2:]) == ["withdrawal_failed", "withdrawal_paid"]
        await scene.agrees(paid=10_000)

    async def test_rejected_whole_frees_all(self, scene: Scene) -> None:
        await scene.ask()
        await scene.ask(10_000)
        await scene.cut()
        (answer,) = await scene.answered(FileFaultKind.REJECT_FILE)
        assert (answer.paid, answer.rejected) == (0, 2)
        await scene.agrees(paid=0)

    async def test_answered_bit_by_bit_ends_each_order_once(self, scene: Scene) -> None:
        await scene.ask()
        await scene.ask(10_000)
        await scene.cut()
        read = await scene.answered(FileFaultKind.PARTLY)
        assert [answer.paid for answer in read] == [1, 1]
        await scene.ask(5_000)
        await make_batches_now(scene.shop.runtime)
        read = await scene.answered(FileFaultKind.ACCEPT_FIRST)
        assert [answer.paid for answer in read] == [0, 1]
        await scene.agrees(paid=35_000)

    async def test_answered_twice_or_late_counts_once(self, scene: Scene) -> None:
        await scene.ask()
        await scene.cut()
        read = await scene.answered(FileFaultKind.ANSWER_TWICE)
        assert [(answer.outcome, answer.paid) for answer in read] == [("taken", 1), ("taken", 0)]
        await scene.agrees(paid=20_000)

    async def test_whose_answer_is_lost_waits_until_the_bank_says_it_again(self, scene: Scene) -> None:
        await scene.ask()
        await scene.cut()
        assert await scene.answered(FileFaultKind.LOSE_ANSWER) == []
        assert await scene.states() == ["FUNDING"]
        (placed,) = (scene.folder / "BEIHU" / "orders-read").iterdir()
        assert scene.files.answer_again(placed.stem)
        assert [answer.paid for answer in await read_answers(scene.shop.runtime)] == [1]
        await scene.agrees(paid=20_000)

    async def test_returned_later_is_back_in_the_wallet_and_once(self, scene: Scene) -> None:
        await scene.ask()
        await scene.cut()
        read = await scene.answered(FileFaultKind.RETURN_LATER)
        assert [(answer.paid, answer.returned) for answer in read] == [(1, 0), (0, 1)]
        assert await scene.states() == ["RETURNED"]
        assert (await events(scene.shop.runtime, PHONE))[-1] == "withdrawal_returned"
        (placed,) = (scene.folder / "BEIHU" / "orders-read").iterdir()
        assert scene.files.answer_again(placed.stem)
        assert [answer.returned for answer in await read_answers(scene.shop.runtime)] == [0]
        await scene.agrees(paid=0)

    @clause("CM 5.2.3.4")
    async def test_returned_after_the_account_was_closed_waits_for_its_owner(self, scene: Scene) -> None:
        code = await sms_code(scene.shop.runtime, PHONE, Purpose.ACCOUNT)
        body = {"payout": "bank_card", "card_id": scene.card_id, "payment_password": PASSWORD, "code": code}
        assert (await scene.payer.post("/v1/account/closing", body)).json() == {"life": "pre_closed"}
        await scene.cut()
        files = scene.files
        files.faults.add(FileFault(FileFaultKind.RETURN_LATER, 1))
        files.work()
        _, later = sorted((scene.folder / "BEIHU" / "answers").glob("*.xml"))
        aside = later.rename(scene.folder / later.name)
        assert [answer.paid for answer in await read_answers(scene.shop.runtime)] == [1]
        assert await finish_closings(scene.shop.runtime) == 1
        aside.rename(later)
        assert [answer.returned for answer in await read_answers(scene.shop.runtime)] == [1]
        assert await take_rests(scene.shop.runtime) == 1
        clerk = await scene.shop.staff(Permission.ACCOUNT_CLOSE, name="closer", hall="H01", clerk="C09")
        (rest,) = (await clerk.send("GET", "/v1/staff/closing-rests", query={"phone": PHONE})).json()["items"]
        assert rest["amount_fen"] == 100_000
        async with scene.shop.runtime.database.read() as uow:
            assert [check for check in await verify(uow) if not check.holds] == []

    async def test_an_older_file_that_comes_after_a_newer_one_changes_nothing(self, scene: Scene) -> None:
        await scene.ask()
        await scene.cut()
        scene.files.work()
        (first,) = (scene.folder / "BEIHU" / "answers").glob("*.xml")
        said = first.read_text().replace("ACSC", "RJCT")
        assert [answer.paid for answer in await read_answers(scene.shop.runtime)] == [1]
        first.with_name("late.xml").write_text(said)
        (answer,) = await read_answers(scene.shop.runtime)
        assert "older file" in answer.problem
        assert await scene.states() == ["SUCCEEDED"]
        await scene.agrees(paid=20_000)

    @pytest.mark.parametrize("kind", [FileFaultKind.MALFORMED, FileFaultKind.FOREIGN])
    async def test_a_bad_answer_is_refused_whole_and_kept_aside(self, scene: Scene, kind: FileFaultKind) -> None:
        await scene.ask()
        await scene.cut()
        read = await scene.answered(kind)
        assert sorted(answer.outcome for answer in read) == ["refused", "taken"]
        (refused,) = [answer for answer in read if answer.outcome == "refused"]
        assert (bool(refused.problem), refused.paid) == (True, 0)
        assert len(list((scene.folder / "BEIHU" / "answers-refused").iterdir())) == 1
        assert await scene.states() == ["SUCCEEDED"]
        await scene.agrees(paid=20_000)

    async def test_an_answer_to_no_file_of_ours_is_refused(self, scene: Scene) -> None:
        await scene.ask()
        await scene.cut()
        scene.files.work()
        (first,) = (scene.folder / "BEIHU" / "answers").glob("*.xml")
        foreign = first.read_text().replace("MPSS-BEIHU-", "MPSS-OTHER-")
        first.with_name("0-foreign.xml").write_text(foreign)
        first.with_name("1-empty.xml").write_bytes(b"")
        read = await read_answers(scene.shop.runtime)
        assert [answer.outcome for answer in read] == ["refused", "refused", "taken"]
        await scene.agrees(paid=20_000)


class TestAnOperator:
    async def test_sees_files_orders_and_answers_and_makes_them_move(self, scene: Scene) -> None:
        staff = await scene.shop.staff(Permission.PAYMENT_ORDERS, name="payments")
        await scene.ask()
        await scene.ask(10_000)
        made = await staff.post("/v1/staff/payment-batches", {"bank": "BEIHU"})
        assert (made.status_code, len(made.json()["batch_ids"])) == (201, 1), made.text
        assert (await staff.post("/v1/staff/payment-batches", {})).json()["batch_ids"] == []
        files = scene.files
        files.faults.add(FileFault(FileFaultKind.WRONG_NAME, 1))
        files.faults.add(FileFault(FileFaultKind.MALFORMED, 1))
        files.work()
        assert (await staff.post("/v1/staff/payment-answers", {})).json() == {"answers": 2, "refused": 1}
        (batch,) = (await staff.get("/v1/staff/payment-batches")).json()["items"]
        assert (batch["orders"], batch["control_sum_fen"], batch["paid"], batch["rejected"]) == (2, 30_000, 1, 1)
        read = (await staff.get("/v1/staff/payment-answers")).json()["items"]
        assert sorted((item["outcome"], bool(item["problem"])) for item in read) == [
            ("refused", True),
            ("taken", False),
        ]
        paid = (await staff.get("/v1/staff/withdrawals?state=SUCCEEDED&bank=BEIHU&limit=1")).json()["items"]
        assert [(item["amount_fen"], item["batch_id"]) for item in paid] == [(10_000, batch["batch_id"])]
        assert (await staff.get("/v1/staff/withdrawals?phone=18912340099")).json()["items"] == []
        exported = (await staff.get("/v1/staff/withdrawals/export")).text.splitlines()
        assert exported[0].startswith("transaction_id,phone,state")
        assert sorted(line.split(",")[2] for line in exported[1:]) == ["DECLINED", "SUCCEEDED"]
        assert "BE01 the name is another" in "".join(exported)
        await scene.agrees(paid=10_000)

    async def test_does_so_from_the_command_line(self, scene: Scene) -> None:
        async def mpss(*arguments: str) -> str:
            variables = {
                "MPSS_DATABASE_URL": scene.shop.runtime.database.url,
                "MPSS_DATA_DIR": str(scene.folder.parent),
                "MPSS_BANKS": f"BEIHU:北湖银行:127.0.0.1:{scene.bank.port}:ascii:batch",
                "COLUMNS": "240",
            }
            done = await asyncio.to_thread(lambda: run(*arguments, **variables))
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        await scene.ask()
        assert "Nothing waits." in await mpss("payment-orders", "make", "--bank", "NANCHENG")
        assert "pmb_" in await mpss("payment-orders", "make")
        scene.files.work()
        assert "taken, 1 paid, 0 rejected, 0 returned" in await mpss("payment-orders", "read")
        listed = await mpss("payment-orders", "list")
        assert "200.00" in listed
        assert "taken" in listed
        assert "SUCCEEDED" in await mpss("withdrawals", "list", "--bank", "BEIHU")
        await scene.agrees(paid=20_000)


class Crash(Exception):
    """The process ends here."""


class CrashingFiles(PaymentFolders):
    """The exchange of a process that ends when it does `dies_at`, before or after."""

    dies_at = ""
    after = False

    async def place(self, bank: str, name: str, content: bytes) -> None:
        await self._crash("place", lambda: super(CrashingFiles, self).place(bank, name, content))

    async def put_away(self, bank: str, name: str, *, refused: bool) -> None:
        await self._crash("put_away", lambda: super(CrashingFiles, self).put_away(bank, name, refused=refused))

    async def _crash(self, step: str, action: Any) -> None:
        if self.dies_at == step and not self.after:
            raise Crash
        await action()
        if self.dies_at == step:
            raise Crash


@clause("CM 6.6")
class TestACrashBetweenTwoSteps:
    @pytest.mark.parametrize("step", ["place", "put_away"])
    @pytest.mark.parametrize("after", [False, True])
    @pytest.mark.parametrize("bank_is_quick", [False, True])
    async def test_neither_loses_nor_doubles_an_order(
        self, scene: Scene, step: str, after: bool, bank_is_quick: bool
    ) -> None:
        files = CrashingFiles(scene.folder)
        runtime = scene.shop.runtime
        dying = replace(runtime, ports=replace(runtime.ports, payment_files=files))
        await scene.ask()
        await scene.ask(10_000)
        scene.shop.market.clock.advance(PAST_THE_CUT)
        files.dies_at, files.after = step, after
        for flow in (make_due_batches, read_answers):
            with suppress(Crash):
                await flow(dying)
            if bank_is_quick:
                scene.files.work()
        for _ in range(2):
            await make_due_batches(runtime)
            scene.files.work()
            await read_answers(runtime)
        assert await scene.states() == ["SUCCEEDED", "SUCCEEDED"]
        await scene.agrees(paid=30_000)

    async def test_before_the_file_is_written_down_leaves_the_orders_waiting(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def dies(*_: object) -> bool:
            raise Crash

        await scene.ask()
        scene.shop.market.clock.advance(PAST_THE_CUT)
        with monkeypatch.context() as patched:
            patched.setattr("mpss.transactions.withdrawals.payment_batch.write_batch", dies)
            with pytest.raises(Crash):
                await make_due_batches(scene.shop.runtime)
        assert await make_due_batches(scene.shop.runtime) == 1
        await scene.answered()
        await scene.agrees(paid=20_000)

    async def test_while_orders_are_carried_out_the_next_reading_ends_the_rest(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await scene.ask()
        await scene.ask(10_000)
        await scene.cut()
        scene.files.work()
        with monkeypatch.context() as patched:
            patched.setattr("mpss.transactions.withdrawals.payment_answer._AT_ONCE", 1)
            submitted, desk = [], scene.shop.runtime.desk
            submit = type(desk).submit

            async def dies_at_the_second(self: Any, command: Any) -> Any:
                submitted.append(command)
                if len(submitted) == 2:
                    raise Crash
                return await submit(self, command)

            patched.setattr(type(desk), "submit", dies_at_the_second)
            with pytest.raises(Crash):
                await read_answers(scene.shop.runtime)
        assert sorted(await scene.states()) == ["FUNDING", "SUCCEEDED"]
        await read_answers(scene.shop.runtime)
        await scene.agrees(paid=30_000)

    async def test_a_folder_that_cannot_be_written_is_tried_again(self, scene: Scene) -> None:
        class Full(PaymentFolders):
            async def place(self, bank: str, name: str, content: bytes) -> None:
                raise NotPlaced("no space left")

        runtime = scene.shop.runtime
        await scene.ask()
        scene.shop.market.clock.advance(PAST_THE_CUT)
        assert (
            await make_due_batches(replace(runtime, ports=replace(runtime.ports, payment_files=Full(scene.folder))))
            == 1
        )
        assert await make_due_batches(runtime) == 0
        await scene.answered()
        await scene.agrees(paid=20_000)
