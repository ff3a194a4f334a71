"""The texts for what changes an account's state: loss, freezes, dormancy, closing, the number's life."""

from __future__ import annotations

from mpss.notices.model import Event

STATE_TEMPLATES: dict[Event, dict[str, str]] = {
    Event.LOSS_REPORTED: {
        "zh-CN": "您的账户已口头挂失，{days}天内有效，期间不能支付。请尽快到营业厅办理书面挂失。",
        "en": "Loss of your phone was reported; your wallet pays nothing for {days} days. "
        "Report it in writing at a service hall.",
    },
    Event.LOSS_WRITTEN: {
        "zh-CN": "您的账户已书面挂失，请持证件到营业厅办理解挂或销户。",
        "en": "Loss was reported in writing. Lift the report or close the wallet at a service hall, "
        "with your document.",
    },
    Event.LOSS_LIFTED: {
        "zh-CN": "您的账户已解除挂失，可正常使用。",
        "en": "The loss report on your wallet was lifted.",
    },
    Event.LOSS_EXPIRED: {
        "zh-CN": "您的账户口头挂失已到期自动解除；如手机仍未找回，请立即重新挂失。",
        "en": "The loss report on your wallet ran out. If your phone is still lost, report it again at once.",
    },
    Event.REVIEW_HELD: {
        "zh-CN": "您的{amount}元交易正在审核，款项已在账户内保留，未转出。结果将短信通知。",
        "en": "Your transaction of {amount} yuan is being looked at; the money is held in your wallet. "
        "You will be told by SMS.",
    },
    Event.REVIEW_RELEASED: {
        "zh-CN": "您的{amount}元交易已通过审核，继续处理。",
        "en": "Your transaction of {amount} yuan was looked at and goes on.",
    },
    Event.REVIEW_REFUSED: {
        "zh-CN": "您的{amount}元交易未能完成，保留的款项已恢复可用。",
        "en": "Your transaction of {amount} yuan was not carried out; the money held is free again.",
    },
    Event.FROZEN: {
        "zh-CN": "您的账户已冻结{until}，期间不参与交易。",
        "en": "You froze your wallet{until}; it takes no part in any transaction.",
    },
    Event.FROZEN_RISK: {
        "zh-CN": "您的账户因风险控制被冻结，请联系客服。",
        "en": "Your wallet is frozen for a risk. Contact customer care.",
    },
    Event.FROZEN_LAW: {
        "zh-CN": "您的账户已被依法冻结，请联系客服。",
        "en": "Your wallet is frozen by law. Contact customer care.",
    },
    Event.UNFROZEN: {
        "zh-CN": "您的账户冻结已解除。",
        "en": "A freeze of your wallet was released.",
    },
    Event.AMOUNT_FROZEN: {
        "zh-CN": "您的账户中{amount}元已被冻结，余额超出部分可正常使用。请联系客服。",
        "en": "{amount} yuan of your wallet are frozen; what you have beyond them you may use. Contact customer care.",
    },
    Event.AMOUNT_RELEASED: {
        "zh-CN": "您的账户中{amount}元的冻结已解除。",
        "en": "{amount} yuan of your wallet are no longer frozen.",
    },
    Event.FREEZE_EXTENDED: {
        "zh-CN": "您的账户冻结已延期至{until}。",
        "en": "The freeze of your wallet was extended to {until}.",
    },
    Event.DEDUCTED: {
        "zh-CN": "您的账户已被依法扣划{amount}元，余额{balance}元。请联系客服。",
        "en": "{amount} yuan were deducted from your wallet by law. Balance {balance} yuan. Contact customer care.",
    },
    Event.GREY_LISTED: {
        "zh-CN": "为保障您的资金安全，您的账户单笔支付、转账和提现暂限{amount}元以内。如有疑问请联系客服。",
        "en": "To keep your money safe, your wallet pays, transfers and withdraws at most {amount} yuan at once "
        "for now. Questions: contact customer care.",
    },
    Event.GREY_RELEASED: {
        "zh-CN": "您的账户单笔限额已恢复正常。",
        "en": "Your wallet has its usual limit for one payment again.",
    },
    Event.DORMANCY_NEAR: {
        "zh-CN": "您的账户长期未使用，如继续不使用将转为沉默账户并暂停支付。",
        "en": "Your wallet was not used for long. Use it, or it falls dormant and pays nothing.",
    },
    Event.FALLEN_DORMANT: {
        "zh-CN": "您的账户长期未使用已转为沉默账户，重新验证身份后可恢复支付。",
        "en": "Your wallet fell dormant. Verify again to pay with it.",
    },
    Event.WOKEN: {
        "zh-CN": "您的账户已恢复使用。",
        "en": "Your wallet is awake again.",
    },
    Event.CLOSING_ASKED: {
        "zh-CN": "您的账户已申请销户，余额结清后即注销。如非本人操作，请立即联系客服。",
        "en": "The closing of your wallet was asked for; it is closed once the rest is paid "
        "out. If this was not you, contact customer care at once.",
    },
    Event.CLOSING_PAID: {
        "zh-CN": "您的销户余额{amount}元已以现金付清。",
        "en": "The rest of your wallet, {amount} yuan, was paid out as cash.",
    },
    Event.CLOSING_PAID_TO_BILL: {
        "zh-CN": "您的销户余额{amount}元已转入本号码话费。",
        "en": "The rest of your wallet, {amount} yuan, was credited to your phone bill.",
    },
    Event.CLOSING_UNPAID: {
        "zh-CN": "您的销户余额{amount}元未能转入话费，请持证件到营业厅领取现金。",
        "en": "The rest of your wallet, {amount} yuan, could not go to your phone bill. "
        "Fetch it as cash at a service hall, with your document.",
    },
    Event.CLOSED: {
        "zh-CN": "您的手机支付账户已注销。",
        "en": "Your wallet is closed.",
    },
    Event.NUMBER_STOPPED: {
        "zh-CN": "您的号码已停机，账户暂停支付，复机后自动恢复。",
        "en": "Your number is stopped, and your wallet with it, until the number is in service again.",
    },
    Event.NUMBER_RESUMED: {
        "zh-CN": "您的号码已复机，账户恢复使用。",
        "en": "Your number is in service again, and so is your wallet.",
    },
    Event.NUMBER_CANCELLED: {
        "zh-CN": "您的号码已销号，账户停止使用。如有余额，请持证件到营业厅办理。",
        "en": "Your number is given up and your wallet ended. Bring your ID to a service hall for what is left in it.",
    },
    Event.NUMBER_CHANGED: {
        "zh-CN": "您的账户已随换号转到新号码，请重新登录。",
        "en": "Your wallet moved to your new number. Please sign in again.",
    },
    Event.SIM_SWAPPED: {
        "zh-CN": "您的号码已换卡，请重新登录。如非本人操作，请立即挂失。",
        "en": "Your SIM card was replaced; please sign in again. If it was not you, report loss at once.",
    },
}
