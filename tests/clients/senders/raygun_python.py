"""raygun4py posts an entry to another endpoint."""

import sys
from urllib.parse import urlsplit

from raygun4py.raygunprovider import RaygunSender

split = urlsplit(sys.argv[1])
RaygunSender.endpointprotocol, RaygunSender.endpointhost = "http://", split.netloc
RaygunSender.endpointpath = f"{split.path}/entries"
client = RaygunSender(sys.argv[2])
try:
    raise PermissionError("permission denied for table invoices")
except PermissionError:
    client.send_exception(exc_info=sys.exc_info())
