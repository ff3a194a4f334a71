"""Who runs the embedded PostgreSQL, and where it may live.

PostgreSQL refuses to run as root. Started as root, it runs as an OS user of its own; a folder that user cannot walk
into (a data folder under /root, say) is never opened wider: the cluster, and a copy of the programs where needed, are
put into a service folder instead.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

SERVICE_USER = "mpss"
SERVICE_FOLDER = Path("/var/lib/mpss")


class NoServiceUser(RuntimeError):
    """We are root and there is no other OS user to run PostgreSQL as."""


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """`uid` and `gid` are None when PostgreSQL runs as ourselves."""

    uid: int | None = None
    gid: int | None = None

    def own(self, path: Path) -> None:
        """Give a file or folder of ours to the user."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def make_private(self, folder: Path) -> None:
        """Make the folder where it is missing, with 0700, and give it to the user."""
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        self.own(folder)

    def can_enter(self, folder: Path) -> bool:
        """Whether the user may walk through every folder down to and into `folder`, as far as the modes say."""
        if self.uid is None:
            return True
        resolved = folder.resolve()
        return all(self._may_walk(step.stat()) for step in (resolved, *resolved.parents) if step.exists())

    def _may_walk(self, status: os.stat_result) -> bool:
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def service_user() -> ServiceUser:
    """Ourselves, or, when we are root, the system user `mpss` (made at first need), or else `nobody`.

    Raises:
        NoServiceUser: root, and neither user can be had.
    """
    if os.geteuid() != 0:
        return ServiceUser()
    for name in (SERVICE_USER, "nobody"):
        if name == SERVICE_USER and not _exists(name):
            _make_user(name)
        if _exists(name):
            entry = pwd.getpwnam(name)
            return ServiceUser(entry.pw_uid, entry.pw_gid)
    raise NoServiceUser("PostgreSQL does not run as root, and there is no other user to run it as")


def new_cluster_folder(data_dir: Path, user: ServiceUser) -> Path:
    """Where a new cluster goes: into the data folder, or into the service folder where `user` cannot reach that."""
    if user.can_enter(data_dir):
        return data_dir / "postgres"
    # Never a name that was used: a data folder that was deleted and made again must not meet its old cluster.
    return service_folder() / f"postgres-{secrets.token_hex(8)}"


def reachable_programs(bin_dir: Path, user: ServiceUser) -> Path:
    """`bin_dir`, or, where `user` cannot reach it, that of a copy of the installation in the service folder."""
    if user.can_enter(bin_dir):
        return bin_dir
    digest = hashlib.sha256((bin_dir / "postgres").read_bytes()).hexdigest()[:16]
    copy = service_folder() / f"programs-{digest}"
    installation = bin_dir.parent
    inside = copy / installation.parent.name / installation.name
    if not copy.exists():
        _copy(installation, copy)
    return inside / "bin"


def service_folder() -> Path:
    """The folder of root's that every user may walk into but not list."""
    try:
        SERVICE_FOLDER.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError:  # a read-only /var: a folder of ours in the temporary one
        folder = Path(tempfile.gettempdir()) / "mpss-service"
        folder.mkdir(mode=0o711, exist_ok=True)
        if folder.lstat().st_uid != os.geteuid() or not stat.S_ISDIR(folder.lstat().st_mode):
            raise PermissionError(f"{folder} belongs to somebody else") from None
        return folder
    return SERVICE_FOLDER


def _copy(installation: Path, target: Path) -> None:
    # The programs find their libraries by a path relative to themselves: beside the package, in "<package>.libs".
    temporary = Path(tempfile.mkdtemp(prefix="copy-", dir=target.parent))
    package = installation.parent
    leave_out = shutil.ignore_patterns("include", "*.a", "pkgconfig")
    shutil.copytree(installation, temporary / package.name / installation.name, ignore=leave_out)
    libraries = package.parent / f"{package.name}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, temporary / libraries.name)
    temporary.chmod(0o755)
    try:
        temporary.rename(target)
    except OSError:  # another process was first
        shutil.rmtree(temporary)


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _make_user(name: str) -> None:
    program = shutil.which("useradd")
    if program is None:
        return
    options = ("--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent")
    shell = ("--shell", "/usr/sbin/nologin")
    # A failure leaves the user missing, which the caller sees: a second process may have made it meanwhile.
    subprocess.run([program, *options, *shell, name], check=False, capture_output=True, timeout=60)
