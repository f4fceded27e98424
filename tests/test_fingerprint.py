"""One failure per denial, however many objects, sessions and pods it comes from."""

import subprocess
import sys
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.fingerprint import of_denial, of_text

ROLE = "arn:aws:sts::111122223333:assumed-role/exporter/{}"
OBJECT = "arn:aws:s3:::reports/{}"


def denial(
    principal: str = ROLE.format("i-1"), action: str = "s3:GetObject", resource: str = OBJECT.format("a")
) -> str:
    return of_denial("aws.s3", "missing_grant", principal, action, resource)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (denial(principal=ROLE.format("session-1")), denial(principal=ROLE.format("session-2"))),
        (denial(resource=OBJECT.format("2026/01/a.csv")), denial(resource=OBJECT.format("2026/02/b.csv"))),
        (denial(resource="checkout-6c9f7d8b4d-x2x9z"), denial(resource="checkout-7d8b46c9fd-q8m2p")),
        (
            denial(resource="job-9f8e7d6c-1111-2222-3333-444455556666"),
            denial(resource="job-0a1b2c3d-1111-2222-3333-444455556666"),
        ),
        (denial(resource="/srv/exports/2026-01-31.csv"), denial(resource="/srv/exports/2026-02-01.csv")),
        (denial(resource="order/10001"), denial(resource="order/20002")),
    ],
    ids=["session", "object of a bucket", "pod", "uuid", "date", "number"],
)
def test_what_varies_does_not_split_a_failure(one: str, other: str) -> None:
    assert one == other


def test_what_matters_does_split_it() -> None:
    different = [
        denial(),
        denial(action="s3:PutObject"),
        denial(principal="arn:aws:sts::111122223333:assumed-role/importer/i-1"),
        denial(principal="arn:aws:sts::444455556666:assumed-role/exporter/i-1"),
        denial(resource="arn:aws:s3:::invoices/a"),
        denial(resource="arn:aws:s3:::reports"),
        of_denial("aws.s3", "explicit_deny", ROLE.format("i-1"), "s3:GetObject", OBJECT.format("a")),
        of_denial("aws.s3", "missing_grant", None, "s3:GetObject", OBJECT.format("a")),
    ]
    assert all(one != other for one, other in combinations(different, 2))


def test_an_unknown_text_is_its_words() -> None:
    first = of_text('2026-03-02T10:00:01Z worker-3 ledgerd: vault 17 shut for "nina", request 8f14e45fceea167a')
    again = of_text('2026-03-04T11:22:33Z worker-9 ledgerd: vault 23 shut for "nina", request 45c48cce2e2d7fbd')
    other = of_text('2026-03-02T10:00:01Z worker-3 ledgerd: vault 17 open for "nina", request 8f14e45fceea167a')
    assert first == again
    assert first != other


def test_masks_do_not_split_a_failure() -> None:
    assert of_text("key [redacted:xai_key:3f9c] refused") == of_text("key [redacted:xai_key:77aa] refused")


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_has_one_fingerprint_of_32_digits(text: str, other: str) -> None:
    assert of_text(text) == of_text(text)
    assert len(of_denial(text, None, other, text, other)) == 32


def test_processes_agree() -> None:
    code = "from service.fingerprint import of_text; print(of_text('ledger says no'))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == of_text("ledger says no")
