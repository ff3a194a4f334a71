"""Backup and restore: the database and the key file in one file, because neither is of use without the other.

1. A backup is whole or not there: it is written beside, synced and renamed, with 0600, and overwrites nothing.
2. The keys are copied after the database is: a key is never removed, so the copy has every key the database needs.
3. Its manifest has the digest of each part and the number of rows of each table, counted in the dump's own snapshot.
4. A restore overwrites nothing: the database must be empty, and there must be no other key file.

The file is a tar of `manifest.json`, `keys.json` and `database.dump` (pg_dump's custom format).
Blocking: for operators' commands; from a coroutine call it through `asyncio.to_thread`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mpss.db.embedded import wheel_bin_dir
from mpss.db.migrate import migrate
from mpss.db.postmaster import PostmasterError

MANIFEST, KEYS, DUMP = "manifest.json", "keys.json", "database.dump"

_FORMAT = 1
_CHUNK = 1 << 20
_TABLES = """
    SELECT relname FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname
"""
# Programs of PostgreSQL 17 and later set what an older server does not know.
_UNKNOWN_BEFORE_17 = b"SET transaction_timeout = 0;\n"


class BackupFailed(RuntimeError):
    """A program of PostgreSQL's failed; the message is what it said."""


class BackupDamaged(ValueError):
    """The file is not a backup, or a part of it does not have the digest of the manifest."""


class NotEmpty(RuntimeError):
    """A restore would overwrite something: the database has tables, or another key file is there."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself. `rows` counts by table; `sha256` has the parts' digests in hexadecimal."""

    format: int
    created_at: str
    server_version: int
    rows: dict[str, int]
    sha256: dict[str, str]


def backup(owner_url: str, key_file: Path, target: Path, *, now: datetime, bin_dir: Path | None = None) -> Manifest:
    """Write the database and the key file to `target`; the platform may run meanwhile.

    The programs are `bin_dir`'s; by default the wheel's, and where it is not installed those on the PATH.

    Raises:
        FileExistsError: `target` is there already.
        BackupFailed: pg_dump failed.
    """
    if target.exists():
        raise FileExistsError(f"{target} is there already")
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as folder:
        dump = Path(folder) / DUMP
        rows, server_version = _dump(owner_url, dump, _program("pg_dump", bin_dir))
        keys = Path(folder) / KEYS
        shutil.copyfile(key_file, keys)
        digests = {part.name: _digest(part) for part in (keys, dump)}
        manifest = Manifest(_FORMAT, now.isoformat(), server_version, rows, digests)
        whole = Path(folder) / "whole"
        _write(whole, manifest, (keys, dump))
        os.link(whole, target)  # unlike a rename, it fails where the target has appeared meanwhile
    return manifest


def restore(owner_url: str, key_file: Path, source: Path, *, run_role: str, bin_dir: Path | None = None) -> Manifest:
    """Fill an empty database and put the key file in place, then grant the lesser role what it needs.

    Safe to repeat after a failure: the database is filled in one transaction, and a key file with the backup's own
    content is accepted.

    Raises:
        BackupDamaged: `source` is not a whole backup.
        NotEmpty: the database has tables, or there is another key file.
        BackupFailed: pg_restore or psql failed; nothing was restored.
    """
    with tempfile.TemporaryDirectory(prefix="mpss-restore-") as folder:
        manifest = _unpack(source, Path(folder))
        keys = (Path(folder) / KEYS).read_bytes()
        server_version = _check_empty(owner_url)
        if key_file.exists() and key_file.read_bytes() != keys:
            raise NotEmpty(f"{key_file} is there already, with other keys")
        programs = _program("pg_restore", bin_dir), _program("psql", bin_dir)
        made = _put_keys(key_file, keys)
        try:
            _fill(owner_url, Path(folder) / DUMP, programs, server_version)
        except BaseException:
            if made:
                key_file.unlink()
            raise
    found = _count(owner_url)
    if found != manifest.rows:
        wrong = sorted(name for name in {*found, *manifest.rows} if found.get(name) != manifest.rows.get(name))
        raise BackupDamaged(f"restored, but the number of rows is another in {', '.join(wrong)}")
    asyncio.run(migrate(owner_url, run_role=run_role))
    return manifest


def read_manifest(source: Path) -> Manifest:
    """
    Raises:
        BackupDamaged: `source` is not a backup.
    """
    try:
        with tarfile.open(source, "r:") as archive:
            return _read_manifest(archive)
    except tarfile.TarError as problem:
        raise BackupDamaged(f"{source} is not a backup: {problem}") from None


def _dump(owner_url: str, target: Path, program: Path) -> tuple[dict[str, int], int]:
    with psycopg.connect(owner_url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        snapshot = connection.execute("SELECT pg_export_snapshot()").fetchall()[0][0]
        options = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", f"--file={target}"]
        _run(program, owner_url, options)
        return _count_in(connection), connection.info.server_version


def _count(url: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        return _count_in(connection)


def _count_in(connection: psycopg.Connection) -> dict[str, int]:
    rows: dict[str, int] = {}
    for (name,) in connection.execute(_TABLES).fetchall():
        counted = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name)))
        rows[name] = counted.fetchall()[0][0]
    return rows


