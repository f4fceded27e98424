"""DBOS, embedded: jobs that survive a kill, on SQLite or in the PostgreSQL database. The only importer of DBOS.

DBOS is one per process and takes more than a second to import, so nothing here happens before `start`, which belongs
in a thread. Only plain JSON values cross into its tables, so that a newer release reads what an older one left.
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import make_url

if TYPE_CHECKING:
    from dbos import DBOS, DBOSConfig, StepOptions

# Of the order of steps in a job. DBOS resumes only jobs of its own version, so a deploy must not change this by itself.
_STEPS_VERSION = "1"
_APPLICATION = "whydenied"
_JOB = "analyse"
_LATER = "later"
_POLL_SECONDS = 1.0
_PAGE = 200
_MOST_RECOVERIES = 10


class Interrupted(BaseException):
    """The process is stopping: the job is left as it is and resumed by the next worker. Not an error of the job."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job as recorded, with DBOS's word for where it stands."""

    id: str
    status: str

    @property
    def is_running(self) -> bool:
        """In a process, or left there by one that died."""
        return self.status == "PENDING"

    @property
    def is_active(self) -> bool:
        """Running, or waiting for its turn or its time."""
        return self.status in {"PENDING", "ENQUEUED", "DELAYED"}

    @property
    def is_broken(self) -> bool:
        """Ended by a fault of the job itself."""
        return not self.is_active and self.status != "SUCCESS"


class Durable:
    """The jobs of one installation, as a worker process sees them. `run` gets a failure's id and its earlier tries."""

    def __init__(self, database_url: str, data_dir: Path, run: Callable[[str, int], str]) -> None:
        self._url = database_url
        self._data_dir = data_dir
        self._run = run
        self._dbos: type[DBOS] | None = None
        self._job: Callable[[str, int], str] = run

    def start(self, seat: str, concurrency: int) -> None:
        """Open the job tables and resume what this seat left. Blocks for seconds. Raises what the database raises."""
        from dbos import DBOS  # noqa: PLC0415  1.8 s to import

        logger = logging.getLogger("dbos")
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())  # else DBOS writes to standard error in a format of its own
        DBOS(config=self._config(seat))
        run = self._run

        def analyse(failure_id: str, tries: int) -> str:  # DBOS writes attributes, which a bound method has not
            return run(failure_id, tries)

        self._job = DBOS.workflow(name=_JOB, max_recovery_attempts=_MOST_RECOVERIES)(analyse)
        try:
            DBOS.launch()
            DBOS.register_queue(
                _LATER, worker_concurrency=concurrency, polling_interval_sec=_POLL_SECONDS, on_conflict="always_update"
            )
        except BaseException:
            DBOS.destroy(destroy_registry=True)
            raise
        self._dbos = DBOS

    def stop(self) -> None:
        """Let go of the tables. Jobs that still run are resumed by the next worker."""
        if self._dbos is not None:
            self._dbos.destroy(destroy_registry=True)
            self._dbos = None

    def begin(self, job_id: str, failure_id: str) -> bool:
        """Run a job now, in a thread. False: a job of this id is known already, and nothing happens."""
        from dbos import SetWorkflowID, error  # noqa: PLC0415  loaded by start

        try:
            with SetWorkflowID(job_id, workflow_id_reuse_policy="reject"):
                self._open.start_workflow(self._job, failure_id, 0)
        except error.DBOSWorkflowIDInUseError:
            return False
        return True

    def begin_later(self, job_id: str, failure_id: str, tries: int, seconds: float) -> None:
        """Run a job, here or in another process, once some time has passed. Known ids are left alone."""
        from dbos import SetEnqueueOptions, SetWorkflowID  # noqa: PLC0415  loaded by start

        with SetWorkflowID(job_id), SetEnqueueOptions(delay_seconds=seconds):
            self._open.enqueue_workflow(_LATER, self._job, failure_id, tries)

    def step(self, function: Callable[..., Any], *values: Any) -> Any:
        """Inside a job: call the function and record what it returns; a resumed job gets the record."""
        options: StepOptions = {"name": function.__name__}
        return self._open.run_step(options, function, *values)

    @property
    def current_job(self) -> str:
        """Inside a job: its id."""
        return self._open.workflow_id or ""

    def jobs_under(self, prefix: str) -> list[Job]:
        """The recorded jobs whose id begins so."""
        return self._list(workflow_id_prefix=prefix)

    def active_jobs(self) -> list[Job]:
        """Every job that runs or waits, in any process."""
        return self._list(status=["PENDING", "ENQUEUED", "DELAYED"])

    def running_elsewhere(self, seat: str) -> dict[str, list[str]]:
        """Ids of jobs that are recorded as running, by the seat of their worker, other than this one."""
        elsewhere: dict[str, list[str]] = {}
        statuses = self._open.list_workflows(
            name=_JOB, status="PENDING", app_version=_STEPS_VERSION, load_input=False, load_output=False
        )
        for status in statuses:
            if status.executor_id and status.executor_id != seat:
                elsewhere.setdefault(status.executor_id, []).append(status.workflow_id)
        return elsewhere

    def resume(self, job_ids: Iterable[str]) -> None:
        """Queue again what a dead worker was running; call it only while that worker's seat is held."""
        for job_id in job_ids:
            self._open.resume_workflow(job_id, queue_name=_LATER)

    def forget_finished(self, days: int) -> None:
        """Delete the records of some jobs that ended that long ago."""
        before = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        old = self._open.list_workflows(
            name=_JOB, completed_before=before, limit=_PAGE, load_input=False, load_output=False
        )
        if old:
            self._open.delete_workflows([status.workflow_id for status in old])

    @property
    def _open(self) -> "type[DBOS]":
        if self._dbos is None:
            raise Interrupted
        return self._dbos

    def _list(self, **filters: Any) -> list[Job]:
        statuses = self._open.list_workflows(name=_JOB, load_input=False, load_output=False, **filters)
        return [Job(status.workflow_id, status.status) for status in statuses]

    def _config(self, seat: str) -> "DBOSConfig":
        return {
            "name": _APPLICATION,
            "system_database_url": self._system_url(),
            "application_version": _STEPS_VERSION,
            "executor_id": seat,
            "log_level": "WARNING",
            "sys_db_pool_size": 5,
            # Nobody here waits for DBOS's notifications, so their listeners only cost connections and wake-ups.
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": 0.5,
            "scheduler_polling_interval_sec": 3600.0,
        }

    def _system_url(self) -> str:
        url = make_url(self._url)
        if url.get_backend_name() != "sqlite":
            return url.set(drivername="postgresql").render_as_string(hide_password=False)
        file = self._data_dir / "jobs.db"
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        with closing(sqlite3.connect(file, timeout=10)) as conn:
            conn.execute("PRAGMA journal_mode=WAL")
        return f"sqlite:///{file}"
