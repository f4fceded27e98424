"""A failure's page: filled placeholders are safe, stacks keep the application's frames, charts tell their numbers."""

import json
import shlex
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from service_site import Site

from service.domain import Artifact, ArtifactKind
from service.store.occurrences import count_by_day
from service.web.chart import HEIGHT, draw_bars
from service.web.filling import UnsafeValue, fill
from service.web.pages import STATIC_FOLDER
from service.web.stack import own_frames

VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=1000), min_size=1, max_size=40)


def artifact(kind: ArtifactKind, content: str) -> Artifact:
    return Artifact(kind=kind, title="t", content=content, placeholders=("NAME",), apply="x")


def filled(kind: ArtifactKind, content: str, value: str) -> str | None:
    try:
        return fill(artifact(kind, content), {"NAME": value})
    except UnsafeValue:
        return None


@given(VALUES)
def test_a_value_stays_one_word_of_a_shell(value: str) -> None:
    for content in ("run --role NAME --x", "run --role=NAME --x", "run 'a NAME' --x", 'run "a NAME" --x'):
        command = filled(ArtifactKind.SHELL, content, value)
        if command is not None:
            assert shlex.split(command) == [word.replace("NAME", value) for word in shlex.split(content)]


@given(VALUES)
def test_a_value_stays_one_string_of_json(value: str) -> None:
    policy = filled(ArtifactKind.JSON_POLICY, '{"Resource": "arn:x:NAME/*"}', value)
    assert policy is None or json.loads(policy) == {"Resource": f"arn:x:{value}/*"}


@given(VALUES)
@example("else")
@example("transaction")
def test_a_value_stays_one_name_of_sql(value: str) -> None:
    with sqlite3.connect(":memory:") as database:
        statement = filled(ArtifactKind.SQL, "SELECT 1 AS NAME", value)
        assert statement is None or database.execute(statement).description[0][0] == value
        statement = filled(ArtifactKind.SQL, "SELECT 'a NAME'", value)
        assert statement is None or database.execute(statement).fetchone() == (f"a {value}",)


@given(VALUES | st.from_regex(r"[0-9xe.:]{1,5}", fullmatch=True))
def test_a_value_stays_one_string_of_yaml(value: str) -> None:
    for content in (
        "a: NAME",
        "a: 'b NAME'",
        'a: "b NAME"',
        "a: [x, 'NAME']",
        "{a: don't, b: NAME}",
        "a: b # it's NAME",
    ):
        manifest = filled(ArtifactKind.MANIFEST, content, value)
        if manifest is not None and not value.isdecimal():
            expected = json.dumps(YAML(typ="safe").load(content)).replace("NAME", json.dumps(value)[1:-1])
            assert YAML(typ="safe").load(manifest) == json.loads(expected)


@pytest.mark.parametrize(
    ("word", "system", "value", "expected"),
    [
        ("PRIVILEGE", "postgresql", "SELECT, INSERT", "SELECT, INSERT"),
        ("PRIVILEGE", "postgresql", "SELECT ON u TO eve", None),
        ("TABLE_NAME", "postgresql", "Sales.orders", '"Sales".orders'),
        ("TABLE_NAME", "sqlserver", "x] TO eve; --", "[x]] TO eve; --]"),
        ("TABLE_NAME", "gcp.bigquery", "x` TO eve", None),
        ("LOWER_PORT", "oracle", "8080", "8080"),
        ("LOWER_PORT", "oracle", "1; x", '"1; x"'),
    ],
)
def test_a_value_of_sql_is_what_its_placeholder_is_called(
    word: str, system: str, value: str, expected: str | None
) -> None:
    one = Artifact(kind=ArtifactKind.SQL, title="t", content=f"a {word} b", placeholders=(word,), apply="x")
    if expected is None:
        with pytest.raises(UnsafeValue):
            fill(one, {word: value}, system)
    else:
        assert fill(one, {word: value}, system) == f"a {expected} b"


