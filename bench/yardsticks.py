"""The two servers that ingest is measured against: a bare echo, and one ORM commit per request."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from pydantic import BaseModel
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


class Incoming(BaseModel):
    """What a sender posts."""

    id: str
    service: str | None = None
    environment: str | None = None
    severity: str | None = None
    type: str = "error"
    title: str | None = None
    message: str


class Stored(SQLModel, table=True):
    """The event table of a tutorial: eleven columns, three indexes beside the key, and no grouping or counting."""

    id: int | None = Field(default=None, primary_key=True)
    source_id: str = Field(unique=True)
    received_at: datetime = Field(index=True)
    connection: str
    service: str | None = Field(default=None, index=True)
    environment: str | None = None
    severity: str | None = None
    type: str
    title: str | None = None
    message: str
    body: str


def commit_per_request() -> FastAPI:
    """The tutorial design: a `def` endpoint, a pydantic model, a SQLModel session and a durable commit per request."""
    # With the 15 connections of the default, threads that wait for one keep those that hold one from giving it back.
    url = os.environ["BENCH_DATABASE_URL"]
    engine = create_engine(url, connect_args={"check_same_thread": False}, pool_size=300)

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA busy_timeout=10000")

    SQLModel.metadata.create_all(engine, tables=[SQLModel.metadata.tables["stored"]])
    app = FastAPI()

    def open_session() -> Iterator[Session]:
        with Session(engine) as session:
            yield session

    @app.post("/events", status_code=202)
    def accept(incoming: Incoming, session: Annotated[Session, Depends(open_session)]) -> dict[str, int | None]:
        row = Stored(
            source_id=incoming.id,
            received_at=datetime.now(UTC),
            connection="bench",
            body=incoming.model_dump_json(),
            **incoming.model_dump(exclude={"id"}),
        )
        session.add(row)
        session.commit()
        session.refresh(row)
        return {"id": row.id}

    return app
