"""What stands at the root of the platform's address: who can do what here, and where."""

from __future__ import annotations

from typing import Any

_TEXTS: dict[str, dict[str, Any]] = {
    "zh-CN": {
        "title": "MPSS 手机支付",
        "what": "手机号码就是账户：充值、付款、收货，都有短信通知。",
        "parts": (
            {
                "title": "用户",
                "text": "发送短信 BZ 到 {number} 查看指令，发送 KT 开通。切勿通过短信发送支付密码。",
                "links": (),
            },
            {
                "title": "商户与开发者",
                "text": "接口为 HTTP 与 JSON，金额以分为单位，错误以问题文档（RFC 9457）说明。",
                "links": (
                    ("/v1/reference", "接口参考（英文）"),
                    ("/v1/openapi.json", "OpenAPI 3.1 文档"),
                    ("/v1/products", "在售商品"),
                ),
            },
            {
                "title": "运维",
                "text": "进程状态与指标。",
                "links": (
                    ("/healthz", "进程是否存活"),
                    ("/readyz", "是否可以受理请求"),
                    ("/metrics", "Prometheus 指标"),
                ),
            },
        ),
    },
    "en": {
        "title": "MPSS mobile payment",
        "what": "A phone number is an account: top up, pay, get the goods, and an SMS for each.",
        "parts": (
            {
                "title": "Subscribers",
                "text": "Send BZ to {number} for the SMS commands, KT to open a wallet. Never send your payment "
                "password by SMS.",
                "links": (),
            },
            {
                "title": "Merchants and developers",
                "text": "The interface is HTTP and JSON. Amounts are whole fen; errors are problem documents "
                "(RFC 9457).",
                "links": (
                    ("/v1/reference", "reference of the interface"),
                    ("/v1/openapi.json", "OpenAPI 3.1 document"),
                    ("/v1/products", "goods on sale"),
                ),
            },
            {
                "title": "Operators",
                "text": "State and figures of this process.",
                "links": (
                    ("/healthz", "alive?"),
                    ("/readyz", "ready for requests?"),
                    ("/metrics", "Prometheus metrics"),
                ),
            },
        ),
    },
}


def start_values(*, language: str, number: str) -> dict[str, Any]:
    """What the template shows; `number` is the one that subscribers send commands to."""
    words = _TEXTS[language]
    parts = tuple({**part, "text": part["text"].format(number=number)} for part in words["parts"])
    return {"words": {**words, "parts": parts}}
