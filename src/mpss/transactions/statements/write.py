"""A statement as a file: CSV, or a workbook that is written row by row and never held whole.

A cell is a text or an amount, never a formula: a spreadsheet would carry out what a stranger made his shop's name.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import IO, Protocol

import xlsxwriter

from mpss.kernel.clock import SHANGHAI
from mpss.kernel.ids import TransactionId
from mpss.kernel.money import Money
from mpss.transactions.statements.model import Format, Line
from mpss.transactions.statements.words import COLUMNS, KINDS, SOURCES, STATES

_WIDTHS = (12, 20, 40, 16, 12, 20, 16, 12, 12, 10, 24, 12, 16)
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""A spreadsheet set to Chinese takes the full-width signs for the others."""


class StatementFile(Protocol):
    """A file that grows line by line; `finish` writes what is missing."""

    def add(self, lines: Iterable[Line]) -> None: ...

    def finish(self) -> None: ...


def statement_file(form: Format, file: IO[bytes], *, language: str) -> StatementFile:
    """A new statement in an open file, its heads already written."""
    return CsvStatement(file, language) if form is Format.CSV else XlsxStatement(file, language)


class CsvStatement:
    """UTF-8 with a head line; amounts in yuan with two decimals."""

    def __init__(self, file: IO[bytes], language: str) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._writer = csv.writer(self._text)
        self._language = language
        self._writer.writerow(COLUMNS[language])

    def add(self, lines: Iterable[Line]) -> None:
        for line in lines:
            cells = _cells(line, self._language)
            self._writer.writerow(
                str(Money(cell)) if isinstance(cell, int) else _harmless(cell) for cell in cells
            )  # fmt: skip

    def finish(self) -> None:
        self._text.flush()
        self._text.detach()


class XlsxStatement:
    """One sheet; amounts are numbers in yuan, everything else is a text."""

    def __init__(self, file: IO[bytes], language: str) -> None:
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        self._book = xlsxwriter.Workbook(file, options)
        self._sheet = self._book.add_worksheet()
        self._yuan = self._book.add_format({"num_format": "0.00"})
        head = self._book.add_format({"bold": True})
        self._language = language
        self._row = 1
        for column, width in enumerate(_WIDTHS):
            self._sheet.set_column(column, column, width)
        self._sheet.freeze_panes(1, 0)
        for column, title in enumerate(COLUMNS[language]):
            self._sheet.write_string(0, column, title, head)

    def add(self, lines: Iterable[Line]) -> None:
        for line in lines:
            for column, cell in enumerate(_cells(line, self._language)):
                if isinstance(cell, int):
                    self._sheet.write_number(self._row, column, cell / 100, self._yuan)
                else:
                    self._sheet.write_string(self._row, column, cell)
            self._row += 1

    def finish(self) -> None:
        self._book.close()


def _cells(line: Line, language: str) -> tuple[str | int, ...]:
    """Texts, and amounts in fen, in the order of `COLUMNS`."""
    transaction = line.transaction
    at = transaction.finished_at or transaction.created_at
    return (
        line.booked_on.isoformat(),
        at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S"),
        TransactionId.outside(transaction.id),
        KINDS[transaction.kind][language],
        STATES[transaction.state][language],
        line.merchant or "",
        line.counterpart or "",
        line.change_fen,
        transaction.fee_fen,
        transaction.channel,
        transaction.merchant_order_no or "",
        transaction.amount_fen,
        SOURCES[transaction.funding][language],
    )


def _harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula; a masked number keeps its plus sign behind an apostrophe."""
    return "'" + text if text.startswith(_STARTS_A_FORMULA) else text
