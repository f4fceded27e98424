"""OpenLineage's client emits a run that failed, as Airflow, dbt and Spark do."""

import sys
from datetime import UTC, datetime

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.facet_v2 import error_message_run
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport

config = HttpConfig(url=f"{sys.argv[1]}/", auth=ApiKeyTokenProvider({"apiKey": sys.argv[2]}))
error = error_message_run.ErrorMessageRunFacet(
    message="permission denied for table invoices", programmingLanguage="python", stackTrace="Traceback ..."
)
run = Run(runId="0198c3f2-1111-7222-8333-444455556666", facets={"errorMessage": error})
job = Job(namespace="production", name="billing.load")
event = RunEvent(
    eventType=RunState.FAIL, eventTime=datetime.now(UTC).isoformat(), run=run, job=job, producer="https://example.com"
)
OpenLineageClient(transport=HttpTransport(config)).emit(event)
