"""The model behind the fleet: a strict double of the provider's API that fails in turn in every way it can."""

import random
from collections import Counter
from typing import Any

from messages_api import MessagesApi, Reply, answer, refuse

_QUOTE = "the gatekeeper refuses"
_GOOD = {
    "verdict": "permission",
    "cause": "missing_grant",
    "title": "The gatekeeper refuses",
    "explanation": "The text says that the gatekeeper refuses.",
    "evidence": [{"quote": _QUOTE, "field": "cause"}],
}


class Moods:
    """Answers well, but for a share of calls. `hold` makes a few calls hang; `counts` says what was given."""

    def __init__(self, api: MessagesApi, seed: int, share: float) -> None:
        self.share = share
        self.counts: Counter[str] = Counter()
        self._dice = random.Random(seed)
        api.obey = self._reply

    def _reply(self, _request: dict[str, Any]) -> Reply:
        mood = self._dice.choice(sorted(_BAD)) if self._dice.random() < self.share else "good"
        self.counts[mood] += 1
        return _BAD.get(mood) or Reply(answer(**_GOOD).body, delay=self._dice.uniform(0.0, 0.3))


_BAD = {
    "overloaded": refuse(529, "overloaded_error", "Overloaded"),
    "broken": refuse(500, "api_error", "Internal server error"),
    "busy": refuse(429, "rate_limit_error", "Slow down", {"retry-after": "1"}),
    "garbage": Reply(b"<html>bad gateway</html>"),
    "half": Reply(answer(**_GOOD).body, breaks_off=True),
    "invented": answer(**{**_GOOD, "evidence": [{"quote": "words that stand nowhere", "field": "cause"}]}),
    "hangs": Reply(answer(**_GOOD).body, delay=8.0),
}
