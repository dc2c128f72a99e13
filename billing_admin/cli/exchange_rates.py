"""Import exchange rates."""

import io
from typing import BinaryIO

import click

from billing_admin import clock
from billing_admin.cli.commands import command, print_message
from billing_admin.cli.output import print_json
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.formats.exchange_rates import read_rates
from billing_admin.operations.master_data.exchange_rates import set_rates
from billing_admin.queries.master_data.organisation import organisation


@command("import-rates", writes=True)
@click.argument("file", type=click.File("rb"))
@click.option("--json", "wants_json", is_flag=True, help="Print the result as JSON.")
def import_rates(file: BinaryIO, wants_json: bool) -> None:
    """Import exchange rates from a CSV file; “-” reads standard input.

    The file has the columns currency, day and rate, or it is a file of the European Central Bank, with a column for each
    currency. A rate is the price of one unit of the base currency. It replaces the stored rate of the same currency and
    day. All rates are stored, or none.

    \b
    Examples:
      flask --app wsgi import-rates rates.csv
      flask --app wsgi import-rates - < eurofxref.csv
    """
    base_currency = organisation(db.session()).base_currency
    rates = read_rates(io.BytesIO(file.read()), base_currency)
    outcome = transaction(set_rates, rates, SYSTEM, clock.now())
    if wants_json:
        print_json({"added": outcome.added, "changed": outcome.changed, "unchanged": outcome.unchanged})
    print_message(
        f"Exchange rates for {base_currency}: {outcome.added:,} added, {outcome.changed:,} changed,"
        f" {outcome.unchanged:,} already stored."
    )
