"""Results on stdout: a table, tab-separated rows, or JSON.

A terminal gets a table, a pipe gets tab-separated rows, and a call with `--json` gets JSON.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], numbers: Sequence[str] = ()) -> None:
    """Print rows below their column names.

    `numbers` are the columns that are aligned right.
    """
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            click.echo("\t".join(map(str, row)))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    Console(highlight=False).print(table)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
