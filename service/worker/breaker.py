"""A circuit breaker per provider: one that is out of order is left alone for a while, then tried with one call."""

import threading
import time
from collections.abc import Callable

from service.llm.base import LLMError

_MOST_FAILURES = 3
_FIRST_REST, _LONGEST_REST = 15.0, 5 * 60.0
_ACCOUNT_REST = 15 * 60.0
_LONGEST_ASKED_REST = 60 * 60.0


class Breaker:
    """Closed while calls succeed. Open for some seconds after an outage or a fault of whydenied's own account.

    When that time is over it admits one call, the probe: its success closes the breaker, its failure opens it for twice
    as long. Safe to share between threads; `clock` gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._rest = 0.0
        self._open_until = 0.0
        self._probing = False
        self.error: LLMError | None = None

    @property
    def rest(self) -> float:
        """Seconds until a call is admitted; 0 when one is, or while a probe is on its way."""
        return max(0.0, self._open_until - self._clock())

    @property
    def is_open(self) -> bool:
        """Whether no call would be admitted now."""
        return self.rest > 0 or self._probing

    def admits(self) -> bool:
        """Whether a call may be sent. After a rest only one is admitted, until it ends."""
        with self._lock:
            if self.is_open:
                return False
            self._probing = self.error is not None
            return True

    def cut_short(self) -> None:
        """Somebody asks for a probe now."""
        with self._lock:
            self._open_until = 0.0

    def succeeded(self) -> None:
        """A call was answered."""
        with self._lock:
            self._failures, self._rest, self._open_until, self._probing, self.error = 0, 0.0, 0.0, False, None

    def left(self) -> None:
        """A call was given up for reasons of our own."""
        with self._lock:
            self._probing = False

    def failed(self, error: LLMError) -> None:
        """A call failed. What is the event's fault says nothing about the provider."""
        with self._lock:
            probing, self._probing = self._probing, False
            if not error.account and (error.permanent or error.billed):
                return
            self._failures += 1
            if error.account:
                self._open(error, _ACCOUNT_REST)
            elif error.retry_after:
                self._open(error, min(error.retry_after, _LONGEST_ASKED_REST))
            elif probing or (self._failures >= _MOST_FAILURES and not self.rest):
                self._rest = min(self._rest * 2 or _FIRST_REST, _LONGEST_REST)
                self._open(error, self._rest)

    def _open(self, error: LLMError, seconds: float) -> None:
        self.error = error
        self._open_until = self._clock() + seconds
