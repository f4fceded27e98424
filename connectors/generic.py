"""Any tool that can post: a JSON object or list, JSON Lines, a form, or plain text; each item becomes an event.

The names that are understood stand in `connectors/fields.py`. Signatures are those of https://www.standardwebhooks.com.
"""

from datetime import datetime
from typing import Any

from connectors.base import Auth, AuthScheme, Connector, Delivery, ErrorEvent, Parsed, Sample, Unparseable
from connectors.fields import ALIASES, Fields
from connectors.items import Keys, read_items
from connectors.record import own_key, read_record
from connectors.signatures import verify_shared_secret, verify_standard_webhook
from connectors.trial import StandardWebhook
from connectors.values import dig

_MAPS = "field."
_DEEPEST = 10


class GenericConnector(Connector):
    """Reads what no other connector claims."""

    name = "generic"
    title = "Anything that posts JSON or text"
    schemes: tuple[AuthScheme, ...] = ("signature", "bearer", "basic", "header", "url-token", "none")
    sample = Sample('{"id": "%ID%", "message": "%TEXT%"}')
    signer = StandardWebhook()
    setup = """\
Post JSON, JSON Lines, a form or plain text:
  curl --data-binary @error.txt \\
    -H '%HEADER%' \\
    '%URL%'
  curl -H 'Content-Type: application/json' \\
    -H '%HEADER%' \\
    -d '{"message": "the error text", "service": "billing", "environment": "production", "id": "run-118"}' \\
    '%URL%'
"""

    def authenticate(self, delivery: Delivery, auth: Auth) -> None:
        """Raise `Unauthenticated` unless the Standard Webhooks signature or the shared secret is right."""
        if auth.scheme == "signature":
            verify_standard_webhook(delivery, auth)
        else:
            verify_shared_secret(delivery, auth)

    def parse(self, delivery: Delivery) -> Parsed:
        """An event for each object and each text of the body.

        Raises `Unparseable` where there is neither, and for a mapping of a field that there is not.
        """
        keys, mapping = Keys(delivery), _mapping(delivery)
        items = [_mapped(item, mapping) if mapping else item for item in read_items(delivery)]
        return Parsed(tuple(_event(item, keys, delivery.received_at) for item in items))


def _mapping(delivery: Delivery) -> dict[str, list[str]]:
    """Where the fields stand that the address maps, `?field.message=alert.body`, by the name they usually go by."""
    mapping = {}
    for name, path in delivery.query.items():
        if name.startswith(_MAPS):
            field = name.removeprefix(_MAPS)
            if field not in ALIASES:
                known = ", ".join(sorted(ALIASES.keys() - {"vendor_error"}))
                raise Unparseable(f"The address maps {field[:40]!r}, which is no field; fields are {known}")
            mapping[ALIASES[field][0]] = path.split(".")
    return mapping


def _mapped(item: Any, mapping: dict[str, list[str]]) -> Any:
    if not isinstance(item, dict):
        return item
    found = {name: value for name, path in mapping.items() if (value := _at(item, path)) is not None}
    return {**item, **found}


def _at(value: Any, path: list[str]) -> Any:
    """The value at a path of names, and of numbers in lists."""
    for name in path[:_DEEPEST]:
        if isinstance(value, list):
            value = value[int(name)] if name.isdecimal() and int(name) < len(value) else None
        else:
            value = dig(value, name)
    return value


def _event(item: Any, keys: Keys, received_at: datetime) -> ErrorEvent:
    found = Fields(item) if isinstance(item, dict) else None
    own = own_key(found) if found else None
    return read_record(item, identity=keys.of(item, own), received_at=received_at, found=found)


CONNECTOR = GenericConnector()
