"""Python's garbage collector in a process that makes many objects and keeps them."""

import gc


def settle() -> None:
    """Look for garbage seldom, and never again among what stands by now."""
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)
