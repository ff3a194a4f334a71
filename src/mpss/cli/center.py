"""What every command starts from: the settings, and a database that is there and migrated."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

from mpss.config import Settings
from mpss.db.embedded import EmbeddedPostgres


@contextmanager
def settled(data: Path | None = None) -> Iterator[Settings]:
    """The settings of the environment, with a database: the one named by MPSS_DATABASE_URL, or the embedded one.

    The embedded server is started (or joined) in the data folder, and left at the end.
    """
    settings = Settings.from_environment()
    if data is not None:
        settings = replace(settings, data_dir=data)
    settings = replace(settings, data_dir=settings.data_dir.resolve())
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if settings.database_url:
        yield settings
        return
    with EmbeddedPostgres(settings.data_dir) as server:
        yield replace(settings, database_url=server.run_url, owner_database_url=server.owner_url)


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment a process of these settings is started with."""
    environment = {**os.environ}
    for part in (settings, settings.policy):
        for item in fields(part):
            value = getattr(part, item.name)
            if item.name != "policy" and value is not None:
                environment[f"MPSS_{item.name.upper()}"] = str(value)
    return environment


def _eight_letters() -> str:
    return secrets.token_hex(4)


def kept_secret(path: Path, *, make: Callable[[], str] = _eight_letters) -> str:
    """A random secret kept in a file of its owner alone; made by `make` where there is none."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(handle, "w") as file:
        secret = make()
        file.write(secret)
    return secret
