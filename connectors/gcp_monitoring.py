"""Google Cloud Monitoring's webhook channel.

https://cloud.google.com/monitoring/support/notification-options#webhooks
"""

from connectors.base import Auth, AuthScheme, Connector, Delivery, Parsed, Sample, Unauthenticated, Unparseable
from connectors.bodies import read_json
from connectors.gcp_incident import is_incident, read_incident
from connectors.gcp_incident_entries import IncidentEntries
from connectors.signatures import is_one_of, live_secrets, verify_shared_secret
from connectors.values import as_mapping


class MonitoringConnector(Connector):
    """Reads incidents as the webhook channel sends them."""

    name = "gcp-monitoring"
    pulls = IncidentEntries()
    title = "Google Cloud Monitoring"
    group = "cloud"
    schemes: tuple[AuthScheme, ...] = ("basic", "url-token", "none")
    sample = Sample(
        '{"incident": {"incident_id": "%ID%", "state": "open", "policy_name": "whydenied test", "summary": '
        '"%TEXT%", "started_at": %SECONDS%}, "version": "1.2"}',
    )
    setup = """\
gcloud beta monitoring channels create --display-name=whydenied --type=webhook_basicauth \\
  --channel-labels=url='%URL%',username=USER,password='%SECRET%'
Add the channel to your alerting policies, notify on closure too, and put the error into the documentation by a label
extractor of a log-based alert: ${log.extracted_label.message}
"""

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the secret is shown; in the address it may also be called `auth_token`."""
        token = delivery.query.get("auth_token")
        if auth.scheme == "url-token" and token:
            if not is_one_of(token, live_secrets(auth)):
                raise Unauthenticated("The query parameter auth_token holds no secret of this connection")
            return
        verify_shared_secret(delivery, auth)

    def parse(self, delivery: Delivery) -> Parsed:
        """The incident of the notification."""
        value = as_mapping(read_json(delivery.body))
        if not is_incident(value):
            raise Unparseable("A notification has an `incident` with an `incident_id`, and this has not")
        return Parsed((read_incident(value, delivery.received_at),))


CONNECTOR = MonitoringConnector()
