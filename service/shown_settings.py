"""The settings in force as people may see them: without a secret, and each with where it was set."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from service.settings import PREFIX, Settings
from service.web.services import ShownSetting

_EFFECTIVE: dict[str, Callable[[Settings], object]] = {
    "database_url": lambda settings: settings.database,
    "secure_cookies": lambda settings: settings.cookies_are_secure,
}


def show_settings(settings: Settings) -> tuple[ShownSetting, ...]:
    """Every setting, in the order of `docs/configuration.md`. The file of a secret is the source of that secret."""
    fields = Settings.model_fields
    return tuple(_show(settings, name, field) for name, field in fields.items() if not _is_file_of(name))


def _is_file_of(name: str) -> bool:
    return name.endswith("_file") and name.removesuffix("_file") in Settings.model_fields


def _show(settings: Settings, name: str, field: FieldInfo) -> ShownSetting:
    variable = f"{PREFIX}{name}".upper()
    file: Path | None = getattr(settings, f"{name}_file", None)
    if file is not None:
        source = f"file {file} ({variable}_FILE)"
    else:
        source = "environment" if name in settings.model_fields_set else "default"
    value = _EFFECTIVE[name](settings) if name in _EFFECTIVE else getattr(settings, name)
    return ShownSetting(variable, _value(value), source, field.description or "")


def _value(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return "set, not shown"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _without_credentials(value) if isinstance(value, str) and "://" in value else str(value)


def _without_credentials(address: str) -> str:
    """An address without its password and its query, where drivers and proxies take credentials too."""
    try:
        parts = urlsplit(address)
        user, at, host = parts.netloc.rpartition("@")
        shown = parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}", query="", fragment="")
    except ValueError:
        return "set, not shown"
    return shown.geturl() + ("?…" if parts.query else "")
