"""What a diagnosis needs stays word for word: over-masking would be as bad as a leak."""

from pathlib import Path

import pytest

from service.redact import Redactor

REDACTOR = Redactor(b"k" * 32)
SURVIVORS = [
    line for line in Path(__file__).with_name("redact_survivors.txt").read_text().splitlines() if line[:1] != "#"
]


@pytest.mark.parametrize("text", SURVIVORS)
def test_what_a_diagnosis_needs_survives(text: str) -> None:
    clean = REDACTOR.redact(text)
    assert clean.text == text
    assert clean.counts == {}


def test_it_survives_in_one_long_log_too() -> None:
    log = "\n".join(SURVIVORS)
    assert REDACTOR.redact(log).text == log
