"""How fast the pages and lists are in a full database: `python bench/pages.py`, or with `--database-url postgresql://...`.

The database is filled with bulk inserts, then a service of its own answers one request after the other. The ratios are
against `GET /healthz` of the same run; the milliseconds are this machine's.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
from servers import free_port, running
from sqlalchemy import Engine, Table, func, select, text

from service.store.bulk import insert_missing
from service.store.engine import migrate, open_engine
from service.store.ids import first_id_at
from service.store.tables import analyses, events, excerpts, failures, model_calls, reviews, sightings
from service.store.tallies import fold_a_day

_KEY = "wd_" + "bench0pages0" * 4
_DAYS = 30
_BATCH = 4_000
_STATUSES = ("needs_review",) * 3 + ("approved",) * 6 + ("rejected",)
_PRODUCERS = ("rule",) * 7 + ("llm",) * 2 + ("none",)
_CAUSES = ("missing_grant", "explicit_deny", "insufficient_scope", "role_too_low", "resource_policy")
_DICE = random.Random(8)
PAGES = {
    "liveness (the yardstick)": "/healthz",
    "queue": "/",
    "queue, filtered": "/?status=all&system=system7&service=service-3&environment=production",
    "queue, by priority": "/?sort=priority",
    "queue, most events": "/?sort=events&status=all",
    "search": "/?status=all&q=object-1234",
    "search, a common word": "/?status=all&q=denied",
    "failure, seen most": "/failures/{most}",
    "failure, by a rule": "/failures/{ruled}",
    "rules": "/rules",
    "rules of a system": "/rules?system=kubernetes",
    "rules that answered": "/rules?used=1",
    "insights": "/insights",
    "prompts": "/prompts",
    "sources": "/sources",
    "usage": "/usage",
    "audit": "/audit",
    "API: list of failures": "/api/v1/failures",
    "API: list, filtered": "/api/v1/failures?status=needs_review&system=system7&service=service-3",
    "API: list, searched": "/api/v1/failures?q=object-1234",
    "API: failure, seen most": "/api/v1/failures/{most}",
    "API: events of it": "/api/v1/failures/{most}/events",
}


def fill(engine: Engine, many_failures: int, many_events: int) -> None:
    """Failures of the last 30 days with answers, verdicts and events; a few failures have most of the events."""
    now = datetime.now(UTC)
    counts = [0] * many_failures
    owners = [min(many_failures - 1, int(_DICE.paretovariate(0.35)) - 1) for _ in range(many_events - many_failures)]
    for owner in [*range(many_failures), *owners]:
        counts[owner] += 1
    ids = [_id_at(now - timedelta(days=_DAYS * (1 - n / many_failures))) for n in range(many_failures)]
    rows = [_failure(n, ids[n], counts[n], now, many_failures) for n in range(many_failures)]
    _insert(engine, failures, iter(rows))
    _insert(
        engine, excerpts, ({"failure_id": r["id"], "sample": _text(r), "search": _text(r).casefold()} for r in rows)
    )
    _insert(engine, sightings, (_sighting(row) for row in rows))
    answered = [row for row in rows if row["producer"] != "none"]
    _insert(engine, analyses, (_analysis(row) for row in answered))
    _insert(engine, reviews, (_review(row) for row in answered if row["status"] != "needs_review"))
    _insert(engine, model_calls, (_model_call(row) for row in answered if row["producer"] == "llm"))
    order = [*range(many_failures), *owners]
    _DICE.shuffle(order)
    moments = (now - timedelta(days=_DAYS * (1 - n / many_events)) for n in range(many_events))
    _insert(
        engine, events, (_event(n, rows[owner], at) for n, (owner, at) in enumerate(zip(order, moments, strict=True)))
    )
    if engine.dialect.name == "postgresql":  # as its own autovacuum would
        with engine.connect() as conn:
            conn.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))


def _insert(engine: Engine, table: Table, rows: Iterator[Mapping[str, Any]]) -> None:
    while batch := list(islice(rows, _BATCH)):
        with engine.begin() as conn:
            insert_missing(conn, table, batch)


def _id_at(moment: datetime) -> str:
    chance = f"{_DICE.getrandbits(72):018x}"
    return f"{first_id_at(moment)[:14]}7{chance[:3]}-8{chance[3:6]}-{chance[6:]}"


def _failure(number: int, failure_id: str, count: int, now: datetime, many: int) -> dict[str, Any]:
    first = now - timedelta(days=_DAYS * (1 - number / many))
    producer = _PRODUCERS[number % 10]
    known = producer != "none"
    return {
        "id": failure_id,
        "fingerprint": f"fingerprint-{number}",
        "fingerprint_version": 1,
        "status": _DICE.choice(_STATUSES) if known else "needs_review",
        "analysis_state": "answered" if known else "unavailable",
        "analysis_note": None,
        "title": f"role-{number % 20_000} may not read object-{number}",
        "principal": f"role-{number % 20_000}" if known else None,
        "action": f"verb-{number % 300}" if known else None,
        "resource": f"object-{number}" if known else None,
        "service_name": f"service-{number % 40}",
        "environment": ("production", "staging", "test")[number % 3],
        "connection": f"source-{number % 7}",
        "event_count": count,
        "first_seen": first,
        "last_seen": first + (now - first) * _DICE.random() ** (1 / count),
        "resolved_at": None,
        "snoozed_until": None,
        "snoozed_at_count": None,
        "current_analysis_id": f"analysis-{number}" if known else None,
        "verdict": "permission" if known else None,
        "cause": _CAUSES[number % 5] if known else None,
        "system": f"system{number % 60}" if known else None,
        "confidence": "confirmed" if producer == "rule" else "likely" if known else None,
        "producer": producer,
        "producer_name": {"rule": f"system{number % 60}.rule-{number % 600}", "llm": "root_cause"}.get(producer),
        "producer_version": {"rule": "abc", "llm": "2-abc"}.get(producer),
        "created_at": first,
    }


def _text(row: Mapping[str, Any]) -> str:
    filler = "request 4711 upstream pod retry backoff deadline " * 6
    return f"permission denied: {row['title']} {row['system'] or ''} {row['service_name']} {filler}"


def _sighting(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("connection", "service_name", "environment")
    return {"failure_id": row["id"], **{name: row[name] for name in names}}


def _analysis(row: Mapping[str, Any]) -> dict[str, Any]:
    named = {name: row[name] for name in ("verdict", "cause", "system", "confidence")}
    produced_by: dict[str, Any] = {"kind": "rule", "rule": row["producer_name"], "version": "abc"}
    if row["producer"] == "llm":
        produced_by = {
            "kind": "llm", "prompt": "root_cause", "prompt_version": "2-abc", "provider": "anthropic", "model": "model",
            "input_tokens": 4_000, "output_tokens": 600, "cost": 0.02, "latency": 4.0,
        }  # fmt: skip
    answer = {
        "id": row["current_analysis_id"],
        **named,
        **{name: row[name] for name in ("title", "principal", "action", "resource")},
        "explanation": "The role lacks the right on the object. " * 3,
        "missing_permissions": [row["action"]],
        "fix": {
            "summary": "Grant the one right.",
            "steps": ["Run the statement.", "Run the check."],
            "artifacts": [
                {
                    "kind": "sql",
                    "title": "Grant",
                    "content": f"GRANT SELECT ON o{row['id'][:4]} TO r;",
                    "apply": "In psql.",
                }
            ],
        },
        "produced_by": produced_by,
    }
    producer = {name: row[name] or "" for name in ("producer", "producer_name", "producer_version")}
    made = {
        "id": row["current_analysis_id"],
        "failure_id": row["id"],
        "event_id": None,
        "created_at": row["created_at"],
    }
    return {**made, "answer": answer, **named, **producer}


def _review(row: Mapping[str, Any]) -> dict[str, Any]:
    at = row["created_at"] + timedelta(hours=_DICE.expovariate(0.5))
    return {
        "id": _id_at(at),
        "failure_id": row["id"],
        "analysis_id": row["current_analysis_id"],
        "reviewer": f"engineer-{_DICE.randrange(12)}",
        "decision": "approve" if row["status"] == "approved" else "reject",
        "reason": None if row["status"] == "approved" else "wrong_fix",
        "note": None,
        "corrected_analysis_id": None,
        "created_at": at,
    }


def _model_call(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": _id_at(row["created_at"]),
        "failure_id": row["id"],
        "provider": "anthropic",
        "model": "model",
        "prompt": "root_cause",
        "prompt_version": "2-abc",
        "outcome": "answered",
        "started_at": row["created_at"],
        "input_tokens": 4_000,
        "output_tokens": 600,
        "cost": 0.02,
        "seconds": 4.0,
    }


def _event(number: int, row: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    return {
        "id": _id_at(at),
        "connection": row["connection"],
        "source_id": f"event-{number}",
        "failure_id": row["id"],
        "state": "firing",
        "time": at,
        "received_at": at,
        "type": "error",
        "text": _text(row),
        "service_name": row["service_name"],
        "environment": row["environment"],
        "severity": "error",
        "url": f"https://errors.example.com/issues/{number}",
        "attributes": {},
        "context": {"service": row["service_name"]},
    }


def measure(client: httpx.Client, path: str, rounds: int) -> tuple[list[float], int]:
    """Milliseconds of each request, in order of size, after two that only warm up; and the reply's bytes."""
    took, size = [], 0
    for number in range(rounds + 2):
        started = time.perf_counter()
        reply = client.get(path)
        elapsed = 1_000 * (time.perf_counter() - started)
        if reply.status_code != 200:
            raise SystemExit(f"{path} answered {reply.status_code}")
        size = len(reply.content)
        took += [elapsed] if number > 1 else []
    return sorted(took), size


