"""bugsnag notifies another endpoint."""

import sys

import bugsnag

address, secret = sys.argv[1], sys.argv[2]
bugsnag.configure(
    api_key=secret,
    endpoint=address,
    session_endpoint=f"{address}/sessions",
    release_stage="production",
    asynchronous=False,
    auto_capture_sessions=False,
)
try:
    raise PermissionError("permission denied for table invoices")
except PermissionError as error:
    bugsnag.notify(error)
