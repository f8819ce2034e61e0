"""How often Python looks for cycles of garbage: set once for each worker."""

from __future__ import annotations

import gc

__all__ = ["calm_collector"]


def calm_collector() -> None:
    """Collect seldom, and never look again at what start-up has made.

    A request makes values by the thousand and hardly any cycles; with Python's usual thresholds, looking for them took
    a third of the time of a submission (measured with batches of 1,000).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
