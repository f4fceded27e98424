"""What a connection's pulls need to know, as people give it: names and values, checked against its connector."""

from collections.abc import Mapping

from connectors.base import Connector
from connectors.pull import Puller, PullRefused, PullSetting

EVERY = PullSetting("every", "Seconds between two pulls; 0: only when a delivery lacks its text.", required=False)
_LEAST, _MOST = 15, 86_400
_LONGEST = 20_000


class PullSettingsError(Exception):
    """The settings cannot be used. The message says which and what to do, and repeats no value."""


def puller_of(connector: Connector) -> Puller:
    """What the connector pulls. Raises `PullSettingsError` where it pulls nothing."""
    if connector.pulls is None:
        raise PullSettingsError(f"{connector.title} is not asked for anything: its deliveries have what there is")
    return connector.pulls


def known_settings(puller: Puller) -> tuple[PullSetting, ...]:
    """All that may be given, `every` included."""
    return (*puller.settings, EVERY)


def complete(given: Mapping[str, str], connector: Connector) -> dict[str, str]:
    """The settings with their defaults. Raises `PullSettingsError`."""
    puller = puller_of(connector)
    known = {setting.name: setting for setting in known_settings(puller)}
    if strange := sorted(given.keys() - known.keys()):
        raise PullSettingsError(f"{strange[0]} is no setting of {connector.name}; known are {', '.join(known)}")
    values = {name: given.get(name, "").strip() or one.default or "" for name, one in known.items()}
    for name, value in values.items():
        if not value and known[name].required:
            raise PullSettingsError(f"{name} is missing: {known[name].told}")
        if len(value) > _LONGEST or "\x00" in value or (known[name].secret and not value.isascii()):
            raise PullSettingsError(f"{name} is no value that a source could have given")
    interval_of(values, puller)
    try:
        puller.check(values)
    except PullRefused as error:
        raise PullSettingsError(str(error)) from None
    return {name: value for name, value in values.items() if value}


def interval_of(settings: Mapping[str, str], puller: Puller) -> int:
    """The seconds between two pulls; 0 where nothing is pulled unasked. Raises `PullSettingsError`."""
    if not puller.every or any(not settings.get(name) for name in puller.optional_schedule):
        return 0
    told = settings.get("every", "")
    if not told:
        return puller.every
    if not (told.isascii() and told.isdigit()) or not (int(told) == 0 or _LEAST <= int(told) <= _MOST):
        raise PullSettingsError(f"every must be 0 or {_LEAST} to {_MOST} seconds")
    return int(told)


def kept_secrets(old: Mapping[str, str], given: Mapping[str, str], puller: Puller) -> dict[str, str]:
    """The secrets that stay where none are given: all, unless they would now travel to another address."""
    known = {one.name: one.default or "" for one in puller.settings}
    addresses = known.keys() & {"url", "site", "login_url"}
    if any(given.get(name, known[name]) != old.get(name, known[name]) for name in addresses):
        return {}
    return {one.name: old[one.name] for one in puller.settings if one.secret and one.name in old}


def shown(settings: Mapping[str, str], puller: Puller) -> dict[str, str]:
    """The settings that may be shown: all but the secrets."""
    secret = {setting.name for setting in puller.settings if setting.secret}
    return {name: value for name, value in settings.items() if name not in secret}
