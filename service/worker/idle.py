"""What the worker does while no model is configured: say so on every failure that wants one."""

from collections.abc import Sequence

from sqlalchemy import Engine

from service.worker.ledger import find_open, set_states

NO_KEY = (
    "No rule knows this failure, and no model is configured. Set WHYDENIED_LLM_API_KEY or WHYDENIED_LLM_API_KEY_FILE "
    "(optional: WHYDENIED_LLM_MODEL, WHYDENIED_LLM_BASE_URL, WHYDENIED_LLM_PROVIDER) and restart; it is then picked up."
)
_PAGE = 500


class Idle:
    """See `dispatch.Shift`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def open(self) -> None:
        """Nothing to open."""

    def sweep(self) -> tuple[list[str], bool]:
        """Mark what nobody marked yet."""
        after = ""
        while True:
            with self._engine.connect() as conn:
                page = find_open(conn, after, _PAGE)
            self._mark([failure_id for failure_id, state in page if state != "unavailable"])
            if len(page) < _PAGE:
                return [], False
            after = page[-1][0]

    def can_take(self) -> bool:
        """Always."""
        return True

    def take(self, failure_id: str) -> None:
        """Mark one failure."""
        self._mark([failure_id])

    def hold_back(self, _failure_ids: Sequence[str]) -> bool:
        """No: failures are only marked."""
        return False

    def probe(self) -> None:
        """Nothing is out of order."""

    @property
    def resumes_at(self) -> float | None:
        """Never: nothing is held back."""
        return None

    def close(self, seconds: float) -> None:
        """Nothing to close."""

    def _mark(self, failure_ids: list[str]) -> None:
        if failure_ids:
            with self._engine.begin() as conn:
                set_states(conn, failure_ids, "unavailable", NO_KEY)
