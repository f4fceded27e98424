"""How much is tried: the same few examples in every run; with WHYDENIED_FUZZ=N, N times as many, and new ones."""

import os
import random

from hypothesis import HealthCheck, settings

FACTOR = int(os.environ.get("WHYDENIED_FUZZ", "0"))


def bounded(examples: int) -> settings:
    """Settings for a test by hypothesis that takes `examples` of them in the short form."""
    return settings(
        max_examples=examples * max(FACTOR, 1),
        deadline=None,
        derandomize=not FACTOR,
        suppress_health_check=[HealthCheck.too_slow],
    )


def dice(name: str) -> random.Random:
    """Chance that is the same for the same name, in the short form."""
    return random.Random(None if FACTOR else name)
