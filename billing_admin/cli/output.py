"""Results on stdout: a table, tab-separated rows, or JSON.

A terminal gets a table, a pipe gets tab-separated rows, and a call with `--json` gets JSON. Files are complete or not
written.
"""

import json
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

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


@contextmanager
def open_target(file: Path) -> Iterator[BinaryIO]:
    """Yield stdout, or a temporary file that replaces the target when it is complete."""
    if str(file) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as target:
            if file.exists():
                part.chmod(stat.S_IMODE(file.stat().st_mode))
            yield target
            target.flush()
            os.fsync(target.fileno())
        part.replace(file)
    except OSError as error:
        raise click.UsageError(f"{file} cannot be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
