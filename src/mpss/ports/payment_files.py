"""The exchange of files with banks that take payment orders by the file (ISO 20022 pain.001, answered by pain.002)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class AnswerFile(NamedTuple):
    """A file that a bank has placed for us; `name` is the bank's."""

    name: str
    content: bytes


class NotPlaced(OSError):
    """The file could not be placed; it may be tried again."""


class PaymentFilesPort(Protocol):
    async def place(self, bank: str, name: str, content: bytes) -> None:
        """Hand a file over, whole or not at all. Placing it again is harmless: the bank knows it by its message id.

        Raises:
            NotPlaced: it is not known to be there.
        """
        ...

    async def answers(self, bank: str, *, limit: int) -> Sequence[AnswerFile]:
        """Files of the bank's that were not put away yet, in the order of their names."""
        ...

    async def put_away(self, bank: str, name: str, *, refused: bool) -> None:
        """The file was read and will not be offered again; a refused one is kept aside for an operator.

        Raises:
            NotPlaced: it could not be moved; it will be offered again.
        """
        ...
