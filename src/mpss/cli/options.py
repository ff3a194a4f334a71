"""Arguments and options that several commands have, each with one text of help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mpss.accounts.customer_model import DocumentKind

DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Data folder (default: MPSS_DATA_DIR, else ./var)")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object")]
MostOption = Annotated[int, typer.Option("--most", min=1, help="Show at most this many, newest first")]
PhoneArgument = Annotated[str, typer.Argument(help="The subscriber's number")]
FreezeArgument = Annotated[str, typer.Argument(help="The freeze, as `mpss accounts state` shows it")]
ApprovalArgument = Annotated[str, typer.Argument(help="What was proposed")]
RefuseOption = Annotated[bool, typer.Option("--refuse", help="Refuse it instead")]
ReasonOption = Annotated[str, typer.Option(help="Why; it is in the record")]
KeyOption = Annotated[str, typer.Option(help="The command's key: with the same one nothing is paid twice")]
DocumentOption = Annotated[str, typer.Option(help="What the customer showed, or the authority's document")]
KindOption = Annotated[DocumentKind | None, typer.Option("--document-kind", help="Of the document that is on record")]
NumberOption = Annotated[
    str | None, typer.Option("--document-number", help="Its number; - reads it from the standard input")
]
CodeOption = Annotated[
    str | None, typer.Option("--code", help="The SMS code of the customer's phone, where no document is on record")
]
