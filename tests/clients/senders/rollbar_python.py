"""rollbar reports an exception to another endpoint."""

import sys

import rollbar

rollbar.init(sys.argv[2], environment="production", handler="blocking", endpoint=f"{sys.argv[1]}/api/1/item/")
try:
    raise PermissionError("permission denied for table invoices")
except PermissionError:
    rollbar.report_exc_info()
