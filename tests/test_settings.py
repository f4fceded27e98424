"""Settings come from the environment, refuse nonsense in words, and are all documented."""

import os
import re
from pathlib import Path

import pytest

from service.settings import PREFIX, Settings, SettingsError, load_settings, unknown_variables

DOCUMENT = Path(__file__).parents[1] / "docs" / "configuration.md"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def documented() -> dict[str, str]:
    rows = re.findall(r"^\| `(WHYDENIED_\w+)` \|[^|]*\| (.*) \|$", DOCUMENT.read_text(), re.MULTILINE)
    return dict(rows)


def test_every_setting_is_documented_in_its_own_words() -> None:
    expected = {f"{PREFIX}{name.upper()}": field.description for name, field in Settings.model_fields.items()}
    assert documented() == expected


def test_defaults_need_no_environment() -> None:
    settings = load_settings()
    assert settings.database.startswith("sqlite:///")
    assert settings.database.endswith("/var/whydenied.db")
    assert not settings.cookies_are_secure


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYDENIED_LLM_API_KEY", "")
    assert load_settings().llm_api_key is None


def test_a_public_https_address_makes_cookies_secure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYDENIED_PUBLIC_URL", "https://why.example.com/")
    settings = load_settings()
    assert settings.public_url == "https://why.example.com"
    assert settings.cookies_are_secure


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("WHYDENIED_LOG_LEVEL", "loud", "WHYDENIED_LOG_LEVEL: Input should be 'debug', 'info', 'warning' or 'error'"),
        ("WHYDENIED_DATABASE_URL", "mysql://x", "WHYDENIED_DATABASE_URL: must start with sqlite:/// or postgresql://"),
        ("WHYDENIED_PUBLIC_URL", "why.example", "WHYDENIED_PUBLIC_URL: must start with http:// or https://"),
        ("WHYDENIED_ADMIN_API_KEY", "short-key", "WHYDENIED_ADMIN_API_KEY must have 12 characters or more"),
        ("WHYDENIED_SECRET_KEY_FILE", "/nowhere/key", "WHYDENIED_SECRET_KEY_FILE: cannot read /nowhere/key"),
    ],
)
def test_a_wrong_value_is_named_and_not_repeated_when_secret(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert message in str(caught.value)
    if "KEY" in name and not name.endswith("FILE"):
        assert value not in str(caught.value)


def test_a_secret_comes_from_a_file_and_prints_masked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("a-key-of-the-provider\n")
    monkeypatch.setenv("WHYDENIED_LLM_API_KEY_FILE", str(file))
    settings = load_settings()
    assert settings.llm_api_key is not None
    assert settings.llm_api_key.get_secret_value() == "a-key-of-the-provider"
    assert "a-key-of-the-provider" not in repr(settings)


def test_the_address_of_the_database_comes_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://why:hunter2@db/why\n")
    monkeypatch.setenv("WHYDENIED_DATABASE_URL_FILE", str(file))
    assert load_settings().database == "postgresql://why:hunter2@db/why"
    assert "hunter2" not in repr(load_settings())
    file.write_text("mysql://why:hunter2@db/why")
    with pytest.raises(SettingsError, match="must start with") as refused:
        load_settings()
    assert "hunter2" not in str(refused.value)


def test_a_secret_and_its_file_exclude_each_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("x")
    monkeypatch.setenv("WHYDENIED_LLM_API_KEY_FILE", str(file))
    monkeypatch.setenv("WHYDENIED_LLM_API_KEY", "y")
    with pytest.raises(SettingsError, match="WHYDENIED_LLM_API_KEY or WHYDENIED_LLM_API_KEY_FILE, not both"):
        load_settings()


def test_a_misspelt_variable_is_pointed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYDENIED_DATABSE_URL", "sqlite:///x")
    assert unknown_variables() == ["WHYDENIED_DATABSE_URL is not a setting; did you mean WHYDENIED_DATABASE_URL?"]
