"""Benchmarks: throughput next to a limit measured in the same run, on SQLite and a durable PostgreSQL.

`python -m benchmarks` takes under five minutes; `--full` runs at full size. Absolute numbers depend on
the machine; compare the ratios.
"""
