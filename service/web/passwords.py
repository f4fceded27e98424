"""Passwords: argon2id hashes, and a brake on guessing.

A wrong name costs as much as a wrong password, and only a few hashes are computed at once, so that sign-in attempts
can neither tell who has an account nor use up the memory.
"""

import re
import threading
import time
from collections import OrderedDict
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 12
_LONGEST = 1_000
_VARIED = 5  # different characters that have to be left
_RUN = 4
_COMMON = (
    *("whydenied", "password", "passwort", "letmein", "welcome", "administrator", "admin", "changeme"),
    *("iloveyou", "football", "baseball", "superman", "sunshine", "princess", "trustno1", "starwars", "monkey"),
    *("dragon", "master", "shadow", "secret", "login", "hello", "summer", "winter", "spring", "autumn", "test"),
    *(str(year) for year in range(1950, 2050)),
)
_LINES = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "zxcvbnm")
_COLUMNS = ("1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik", "1q2w3e4r5t6y7u8i9o0p", "!@#$%^&*()")
_ROWS = frozenset(
    row[at : at + _RUN]
    for line in (*_LINES, *_COLUMNS)
    for row in (line, line[::-1])
    for at in range(len(line) - _RUN + 1)
)
_LOOK_ALIKES = str.maketrans("013457@$!", "oleastasi")
# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id
_HASHER = PasswordHasher(time_cost=1, memory_cost=47_104, parallelism=1)
_AT_ONCE = threading.BoundedSemaphore(2)


class WeakPassword(Exception):
    """The password is too short, absurdly long or easily guessed; the message says which."""


def hash_password(password: str, owner: str = "") -> str:
    """The argon2id hash of a new password of somebody with this e-mail address. Raises `WeakPassword`."""
    if len(password) < SHORTEST:
        raise WeakPassword(f"A password needs {SHORTEST} characters or more.")
    if len(password) > _LONGEST:
        raise WeakPassword(f"A password may have {_LONGEST} characters at most.")
    if is_guessable(password, owner):
        raise WeakPassword("That is easily guessed: a common word, a name or a row of keys. Take some words by chance.")
    with _AT_ONCE:
        return _HASHER.hash(password)


def is_guessable(password: str, owner: str = "") -> bool:
    """Whether little is left of the password without common words, the owner's name, rows of keys and repetition."""
    plain = password.lower()
    alike = plain.translate(_LOOK_ALIKES)
    names = (part for part in re.split(r"[^a-z0-9]+", owner.lower()) if len(part) >= _RUN - 1)
    spent = {
        at
        for word in (*_COMMON, *names)
        for form in (plain, alike)
        for found in re.finditer(re.escape(word), form)
        for at in range(*found.span())
    }
    for start in range(len(plain) - _RUN + 1):
        if plain[start : start + _RUN] in _ROWS:
            spent.update(range(start, start + _RUN))
    return len({character for at, character in enumerate(plain) if at not in spent}) < _VARIED


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