def report(client: httpx.Client, paths: Mapping[str, str], rounds: int) -> list[tuple[str, float, float]]:
    """p50 and p99 of each page, alone on the service, and how many times that of /healthz it is."""
    found = []
    print(f"  {'':<26} {'p50 ms':>8} {'p99 ms':>8} {'x healthz':>9} {'KB':>6}")
    base = 0.0
    for name, path in paths.items():
        took, size = measure(client, path, rounds)
        p50, p99 = took[len(took) // 2], took[min(len(took) - 1, int(0.99 * len(took)))]
        base = base or p50
        print(f"  {name:<26} {p50:8.1f} {p99:8.1f} {p50 / base:9.1f} {size / 1_000:6.1f}", flush=True)
        found.append((name, p50, p99))
    return found


def paths_of(engine: Engine) -> dict[str, str]:
    """The addresses, with a failure of many events and one that waits with others that its rule answered."""
    with engine.connect() as conn:
        ordered = select(failures.c.id).order_by(failures.c.event_count.desc()).limit(1)
        most = conn.execute(ordered.where(failures.c.producer == "llm")).scalar()
        waiting = (failures.c.producer == "rule") & (failures.c.status == "needs_review")
        ruled = conn.execute(ordered.where(waiting)).scalar()
    return {name: path.format(most=most, ruled=ruled) for name, path in PAGES.items()}


def run(database_url: str | None, many_failures: int, many_events: int, rounds: int) -> list[tuple[str, float, float]]:
    """Fill the database where it is empty, and measure: name, p50 and p99 in milliseconds of each page."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = database_url or f"sqlite:///{folder / 'pages.db'}"
        engine = open_engine(url)
        stack.callback(engine.dispose)
        migrate(engine)
        with engine.connect() as conn:
            there = conn.execute(select(func.count()).select_from(failures)).scalar_one()
        if not there:
            fill(engine, many_failures, many_events)
        while fold_a_day(engine, datetime.now(UTC)):
            pass
        port = free_port()
        env = {
            "WHYDENIED_DATABASE_URL": url,
            "WHYDENIED_DATA_DIR": str(folder / "var"),
            "WHYDENIED_ADMIN_API_KEY": _KEY,
            "WHYDENIED_LOG_LEVEL": "warning",
            "WHYDENIED_WORKER": "false",
        }
        command = [sys.executable, "-m", "service", "serve", "--host", "127.0.0.1", "--port", str(port)]
        stack.enter_context(running(command, port, "/healthz", env))
        headers = {"Authorization": f"Bearer {_KEY}", "Accept": "text/html"}
        client = stack.enter_context(
            httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, timeout=60)
        )
        print(f"pages with {many_failures:,} failures and {many_events:,} events, {engine.dialect.name}, one at a time")
        return report(client, paths_of(engine), rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database-url", help="an empty database, or one that this filled before; default: a new file")
    parser.add_argument("--failures", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=100)
    args = parser.parse_args()
    run(args.database_url, args.failures, args.events, args.rounds)


if __name__ == "__main__":
    main()
