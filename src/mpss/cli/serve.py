"""`mpss serve`: the center's processes, watched: one that dies is started again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from enum import StrEnum

import uvloop
from fastapi import FastAPI
from granian.constants import Interfaces, Loops
from granian.log import LogLevels
from granian.server import Server as Granian
from starlette.applications import Starlette

from mpss.bootstrap import http_application, ivr_application, run_jobs
from mpss.cli.center import environment_of
from mpss.cli.processes import Child, follow
from mpss.config import SettingInvalid, Settings
from mpss.observability import configure_logging, log

_RESTART_PAUSE_SECONDS = 1.0
_GRANIAN_LOG = {
    "formatters": {"json": {"()": "mpss.observability.library_formatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": "json"}},
    "loggers": {"_granian": {"handlers": ["stderr"], "propagate": False}},
}


class Role(StrEnum):
    ALL = "all"
    HTTP = "http"
    IVR = "ivr"
    JOBS = "jobs"


def serve(settings: Settings, role: Role, *, workers: int) -> None:
    """Run a role until SIGTERM or SIGINT. `workers` is the number of HTTP processes, each with its desk.

    Raises:
        SettingInvalid: the ivr role alone was asked for, and no voice platform shares a secret.
    """
    if role is Role.HTTP:
        serve_http(settings, workers=workers)
    elif role is Role.IVR:
        serve_ivr(settings, workers=workers)
    elif role is Role.JOBS:
        uvloop.run(run_jobs(settings))
    else:
        asyncio.run(_supervise(settings, workers=workers))


def serve_http(settings: Settings, *, workers: int) -> None:
    """The HTTP API on granian."""
    _serve(settings, "http_worker", settings.host, settings.port, workers)


def serve_ivr(settings: Settings, *, workers: int) -> None:
    """The voice channel on granian.

    Raises:
        SettingInvalid: no voice platform shares a secret.
    """
    if not settings.ivr_secret:
        raise SettingInvalid("MPSS_IVR_SECRET", "must be set for the voice channel")
    _serve(settings, "ivr_worker", settings.ivr_host, settings.ivr_port, workers)


def _serve(settings: Settings, worker: str, host: str, port: int, workers: int) -> None:
    """Each worker process reads the settings from the environment."""
    os.environ.update(environment_of(settings))
    Granian(
        f"mpss.cli.serve:{worker}",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=workers,
        log_enabled=True,
        log_access=False,
        log_level=LogLevels(settings.log_level.lower()),
        log_dictconfig=_GRANIAN_LOG,
        respawn_failed_workers=True,
        backlog=4096,
    ).serve()


def http_worker() -> FastAPI:
    """The application of one worker process, which ends with the granian that started it."""
    follow(os.getppid())
    return http_application()


def ivr_worker() -> Starlette:
    """The voice channel of one worker process, which ends with the granian that started it."""
    follow(os.getppid())
    return ivr_application()


async def _supervise(settings: Settings, *, workers: int) -> None:
    configure_logging(settings.log_level)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    environment = environment_of(settings)
    start_it = ["-m", "mpss", "serve", "--follow-parent", str(os.getpid()), "--role"]
    commands = {
        Role.HTTP: [*start_it, Role.HTTP.value, "--workers", str(workers)],
        Role.JOBS: [*start_it, Role.JOBS.value],
    }
    if settings.ivr_secret:
        commands[Role.IVR] = [*start_it, Role.IVR.value]

    def start(name: Role) -> Child:
        return Child(name, commands[name], environment=environment)

    children = {name: start(name) for name in commands}
    started_at = time.monotonic()
    log.info("serve.started", http=f"http://{settings.host}:{settings.port}", processes=list(children))
    try:
        while not stop.is_set():
            try:
                async with asyncio.timeout(_RESTART_PAUSE_SECONDS):
                    await stop.wait()
            except TimeoutError:
                pass
            for name, child in children.items():
                if not child.running() and not stop.is_set():
                    log.error("serve.process_died", process=name, after_seconds=round(time.monotonic() - started_at))
                    children[name] = start(name)
    finally:
        for child in reversed(children.values()):
            child.stop()
