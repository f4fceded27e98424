"""What must hold when the storm is over, whatever happened in it."""

from collections import Counter
from collections.abc import Iterator, Mapping

from databases import Database
from sqlalchemy import Connection, Engine, func, select

from service.store.tables import analyses, events, failures

_UNSETTLED = ("queued", "running")


def count_unsettled(engine: Engine) -> int:
    """How many failures wait for a model or are being asked about."""
    query = select(func.count()).select_from(failures).where(failures.c.analysis_state.in_(_UNSETTLED))
    with engine.connect() as conn:
        return conn.execute(query).scalar_one()


def find_faults(engine: Engine, database: Database, acknowledged: Mapping[str, str]) -> list[str]:
    """A line per broken promise."""
    with engine.connect() as conn:
        return [*_losses(conn, acknowledged), *_miscounts(conn), *_stuck(conn), *_repeated(conn, database)]


def _losses(conn: Connection, acknowledged: Mapping[str, str]) -> Iterator[str]:
    stored = conn.execute(select(events.c.source_id, events.c.id)).all()
    times = Counter(name for name, _ in stored)
    ids = dict(stored)
    for name, event_id in acknowledged.items():
        if times[name] != 1:
            yield f"{name} was acknowledged and is stored {times[name]} times"
        elif ids[name] != event_id:
            yield f"{name} was acknowledged as {event_id} and is stored as {ids[name]}"


def _miscounts(conn: Connection) -> Iterator[str]:
    counted = dict(conn.execute(select(failures.c.id, failures.c.event_count)).all())
    kept = dict(conn.execute(select(events.c.failure_id, func.count()).group_by(events.c.failure_id)).all())
    for failure_id in counted.keys() | kept.keys():
        if counted.get(failure_id) != kept.get(failure_id):
            yield f"failure {failure_id} counts {counted.get(failure_id)} events and has {kept.get(failure_id)}"


def _stuck(conn: Connection) -> Iterator[str]:
    query = select(failures.c.id, failures.c.analysis_state, failures.c.analysis_note)
    for failure_id, state, note in conn.execute(query.where(failures.c.analysis_state.in_(_UNSETTLED))):
        yield f"failure {failure_id} is stuck: {state}, {note}"


def _repeated(conn: Connection, database: Database) -> Iterator[str]:
    jobs = Counter(job.partition(":")[0] for job in database.finished_jobs(conn))
    answered = Counter(conn.execute(select(analyses.c.failure_id).where(analyses.c.producer == "llm")).scalars())
    for failure_id in jobs.keys() | answered.keys():
        if jobs[failure_id] != 1 or answered[failure_id] != 1:
            yield f"failure {failure_id}: {jobs[failure_id]} jobs ended with an answer, {answered[failure_id]} are kept"