@pytest.mark.parametrize(
    ("kind", "content", "value", "expected"),
    [
        (ArtifactKind.SQL, "GRANT SELECT ON t TO NAME;", "app_reader", "GRANT SELECT ON t TO app_reader;"),
        (
            ArtifactKind.SQL,
            "GRANT SELECT ON t TO NAME;",
            'a"; DROP TABLE t',
            'GRANT SELECT ON t TO "a""; DROP TABLE t";',
        ),
        (ArtifactKind.MANIFEST, "name: NAME", "web-1", "name: web-1"),
        (ArtifactKind.MANIFEST, "name: NAME", "web: {evil}", None),
        (ArtifactKind.MANIFEST, "name: NAME", "web:", None),
        (ArtifactKind.CONFIG, "user NAME;", "a; include /etc/x", None),
        (ArtifactKind.REDIS_ACL, "ACL SETUSER NAME +get", "bob ~* +@all", None),
        (ArtifactKind.SHELL, "run NAME", "--force", None),
        (ArtifactKind.SHELL, "psql -c 'GRANT a TO NAME'", "b; DROP TABLE c", None),
        (ArtifactKind.SHELL, "cat <<E\nNAME\nE", "$(id)", None),
        (ArtifactKind.SHELL, "run NAME", "a\nb", None),
        (ArtifactKind.SHELL, "run THE_NAME NAME", "x", "run THE_NAME x"),
        (ArtifactKind.SHELL, 'run "$(get "NAME")"', "$(id)", None),
        (ArtifactKind.SHELL, "# it's so\nrun 'NAME'", "$(id)", None),
        (ArtifactKind.SHELL, "run $'a\\'b' 'c' NAME", "`id`", None),
        (ArtifactKind.SHELL, "# it's so\nrun NAME", "$(id)", "# it's so\nrun '$(id)'"),
        (ArtifactKind.SQL, "DO $$ GRANT a TO NAME; $$", "x$$; DROP TABLE t; --", None),
        (ArtifactKind.SQL, "GRANT a ON [NAME]", "x]; DROP TABLE t; --", None),
        (ArtifactKind.SQL, "/* for NAME */ GRANT a", "*/ DROP TABLE t; --", None),
        (ArtifactKind.SQL, "-- don't\nGRANT a TO NAME", "b c", '-- don\'t\nGRANT a TO "b c"'),
        (ArtifactKind.SQL, "SELECT 'a\nNAME'", "b'; DROP TABLE t", "SELECT 'a\nb''; DROP TABLE t'"),
        (ArtifactKind.MANIFEST, "{a: don't, b: NAME}", "x, admin: true", None),
        (ArtifactKind.MANIFEST, 'run: |\n  echo "NAME"', "$(id)", None),
        (ArtifactKind.MANIFEST, "name: app-NAME", "no", "name: app-no"),
        (ArtifactKind.MANIFEST, "name: NAME # it's", "no", 'name: "no" # it\'s'),
    ],
)
def test_what_cannot_be_quoted_safely_is_refused(
    kind: ArtifactKind, content: str, value: str, expected: str | None
) -> None:
    assert filled(kind, content, value) == expected


def test_placeholders_are_filled_without_script_and_in_the_download(api_site: Site) -> None:
    browser = api_site.browser()
    stored = api_site.seed(50, answer={})
    page = browser.get(f"/failures/{stored.failure_id}?fill-SCHEMA_NAME=Sales").text
    assert "GRANT SELECT ON &#34;Sales&#34;.orders TO billing_app;" in page
    assert f'/analyses/{stored.analysis_id}/artifacts/1?fill-SCHEMA_NAME=Sales" download' in page
    path = f"/analyses/{stored.analysis_id}/artifacts/1"
    assert (
        browser.get(path, params={"fill-SCHEMA_NAME": "Sales"}).text
        == 'GRANT SELECT ON "Sales".orders TO billing_app;\n'
    )
    refused = browser.get(path, params={"fill-SCHEMA_NAME": "a\\b"})
    assert (refused.status_code, refused.text) == (422, "a backslash is not safe in SQL.")
    assert (
        "a backslash is not safe in SQL." in browser.get(f"/failures/{stored.failure_id}?fill-SCHEMA_NAME=a%5Cb").text
    )


