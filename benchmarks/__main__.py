"""`python -m benchmarks [--full]`: measure everything and print one table."""

import argparse
import logging
import time

from benchmarks import billing, comparison, exporting, importing, pages, posting, reading, searching
from benchmarks.harness import Row, table
from benchmarks.places import places
from billing_admin import tune_gc

FAMILIES = {
    "posting": posting,
    "comparison": comparison,
    "billing": billing,
    "exporting": exporting,
    "importing": importing,
    "reading": reading,
    "pages": pages,
    "searching": searching,
}


def main() -> None:
    """Run the benchmarks and print a table.

    A result below its target does not fail the command.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="at full size: needs an hour and 20 GB of disk")
    parser.add_argument("families", nargs="*", help="only " + ", ".join(FAMILIES))
    options = parser.parse_args()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    tune_gc()
    started = time.monotonic()
    rows: list[Row] = []
    with places() as both:
        for name, family in FAMILIES.items():
            for place in both if not options.families or name in options.families else ():
                for row in family.rows(place, options.full):
                    print(f"{time.monotonic() - started:4.0f} s  {row.work} · {row.database}: {row.ours}", flush=True)
                    rows.append(row)
    print(f"\n{table(rows)}\n\n{time.monotonic() - started:.0f} s; compare the ratios.")


if __name__ == "__main__":
    main()
