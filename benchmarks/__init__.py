"""How fast the work is: each figure beside a limit measured in the same run, on SQLite and on a durable PostgreSQL.

`python -m benchmarks` takes under five minutes; `--full` runs at full size. Absolute numbers move with the machine; ratios count.
"""
