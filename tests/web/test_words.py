"""The words of the pages: causes, times, costs, and which addresses may be linked."""

from datetime import UTC, datetime, timedelta

import pytest

from service.domain import ArtifactKind, Cause, Confidence, Verdict
from service.store.reviews import REASONS
from service.web import words
from service.web.notices import review_notice
from service.web.pages import is_web, page_environment
from service.web.queue_view import fitting

NOW = datetime(2026, 11, 21, 21, 39, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(seconds=-30), "just now"),
        (timedelta(seconds=44), "just now"),
        (timedelta(seconds=50), "1 min ago"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(days=29), "29 d ago"),
        (timedelta(days=40), "12 Oct 2026"),
    ],
)
def test_ago_is_short_and_then_a_date(age: timedelta, expected: str) -> None:
    assert words.ago(NOW - age, NOW) == expected


def test_every_closed_list_has_words() -> None:
    assert set(words.VERDICTS) == set(Verdict)
    assert set(words.CONFIDENCES) == set(Confidence)
    assert set(words.ARTIFACTS) == set(ArtifactKind)
    assert set(words.REJECT_REASONS) == set(REASONS)
    assert words.cause_words(Cause.NETWORK_OR_IP_RESTRICTION) == "network or IP restriction"


def test_costs_keep_the_digits_that_matter() -> None:
    assert [words.dollars(cost) for cost in (None, 0.0123, 1.5)] == ["unknown cost", "$0.0123", "$1.50"]


def test_a_rules_template_reads_as_a_sentence() -> None:
    template = "{% if who %}{{ who | upper }}{% else %}The caller{% endif %} may not {{ placeholder('VERB') }} it"
    assert words.template_words(template) == "<who> may not <VERB> it"


def test_long_names_keep_their_telling_end() -> None:
    arn = "arn:aws:sts::402918837465:assumed-role/report-builder/i-0f3a9c"
    fitted = fitting(principal=arn, action="s3:GetObject", resource="orders")
    assert fitted == {"principal": "arn:aws:…e/report-builder/i-0f3a9c", "action": "s3:GetObject", "resource": "orders"}
    assert fitting(principal=arn, action="x") == {"principal": arn, "action": "x"}


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("https://example.com/a?b=c", True),
        ("HTTP://example.com", True),
        ("javascript:alert(1)", False),
        ("//example.com", False),
        ("https:example", False),
        (" https://example.com", False),
        ("https://exam\u202eple.com", False),
        ("http://[", False),
        ("data:text/html,x", False),
        (None, False),
    ],
)
def test_only_web_addresses_are_linked(address: str | None, allowed: bool) -> None:
    assert is_web(address) is allowed


def test_a_notice_says_only_fixed_words() -> None:
    assert review_notice({"done": "<b>"}, on_queue=True) is None
    notice = review_notice({"done": "approve", "was": "../../evil"}, on_queue=True)
    assert notice
    assert (notice.text, notice.href) == ("Approved.", None)


def test_values_lose_their_invisible_characters_wherever_they_stand() -> None:
    template = page_environment().from_string('<p title="{{ x }}">{{ x }}</p>')
    assert template.render(x="a\u202e<b>\x07") == '<p title="a⟨U+202E⟩&lt;b&gt;⟨U+0007⟩">a⟨U+202E⟩&lt;b&gt;⟨U+0007⟩</p>'


def test_spans_lists_and_addresses_are_short() -> None:
    assert [words.hours(count) for count in (0, 0.5, 3.2, 90)] == ["1 min", "30 min", "3 h", "4 days"]
    assert words.some(["a"] * 14) == f"{', '.join('a' * 12)} and 2 more"
    assert words.some([]) == "not named"
    assert words.short_url("https://example.com/a") == "example.com/a"
    assert len(words.short("x" * 500, 60)) == 60
    assert words.step_parts("Held: nothing") == ("Held:", " nothing")
