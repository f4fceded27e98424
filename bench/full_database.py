"""A database as it looks after a busy month: failures, events, answers, verdicts, and all that pages list besides."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import Any

from sqlalchemy import Engine, Table, insert, text

from connectors.base import Auth
from service.keyring import Keyring
from service.rules.load import default_folder, load_packs
from service.store.connections import create_connection
from service.store.ids import first_id_at
from service.store.request_tables import model_requests, prompt_texts
from service.store.tables import (
    activities,
    analyses,
    events,
    excerpts,
    failures,
    model_calls,
    refusals,
    reviews,
    sightings,
    unparsed,
)

_DAYS = 30
_BATCH = 4_000
_STATUSES = ("needs_review",) * 3 + ("approved",) * 6 + ("rejected",)
_PRODUCERS = ("rule",) * 7 + ("llm",) * 2 + ("none",)
_CAUSES = (
    *("missing_grant",) * 30,
    *("explicit_deny",) * 15,
    *("insufficient_scope",) * 10,
    *("role_too_low",) * 10,
    *("authentication",) * 10,
    *("resource_policy",) * 5,
    "admission_policy",
)
_ENVIRONMENTS = ("production",) * 5 + ("staging",) * 2 + ("test",)
_CONNECTIONS, _SERVICES, _SYSTEMS, _CLOUDS, _RULES = 7, 40, 60, 6, 600
_COMMONEST = 0.3  # the share of failures of one system, and of those that one rule answers
_SKEW = 0.35
_PROMPT = "the-system-prompt"
_FILLER = "request 4711 upstream pod retry backoff deadline " * 6


@dataclass(frozen=True)
class FullDatabase:
    """What to fill an empty database with. A few failures have most of the events: the first a fifth of them."""

    failures: int
    events: int
    seed: int = 8

    @cached_property
    def _dice(self) -> random.Random:
        return random.Random(self.seed)

    def fill(self, engine: Engine, keyring: Keyring) -> None:
        """Fill it. The connections' secrets are encrypted with the keyring."""
        now = datetime.now(UTC)
        owners = [self._owner() for _ in range(self.events - self.failures)]
        counts = [1] * self.failures
        for owner in owners:
            counts[owner] += 1
        rules = [rule.id for pack in load_packs(default_folder()) for rule in pack.rules][:_RULES]
        rows = [self._failure(number, counts[number], now, rules) for number in range(self.failures)]
        _insert(engine, failures, iter(rows))
        _insert(engine, excerpts, ({"failure_id": r["id"], "sample": _text(r), "search": _search(r)} for r in rows))
        _insert(engine, sightings, (_sighting(row) for row in rows))
        answered = [row for row in rows if row["producer"] != "none"]
        _insert(engine, analyses, (_analysis(row) for row in answered))
        _insert(engine, reviews, (self._review(row) for row in answered if row["status"] != "needs_review"))
        asked = [self._model_call(row) for row in answered if row["producer"] == "llm"]
        _insert(engine, model_calls, iter(asked))
        _insert(engine, prompt_texts, iter([{"digest": _PROMPT, "text": "How to answer. " * 500}]))
        _insert(engine, model_requests, (_request(call) for call in asked))
        _insert(engine, activities, (self._deed(row) for row in rows[::3]))
        _insert(engine, unparsed, (self._leftover(number, now) for number in range(self.failures // 20)))
        _insert(engine, refusals, (_refusal(number, now) for number in range(_CONNECTIONS * 20)))
        with engine.begin() as conn:
            for number in range(_CONNECTIONS):
                auth = Auth(scheme="bearer", secrets=("bench-secret-" + "0" * 20,))
                create_connection(conn, keyring, f"source-{number}", "generic", auth)
        order = [*range(self.failures), *owners]
        self._dice.shuffle(order)
        _insert(engine, events, self._events(rows, order, now))
        settle(engine)

    def _owner(self) -> int:
        """The number of the failure that has one of the events beyond its first."""
        number = int(self._dice.paretovariate(_SKEW)) - 1
        return number if number < self.failures else self._dice.randrange(self.failures)

    def _id_at(self, moment: datetime) -> str:
        chance = f"{self._dice.getrandbits(72):018x}"
        return f"{first_id_at(moment)[:14]}7{chance[:3]}-8{chance[3:6]}-{chance[6:]}"

    def _failure(self, number: int, count: int, now: datetime, rules: list[str]) -> dict[str, Any]:
        dice = self._dice
        first = now - timedelta(days=_DAYS * (1 - number / self.failures))
        producer = _PRODUCERS[number % 10]
        known = producer != "none"
        status = dice.choice(_STATUSES) if known else "needs_review"
        part = dice.randrange(_SYSTEMS)
        system = "kubernetes" if dice.random() < _COMMONEST else f"cloud{part % _CLOUDS}.part{part}"
        rule = rules[0] if dice.random() < _COMMONEST else rules[number % len(rules)]
        producer_name = {"rule": rule, "llm": "root_cause"}.get(producer)
        return {
            "id": self._id_at(first),
            "fingerprint": f"fingerprint-{number}",
            "fingerprint_version": 1,
            "status": status,
            "analysis_state": "answered" if known else "unavailable",
            "analysis_note": None,
            "regressed": dice.random() < 0.01,
            "title": f"role-{number % 20_000} may not read object-{number}",
            "principal": f"role-{number % 20_000}" if known else None,
            "action": f"verb-{number % 300}" if known else None,
            "resource": f"object-{number}" if known else None,
            "service_name": f"service-{dice.randrange(_SERVICES)}",
            "environment": dice.choice(_ENVIRONMENTS),
            "connection": f"source-{dice.randrange(_CONNECTIONS)}",
            "event_count": count,
            "first_seen": first,
            "last_seen": first + (now - first) * dice.random() ** (1 / count),
            "resolved_at": now if dice.random() < 0.1 else None,
            "snoozed_until": now + timedelta(days=30) if status == "needs_review" and dice.random() < 0.05 else None,
            "snoozed_at_count": None,
            "current_analysis_id": f"analysis-{number}" if known else None,
            "verdict": "permission" if known else None,
            "cause": dice.choice(_CAUSES) if known else None,
            "system": system if known else None,
            "confidence": "confirmed" if producer == "rule" else "likely" if known else None,
            "producer": producer,
            "producer_name": producer_name,
            "producer_version": {"rule": "abc", "llm": "2-abc"}.get(producer),
            "created_at": first,
        }

    def _review(self, row: Mapping[str, Any]) -> dict[str, Any]:
        at = row["created_at"] + timedelta(hours=self._dice.expovariate(0.5))
        return {
            "id": self._id_at(at),
            "failure_id": row["id"],
            "analysis_id": row["current_analysis_id"],
            "reviewer": f"engineer-{self._dice.randrange(12)}",
            "decision": "approve" if row["status"] == "approved" else "reject",
            "reason": None if row["status"] == "approved" else "wrong_fix",
            "note": None,
            "corrected_analysis_id": None,
            "created_at": at,
        }

    def _model_call(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": self._id_at(row["created_at"]),
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

    def _deed(self, row: Mapping[str, Any]) -> dict[str, Any]:
        at = row["created_at"]
        who = f"engineer-{self._dice.randrange(12)}"
        deed = {"id": self._id_at(at), "at": at, "who": who, "action": "note", "subject": ""}
        return {**deed, "failure_id": row["id"], "note": "Asked the team."}

    def _leftover(self, number: int, now: datetime) -> dict[str, Any]:
        at = now - timedelta(minutes=number)
        return {
            "id": self._id_at(at),
            "connection": f"source-{number % _CONNECTIONS}",
            "received_at": at,
            "reason": "the body is no JSON",
            "headers": {"content-type": "application/json"},
            "body": "not JSON " * 200,
            "path": "",
        }

    def _events(self, rows: list[dict[str, Any]], order: list[int], now: datetime) -> Iterator[dict[str, Any]]:
        """Spread over the month in the order of their numbers."""
        for number, owner in enumerate(order):
            at = now - timedelta(days=_DAYS * (1 - number / len(order)))
            yield _event(number, self._id_at(at), rows[owner], at)


def settle(engine: Engine) -> None:
    """What a server's own upkeep does after so many rows."""
    if engine.dialect.name == "postgresql":
        with engine.connect() as conn:
            conn.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))


def _insert(engine: Engine, table: Table, rows: Iterator[Mapping[str, Any]]) -> None:
    while batch := list(islice(rows, _BATCH)):
        with engine.begin() as conn:
            conn.execute(insert(table), batch)


def _text(row: Mapping[str, Any]) -> str:
    return f"permission denied: {row['title']} {row['system'] or ''} {row['service_name']} {_FILLER}"


def _search(row: Mapping[str, Any]) -> str:
    return "\n".join(filter(None, [row["principal"], row["action"], row["resource"], _text(row)])).casefold()


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
    grant = {
        "kind": "sql",
        "title": "Grant",
        "content": f"GRANT SELECT ON o{row['id'][:4]} TO r;",
        "apply": "In psql.",
    }
    answer = {
        "id": row["current_analysis_id"],
        **named,
        **{name: row[name] for name in ("title", "principal", "action", "resource")},
        "explanation": "The role lacks the right on the object. " * 3,
        "missing_permissions": [row["action"]],
        "fix": {
            "summary": "Grant the one right.",
            "steps": ["Run the statement.", "Run the check."],
            "artifacts": [grant],
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


def _request(call: Mapping[str, Any]) -> dict[str, Any]:
    asked = {"id": call["id"], "failure_id": call["failure_id"], "system_digest": _PROMPT, "findings": []}
    return {**asked, "user": "The event was: " * 200}


def _refusal(number: int, now: datetime) -> dict[str, Any]:
    return {
        "id": f"refusal-{number}",
        "connection": f"source-{number % _CONNECTIONS}",
        "outcome": "unauthenticated",
        "status": 401,
        "detail": f"the token is wrong ({number})",
        "user_agent": "curl",
        "size": 400,
        "count": number,
        "first_at": now - timedelta(days=2),
        "last_at": now - timedelta(minutes=number),
    }


def _event(number: int, event_id: str, row: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    return {
        "id": event_id,
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
