"""`mpss accounts`, names and documents that subscribers submitted: listed masked, approved or refused.

A name is looked at in clear over HTTP alone, with its images; each look is audited.
"""

from __future__ import annotations

from typing import Annotated

import typer

from mpss.accounts.customer_model import SubmissionState, Verification
from mpss.accounts.identity_review import approve, list_for_review, refuse
from mpss.cli.account_law import accounts_app as accounts_app
from mpss.cli.acting import as_staff, say, show_items
from mpss.cli.options import DataOption, JsonOption, MostOption
from mpss.kernel.ids import SubmissionId
from mpss.kernel.masking import mask_phone

_SubmissionArgument = Annotated[str, typer.Argument(help="The submission, as `mpss accounts identities` shows it")]


@accounts_app.command("identities")
def identities(
    state: Annotated[SubmissionState | None, typer.Option(help="Only in this state")] = SubmissionState.SUBMITTED,
    most: MostOption = 50,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the names and documents that wait to be reviewed, masked."""
    found = as_staff(
        data,
        lambda runtime, staff: list_for_review(runtime, staff=staff, state=state, phone=None, before=None, limit=most),
    )
    items = [
        {"submission": SubmissionId.outside(each.submission.id), "number": mask_phone(each.phone),
         "name": each.customer.name, "document": each.customer.document_number, "state": each.submission.state,
         "submitted": each.submission.submitted_at}
        for each in found
    ]  # fmt: skip
    show_items(as_json, items, "submission", "number", "name", "document", "state", "submitted")


@accounts_app.command("approve-identity")
def approve_identity(
    submission: _SubmissionArgument,
    verified: Annotated[list[Verification], typer.Option("--verified", help="A channel that confirmed the name")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the submitter's account real-name."""
    found = SubmissionId.parse(submission, field="submission")
    as_staff(data, lambda runtime, staff: approve(runtime, staff=staff, submission_id=found, verifications=verified))
    say(as_json, {"state": SubmissionState.APPROVED}, "Approved; the subscriber is told.")


@accounts_app.command("refuse-identity")
def refuse_identity(
    submission: _SubmissionArgument,
    reason: Annotated[str, typer.Option(help="What the subscriber is told")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Refuse a submission; the subscriber is told why."""
    found = SubmissionId.parse(submission, field="submission")
    as_staff(data, lambda runtime, staff: refuse(runtime, staff=staff, submission_id=found, reason=reason))
    say(as_json, {"state": SubmissionState.REFUSED}, "Refused; the subscriber is told why.")
