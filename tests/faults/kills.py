"""How often tests kill a process: a few times, or as often as the variable KILLS says (`KILLS=170 pytest -m deep …`)."""

import os
import random
from collections.abc import Callable
from time import sleep
from typing import Any

from tests.faults import worker

KILLS = int(os.environ.get("KILLS", "3"))


class Killer:
    """Kills processes at random moments, and counts how often it killed one that was still at work."""

    def __init__(self, url: str, seed: int, kills: int = KILLS) -> None:
        self._url, self._chance = url, random.Random(seed)
        self.longest = 0.05  # seconds; adapts to how long the work takes
        self.remaining = kills

    def kills(self, work: Callable[..., Any], *arguments: Any) -> bool:
        """Start the work and kill it; return whether it was still at work."""
        killed = worker.kill_during(self._url, lambda: sleep(self._chance.uniform(0, self.longest)), work, *arguments)
        self.longest = min(2.0, self.longest * 1.1) if killed else max(0.005, self.longest * 0.7)
        self.remaining -= killed
        return killed
