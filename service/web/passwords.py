"""Passwords: argon2id hashes, and a brake on guessing.

A wrong name costs as much as a wrong password, and only a few hashes are computed at once, so that sign-in attempts
can neither tell who has an account nor use up the memory.
"""

import threading
import time
from collections import OrderedDict
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 12
_LONGEST = 1_000
# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id
_HASHER = PasswordHasher(time_cost=1, memory_cost=47_104, parallelism=1)
_AT_ONCE = threading.BoundedSemaphore(2)


class WeakPassword(Exception):
    """The password is too short or absurdly long; the message says which."""


def hash_password(password: str) -> str:
    """The argon2id hash of a new password. Raises `WeakPassword`."""
    if len(password) < SHORTEST:
        raise WeakPassword(f"A password needs {SHORTEST} characters or more.")
    if len(password) > _LONGEST:
        raise WeakPassword(f"A password may have {_LONGEST} characters at most.")
    with _AT_ONCE:
        return _HASHER.hash(password)


def is_password(password: str, hashed: str | None) -> bool:
    """Whether the password belongs to the hash; without a hash, the same work for nothing."""
    with _AT_ONCE:
        try:
            return _HASHER.verify(hashed or _decoy(), password[:_LONGEST]) and bool(hashed)
        except (VerificationError, InvalidHashError):
            return False


@cache
def _decoy() -> str:
    return _HASHER.hash("nobody has this password")


class AttemptLimit:
    """At most `most` failed attempts per key within `seconds`; the oldest of many keys are forgotten."""

    def __init__(self, most: int = 10, seconds: float = 300.0, keys: int = 10_000) -> None:
        self._most = most
        self._seconds = seconds
        self._keys = keys
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, *keys: str) -> int:
        """Seconds until another attempt is let through; 0 for now."""
        now = time.monotonic()
        with self._lock:
            return max(self._wait(key, now) for key in keys)

    def _wait(self, key: str, now: float) -> int:
        recent = [moment for moment in self._failures.get(key, ()) if now - moment < self._seconds]
        if len(recent) < self._most:
            return 0
        return int(self._seconds - (now - recent[0])) + 1

    def note_failure(self, *keys: str) -> None:
        """Remember one failed attempt under each key."""
        now = time.monotonic()
        with self._lock:
            for key in keys:
                self._failures[key] = [*self._failures.get(key, ()), now][-self._most :]
                self._failures.move_to_end(key)
                if len(self._failures) > self._keys:
                    self._failures.popitem(last=False)
