"""Every setting of the service, read from `WHYDENIED_*` variables in one place.

Only `service.app` and `service.cli` read this module; everything below gets plain values. `docs/configuration.md`
lists the same fields, and a test compares the two.
"""

import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "WHYDENIED_"
MIB = 1024 * 1024
_PUBLIC_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_PACKAGE = Path(__file__).resolve().parent


class SettingsError(Exception):
    """A setting is wrong. The message names each variable and what it may be; it repeats no secret."""


def _data_folder(name: str) -> Path:
    """The checkout's folder where there is one, else the copy inside the installed package."""
    checkout = _PACKAGE.parent / name
    return checkout if checkout.is_dir() else _PACKAGE / "_data" / name


class Settings(BaseSettings):
    """Values of one running service. Secrets print masked."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    data_dir: Path = Field(Path("var"), description="Folder for the embedded database and the generated key.")
    database_url: str | None = Field(
        None,
        repr=False,
        description="`sqlite:///path` or `postgresql://user:password@host/name`. Default: SQLite in the data folder.",
    )
    database_url_file: Path | None = Field(None, description="File that holds that URL, password and all.")
    public_url: str | None = Field(
        None, description="Address that browsers and senders use, e.g. `https://whydenied.example.com`."
    )
    secret_key: SecretStr | None = Field(
        None, description="Master key, 32 characters or more. Default: generated once into the data folder."
    )
    secret_key_file: Path | None = Field(None, description="File that holds the master key.")
    admin_api_key: SecretStr | None = Field(
        None, description="Presets one API key of scope `admin`, 12 characters or more, for automation."
    )
    admin_api_key_file: Path | None = Field(None, description="File that holds that API key.")
    connections: Path | None = Field(None, description="YAML file that declares connections.")
    rules_dir: Path = Field(default_factory=lambda: _data_folder("rules"), description="Folder of rule packs.")
    prompts_dir: Path = Field(default_factory=lambda: _data_folder("prompts"), description="Folder of prompts.")

    llm_provider: str = Field("anthropic", description="LLM provider: a module of `service/llm`.")
    llm_api_key: SecretStr | None = Field(
        None, description="Key of the LLM provider. Without one, only rules answer and nothing leaves the service."
    )
    llm_api_key_file: Path | None = Field(None, description="File that holds the key of the LLM provider.")
    llm_model: str | None = Field(None, description="Model for failures that no rule knows. Default: the provider's.")
    llm_base_url: str | None = Field(None, description="Address of the provider's API, for a gateway or proxy.")
    llm_concurrency: int = Field(4, ge=1, le=100, description="LLM calls in flight at once in this process.")
    llm_timeout: float = Field(60.0, ge=5, le=600, description="Seconds that one LLM call may take.")
    llm_models: Path | None = Field(
        None,
        description="YAML file of models in order of preference, instead of one provider, key, model and address.",
    )
    llm_budget_day: float | None = Field(None, gt=0, description="US dollars for LLM calls per day (UTC).")
    llm_budget_month: float | None = Field(None, gt=0, description="US dollars for LLM calls per month (UTC).")
    llm_calls_per_minute: int | None = Field(None, ge=1, description="LLM calls per minute, of all processes.")
    worker: bool = Field(True, description="Run background jobs (LLM analyses) in this process.")

    redact_emails: bool = Field(False, description="Mask e-mail addresses too. They often are the principal.")
    max_body_bytes: int = Field(
        5 * MIB, ge=1024, description="Largest delivery as sent, in bytes. Sentry: 20 MiB at least."
    )
    max_inflated_bytes: int = Field(
        20 * MIB, ge=1024, description="Largest delivery after decompression, in bytes. Sentry: 100 MiB at least."
    )
    body_timeout: float = Field(30.0, gt=0, description="Seconds a sender has to deliver its whole body.")
    queue_limit: int = Field(10_000, ge=1, description="Events waiting for the database before senders get 503.")

    rate_limit: int = Field(
        0, ge=0, description="Events per second that one connection may send to one process; 0: any number."
    )
    events_per_day: int = Field(
        0, ge=0, description="Events per day (UTC) that one connection may send to all processes; 0: any number."
    )
    new_failures_per_hour: int = Field(
        10_000,
        ge=0,
        description="New failures that a connection may make per hour before they are folded into one; 0: any number.",
    )

    retention_days: int | None = Field(
        None, ge=1, description="Days that events are kept; failures, answers and reviews stay. Default: for ever."
    )
    session_hours: int = Field(12, ge=1, le=24 * 30, description="Hours until a sign-in ends.")
    session_idle_hours: int = Field(4, ge=1, le=24 * 30, description="Hours without opening a page until it ends.")
    password_sign_in: bool = Field(
        True, description="Let people sign in with passwords. If no, the OpenID Connect provider alone does."
    )
    secure_cookies: bool | None = Field(
        None, description="Send the session cookie over HTTPS only. Default: yes when the public URL is https."
    )
    oidc_issuer: str | None = Field(
        None, description="OpenID Connect provider that signs people in, e.g. `https://login.example.com/realms/ops`."
    )
    oidc_client_id: str | None = Field(None, description="What this service is called at the provider.")
    oidc_client_secret: SecretStr | None = Field(
        None, description="Its secret there. Without one it is a public client; PKCE is always used."
    )
    oidc_client_secret_file: Path | None = Field(None, description="File that holds that secret.")
    oidc_scopes: str = Field("openid email profile", description="What is asked of the provider, separated by spaces.")
    oidc_name: str | None = Field(
        None, description="What the sign-in page calls the provider. Default: the host of the issuer."
    )
    oidc_role_claim: str = Field(
        "groups",
        description="Claim that `WHYDENIED_OIDC_ROLES` looks at; a path such as `realm_access.roles` leads into it.",
    )
    oidc_roles: str | None = Field(
        None,
        description="Who comes in as what: `admin=leads; reviewer=sre; viewer=*`. Default: only who has an account.",
    )
    oidc_domains: str | None = Field(
        None, description="Domains of e-mail addresses that may come in, comma separated. Default: all."
    )
    oidc_trust_emails: bool = Field(
        False,
        description="Take an e-mail as verified where the provider does not say (Entra ID) and nobody can choose his.",
    )

    trusted_proxies: str = Field(
        "127.0.0.1", description="Addresses whose `X-Forwarded-*` headers are believed, comma separated."
    )
    metrics_public: bool = Field(
        True, description="Serve `/metrics` to everyone. If no, it needs an API key of scope `read`."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least important log line shown."
    )
    log_format: Literal["json", "console"] = Field("json", description="`json` for machines, `console` for people.")

    @field_validator("public_url")
    @classmethod
    def _is_web_address(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        if value and not _PUBLIC_PATH.fullmatch(urlsplit(value).path):
            raise ValueError("its path may have letters, digits and . _ ~ - between the slashes")
        return value.rstrip("/") if value else None

    @field_validator("database_url")
    @classmethod
    def _is_known_database(cls, value: str | None) -> str | None:
        return _known_database(value) if value else None

    @model_validator(mode="after")
    def _reads_files(self) -> Self:
        for name in ("database_url", "secret_key", "admin_api_key", "llm_api_key", "oidc_client_secret"):
            self._read_file(name)
        if self.llm_models is not None and (self.llm_api_key or self.llm_model or self.llm_base_url):
            raise ValueError(f"set {PREFIX}LLM_MODELS or the key, model and base URL of one model, not both")
        if not self.password_sign_in and not self.oidc_issuer:
            raise ValueError(f"{PREFIX}PASSWORD_SIGN_IN=false needs {PREFIX}OIDC_ISSUER: nobody could sign in")
        _at_least(self.secret_key, 32, "secret_key")
        _at_least(self.admin_api_key, 12, "admin_api_key")
        return self

    def _read_file(self, name: str) -> None:
        path: Path | None = getattr(self, f"{name}_file")
        if path is None:
            return
        if getattr(self, name) is not None:
            raise ValueError(f"set {PREFIX}{name.upper()} or {PREFIX}{name.upper()}_FILE, not both")
        try:
            value = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{PREFIX}{name.upper()}_FILE: cannot read {path}: {type(error).__name__}") from error
        if not value:
            raise ValueError(f"{PREFIX}{name.upper()}_FILE: {path} is empty")
        # The model is frozen for its users; this validator is part of its construction.
        object.__setattr__(self, name, _known_database(value) if name == "database_url" else SecretStr(value))

    @property
    def database(self) -> str:
        """The database URL in use."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'whydenied.db').resolve()}"

    @property
    def cookies_are_secure(self) -> bool:
        if self.secure_cookies is not None:
            return self.secure_cookies
        return bool(self.public_url and self.public_url.startswith("https://"))


def _known_database(url: str) -> str:
    if not url.startswith(("sqlite://", "postgresql://", "postgresql+psycopg://", "postgres://")):
        raise ValueError("must start with sqlite:/// or postgresql://")
    return url


def _at_least(secret: SecretStr | None, length: int, name: str) -> None:
    if secret is not None and len(secret.get_secret_value()) < length:
        raise ValueError(f"{PREFIX}{name.upper()} must have {length} characters or more")


def load_settings() -> Settings:
    """Read the environment. Raises `SettingsError` with one line per problem."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_problems(error))) from None


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in problem["loc"]).upper()
        message = problem["msg"].removeprefix("Value error, ")
        yield f"{PREFIX}{name}: {message}" if name else message


def unknown_variables() -> list[str]:
    """A line for each `WHYDENIED_*` variable that no setting reads, with the nearest name."""
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    lines = []
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            lines.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else ""))
    return lines