def test_a_stack_keeps_the_frames_of_the_application() -> None:
    python = (
        'Traceback (most recent call last):\n  File "/app/pay.py", line 3, in pay\n    charge()\n'
        '  File "/venv/lib/python3.11/site-packages/sdk/client.py", line 9, in call\n    raise Denied\n'
        '  File "/venv/lib/python3.11/site-packages/sdk/http.py", line 9, in send\nsdk.Denied: 403'
    )
    assert own_frames(python) == (
        'Traceback (most recent call last):\n  File "/app/pay.py", line 3, in pay\n    charge()\n'
        "    … 2 frames of libraries\nsdk.Denied: 403",
        2,
    )
    java = "x.Denied: no\n\tat com.acme.Pay.run(Pay.java:3)\n\tat java.base/java.lang.Thread.run(Thread.java:1)\n\tat org.apache.x.Y.z(Y.java:2)"  # noqa: E501
    assert own_frames(java)[0].count("\tat ") == 1
    for whole in ("", "only words", "Denied\n\tat java.lang.Thread.run(Thread.java:1)"):
        assert own_frames(whole) == (whole, 0)


def test_a_chart_says_its_numbers_in_words() -> None:
    chart = draw_bars("c", "Events", "Day", [("1 Nov", 2), ("2 Nov", 0), ("3 Nov", 4)], "events")
    assert chart.summary == "6 events in all; most on 3 Nov: 4."
    assert [bar.height for bar in chart.bars] == [HEIGHT / 2, 0, HEIGHT]
    assert draw_bars("c", "Events", "Day", [], "events").summary == "No events."


def test_events_are_counted_by_day_and_similar_failures_are_linked(api_site: Site) -> None:
    browser = api_site.browser()
    one = api_site.seed(60, answer={"system": "similar.db", "principal": "ann_app"})
    other = api_site.seed(61, answer={"system": "similar.db", "principal": "bob_app"})
    now = datetime.now(UTC)
    with api_site.services.engine.connect() as conn:
        counted = count_by_day(conn, 3, now, one.failure_id)
        assert count_by_day(conn, 2, now + timedelta(days=5), one.failure_id) == [
            ((now + timedelta(days=back)).date(), 0) for back in (4, 5)
        ]
    assert sum(count for _, count in counted) == 1
    page = browser.get(f"/failures/{one.failure_id}").text
    assert "1 event in all; most on" in page
    assert f'<a href="/failures/{other.failure_id}">' in page
    assert "ann_app, bob_app" in page
    assert 'style="' not in page


@pytest.mark.parametrize("text", ['<"' * 32_000, "a\u202e" * 32_000, "[redacted:api_key:3f9c]" * 2_700])
def test_the_heaviest_failure_stays_a_light_page(api_site: Site, text: str) -> None:
    for number in range(40):
        event = {"service_name": f"{number} {text[:300]}", "environment": text[:300], "stacktrace": f"at {text}"}
        url = f"https://monitor.example.com/{'x' * 2_000}"
        stored = api_site.seed(number, text, answer={}, fingerprint=f"heavy {text[:9]}", id=f"{text[:9]}{number}",
                               url=url, **event)  # fmt: skip
    page = api_site.browser().get(f"/failures/{stored.failure_id}").text
    files = sum((STATIC_FOLDER / name).stat().st_size for name in ("app.css", "app.js", "mark.svg"))
    assert "28 more" in page
    assert len(page.encode()) + files < 150_000
