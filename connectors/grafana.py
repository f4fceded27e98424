"""Grafana Alerting's webhook contact point, signed if it is told to be.

https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
"""

from connectors.alertmanager import read_alerts
from connectors.base import Auth, AuthScheme, Connector, Delivery, Parsed, Sample
from connectors.grafana_alerts import GrafanaAlerts
from connectors.signatures import verify_age, verify_hmac_sha256, verify_shared_secret
from connectors.trial import HexHMAC

_SIGNATURE = "x-grafana-alerting-signature"
_TIMESTAMP = "x-grafana-alerting-timestamp"


class GrafanaConnector(Connector):
    """Reads alerts; one delivery carries many, and each is an event."""

    name = "grafana"
    title = "Grafana Alerting"
    group = "alerts"
    schemes: tuple[AuthScheme, ...] = ("signature", "bearer", "basic", "header", "url-token", "none")
    pulls = GrafanaAlerts()
    sample = Sample(
        '{"status": "firing", "alerts": [{"status": "firing", "labels": {"alertname": "whydenied_test"}, '
        '"annotations": {"description": "%TEXT%"}, "startsAt": "%TIME%", "fingerprint": "%ID%"}]}',
    )
    signer = HexHMAC("x-grafana-alerting-signature")
    setup = """\
Alerting, Contact points, Create contact point, Integration Webhook:
  URL                     %URL%
  HMAC Signature          secret %SECRET%, timestamp header X-Grafana-Alerting-Timestamp
  (with the scheme bearer instead: Authorization Header, scheme Bearer, credentials %SECRET%)
Put the error text into an annotation of the rule: description = {{ $labels.error }}
For the lines of Loki that a rule counts, with the token of a Viewer:
whydenied connections pull %NAME% --set url=https://grafana.example --set token=@grafana-token
"""

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the body is signed, with its time where the timestamp header is set."""
        if auth.scheme != "signature":
            verify_shared_secret(delivery, auth)
            return
        signed, timestamp = delivery.raw, delivery.headers.get(_TIMESTAMP)
        if timestamp is not None:
            verify_age(timestamp, delivery, auth, _TIMESTAMP)
            signed = f"{timestamp}:".encode() + signed
        verify_hmac_sha256(delivery, auth, _SIGNATURE, signed=signed)

    def parse(self, delivery: Delivery) -> Parsed:
        """An event for each alert. Raises `Unparseable` without a list of alerts, as with a custom payload."""
        return read_alerts(delivery)


CONNECTOR = GrafanaConnector()
