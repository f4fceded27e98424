"""A denial stays what it is, whatever carries it: every rule's examples, rewrapped in ten carriers.

At least 97 % of them must keep verdict, cause, principal, action and resource in each carrier.
"""

import html
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from shipped_rules import MATCHER

from service.match.answer import Match

pytestmark = pytest.mark.timeout(300)  # every rule of every pack at once
KEPT = 0.97
NOISE = "".join(f"2026-03-02T10:00:{second:02}Z INFO worker-{second} finished batch {second}\n" for second in range(60))


@dataclass(frozen=True)
class Case:
    text: str
    context: dict[str, Any]
    match: Match


def cases() -> list[Case]:
    examples = [example for ready in MATCHER.rules.values() if not ready.is_general for example in ready.rule.examples]
    found = [(example, MATCHER.match(example.text, example.context)) for example in examples]
    return [Case(example.text, example.context, match) for example, match in found if match]


def per_line(prefix: str, suffix: str = "") -> Callable[[str], str]:
    return lambda text: "\n".join(f"{prefix}{line}{suffix}" for line in text.splitlines())


CARRIERS: dict[str, Callable[[str], str]] = {
    "json log line": lambda text: json.dumps({"level": "error", "ts": "2026-03-02T10:00:00Z", "msg": text}),
    "json in json": lambda text: json.dumps({"log": json.dumps({"msg": text}), "stream": "stderr"}),
    "traceback": lambda text: (
        f'Traceback (most recent call last):\n  File "/app/job.py", line 7, in run\n    go()\nJobError: {text}'
    ),
    "ci log": per_line("2026-03-02T10:00:00.1234567Z "),
    "truncated at 8 KiB": lambda text: (NOISE[:2000] + "\n" + text + "\n" + NOISE * 4)[:8192],
    "ansi colours": per_line("\x1b[31;1m", "\x1b[0m"),
    "crlf": lambda text: "\r\n".join(text.splitlines()),
    "html": lambda text: f"<pre>{html.escape(text)}</pre>",
    "another exception": lambda text: f"RuntimeError: step 4 of 9 failed after 3 attempts: {text}",
    "status line": lambda text: f"HTTP/1.1 403 FORBIDDEN\n\n{text}",
}


@pytest.fixture(scope="module")
def originals() -> list[Case]:
    return cases()


@pytest.mark.parametrize("carrier", CARRIERS)
def test_keeps_verdict_cause_and_captures(carrier: str, originals: list[Case]) -> None:
    changed = [case.text for case in originals if not kept(case, CARRIERS[carrier](case.text))]
    share = 1 - len(changed) / len(originals)
    assert share >= KEPT, f"{carrier}: {share:.1%} of {len(originals)} kept; changed, for example: {changed[:5]}"


def kept(case: Case, carried: str) -> bool:
    """Whether the answer stays. The same rule with the same captures gives the same one: then none is rendered."""
    match = MATCHER.match(carried, case.context)
    if match is None:
        return False
    if match.rule is case.match.rule and match.captures == case.match.captures:
        return True
    before, after = (
        (a.verdict, a.cause, a.principal, a.action, a.resource) for a in (case.match.answer("a"), match.answer("a"))
    )
    return before == after
