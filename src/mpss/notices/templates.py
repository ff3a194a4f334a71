"""One text for each event and language. A text is filled by `compose`, which puts the serial after it.

`{amount}`, `{fee}`, `{balance}` and `{limit}` are yuan with two decimals; a part of `PARTS` stands for a fact
that may be empty.
"""

from __future__ import annotations

from mpss.notices.identity_templates import IDENTITY_TEMPLATES
from mpss.notices.model import Event
from mpss.notices.state_templates import STATE_TEMPLATES

TEMPLATES: dict[Event, dict[str, str]] = {
    Event.OPENED: {
        "zh-CN": "您的手机支付账户已开通，账号即本手机号码。回复BZ查看短信指令。",
        "en": "Your mobile wallet is open; your phone number is its number. Reply BZ for SMS commands.",
    },
    Event.PASSWORD_SET: {
        "zh-CN": "您的支付密码已设置。如非本人操作，请立即联系客服。",
        "en": "Your payment password is set. If this was not you, contact customer care at once.",
    },
    Event.PASSWORD_CHANGED: {
        "zh-CN": "您的支付密码已修改。如非本人操作，请立即联系客服。",
        "en": "Your payment password was changed. If this was not you, contact customer care at once.",
    },
    Event.PASSWORD_LOCKED: {
        "zh-CN": "支付密码多次输错，您的账户今日已锁定支付。可用短信验证码解锁；如非本人操作，请联系客服。",
        "en": "Your payment password was wrong too often; paying is locked for today. Unlock it with an SMS code. "
        "If this was not you, contact customer care.",
    },
    Event.PASSWORD_UNLOCKED: {
        "zh-CN": "您的账户支付锁定已解除。",
        "en": "Your wallet is unlocked; you can pay again.",
    },
    Event.LOGIN_PASSWORD_SET: {
        "zh-CN": "您的登录密码已设置。如非本人操作，请立即联系客服。",
        "en": "Your login password is set. If this was not you, contact customer care at once.",
    },
    Event.LOGIN_LOCKED: {
        "zh-CN": "登录密码多次输错，密码登录已暂停。可用短信验证码登录；如非本人操作，请联系客服。",
        "en": "Your login password was wrong too often; signing in by it rests. Sign in by an SMS code. If this was "
        "not you, contact customer care.",
    },
    Event.PASSWORD_LINK: {
        "zh-CN": "请在{minutes}分钟内打开 {url} 设置支付密码。链接只能使用一次，切勿转发。",
        "en": "Set your payment password within {minutes} minutes at {url} The link works once; never pass it on.",
    },
    Event.ACCOUNT_LINK: {
        "zh-CN": "请在{minutes}分钟内打开 {url} 输入支付密码，{purpose}。链接只能使用一次，切勿转发。",
        "en": "To {purpose}, enter your payment password within {minutes} minutes at {url} The link works once; "
        "never pass it on.",
    },
    Event.DAILY_LIMIT_SET: {
        "zh-CN": "您的日消费限额已设为{limit}元。",
        "en": "Your daily spending limit is now {limit} yuan.",
    },
    Event.OWN_LIMITS_SET: {
        "zh-CN": "您的支付、转账或提现限额已变更。如非本人操作，请立即拨打客服电话。",
        "en": "Your own limits of payments, transfers or withdrawals were changed. If it was not you, call us at once.",
    },
    Event.TOPPED_UP: {
        "zh-CN": "您的账户已通过{source}充值{amount}元，余额{balance}元。",
        "en": "Your wallet was topped up by {source} with {amount} yuan. Balance {balance} yuan.",
    },
    Event.TOPUP_UNDONE: {
        "zh-CN": "您的一笔{amount}元现金充值已由营业厅撤销，余额{balance}元。",
        "en": "A cash top-up of {amount} yuan was undone by the service hall. Balance {balance} yuan.",
    },
    Event.BANK_TOPUP_REVERSED: {
        "zh-CN": "您的一笔{amount}元银行转账充值已被银行冲正，余额{balance}元。",
        "en": "Your bank took a transfer of {amount} yuan to your wallet back. Balance {balance} yuan.",
    },
    Event.PAID: {
        "zh-CN": "您已向{merchant}支付{amount}元{goods}，{fee}余额{balance}元。",
        "en": "You paid {amount} yuan to {merchant}{goods}.{fee} Balance {balance} yuan.",
    },
    Event.REVERSED: {
        "zh-CN": "您在{merchant}的消费已冲正，退回{amount}元，余额{balance}元。{reason}",
        "en": "Your purchase at {merchant} was reversed; {amount} yuan is back. Balance {balance} yuan.{reason}",
    },
    Event.DELIVERED: {
        "zh-CN": "{merchant}已交付{product}{content}",
        "en": "{merchant} delivered {product}{content}",
    },
    Event.ADJUSTED: {
        "zh-CN": "您的账户余额经更正变动{amount}元，余额{balance}元。详询客服。",
        "en": "Your balance was corrected by {amount} yuan. Balance {balance} yuan. Ask customer care for details.",
    },
    Event.BILL_PAID: {
        "zh-CN": "您已用话费向{merchant}支付{amount}元{goods}，{fee}将计入本月话费账单。",
        "en": "You paid {amount} yuan to {merchant}{goods} from your phone bill.{fee}",
    },
    Event.BILL_IN_DOUBT: {
        "zh-CN": "您向{merchant}支付的{amount}元话费消费正在处理，结果将另行短信通知，请勿重复支付。",
        "en": "Your payment of {amount} yuan to {merchant} from the phone bill is under way. We will send you the "
        "result by SMS; do not pay again.",
    },
    Event.BILL_NOT_CHARGED: {
        "zh-CN": "您向{merchant}支付的{amount}元话费消费未成功，未扣话费。",
        "en": "Your payment of {amount} yuan to {merchant} did not succeed; your phone bill is not charged.",
    },
    Event.BILL_REFUNDED: {
        "zh-CN": "您在{merchant}的话费消费已冲正，{amount}元已退回话费账户。{reason}",
        "en": "Your purchase at {merchant} was reversed; {amount} yuan went back to your phone bill.{reason}",
    },
    Event.CARD_PAID: {
        "zh-CN": "您已用绑定的银行卡向{merchant}支付{amount}元{goods}，{fee}款项由银行扣收。",
        "en": "You paid {amount} yuan to {merchant}{goods} from your bank card.{fee}",
    },
    Event.CARD_IN_DOUBT: {
        "zh-CN": "您向{merchant}支付的{amount}元银行卡消费正在处理，结果将另行短信通知，请勿重复支付。",
        "en": "Your payment of {amount} yuan to {merchant} from the bank card is under way. We will send you the "
        "result by SMS; do not pay again.",
    },
    Event.CARD_NOT_CHARGED: {
        "zh-CN": "您向{merchant}支付的{amount}元银行卡消费未成功，如已扣款将原路退回。",
        "en": "Your payment of {amount} yuan to {merchant} did not succeed; what the bank took is given back.",
    },
    Event.CARD_REFUNDED: {
        "zh-CN": "您在{merchant}的银行卡消费已冲正，{amount}元已退回原银行卡。{reason}",
        "en": "Your purchase at {merchant} was reversed; {amount} yuan went back to your bank card.{reason}",
    },
    Event.REFUNDED_TO_WALLET: {
        "zh-CN": "您在{merchant}的消费已冲正，因原支付账户已关闭，{amount}元已退至手机支付账户，"
        "余额{balance}元。{reason}",
        "en": "Your purchase at {merchant} was reversed. What it was paid from is closed, so {amount} yuan went to "
        "your wallet. Balance {balance} yuan.{reason}",
    },
    Event.TOPUP_IN_DOUBT: {
        "zh-CN": "您的{amount}元充值正在处理，结果将另行短信通知，请勿重复充值。",
        "en": "Your top-up of {amount} yuan is under way. We will send you the result by SMS; do not top up again.",
    },
    Event.TOPUP_FAILED: {
        "zh-CN": "您的{amount}元充值未成功，款项未入账。",
        "en": "Your top-up of {amount} yuan did not succeed; nothing was added to your wallet.",
    },
    Event.VOUCHER_BARRED: {
        "zh-CN": "充值卡密码多次输错，本号码的充值卡充值功能已停用，请联系客服。",
        "en": "Wrong card passwords were entered too often; top-up by card is barred for this number. "
        "Contact customer care.",
    },
    Event.VOUCHER_RELEASED: {
        "zh-CN": "本号码的充值卡充值功能已恢复。",
        "en": "Top-up by card works again for this number.",
    },
    Event.CARD_BOUND: {
        "zh-CN": "尾号{card}的银行卡已绑定。如非本人操作，请联系客服。",
        "en": "Your card *{card} is bound. Not you? Contact customer care.",
    },
    Event.CARD_UNBOUND: {
        "zh-CN": "尾号{card}的银行卡已解除绑定。",
        "en": "Your card *{card} is no longer bound.",
    },
    Event.CARD_DEBITED: {
        "zh-CN": "尾号{card}的银行卡已扣一笔小额验证款，请在{hours}小时内以该金额确认绑定，款项随后退回。"
        "如非本人操作，请联系客服。",
        "en": "A small amount was debited from your card *{card}. Name it within {hours} hours to bind the card; it "
        "comes back. Not you? Contact customer care.",
    },
    Event.CARD_NOT_BOUND: {
        "zh-CN": "尾号{card}的银行卡未能扣收验证款，绑定未成功。",
        "en": "Your card *{card} could not be debited to verify it, and is not bound.",
    },
    **IDENTITY_TEMPLATES,
    Event.PAYEE_ADDED: {
        "zh-CN": "您已与{counterpart}建立定向转账关系，{hours}小时后生效。如非本人操作，请立即联系客服。",
        "en": "{counterpart} is on your list of payees; it counts in {hours} hours. If this was not you, contact "
        "customer care at once.",
    },
    Event.PAYEE_CHANGED: {
        "zh-CN": "您对{counterpart}的定向转账限额已修改。如非本人操作，请立即联系客服。",
        "en": "The transfer limits for {counterpart} were changed. If this was not you, contact customer care at once.",
    },
    Event.PAYEE_DISSOLVED: {
        "zh-CN": "您与{counterpart}的定向转账关系已解除。",
        "en": "{counterpart} is off your list of payees.",
    },
    Event.TRANSFER_SENT: {
        "zh-CN": "您已向{counterpart}转账{amount}元，余额{balance}元。",
        "en": "You transferred {amount} yuan to {counterpart}. Balance {balance} yuan.",
    },
    Event.TRANSFER_RECEIVED: {
        "zh-CN": "{counterpart}向您转账{amount}元已到账，余额{balance}元。",
        "en": "{counterpart} transferred {amount} yuan to you. Balance {balance} yuan.",
    },
    Event.TRANSFER_HELD: {
        "zh-CN": "您向{counterpart}转账{amount}元，对方尚未开通手机支付，{days}天内未开通将退回。余额{balance}元。",
        "en": "You transferred {amount} yuan to {counterpart}, who has no wallet yet; in {days} days it comes back. "
        "Balance {balance} yuan.",
    },
    Event.TRANSFER_WAITING: {
        "zh-CN": "{counterpart}向您转账{amount}元，请在{days}天内发送KT开通手机支付领取。",
        "en": "{counterpart} transferred {amount} yuan to you. Send KT within {days} days to open a wallet and get it.",
    },
    Event.TRANSFER_CLAIMED: {
        "zh-CN": "您向{counterpart}的{amount}元转账，对方已领取。",
        "en": "{counterpart} has received the {amount} yuan that you transferred.",
    },
    Event.TRANSFER_RETURNED: {
        "zh-CN": "您向{counterpart}的转账逾期未领取，已退回{amount}元，余额{balance}元。",
        "en": "{counterpart} did not take your transfer; {amount} yuan is back. Balance {balance} yuan.",
    },
    Event.TRANSFER_LAPSED: {
        "zh-CN": "{counterpart}向您的{amount}元转账逾期未领取，已退回对方。",
        "en": "The {amount} yuan from {counterpart} waited too long for you and went back.",
    },
    Event.TRANSFER_CANCELLED: {
        "zh-CN": "您已取消向{counterpart}的转账，已退回{amount}元，余额{balance}元。",
        "en": "You cancelled your transfer to {counterpart}; {amount} yuan is back. Balance {balance} yuan.",
    },
    Event.TRANSFER_WITHDRAWN: {
        "zh-CN": "{counterpart}已取消向您的{amount}元转账。",
        "en": "{counterpart} cancelled the transfer of {amount} yuan to you.",
    },
    Event.WITHDRAWAL_ORDERED: {
        "zh-CN": "您提现{amount}元到尾号{card}银行卡的申请已受理，{fee}款项已冻结，银行处理后将另行短信通知。",
        "en": "Your withdrawal of {amount} yuan to card *{card} is accepted.{fee} The money is held until the bank "
        "has paid; we will send you an SMS.",
    },
    Event.WITHDRAWAL_PAID: {
        "zh-CN": "您已提现{amount}元到尾号{card}的银行卡，{fee}余额{balance}元。",
        "en": "You withdrew {amount} yuan to card *{card}.{fee} Balance {balance} yuan.",
    },
    Event.WITHDRAWAL_IN_DOUBT: {
        "zh-CN": "您提现{amount}元到尾号{card}银行卡正在处理，款项已冻结，结果将另行短信通知，请勿重复提现。",
        "en": "Your withdrawal of {amount} yuan to card *{card} is under way and the money is held. We will send you "
        "the result by SMS; do not withdraw again.",
    },
    Event.WITHDRAWAL_FAILED: {
        "zh-CN": "您提现{amount}元到尾号{card}的银行卡未成功，款项已解冻。",
        "en": "Your withdrawal of {amount} yuan to card *{card} did not succeed; the money is free again.",
    },
    Event.WITHDRAWAL_RETURNED: {
        "zh-CN": "您提现到尾号{card}银行卡的{amount}元被银行退回，{fee}已退回账户，余额{balance}元。",
        "en": "The bank of card *{card} returned your withdrawal of {amount} yuan.{fee} It is back in your wallet. "
        "Balance {balance} yuan.",
    },
    Event.CONFIRM_WITHDRAWAL: {
        "zh-CN": "提现{amount}元到尾号{card}的银行卡，{fee}确认请回复“Y {code}”，取消请回复“N {code}”。",
        "en": 'Withdraw {amount} yuan to card *{card}?{fee} Reply "Y {code}" to withdraw, "N {code}" to cancel.',
    },
    Event.CONFIRM_CARD_TOPUP: {
        "zh-CN": "从尾号{card}的银行卡充值{amount}元，确认请回复“Y {code}”，取消请回复“N {code}”。",
        "en": 'Top up {amount} yuan from the bank card {card}? Reply "Y {code}" to top up, "N {code}" to cancel.',
    },
    Event.CONFIRM_TRANSFER: {
        "zh-CN": "向{counterpart}转账{amount}元，确认请回复“Y {code}”，取消请回复“N {code}”。",
        "en": 'Transfer {amount} yuan to {counterpart}? Reply "Y {code}" to transfer, "N {code}" to cancel.',
    },
    Event.CONFIRM_PURCHASE: {
        "zh-CN": "向{merchant}支付{amount}元{goods}，{fee}确认请回复“Y {code}”，{by_bill}取消请回复“N {code}”。",
        "en": 'Pay {amount} yuan to {merchant}{goods}?{fee} Reply "Y {code}" to pay, {by_bill}"N {code}" to cancel.',
    },
    **STATE_TEMPLATES,
    Event.CODE: {
        "zh-CN": "验证码{code}，用于{purpose}，{minutes}分钟内有效。切勿告诉他人。",
        "en": "Code {code} to {purpose}, good for {minutes} minutes. Tell nobody.",
    },
    Event.REPLY: {"zh-CN": "{text}", "en": "{text}"},
}

