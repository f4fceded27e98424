"""Connectors are found, not registered; a broken one says what is wrong with it."""

import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

import connectors
from connectors.generic import CONNECTOR


def plugin(tmp_path, monkeypatch, source: str) -> None:
    """An installed package that offers the connector of a module with this source."""
    (tmp_path / "acme_connector.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "acme_connector", raising=False)
    point = EntryPoint("acme", "acme_connector", connectors.ENTRY_POINT_GROUP)
    monkeypatch.setattr(connectors, "entry_points", lambda group: [point])


WHOLE = """
from connectors.base import Connector

class Acme(Connector):
    name = "acme"
    title = "Acme Monitoring"
    schemes = ("bearer",)
    setup = "Enter %URL% in Acme."
    def authenticate(self, delivery, auth): ...
    def parse(self, delivery): ...
CONNECTOR = Acme()
"""


def test_every_module_with_a_connector_is_found_under_its_name():
    assert {"generic", "sentry", "alertmanager"} <= set(connectors.discover())
    assert all(connector.name == name for name, connector in connectors.discover().items())


def test_an_installed_package_can_add_one(tmp_path, monkeypatch):
    plugin(tmp_path, monkeypatch, WHOLE)
    assert connectors.discover()["acme"].title == "Acme Monitoring"


def test_a_name_that_is_taken_is_refused(tmp_path, monkeypatch):
    plugin(tmp_path, monkeypatch, WHOLE.replace('"acme"', '"sentry"'))
    with pytest.raises(connectors.BrokenConnector, match="the name 'sentry' is taken"):
        connectors.discover()


def test_a_package_that_does_not_load_is_named_with_the_reason(tmp_path, monkeypatch):
    plugin(tmp_path, monkeypatch, "import no_such_module")
    with pytest.raises(connectors.BrokenConnector, match=r"acme = acme_connector: does not load .*no_such_module"):
        connectors.discover()


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"name": None}, "`name` is None"),
        ({"name": "Has Blanks"}, "lower-case letters"),
        ({"title": ""}, "`title` is missing"),
        ({"schemes": ()}, "`schemes` is"),
        ({"schemes": ("bearer", "telepathy")}, "signature, bearer, basic"),
        ({"setup": "Ask somebody."}, "`setup` does not say where %URL%"),
        ({"parse": None}, "the method `parse` is missing"),
        ({"authenticate": None}, "the method `authenticate` is missing"),
    ],
)
def test_a_broken_promise_is_named(broken, said):
    promises = ("name", "title", "schemes", "setup", "authenticate", "parse", "greet", "refuse")
    whole = {name: getattr(CONNECTOR, name) for name in promises}
    assert connectors.check("here", SimpleNamespace(**whole))
    with pytest.raises(connectors.BrokenConnector, match=f"^here: .*{said}"):
        connectors.check("here", SimpleNamespace(**{**whole, **broken}))
