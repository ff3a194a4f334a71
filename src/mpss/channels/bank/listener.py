"""Takes in what banks ask on the lines we keep to them; each is answered once what it asked for is committed."""

from __future__ import annotations

from functools import partial

from mpss.channels.bank.handlers import handle
from mpss.runtime import Runtime


async def listen(runtime: Runtime) -> None:
    """Connect to the banks and carry out what they ask; `runtime.ports.banks.stop()` ends it."""
    if runtime.ports.banks is not None:
        await runtime.ports.banks.start(partial(handle, runtime))
