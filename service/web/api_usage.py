"""`GET /api/v1/usage`: which models are asked, what they cost, and what is left of the budgets."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field
from sqlalchemy import Connection

from service.store.failures import count_queued
from service.store.spending import list_totals, spent_since
from service.web.access import needs
from service.web.problems import responses
from service.web.schema import Output
from service.web.services import ModelSetup, Services, services_of

router = APIRouter(prefix="/api/v1", tags=["status"])


class ConfiguredModel(Output):
    provider: str
    model: str


class Period(Output):
    since: datetime = Field(description="Its start, in UTC.")
    cost: float = Field(description="US dollars spent, and set aside for calls in flight.")
    budget: float | None = Field(description="US dollars allowed; null where there is no limit.")


class ModelTotal(Output):
    provider: str
    model: str
    calls: int
    failed: int = Field(description="Calls without an answer, and those whose worker died.")
    input_tokens: int
    output_tokens: int
    cost: float = Field(description="US dollars.")
    unpriced: int = Field(description="Calls whose cost is not known, which the cost leaves out.")


class Usage(Output):
    """Numbers of all workers on this database."""

    models: list[ConfiguredModel] = Field(description="In order of preference: the first that is in order is asked.")
    day: Period
    month: Period
    calls_per_minute: int | None = Field(description="The limit; null where there is none.")
    waiting: int = Field(description="Failures that wait for a model.")
    totals: list[ModelTotal] = Field(description="Of all calls ever, the dearest model first.")


@router.get("/usage", dependencies=[needs("read")], responses=responses(401, 403))
def get_usage(services: Annotated[Services, Depends(services_of)]) -> Usage:
    """Calls, tokens and cost of models, in total and against the budgets."""
    with services.engine.connect() as conn:
        return load_usage(conn, services.models, datetime.now(UTC))


def load_usage(conn: Connection, setup: ModelSetup, now: datetime) -> Usage:
    """The usage as it stands at `now`."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    month = day.replace(day=1)
    return Usage(
        models=[ConfiguredModel(provider=provider, model=model) for provider, model in setup.models],
        day=Period(since=day, cost=spent_since(conn, day), budget=setup.budget_day),
        month=Period(since=month, cost=spent_since(conn, month), budget=setup.budget_month),
        calls_per_minute=setup.calls_per_minute,
        waiting=count_queued(conn),
        totals=[ModelTotal.model_validate(total) for total in list_totals(conn)],
    )
