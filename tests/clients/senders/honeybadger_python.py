"""honeybadger notifies another endpoint."""

import sys

from honeybadger import honeybadger

honeybadger.configure(api_key=sys.argv[2], endpoint=sys.argv[1], environment="production", force_report_data=True)
honeybadger.config.set_config_from_dict({"force_sync": True})
try:
    raise PermissionError("permission denied for table invoices")
except PermissionError as error:
    honeybadger.notify(error)
