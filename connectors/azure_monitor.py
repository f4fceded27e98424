"""Azure Monitor action groups (common alert schema) and secure webhooks with a token of Entra ID.

https://learn.microsoft.com/azure/azure-monitor/alerts/action-groups#configure-authentication-for-secure-webhook
"""

from connectors.azure_alert import SCHEMA, read_alert
from connectors.azure_query import LogAnalyticsQuery
from connectors.base import Auth, AuthScheme, Connector, Delivery, Parsed, Sample, Unauthenticated, Unparseable
from connectors.bodies import read_json
from connectors.signatures import verify_shared_secret
from connectors.tokens import verify_token
from connectors.values import as_mapping

# The application by which Azure Monitor calls secure webhooks, in every tenant
ACTION_GROUPS_APP = "461e8683-5575-4561-ac7f-899cc907d62a"


class AzureMonitorConnector(Connector):
    """Reads alerts. For `signature`, `senders` are application ids and `keys_url` has the tenant's keys."""

    name = "azure-monitor"
    title = "Azure Monitor"
    group = "cloud"
    schemes: tuple[AuthScheme, ...] = ("url-token", "signature", "basic", "none")
    pulls = LogAnalyticsQuery()
    public_key = True
    sample = Sample(
        '{"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": {"alertId": "%ID%", '
        '"alertRule": "whydenied test", "severity": "Sev3", "monitorCondition": "Fired", "firedDateTime": '
        '"%TIME%", "description": "%TEXT%"}, "alertContext": {}}}',
    )
    setup = """\
az monitor action-group create --resource-group GROUP --name whydenied --short-name whydenied \\
  --action webhook whydenied '%URL%' useCommonAlertSchema
(with the scheme basic: https://USER:%SECRET%@%HOST%%PATH%)

Secure webhook: scheme signature, audience = the application ID URI, senders = 461e8683-5575-4561-ac7f-899cc907d62a, and
keys_url = https://login.microsoftonline.com/TENANT/discovery/v2.0/keys

A log alert tells of a number of rows. For the rows, whydenied asks your workspace: whydenied connections pull %NAME%
"""

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the secret is shown, or the tenant's token names one of the applications."""
        if auth.scheme != "signature":
            verify_shared_secret(delivery, auth)
            return
        tenant = _tenant(auth)
        issuers = (f"https://login.microsoftonline.com/{tenant}/v2.0", f"https://sts.windows.net/{tenant}/")
        claims = verify_token(delivery, auth, keys_url="", issuers=issuers)
        if str(claims.get("azp") or claims.get("appid")) not in auth.senders:
            raise Unauthenticated("The token's application is not among the senders of this connection")

    def parse(self, delivery: Delivery) -> Parsed:
        """The alert."""
        value = as_mapping(read_json(delivery.body))
        event = read_alert(value, delivery.received_at) if value.get("schemaId") == SCHEMA else None
        if event is None:
            raise Unparseable("This is no alert of the common schema; switch the common alert schema on in the action")
        return Parsed((event,))


def _tenant(auth: Auth) -> str:
    """The tenant in the address of its keys, for which Entra ID issues the tokens."""
    parts = (auth.keys_url or "").split("/")
    if len(parts) < 5 or parts[3] in {"common", "organizations"}:
        raise Unauthenticated("keys_url of this connection names no tenant of Entra ID, so no token can be checked")
    return parts[3]


CONNECTOR = AzureMonitorConnector()