SERIAL = {"zh-CN": "【MPSS {serial:06d}】", "en": " [No. {serial}]"}
"""What every text ends with: a second copy after a lost answer is known by it."""

SOURCES = {
    "cash": {"zh-CN": "现金", "en": "cash"},
    "voucher": {"zh-CN": "充值卡", "en": "card"},
    "recharge": {"zh-CN": "充值卡", "en": "card"},
    "bank_card": {"zh-CN": "银行卡", "en": "bank card"},
    "online_bank": {"zh-CN": "网银", "en": "online bank"},
    "bank_transfer": {"zh-CN": "银行转账", "en": "bank transfer"},
}
REASONS = {
    "delivery_refused": {"zh-CN": "商户未能交付", "en": "the merchant could not deliver"},
    "delivery_expired": {"zh-CN": "商户未按时交付", "en": "the merchant did not deliver in time"},
}
PURPOSES = {
    "open": {"zh-CN": "开通手机支付", "en": "open a wallet"},
    "sign_in": {"zh-CN": "登录", "en": "sign in"},
    "unlock": {"zh-CN": "解除支付锁定", "en": "unlock paying"},
    "set_password": {"zh-CN": "设置支付密码", "en": "set the payment password"},
    "login_password": {"zh-CN": "设置登录密码", "en": "set the login password"},
    "challenge": {"zh-CN": "确认支付", "en": "confirm a payment"},
    "bind_card": {"zh-CN": "绑定银行卡", "en": "bind a bank card"},
    "payee": {"zh-CN": "管理定向转账关系", "en": "manage your payees"},
    "account": {"zh-CN": "变更账户状态", "en": "change the state of your wallet"},
}
CHANGES = {
    "unfreeze": {"zh-CN": "解除账户冻结", "en": "release your freeze"},
    "lift_loss": {"zh-CN": "解除挂失", "en": "lift the loss report"},
    "wake": {"zh-CN": "恢复使用账户", "en": "wake your wallet"},
    "close": {"zh-CN": "注销账户", "en": "close your wallet"},
}
"""What a link of an operation does."""

PARTS = {
    "goods": {"zh-CN": "购买{value}", "en": " for {value}"},
    "fee": {"zh-CN": "手续费{value}元，", "en": " Fee {value} yuan."},
    "by_bill": {"zh-CN": "用话费支付请回复“Y {value} HF”，", "en": '"Y {value} HF" to pay by phone bill, '},
    "reason": {"zh-CN": "原因：{value}。", "en": " Reason: {value}."},
    "until": {"zh-CN": "至{value}", "en": " until {value}"},
    "content": {"zh-CN": "：{value}", "en": ": {value}"},
}
"""Parts of a text that are left out where their fact is empty or zero."""

FREE = {"zh-CN": "免手续费，", "en": " No fee."}
"""What a question says of a fee of zero, since the payer must be shown it."""
