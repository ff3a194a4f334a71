"""The texts about who holds an account: papers, classes, corporate accounts. Filled as those of `templates`."""

from __future__ import annotations

from mpss.notices.model import Event

IDENTITY_TEMPLATES: dict[Event, dict[str, str]] = {
    Event.IDENTITY_SUBMITTED: {
        "zh-CN": "您的实名资料已提交，审核结果将另行短信通知。如非本人操作，请立即联系客服。",
        "en": "Your identity papers were submitted; the result follows by SMS. If this was not you, contact customer "
        "care at once.",
    },
    Event.IDENTITY_REFUSED: {
        "zh-CN": "您提交的实名资料未通过审核：{reason}。请更正后重新提交，或到营业厅办理。",
        "en": "Your identity papers were not accepted: {reason}. Submit them again or visit a service hall.",
    },
    Event.UPGRADED: {
        "zh-CN": "您的账户已升级为{level}类实名账户，可用额度相应提高。",
        "en": "Your wallet is now a real-name account of class {level}, with its higher limits.",
    },
    Event.DOCUMENT_EXPIRING: {
        "zh-CN": "您登记的证件有效期至{until}，请及时更新证件资料，以免影响使用。",
        "en": "Your identity document is valid until {until}. Renew it with us in time.",
    },
    Event.DOCUMENT_EXPIRED: {
        "zh-CN": "您登记的证件已过期且未更新，账户暂停支付、转账和提现。请通过网页或到营业厅更新证件。",
        "en": "Your identity document has expired and was not renewed: your wallet pays nothing until you renew it on "
        "the web or at a service hall.",
    },
    Event.DOCUMENT_RENEWED: {
        "zh-CN": "您的证件资料已更新，账户恢复使用。",
        "en": "Your identity document is renewed; your wallet can be used again.",
    },
    Event.GROUP_JOINED: {
        "zh-CN": "您已加入{group}的集团账户，每月额度{amount}元。",
        "en": "You joined the corporate account of {group}; your quota is {amount} yuan a month.",
    },
    Event.GROUP_LEFT: {
        "zh-CN": "您已退出{group}的集团账户。",
        "en": "You left the corporate account of {group}.",
    },
    Event.GROUP_PAID: {
        "zh-CN": "您已用集团账户向{merchant}支付{amount}元{goods}，{fee}本月额度余{left}元。",
        "en": "You paid {amount} yuan to {merchant}{goods} from the corporate account.{fee} Left this "
        "month: {left} yuan.",
    },
    Event.GROUP_SPENT: {
        "zh-CN": "集团成员{counterpart}向{merchant}支付{amount}元，集团账户余额{balance}元。",
        "en": "Member {counterpart} paid {amount} yuan to {merchant}. Balance of the corporate account {balance} yuan.",
    },
    Event.GROUP_REVERSED: {
        "zh-CN": "您在{merchant}的集团账户消费已冲正，{amount}元已退回集团账户。{reason}",
        "en": "Your purchase at {merchant} was reversed; {amount} yuan went back to the corporate account.{reason}",
    },
    Event.GROUP_REFUNDED: {
        "zh-CN": "集团成员{counterpart}在{merchant}的消费已冲正，退回{amount}元，集团账户余额{balance}元。",
        "en": "The purchase of member {counterpart} at {merchant} was reversed; {amount} yuan is back. Balance of the "
        "corporate account {balance} yuan.",
    },
}
