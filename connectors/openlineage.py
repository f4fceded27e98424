"""Airflow, dbt and Spark: OpenLineage run events, and the message of Airflow's failure callback below.

https://openlineage.io/docs/spec/facets/run-facets/error_message
https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/logging-monitoring/callbacks.html
"""

from typing import Any

from connectors.templated import TemplatedConnector
from connectors.values import as_mapping, as_text, dig, first_text


class OpenLineageConnector(TemplatedConnector):
    """Reads failed runs; other states of a run are understood and hold none."""

    name = "airflow"
    title = "Airflow, dbt, Spark (OpenLineage)"
    group = "delivery"
    kind = "openlineage.run"
    setup = """\
# OpenLineage, as Airflow, dbt and Spark emit it
OPENLINEAGE__TRANSPORT__TYPE=http
OPENLINEAGE__TRANSPORT__URL=%URL%/
OPENLINEAGE__TRANSPORT__AUTH='{"type": "api_key", "apiKey": "%SECRET%"}'

# or an Airflow callback: DAG(..., default_args={"on_failure_callback": tell_whydenied})
def tell_whydenied(context):
    ti = context["task_instance"]
    httpx.post("%URL%", headers={"Authorization": "Bearer %SECRET%"}, timeout=5, json={
        "id": f"{ti.dag_id}.{ti.task_id}.{ti.run_id}.{ti.try_number}", "service": f"{ti.dag_id}.{ti.task_id}",
        "message": str(context.get("exception")), "error_type": type(context.get("exception")).__name__,
        "link": ti.log_url, "group_key": f"{ti.dag_id}.{ti.task_id}"})
"""

    def arrange(self, item: dict[str, Any]) -> dict[str, Any]:
        """A run event as a flat object, none unless it failed."""
        kind = as_text(item.get("eventType"))
        if kind is None:
            return item
        if kind not in {"FAIL", "ABORT", "COMPLETE"}:
            return {}
        error = as_mapping(dig(item, "run", "facets", "errorMessage"))
        job = ".".join(part for name in ("namespace", "name") if (part := as_text(dig(item, "job", name))))
        run = as_text(dig(item, "run", "runId"))
        return {
            "id": f"{run}:{kind}",
            "state": "resolved" if kind == "COMPLETE" else "firing",
            "title": None if error else f"{job} {kind.lower()}",
            "message": first_text(error.get("message")),
            "stack_trace": error.get("stackTrace"),
            "service": job,
            "time": item.get("eventTime"),
            "group_key": job,
        }


CONNECTOR = OpenLineageConnector()
