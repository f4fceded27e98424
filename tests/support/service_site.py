"""The whole service on loopback with one account and whatever failures a test wants, for page and browser tests."""

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from templates import copy_database

from connectors.base import ErrorEvent
from service.app import create_app
from service.domain import Answer
from service.settings import Settings
from service.store.access import create_account
from service.store.failures import set_analysis_state
from service.store.occurrence import Occurrence, Stored, UnparsedDelivery
from service.web.passwords import hash_password
from service.web.services import Services

EMAIL, PASSWORD = "ana@example.com", "correct horse battery"
TEXT = 'ERROR:  permission denied for table orders\nDETAIL: role "billing_app" ran SELECT, key [redacted:api_key:3f9c]'
RULES = r"""
format: 1
system: demo
owner: platform
rules:
  - id: demo.table-denied
    title: "{{ principal | default('A role', true) }} may not {{ action | default('use', true) }} table {{ resource }}"
    verdict: permission
    cause: missing_grant
    confidence: confirmed
    patterns:
      - 'permission denied for table (?P<resource>\w+)'
    extract:
      principal: ['role "(?P<principal>\w+)"']
      action: ['ran (?P<action>[A-Z]+)']
    explanation: The role lacks the privilege on the table.
    fix:
      summary: Grant the privilege on this one table.
      steps: [Run the statement as the owner of the table.]
    references: ["https://www.postgresql.org/docs/current/sql-grant.html"]
    examples:
      - text: 'ERROR: permission denied for table orders'
        expect: {resource: orders}
    counterexamples:
      - text: 'permission denied for schema app'
        why: a schema, not a table
"""


@dataclass
class Site:
    """A running service: its address and its parts."""

    url: str
    services: Services
    open_until_the_end: contextlib.ExitStack

    def seed(
        self,
        number: int = 1,
        text: str = TEXT,
        *,
        answer: Mapping[str, Any] | None = None,
        fingerprint: str = "",
        is_general: bool = False,
        **event: Any,
    ) -> Stored:
        """Store one event of a failure of its own; without `answer` nobody has answered it."""
        moment = datetime.now(UTC) - timedelta(minutes=number)
        error = ErrorEvent(
            **{
                "id": f"event-{number}",
                "text": text,
                "type": "error",
                "time": moment,
                "service_name": "billing",
                "environment": "production",
                "grouping_key": f"group-{number}",
            }
            | event
        )
        occurrence = Occurrence(
            connection="sentry-prod",
            event=error,
            context={},
            fingerprint=f"fingerprint-{fingerprint or number}",
            fingerprint_version=1,
            answer=(lambda analysis_id: make_answer(text, {**answer, "id": analysis_id}))
            if answer is not None
            else None,
            rule_version="demo.table-denied@abc" if answer is not None else None,
            is_general=is_general,
        )
        return self.services.writer.submit([occurrence]).result(10)[0]

    def seed_unparsed(self, body: str, reason: str = "The body is not JSON.") -> None:
        """Store one delivery that nobody could read."""
        kept = UnparsedDelivery("sentry-prod", datetime.now(UTC), reason, {"content-type": "text/plain"}, body)
        self.services.writer.submit([], [kept]).result(10)

    def set_state(self, failure_id: str, state: str, note: str | None = None) -> None:
        with self.services.engine.begin() as conn:
            set_analysis_state(conn, failure_id, state, note)

    def add_account(self, email: str, role: str) -> None:
        with self.services.engine.begin() as conn:
            create_account(conn, email, hash_password(PASSWORD), role)

    def browser(self, email: str | None = EMAIL) -> httpx.Client:
        """A client that is signed in, and sends what a browser sends."""
        headers = {"accept": "text/html", "sec-fetch-site": "same-origin"}
        client = httpx.Client(base_url=self.url, headers=headers, trust_env=False, verify=False, timeout=20)
        self.open_until_the_end.enter_context(client)
        if email:
            reply = client.post("/login", data={"email": email, "password": PASSWORD, "next": "/"})
            assert reply.status_code == 303, reply.text
        return client


def make_answer(text: str, changes: Mapping[str, Any]) -> Answer:
    """A full answer about a table, with some of it changed; names that stand in the text are quoted."""
    data: dict[str, Any] = {
        "verdict": "permission",
        "cause": "missing_grant",
        "system": "postgresql",
        "title": "billing_app may not read table orders",
        "explanation": "The role lacks SELECT on the table.",
        "principal": "billing_app",
        "action": "SELECT",
        "resource": "orders",
        "missing_permissions": ["SELECT"],
        "confidence": "confirmed",
        "fix": {
            "summary": "Grant SELECT on this one table.",
            "steps": ["Run the statement as the owner.", "Run the check."],
            "risk": "The role reads every row.",
            "undo": "REVOKE SELECT ON orders FROM billing_app;",
            "artifacts": [
                {
                    "kind": "sql",
                    "title": "Grant on the table",
                    "content": "GRANT SELECT ON SCHEMA_NAME.orders TO billing_app;",
                    "placeholders": ["SCHEMA_NAME"],
                    "apply": "In psql, as the owner of the table.",
                }
            ],
        },
        "verify": {"command": "psql -c 'SELECT 1 FROM orders LIMIT 1'", "expect": "one row, no error"},
        "references": ["https://www.postgresql.org/docs/current/sql-grant.html"],
        "produced_by": {"kind": "rule", "rule": "demo.table-denied", "version": "abc"},
        **changes,
    }
    quotes = [(data[name], name) for name in ("principal", "action", "resource") if data[name] and data[name] in text]
    data.setdefault(
        "evidence",
        [{"quote": q, "start": text.index(q), "end": text.index(q) + len(q), "field": name} for q, name in quotes],
    )
    return Answer.model_validate(data)


@contextlib.contextmanager
def running_site(folder: Path, *, extra_rules: Sequence[str] = (), **settings: Any) -> Iterator[Site]:
    """Start the service in this process with a database of its own and the account of `EMAIL`."""
    rules = folder / "rules"
    rules.mkdir(parents=True)
    (rules / "demo.yaml").write_text(RULES)
    for pack in extra_rules:
        shutil.copy(pack, rules)
    (folder / "data").mkdir()
    copy_database(folder / "data" / "whydenied.db")
    app = create_app(Settings(**{"data_dir": folder / "data", "rules_dir": rules, "worker": False, **settings}))
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive(), "the service did not start"
        assert time.monotonic() < deadline, "the service takes too long to start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with contextlib.ExitStack() as stack:
            site = Site(f"http://127.0.0.1:{port}", app.state.services, stack)
            site.add_account(EMAIL, "admin")
            yield site
    finally:
        app.state.services.closing.set()
        server.should_exit = True
        thread.join(20)
