"""Everything that can happen to a bill, in any order: what the product stores must be what a small model says.

Each sequence begins with empty books on a real database. After each step the two are compared; what the model says must be
refused must be refused, and leave no trace; in the end the doctor looks at everything. `make test` tries 8 sequences on each
database, `make test-deep` 60, with `FULL=1` 220, the same ones each time. More of them: `LIFE_SEQUENCES=5000`; others each
time: `HYPOTHESIS_PROFILE=search`. A failure prints its steps.
"""

import os
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import Database
from tests.levels import FULL
from tests.life.opening import Opening

SEQUENCES, STEPS, PARTS = int(os.environ.get("LIFE_SEQUENCES", "500" if FULL else "100")), 16, 5
QUICK_SEQUENCES, FIRST_SEQUENCES = 8, 20


@pytest.mark.parametrize(
    ("part", "sequences"),
    [
        pytest.param(0, QUICK_SEQUENCES, id="quick"),
        pytest.param(0, FIRST_SEQUENCES, id="0", marks=pytest.mark.deep),
        *(
            pytest.param(part, SEQUENCES // (2 * PARTS), id=str(part), marks=pytest.mark.deep)
            for part in range(1, PARTS)
        ),
    ],
)
def test_the_books_say_what_happened(backend: str, part: int, sequences: int, request: pytest.FixtureRequest) -> None:
    class Life(Opening):
        database: ClassVar[Database] = request.getfixturevalue(backend)

    same_each_time = settings().derandomize
    run_state_machine_as_test(
        seed(part)(Life) if same_each_time else Life,
        settings=settings(
            max_examples=min(sequences, SEQUENCES),
            stateful_step_count=STEPS,
            derandomize=False,  # the seed decides
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
