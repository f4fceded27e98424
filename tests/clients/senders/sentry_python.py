"""sentry-sdk reports the exception of a refused query."""

import sys

import sentry_sdk

address, secret = sys.argv[1], sys.argv[2]
sentry_sdk.init(dsn=address.replace("http://", f"http://{secret}@") + "/1", environment="production")
try:
    raise PermissionError("permission denied for table invoices")
except PermissionError as error:
    sentry_sdk.capture_exception(error)
sentry_sdk.flush(10)
