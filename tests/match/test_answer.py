"""What a rule's answer may hold: quoting by kind, placeholders, and nothing unsafe from a hostile event."""

import json
import shlex
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain import Answer, ArtifactKind
from service.match.matcher import Matcher
from service.render import UnsafeValue, render, render_with_placeholders
from service.rules.model import Pack

HOSTILE = [
    "x'; DROP TABLE ledger; --",
    "$(reboot)",
    "`id`",
    'a"b',
    "a\\b",
    "{{ 7 * 7 }}",
    "<script>",
    "-rf",
    "a\nb",
    "\x1b[2J",
]


def answer(pack: Pack, text: str) -> Answer:
    match = Matcher([pack]).match(text, {})
    assert match is not None
    return match.answer("a")


@given(st.text(min_size=1, max_size=40))
def test_a_value_stays_one_shell_word(value: str) -> None:
    try:
        rendered = render(ArtifactKind.SHELL, "grant {{ value }}", {"value": value})
    except UnsafeValue:
        return
    assert shlex.split(rendered) == ["grant", value]


@given(st.text(min_size=1, max_size=40))
def test_a_value_stays_one_json_string(value: str) -> None:
    assert json.loads(render(ArtifactKind.JSON_POLICY, '{"Action": {{ value }}}', {"value": value})) == {
        "Action": value
    }


@pytest.mark.parametrize(
    ("dialect", "name", "written"),
    [
        ("postgresql", "orders", "orders"),
        ("postgresql", "Orders", '"Orders"'),
        ("postgresql", "sales.Orders", 'sales."Orders"'),
        ("postgresql", 'we"ird', '"we""ird"'),
        ("postgresql", "user", '"user"'),
        ("mysql", "my-table", "`my-table`"),
        ("mssql", "my]table", "[my]]table]"),
        ("oracle", "HR.EMP", "HR.EMP"),
    ],
)
def test_an_sql_identifier_is_quoted_where_its_dialect_needs_it(dialect: str, name: str, written: str) -> None:
    assert (
        render(ArtifactKind.SQL, "{{ name | ident }}" if "." not in name else "{{ name }}", {"name": name}, dialect)
        == written
    )


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_never_becomes_sql(value: str) -> None:
    try:
        rendered = render(ArtifactKind.SQL, "GRANT SELECT ON {{ value | ident }} TO r;", {"value": value}, "postgresql")
    except UnsafeValue:
        return
    inside = rendered.removeprefix("GRANT SELECT ON ").removesuffix(" TO r;")
    assert inside == value or inside == '"' + value.replace('"', '""') + '"'


@pytest.mark.parametrize("value", ["two words", "a;b", "a{b", 'a"b', "a\nb"])
def test_a_configuration_takes_plain_words_only(value: str) -> None:
    with pytest.raises(UnsafeValue):
        render(ArtifactKind.CONFIG, "allow {{ value }};", {"value": value})


def test_what_the_event_does_not_say_is_a_listed_placeholder() -> None:
    source = "GRANT SELECT ON {{ table | placeholder('TABLE_NAME') }} TO {{ role | placeholder('ROLE_NAME') }};"
    content, placeholders = render_with_placeholders(
        ArtifactKind.SQL, source, {"table": "t", "role": None}, "postgresql"
    )
    assert content == "GRANT SELECT ON t TO ROLE_NAME;"
    assert placeholders == ("ROLE_NAME",)


def test_a_field_that_leans_on_what_the_event_does_not_say_is_left_out(make_pack: Callable[..., Pack]) -> None:
    rule = {
        "patterns": [r"refuses(?: (?P<principal>ada))?(?:: (?P<right>\w+))?"],
        "action": "{{ right }}",
        "resource": "ledger of {{ principal }}",
        "missing_permissions": ["{{ right }} on the ledger"],
    }
    held = answer(make_pack("ledger", denied=rule), "ledger refuses")
    assert (held.action, held.resource, held.missing_permissions) == (None, None, ())
    full = answer(make_pack("ledger", denied=rule), "ledger refuses ada: read")
    assert (full.action, full.resource, full.missing_permissions) == ("read", "ledger of ada", ("read on the ledger",))


def test_an_artifact_that_cannot_hold_a_value_is_left_out_and_said(make_pack: Callable[..., Pack]) -> None:
    fix = {
        "summary": "Let {{ principal }} in.",
        "artifacts": [{"kind": "shell", "title": "t", "content": "grant {{ principal }}", "apply": "the owner"}],
    }
    pack = make_pack("ledger", denied={"patterns": [r"refuses (?P<principal>\S+)"], "fix": fix})
    held = answer(pack, "ledger refuses --all")
    assert held.fix is not None
    assert held.fix.artifacts == ()
    assert "would be read as an option" in held.fix.steps[-1]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_capture_is_never_run_as_a_template(make_pack: Callable[..., Pack], value: str) -> None:
    pack = make_pack(
        "ledger", denied={"patterns": [r"refuses <(?P<principal>[^>]*)"], "title": "{{ principal }} may not"}
    )
    held = answer(pack, f"ledger refuses <{value}> today")
    assert "49" not in held.title
    assert "\x1b" not in held.title
