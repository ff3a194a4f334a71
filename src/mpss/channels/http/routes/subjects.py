"""Every subject of the API, in the order its routes are tried: the busiest first."""

from __future__ import annotations

from mpss.channels.http.operation import Subject
from mpss.channels.http.routes import (
    account,
    account_history,
    account_state,
    boss,
    card_topups,
    cards,
    change_page,
    deliveries,
    goods,
    groups,
    identity,
    merchant,
    merchant_goods,
    password_page,
    passwords,
    platform,
    preferences,
    purchases,
    sandbox,
    sign_in,
    staff_account_state,
    staff_accounts,
    staff_books,
    staff_cards,
    staff_deductions,
    staff_freezes,
    staff_funding,
    staff_goods,
    staff_groups,
    staff_identities,
    staff_members,
    staff_merchants,
    staff_payees,
    staff_payment_orders,
    staff_rests,
    staff_risk,
    staff_risk_reports,
    staff_risk_rules,
    staff_statements,
    staff_vouchers,
    statements,
    topup_sources,
    topups,
    transfers,
    withdrawals,
)


def subjects_of(*, sandbox_too: bool) -> list[Subject]:
    """The subjects; with `sandbox_too` those of a sandbox alone as well."""
    always = [
        purchases.SUBJECT, topups.SUBJECT, topup_sources.SUBJECT, card_topups.SUBJECT,
        transfers.SUBJECT, goods.SUBJECT, account.SUBJECT, account_state.SUBJECT, sign_in.SUBJECT,
        account_history.SUBJECT, account_history.STAFF,
        cards.SUBJECT, withdrawals.SUBJECT, identity.SUBJECT, groups.SUBJECT,
        passwords.SUBJECT, password_page.SUBJECT, change_page.SUBJECT,
        merchant.SUBJECT, merchant_goods.SUBJECT, deliveries.SUBJECT,
        staff_merchants.SUBJECT, staff_goods.SUBJECT, staff_vouchers.SUBJECT, staff_books.SUBJECT,
        staff_cards.SUBJECT, staff_funding.SUBJECT, staff_members.SUBJECT, staff_payees.SUBJECT,
        staff_payment_orders.SUBJECT, staff_account_state.SUBJECT, staff_freezes.SUBJECT,
        staff_deductions.SUBJECT, staff_rests.SUBJECT,
        staff_risk.SUBJECT, staff_risk_reports.SUBJECT, staff_risk_rules.SUBJECT,
        staff_accounts.SUBJECT, staff_groups.SUBJECT, staff_identities.SUBJECT,
        passwords.STAFF, statements.SUBJECT, staff_statements.SUBJECT,
        preferences.SUBJECT,
        boss.SUBJECT, platform.SUBJECT,
    ]  # fmt: skip
    return [*always, sandbox.SUBJECT] if sandbox_too else always
