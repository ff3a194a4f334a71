"""Where a product stands, from a CP/SP's draft to the shop window and out of it. Spec: CT 5.5, 6.2."""

from __future__ import annotations

from enum import StrEnum

from mpss.catalog.model import ProductState
from mpss.kernel.machine import Machine


class ProductEvent(StrEnum):
    SUBMIT = "submit"
    PUBLISH = "publish"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"
    REVISE = "revise"


PRODUCT = Machine(
    "product",
    start=ProductState.DRAFT,
    moves={
        (ProductState.DRAFT, ProductEvent.SUBMIT): ProductState.SUBMITTED,
        (ProductState.SUBMITTED, ProductEvent.PUBLISH): ProductState.PUBLISHED,
        (ProductState.SUBMITTED, ProductEvent.REFUSE): ProductState.REFUSED,
        (ProductState.SUBMITTED, ProductEvent.REVISE): ProductState.DRAFT,
        (ProductState.REFUSED, ProductEvent.REVISE): ProductState.DRAFT,
        (ProductState.DRAFT, ProductEvent.WITHDRAW): ProductState.WITHDRAWN,
        (ProductState.SUBMITTED, ProductEvent.WITHDRAW): ProductState.WITHDRAWN,
        (ProductState.PUBLISHED, ProductEvent.WITHDRAW): ProductState.WITHDRAWN,
        (ProductState.REFUSED, ProductEvent.WITHDRAW): ProductState.WITHDRAWN,
    },
)
