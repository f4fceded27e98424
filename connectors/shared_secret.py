"""Sources that sign nothing: whoever sends shows a secret of the connection."""

from connectors.base import Auth, Connector, Delivery
from connectors.signatures import verify_named_secret, verify_shared_secret


class SharedSecretConnector(Connector):
    """A connector whose sender shows the secret itself, in the header of `header_name` where the vendor fixes one."""

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless a secret of the connection is shown as its scheme says."""
        if self.header_name:
            verify_named_secret(delivery, auth, self.header_name)
        else:
            verify_shared_secret(delivery, auth)
