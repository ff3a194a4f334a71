"""What a flow may use, built once by `bootstrap` and passed first."""

from __future__ import annotations

from dataclasses import dataclass

from mpss.config import Policy, Settings
from mpss.db.database import Database
from mpss.desk.desk import Desk
from mpss.kernel.clock import Clock
from mpss.ports.bundle import Ports


@dataclass(frozen=True, slots=True)
class Runtime:
    database: Database
    desk: Desk
    clock: Clock
    ports: Ports
    settings: Settings

    @property
    def policy(self) -> Policy:
        return self.settings.policy