def _check_empty(owner_url: str) -> int:
    with psycopg.connect(owner_url) as connection:
        tables = connection.execute(_TABLES).fetchall()
        if tables:
            raise NotEmpty(f"the database has tables already: {', '.join(name for (name,) in tables[:3])} …")
        return connection.info.server_version


def _fill(owner_url: str, dump: Path, programs: tuple[Path, Path], server_version: int) -> None:
    pg_restore, psql = programs
    script = [str(pg_restore), "--no-owner", "--no-privileges", "--file=-", str(dump)]
    options = [
        "--quiet",
        "--no-psqlrc",
        "--single-transaction",
        "--set=ON_ERROR_STOP=1",
        "--file=-",
        "--output=/dev/null",
    ]
    destination, environment = _connection(owner_url)
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(script, stdout=subprocess.PIPE, stderr=said) as reading,
        subprocess.Popen(
            [psql, *options, destination], stdin=subprocess.PIPE, stdout=said, stderr=said, env=environment
        ) as filling,
    ):
        assert reading.stdout is not None
        assert filling.stdin is not None
        with suppress(BrokenPipeError):  # psql stopped at an error, which its own words tell
            _pour(reading.stdout, filling.stdin, older=server_version < 170_000)
        reading.stdout.close()
        if reading.wait() != 0:
            filling.kill()  # before the end of its input: nothing is committed
        with suppress(BrokenPipeError):
            filling.stdin.close()
        if filling.wait() != 0 or reading.returncode != 0:
            said.seek(0)
            raise BackupFailed(said.read().decode(errors="replace")[-2000:])


def _pour(script: IO[bytes], target: IO[bytes], *, older: bool) -> None:
    start = script.read(_CHUNK)
    # The first line of this kind is the program's own: it stands before any data.
    target.write(start.replace(_UNKNOWN_BEFORE_17, b"", 1) if older else start)
    shutil.copyfileobj(script, target, _CHUNK)
    target.flush()


def _write(target: Path, manifest: Manifest, parts: tuple[Path, ...]) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        note = target.with_name(MANIFEST)
        note.write_text(json.dumps(asdict(manifest), indent=1))
        with tarfile.open(fileobj=file, mode="w") as archive:
            for part in (note, *parts):
                archive.add(part, arcname=part.name, filter=_anonymous)
        file.flush()
        os.fsync(file.fileno())


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o600
    return entry


def _unpack(source: Path, folder: Path) -> Manifest:
    try:
        with tarfile.open(source, "r:") as archive:
            manifest = _read_manifest(archive)
            for name in (KEYS, DUMP):
                part = archive.extractfile(name)
                assert part is not None
                with part, (folder / name).open("xb") as file:
                    shutil.copyfileobj(part, file, _CHUNK)
                if _digest(folder / name) != manifest.sha256.get(name):
                    raise BackupDamaged(f"{name} in {source} is not what was written")
    except (tarfile.TarError, KeyError, OSError, AssertionError) as problem:
        if isinstance(problem, FileNotFoundError):
            raise
        raise BackupDamaged(f"{source} is not a backup: {problem}") from None
    return manifest


def _read_manifest(archive: tarfile.TarFile) -> Manifest:
    try:
        entry = archive.extractfile(MANIFEST)
        found: dict[str, Any] = json.load(entry) if entry is not None else {}
        manifest = Manifest(**found)
    except (KeyError, TypeError, ValueError) as problem:
        raise BackupDamaged(f"the backup has no manifest: {problem}") from None
    if manifest.format != _FORMAT:
        raise BackupDamaged(f"a backup of format {manifest.format}, this release reads {_FORMAT}")
    return manifest


def _put_keys(key_file: Path, keys: bytes) -> bool:
    """Write the key file with 0600 unless it is there; whether it was written."""
    if key_file.exists():
        return False
    key_file.parent.mkdir(parents=True, exist_ok=True)
    temporary = key_file.with_name(f"{key_file.name}.restored")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(keys)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(key_file)
    return True


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _program(name: str, bin_dir: Path | None) -> Path:
    if bin_dir is None:
        with suppress(PostmasterError):
            bin_dir = wheel_bin_dir()
    found = shutil.which(name, path=None if bin_dir is None else str(bin_dir))
    if found is None:
        raise BackupFailed(f"there is no program {name}; it comes with PostgreSQL's client programs")
    return Path(found)


def _run(program: Path, url: str, options: list[str]) -> None:
    source, environment = _connection(url)
    done = subprocess.run(
        [program, *options, f"--dbname={source}"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise BackupFailed(done.stdout.decode(errors="replace")[-2000:])


def _connection(url: str) -> tuple[str, dict[str, str]]:
    """The URL without its password, and an environment with it: every user of the machine sees arguments."""
    parts = conninfo_to_dict(url)
    password = str(parts.pop("password", None) or "")
    return make_conninfo("", **parts), os.environ | ({"PGPASSWORD": password} if password else {})
