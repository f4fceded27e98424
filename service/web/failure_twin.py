"""The page of a failure as data: what REST gives of it, and what else the page shows. Pure."""

from typing import Any

from service.web.failure_view import FailureView
from service.web.schema import FailureDetail


def failure_twin(view: FailureView, detail: FailureDetail | None) -> dict[str, Any]:
    """Empty where no `detail` was loaded, because nobody asked for data."""
    if detail is None:
        return {}
    return detail.model_dump(mode="json") | {
        "text": view.text,
        "stack": view.stack,
        "services": view.services,
        "environments": view.environments,
        "principals": view.principals,
        "occurrences": view.events,
        "by_day": [{"day": bar.label, "events": bar.value} for bar in view.chart.bars],
        "similar": [{"id": row.id, "title": row.title, "status": row.status} for row in view.similar],
        "history": view.reviews,
    }
