"""Clocks that stand still, for tests whose results depend on the time."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
import time_machine


def stopped_clock(start: datetime) -> Callable[..., Any]:
    """Return a fixture for each test of a module: a clock that stands still until a test moves it."""

    @pytest.fixture(autouse=True)
    def clock() -> Iterator[time_machine.Traveller]:
        with time_machine.travel(start, tick=False) as moved:
            yield moved

    return clock
