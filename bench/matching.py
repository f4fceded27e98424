"""What matching costs per event, against the number of rules: a 2 KB text that matches nothing, and one that does."""

import random
import time

from service.match.matcher import Matcher
from service.rules.load import default_folder, load_packs
from service.rules.model import Pack

_WORDS = "order invoice ledger queue worker cache shard topic bucket role token scope pod node claim quota".split()
COUNTS = (50, 400, 1_600, 5_000)


def invented_pack(count: int) -> Pack:
    """`count` rules of denial-like sentences that no text of the benchmark holds."""
    rng = random.Random(7)
    rules = []
    for number in range(count):
        noun, verb = rng.choice(_WORDS), rng.choice(["read", "write", "list", "delete"])
        pattern = (
            rf'User "(?P<principal>[^"]{{1,80}})" may not {verb} {noun}{number} '
            rf"(?P<resource>[\w./-]{{1,80}})[^\n]{{0,60}}because policy p{number}"
        )
        rules.append(
            {
                "id": f"invented.r{number}", "title": "t", "verdict": "permission", "cause": "missing_grant",
                "confidence": "likely", "patterns": [pattern], "explanation": "e", "fix": {"summary": "s"},
                "references": ["https://example.com"],
                "examples": [{"text": "x", "expect": {}}], "counterexamples": [{"text": "y", "why": "z"}],
            }
        )  # fmt: skip
    return Pack.model_validate({"format": 1, "system": "invented", "owner": "bench", "rules": rules})


def near_miss_text(size: int) -> str:
    """Log-like text of `size` characters with the words that denials use, matching nothing."""
    rng = random.Random(11)
    lines = []
    while sum(map(len, lines)) < size:
        lines.append(
            f'2026-03-12T08:14:{rng.randint(10, 59)}Z INFO User "u{rng.randint(1, 99)}" may read {rng.choice(_WORDS)}\n'
        )
    return "".join(lines)[:size]


def microseconds(matcher: Matcher, text: str, rounds: int = 5, times: int = 400) -> float:
    """The best of some rounds, in microseconds of CPU per event."""
    best = float("inf")
    for _ in range(rounds):
        started = time.thread_time()
        for _ in range(times):
            matcher.match(text, {})
        best = min(best, (time.thread_time() - started) / times)
    return best * 1e6


def measure() -> list[tuple[str, float]]:
    """Microseconds for a 2 KB event: with invented rules of every count and with the shipped ones."""
    text = near_miss_text(2_048)
    found = [
        (f"{count:,} invented rules, nothing matches", microseconds(Matcher([invented_pack(count)]), text))
        for count in COUNTS
    ]
    shipped = Matcher(load_packs(default_folder()))
    found.append((f"{len(shipped.rules):,} shipped rules, nothing matches", microseconds(shipped, text)))
    example = next(iter(shipped.rules.values())).rule.examples[0].text
    return [*found, ("a rule matches (captures, without the answer)", microseconds(shipped, example))]


if __name__ == "__main__":
    for told, cost in measure():
        print(f"{told:<50} {cost:7.1f} us")
