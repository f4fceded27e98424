"""Nagios and Icinga by a notification command that posts a form: macros are not escaped, so JSON would break.

https://assets.nagios.com/downloads/nagioscore/docs/nagioscore/4/en/macrolist.html
"""

from typing import Any

from connectors.templated import TemplatedConnector
from connectors.values import as_text, first_text

_OVER = frozenset({"RECOVERY", "OK", "UP"})

# The macros by their own names
_OWN = {
    "notificationtype": "type",
    "servicedesc": "service",
    "serviceproblemid": "problem",
    "serviceoutput": "message",
    "hostoutput": "message",
    "longserviceoutput": "output",
    "servicestate": "severity",
    "timet": "time",
}


class NagiosConnector(TemplatedConnector):
    """Reads notifications of hosts and services; a recovery closes a problem."""

    name = "nagios"
    title = "Nagios, Icinga"
    group = "alerts"
    kind = "nagios.notification"
    setup = """\
define command {
  command_name notify-whydenied
  command_line /usr/bin/curl -sf '%URL%' \\
    -H '%HEADER%' \\
    --data-urlencode 'type=$NOTIFICATIONTYPE$' --data-urlencode 'service=$HOSTNAME$/$SERVICEDESC$' \\
    --data-urlencode 'problem=$SERVICEPROBLEMID$' --data-urlencode 'time=$TIMET$' \\
    --data-urlencode 'message=$SERVICEOUTPUT$ $LONGSERVICEOUTPUT$' --data-urlencode 'severity=$SERVICESTATE$'
}
"""

    def arrange(self, item: dict[str, Any]) -> dict[str, Any]:
        """The problem's number as the group of all its notifications."""
        item = {name: item[own] for own, name in _OWN.items() if item.get(own)} | item
        kind = (as_text(item.get("type")) or "").upper()
        problem = first_text(item.get("problem"), item.get("service"))
        return {
            **{name: value for name, value in item.items() if name not in {"type", "problem"}},
            "id": f"{problem}:{kind}:{as_text(item.get('time')) or ''}" if problem else None,
            "state": "resolved" if kind in _OVER else "firing",
            "group_key": problem,
        }


CONNECTOR = NagiosConnector()
