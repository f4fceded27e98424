"""Datadog's API client submits logs, as its agent does."""

import sys

from datadog_api_client import ApiClient, Configuration
from datadog_api_client.v2.api.logs_api import LogsApi
from datadog_api_client.v2.model.content_encoding import ContentEncoding
from datadog_api_client.v2.model.http_log import HTTPLog
from datadog_api_client.v2.model.http_log_item import HTTPLogItem

settings = Configuration(host=sys.argv[1], api_key={"apiKeyAuth": sys.argv[2]})
item = HTTPLogItem(message="permission denied for table invoices", service="billing", ddtags="env:production")
with ApiClient(settings) as client:
    logs = LogsApi(client)
    logs._submit_log_endpoint.settings["servers"] = [{"url": sys.argv[1], "variables": {}}]  # Datadog's own host else
    logs.submit_log(content_encoding=ContentEncoding.GZIP, body=HTTPLog([item]))
