"""The ports of a process, one field for each outside system."""

from __future__ import annotations

from dataclasses import dataclass

from mpss.ports.bank import BankPort
from mpss.ports.boss import BossPort
from mpss.ports.charging import ChargingPort
from mpss.ports.key_store import KeyStore
from mpss.ports.merchant import MerchantPort
from mpss.ports.online_bank import OnlineBankPort
from mpss.ports.payment_files import PaymentFilesPort
from mpss.ports.purse import PursePort
from mpss.ports.recharge_card import RechargeCardPort
from mpss.ports.sms import SmsPort


@dataclass(frozen=True, slots=True)
class Ports:
    key_store: KeyStore
    sms: SmsPort
    merchant: MerchantPort
    charging: ChargingPort | None = None
    recharge_card: RechargeCardPort | None = None
    online_bank: OnlineBankPort | None = None
    banks: BankPort | None = None
    purse: PursePort | None = None
    payment_files: PaymentFilesPort | None = None
    boss: BossPort | None = None
