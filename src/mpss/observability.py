"""One vocabulary for all processes: structured log lines with masked numbers, metric names."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any

import orjson
import structlog
import structlog.tracebacks
from prometheus_client import Counter, Gauge, Histogram

from mpss.kernel.masking import mask_phone

log: structlog.stdlib.BoundLogger = structlog.get_logger("mpss")

DESK_BATCH_SIZE = Histogram(
    "mpss_desk_batch_size", "Commands in one batch of the desk", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
)
DESK_BATCH_SECONDS = Histogram(
    "mpss_desk_batch_seconds", "Time of one batch, load to commit", buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3)
)
DESK_RETRIES = Counter("mpss_desk_retries_total", "Batches served again, by reason", ["reason"])
TRANSACTIONS = Counter("mpss_transactions_total", "Transactions decided, by kind and result", ["kind", "result"])
OUTBOX_ATTEMPTS = Counter("mpss_outbox_attempts_total", "Deliveries tried, by kind and outcome", ["kind", "outcome"])
JOB_RUNS = Counter("mpss_job_runs_total", "Runs of what runs by the clock, by job and outcome", ["job", "outcome"])
FUNDING_OPEN = Gauge(
    "mpss_funding_open", "Calls to banks and the charging system not settled", ["counterpart", "operation"]
)
FUNDING_OLDEST_SECONDS = Gauge(
    "mpss_funding_oldest_seconds", "Age of the oldest call not settled", ["counterpart", "operation"]
)
RISK_REPORTS_OPEN = Gauge(
    "mpss_risk_reports_open", "Large-value and suspicious transactions that nobody has reviewed", ["pattern"]
)
BOSS_QUESTIONS = Gauge("mpss_boss_questions_open", "Differences with BOSS that no event explains", ["kind"])
BOSS_COMPARED = Gauge("mpss_boss_compared_timestamp", "When a comparison with BOSS was last finished, Unix time")
RISK_REVIEWS_OPEN = Gauge("mpss_risk_reviews_open", "Transactions that a risk rule holds for somebody to look at")
HTTP_REQUESTS = Counter("mpss_http_requests_total", "HTTP requests, by route and status", ["route", "status"])
HTTP_SECONDS = Histogram("mpss_http_seconds", "Time of one HTTP request", ["route"])
OUTSIDE_CALLS = Counter(
    "mpss_outside_calls_total",
    "Calls to and from other systems, by counterpart, operation and outcome (approved, declined, in_doubt)",
    ["counterpart", "operation", "outcome"],
)
OUTSIDE_SECONDS = Histogram("mpss_outside_seconds", "Time of one call to another system", ["counterpart", "operation"])

_PHONE = re.compile(r"(?<![0-9A-Za-z])(?:\+?86)?1[3-9][0-9]{9}(?![0-9A-Za-z])")
_SHORTEST_PHONE = 11
_SECRET_FIELDS = re.compile(r"password|secret|token|code_digest|api_key|authorization", re.IGNORECASE)


def mask_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask phone numbers wherever they stand and drop the values of fields that name a secret."""
    for name, value in event.items():
        event[name] = _masked(name, value)
    return event


@lru_cache(1000)
def _is_secret(name: str) -> bool:
    return _SECRET_FIELDS.search(name) is not None


def _masked(name: str, value: Any) -> Any:
    if _is_secret(name):
        return "***"
    if isinstance(value, str):
        return _PHONE.sub(_mask_found, value) if len(value) >= _SHORTEST_PHONE else value
    if isinstance(value, dict):
        return {inner: _masked(str(inner), part) for inner, part in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", part) for part in value]
    return value


def _mask_found(found: re.Match[str]) -> str:
    return mask_phone(found.group())


def _json(event: Mapping[str, Any], **options: Any) -> str:
    return orjson.dumps(event, **options).decode()


_NOISY = ("httpx", "httpcore", "aiosmpplib", "smpp34")


def _processors() -> list[structlog.typing.Processor]:
    """What makes an event a line; the last makes it text."""
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Without the frames' local variables: passwords and codes pass through them.
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
        mask_event,
        structlog.processors.JSONRenderer(_json),
    ]


def library_formatter() -> logging.Formatter:
    """Lines of libraries in our own form, masked too; their logger is `source`."""
    *before, render = _processors()
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *before[2:], render],
        foreign_pre_chain=[_name_source, structlog.stdlib.ExtraAdder(), *before[:2]],
    )


def _name_source(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["source"] = event["_record"].name
    return event


def configure_logging(level: str) -> None:
    """JSON lines on standard error, one event each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(library_formatter())
    logging.basicConfig(handlers=[handler], level=level)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *_processors()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
