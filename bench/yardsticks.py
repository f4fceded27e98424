"""The two servers that ingest is measured against: a bare echo, and one ORM commit per request."""

import json
import os
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI
from sqlalchemy import event
from sqlmodel import Field, Session, SQLModel, create_engine


async def bare(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Reads the body and answers 202: what uvicorn alone can do here."""
    if scope["type"] != "http":
        return
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


class Row(SQLModel, table=True):
    """The event table of a tutorial."""

    id: int | None = Field(default=None, primary_key=True)
    source_id: str = Field(unique=True)
    received_at: datetime
    service: str | None = Field(default=None, index=True)
    message: str
    body: str


def commit_per_request() -> FastAPI:
    """FastAPI, a SQLModel session and one durable commit per request, as tutorials show it, on SQLite as ours."""
    engine = create_engine(os.environ["BENCH_DATABASE_URL"], connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA busy_timeout=10000")

    SQLModel.metadata.create_all(engine, tables=[SQLModel.metadata.tables["row"]])
    app = FastAPI()

    @app.post("/events", status_code=202)
    def accept(content: dict[str, Any]) -> dict[str, int | None]:
        with Session(engine) as session:
            row = Row(
                source_id=content["id"],
                received_at=datetime.now(UTC),
                service=content.get("service"),
                message=content["message"][:200],
                body=json.dumps(content),
            )
            session.add(row)
            session.commit()
            return {"id": row.id}

    return app
