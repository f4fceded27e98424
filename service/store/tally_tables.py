"""The tables of what was counted once, so that no page has to count it again.

A change here needs a migration in `migrations/versions/`; `schema.drift` tells when one is missing.
"""

from datetime import date, datetime

from sqlmodel import Field

from service.store.record import Record


class Tally(Record, table=True):
    """How many events of a day (UTC) were of failures that this producer answered; stays when the events are deleted.

    `producer_name` is empty where nobody answered.
    """

    __tablename__ = "tally"

    day: date = Field(primary_key=True)
    producer: str = Field(primary_key=True)
    producer_name: str = Field(primary_key=True)
    events: int


class TallyMark(Record, table=True):
    """Every event that was received before `upto` is in the tallies. One row, of the name `events`."""

    __tablename__ = "tally_mark"

    name: str = Field(primary_key=True)
    upto: datetime


class BusyDay(Record, table=True):
    """How many events a failure had on one of its busy days (UTC). Of others it is quicker to count them again.

    Without a foreign key: a day is counted while somebody may delete the failure.
    """

    __tablename__ = "busy_day"

    failure_id: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    events: int


tallies = Record.metadata.tables["tally"]
tally_marks = Record.metadata.tables["tally_mark"]
busy_days = Record.metadata.tables["busy_day"]
