"""Sources whose message is a template of their user: no fixed shape, so fields are found by the names they go by.

A connector of such a source brings the template to paste (`setup`), and at most a few names of its own.
"""

from dataclasses import replace
from typing import Any, ClassVar

from connectors.base import AuthScheme, Delivery, ErrorEvent, Parsed, Sample
from connectors.fields import Fields
from connectors.items import Keys, read_items
from connectors.record import own_key, read_record
from connectors.shared_secret import SharedSecretConnector


class TemplatedConnector(SharedSecretConnector):
    """Reads an object, a list, a form or text; a subclass says what is special about its source."""

    schemes: tuple[AuthScheme, ...] = ("bearer", "basic", "header", "url-token", "none")
    sample = Sample('{"id": "%ID%", "message": "%TEXT%"}')
    kind: ClassVar[str] = "alert"

    def parse(self, delivery: Delivery) -> Parsed:
        """An event for each object and text. Raises `Unparseable` where there is neither."""
        keys = Keys(delivery)
        items = [self.arrange(item) if isinstance(item, dict) else item for item in read_items(delivery)]
        return Parsed(tuple(self._event(item, keys, delivery) for item in items if item))

    def arrange(self, item: dict[str, Any]) -> dict[str, Any]:
        """The item with the source's own names put as the common ones; an empty one holds no event."""
        return item

    def _event(self, item: Any, keys: Keys, delivery: Delivery) -> ErrorEvent:
        own = own_key(Fields(item)) if isinstance(item, dict) else None
        event = read_record(item, identity=keys.of(item, own), received_at=delivery.received_at)
        return replace(event, type=self.kind)
