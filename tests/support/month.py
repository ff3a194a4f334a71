"""A small month of made-up figures, in the files and columns that `mpss replay` reads."""

from __future__ import annotations

from pathlib import Path

HOURS = (
    ("CASH_IN", 10, 0, 1, 4, 40_000, 10_000, 2_000, 1),
    ("PAYMENT", 10, 0, 1, 10, 10_000, 1_000, 400, 1),
    ("TRANSFER", 10, 0, 1, 7, 70_000, 10_000, 400, 1),
    ("CASH_OUT", 10, 0, 1, 5, 10_000, 2_000, 400, 1),
    ("DEBIT", 10, 0, 2, 4, 4_000, 1_000, 100, 2),
    ("DEBIT", 10, 0, 20, 3, 3_000, 1_000, 100, 20),
    ("PAYMENT", 10, 1, 2, 10, 20_000, 2_000, 100, 26),
    ("CASH_IN", 10, 1, 3, 3, 900_000, 300_000, 0, 27),
)


def write_month(folder: Path) -> Path:
    """Write the four files; the folder."""
    lines = ["action,month,day,hour,count,sum,avg,std,step", *(",".join(map(str, hour)) for hour in HOURS)]
    (folder / "aggregatedTransactions.csv").write_text("\n".join(lines) + "\n")
    (folder / "clientsProfiles.csv").write_text(
        "action,maxCount,minCount,averageAmount,stdAmount,freq\n"
        "CASH_IN,1,1,1000,0,0.5\nCASH_IN,2,4,1000,10,0.5\nPAYMENT,5,5,1000,0,1\nTRANSFER,1,9,1000,0,1\n"
    )
    (folder / "initialBalancesDistribution.csv").write_text("range_start,range_end,percentage\n5000,5999,1\n")
    (folder / "maxOccurrencesPerClient.csv").write_text(
        "action,max(numTrans)\nCASH_IN,100\nPAYMENT,100\nTRANSFER,100\n"
    )
    return folder
