"""The tables of what connections may deliver, and of how much they did.

A change here needs a migration in `migrations/versions/`; `schema.drift` tells when one is missing.
"""

from datetime import date

from sqlmodel import Field

from service.store.record import Record


class ConnectionLimit(Record, table=True):
    """What one connection may deliver, where that differs from the settings: null is the setting, 0 no limit."""

    __tablename__ = "connection_limit"

    connection: str = Field(primary_key=True)
    rate: int | None = None
    events_per_day: int | None = None
    new_failures_per_hour: int | None = None


class Intake(Record, table=True):
    """How many events a connection's deliveries had on a day (UTC). A killed process may not have counted its last."""

    __tablename__ = "intake"

    connection: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    events: int = 0


connection_limits = Record.metadata.tables["connection_limit"]
intakes = Record.metadata.tables["intake"]
