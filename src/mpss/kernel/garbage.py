"""How a serving process collects garbage."""

from __future__ import annotations

import gc

_YOUNG = 20_000


def calm_collector() -> None:
    """Call once everything is set up: what is alive now is not walked again, and what comes is walked less often.

    A batch of the desk makes thousands of tuples that the reference count frees; at the default of 700 the collector
    walked the young twelve times a batch and everything every few batches, a tenth of the time of a payment.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)
