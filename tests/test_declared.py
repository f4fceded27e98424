"""Connections declared in a file: secrets are looked up, mistakes are named, nothing secret is repeated."""

from pathlib import Path

import pytest

from connectors import discover
from connectors.base import Auth
from service.declared import DeclarationError, load_declared

KNOWN = discover()


def load(folder: Path, text: str) -> dict[str, tuple[str, Auth]]:
    file = folder / "connections.yaml"
    file.write_text(text)
    return {one.name: (one.connector, one.auth) for one in load_declared(file, KNOWN)}


def test_secrets_stand_inline_or_come_from_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old.txt").write_text("from-a-file\n")
    monkeypatch.setenv("NEW_SECRET", "from-the-environment")
    text = """
connections:
  - name: sentry-prod
    connector: sentry
    auth: {scheme: signature, secrets: [{env: NEW_SECRET}, {file: old.txt}], tolerance: 60}
  - {name: jobs, connector: generic, auth: {scheme: basic, username: ci, secrets: [inline-secret]}}
  - {name: open, connector: generic, auth: {scheme: none}}
"""
    assert load(tmp_path, text) == {
        "sentry-prod": ("sentry", Auth("signature", ("from-the-environment", "from-a-file"), tolerance=60)),
        "jobs": ("generic", Auth("basic", ("inline-secret",), username="ci")),
        "open": ("generic", Auth("none")),
    }


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        ("{name: a, connector: pigeon, auth: {scheme: none}}", "a: the connector 'pigeon' is not known"),
        (
            "{name: a, connector: alertmanager, auth: {scheme: signature, secrets: [s]}}",
            "a: alertmanager takes the schemes bearer",
        ),
        ("{name: a, connector: sentry, auth: {scheme: bearer}}", "a: scheme bearer needs a secret"),
        ("{name: a, connector: sentry, auth: {scheme: none, secrets: [s3cr3t]}}", "a: scheme none takes no secrets"),
        ("{name: a, connector: sentry, auth: {scheme: bearer, secrets: [{env: UNSET}]}}", "variable UNSET is empty"),
        ("{name: a, connector: sentry, auth: {scheme: bearer, secrets: [{file: no}]}}", "the file no cannot be read"),
        ("{name: a, connector: sentry, auth: {scheme: bearer, secrets: [a, b, s3cr3t]}}", "at most two secrets"),
        ("{name: a, connector: sentry, auth: {scheme: bearer, secrets: ['']}}", "an inline secret is empty"),
        ("{name: A b, connector: sentry, auth: {scheme: none}}", "A b: name: String should match pattern"),
        ("{name: api, connector: sentry, auth: {scheme: none}}", "'api' is no name for a connection"),
        ("{name: a, connector: sentry, auth: {scheme: telepathy, secrets: [s3cr3t]}}", "a: auth.scheme: Input should"),
        ("{name: a, connector: sentry, auth: {scheme: none}, colour: s3cr3t}", "a: colour: Extra inputs"),
        ("[not, a, mapping]", "connection: Input should be"),
    ],
)
def test_a_mistake_is_named_by_connection_and_no_secret_is_repeated(
    tmp_path: Path, connection: str, message: str
) -> None:
    with pytest.raises(DeclarationError) as caught:
        load(tmp_path, f"connections:\n  - {connection}\n")
    assert message in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_a_name_may_be_declared_once(tmp_path: Path) -> None:
    one = "{name: a, connector: sentry, auth: {scheme: none}}"
    with pytest.raises(DeclarationError, match="the name a is taken twice"):
        load(tmp_path, f"connections: [{one}, {one}]")


def test_what_is_no_yaml_is_said_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"connections.yaml is not YAML: .*line 3"):
        load(tmp_path, "connections:\n  - {name: [\n")


def test_an_empty_file_declares_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, "") == {}
