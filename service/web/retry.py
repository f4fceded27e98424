"""Ask the model again about a failure that it gave no answer to."""

from service.store.activity import note_activity
from service.store.failures import get_failure, set_analysis_state
from service.store.tables import Failure
from service.web.services import Services

RETRIABLE = frozenset({"failed", "unavailable"})


def retry_analysis(services: Services, failure_id: str, who: str) -> Failure | None:
    """Queue the analysis and begin it at once; an analysis in another state is left alone.

    Returns the failure as it was before, or None where there is none.
    """
    with services.engine.begin() as conn:
        before = get_failure(conn, failure_id)
        is_open = before is not None and before.analysis_state in RETRIABLE
        if is_open:
            set_analysis_state(conn, failure_id, "queued", f"Asked again by {who}.")
            note_activity(conn, who, "asked the model again about", "", failure_id=failure_id)
    if is_open:
        services.ask_model([failure_id])
    return before
