"""What is asked at each place of a call, and the document that asks it."""

from __future__ import annotations

from collections.abc import Mapping

from mpss.channels.ivr.dialogs import AGAIN, TABLE, Field, Place, Remark, Standing
from mpss.channels.ivr.texts import Text, text
from mpss.wire.voicexml import Digits, Farewell, Keys, Question, document

ACTION = "steps"
"""Where an answer goes, beside the document's own address."""

MENUS: dict[Place, Text] = {
    Place.MAIN: text(
        "手机支付自助服务。查询余额和近期明细请按1，日消费限额请按2，冻结与解冻请按3，挂失与解挂请按4，修改支付密码请按5，"
        "充值卡充值请按6，开通请按7，销户请按8，重听请按0。",
        "Mobile payment self-service. For your balance and recent movements press 1. Daily limit, 2. Freeze or "
        "unfreeze, 3. Report or lift loss, 4. Change the payment password, 5. Top up by card, 6. Open a wallet, 7. "
        "Close it, 8. To hear this again press 0.",
    ),
    Place.STRANGER: text(
        "手机支付自助服务。为其他号码口头挂失请按4，重听请按0。其他业务请用开户的手机拨打。",
        "Mobile payment self-service. To report the loss of a phone press 4, to hear this again 0. For everything else "
        "call from the phone of the wallet.",
    ),
    Place.LIMIT: text(
        "查询日消费限额请按1，设置请按2，重听请按0，返回请按星号键。",
        "To hear your daily limit press 1, to set it 2, to hear this again 0, to go back star.",
    ),
    Place.FREEZE: text(
        "冻结账户请按1，解冻请按2，重听请按0，返回请按星号键。",
        "To freeze your wallet press 1, to unfreeze it 2, to hear this again 0, to go back star.",
    ),
    Place.LOSS: text(
        "挂失本机账户请按1，挂失其他号码请按2，解除本机口头挂失请按3，重听请按0，返回请按星号键。",
        "To report the loss of this phone's wallet press 1, of another number's 2, to lift the report of this phone 3, "
        "to hear this again 0, to go back star.",
    ),
    Place.OPEN: text(
        "按1即表示您同意手机支付服务协议，并为本机开通手机支付账户，重听请按0，返回请按星号键。",
        "Press 1 to accept the terms of mobile payment and open a wallet for this phone, 0 to hear this again, star to "
        "go back.",
    ),
}

_PASSWORD = text("请输入六位支付密码。", "Enter the six digits of your payment password.")
FIELDS: dict[tuple[Place, str], Text] = {
    (Place.LIMIT_AMOUNT, "yuan"): text(
        "请输入新的日消费限额，单位为元，按井号键结束。",
        "Enter the new daily limit in yuan, and end with the pound key.",
    ),
    (Place.LIMIT_PASSWORD, "password"): text(
        "调高限额需验证身份。请输入六位支付密码。",
        "Raising the limit takes your payment password. Enter its six digits.",
    ),
    (Place.FREEZE_DAYS, "days"): text(
        "请输入冻结天数，到期自动解冻；输入0则一直冻结到您解冻为止，按井号键结束。",
        "Enter for how many days to freeze; it ends by itself. 0 freezes until you unfreeze. End with the pound key.",
    ),
    (Place.UNFREEZE, "password"): _PASSWORD,
    (Place.LOSS_OTHER, "phone"): text(
        "请输入要挂失的11位手机号码。", "Enter the eleven digits of the phone number that is lost."
    ),
    (Place.LOSS_OTHER, "proof"): text(
        "已实名登记的，请输入证件号码后六位，字母X请按星号键；未登记证件的，请输入六位支付密码。",
        "Enter the last six signs of your document's number, star for the letter X. Where you have registered no "
        "document, enter the payment password.",
    ),
    (Place.LIFT_LOSS, "password"): _PASSWORD,
    (Place.PASSWORD, "old_password"): text(
        "请输入原六位支付密码。", "Enter the six digits of your present payment password."
    ),
    (Place.PASSWORD, "new_password"): text(
        "请输入新的六位支付密码。", "Enter the six digits of the new payment password."
    ),
    (Place.PASSWORD, "once_more"): text("请再次输入新的支付密码。", "Enter the new payment password once more."),
    (Place.CARD, "card"): text(
        "请输入充值卡密码，按井号键结束。", "Enter the digits of the card, and end with the pound key."
    ),
    (Place.CLOSE, "choice"): text("请按键选择，返回请按星号键。", "Choose by a key, or press star to go back."),
    (Place.CLOSE, "password"): text(
        "销户后不能恢复。确认销户请输入六位支付密码，返回请按星号键。",
        "A closed wallet cannot be opened again. To close it enter your payment password; star goes back.",
    ),
}

REMARKS: dict[Remark, Text] = {
    Remark.SILENT: text("没有收到您的按键。", "We did not get a key."),
    Remark.NO_MATCH: text("输入有误，请重新输入。", "That was no answer here. Please try again."),
    Remark.TOO_OFTEN: text("多次未能办理，请稍后再拨。", "We could not help you this time. Please call again later."),
}
GOODBYE = text("感谢您的来电，再见。", "Thank you for calling. Goodbye.")
SORRY = text("系统繁忙，请稍后再拨。再见。", "The system is busy. Please call again later. Goodbye.")


def document_of(standing: Standing, carried: Mapping[str, str]) -> bytes:
    """The document of a call as it stands; `carried` is what its answer names it by."""
    language = standing.language
    said = (*standing.said, *(REMARKS[remark][language] for remark in standing.remarks))
    if standing.place is Place.ENDED:
        return document(Farewell(language, (*said, GOODBYE[language])))
    row = TABLE[standing.place]
    entries: tuple[Keys | Digits, ...]
    if row.keys:
        entries = (Keys("key", MENUS[standing.place][language], "".join(row.keys) + AGAIN),)
    else:
        entries = tuple(_entry(standing, asked) for asked in row.fields)
    return document(Question(language, said, entries, ACTION, carried, SORRY[language]))


def _entry(standing: Standing, asked: Field) -> Keys | Digits:
    prompt = FIELDS[standing.place, asked.name][standing.language]
    if asked.name == "choice":
        return Keys(asked.name, standing.memory["told"] + prompt, standing.memory["keys"])
    return Digits(asked.name, prompt, asked.least, asked.most, asked.star)
