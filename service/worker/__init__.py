"""Background work: failures that no rule answered are asked about, durably, once per prompt version."""

from service.worker.dispatch import Worker

__all__ = ["Worker"]
