"""The one linter of over-broad grants: no spelling of "everything" gets past it, and no narrow change is refused."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from service.domain import ArtifactKind
from service.rules.grants import find_overbroad

VARIANTS = YAML(typ="safe").load(Path(__file__).parent.joinpath("grant_variants.yaml").read_text())
BROAD = {f"{kind}: {text}": (kind, text) for kind, texts in VARIANTS["refused"].items() for text in texts}
NARROW = {f"{kind}: {text}": (kind, text) for kind, texts in VARIANTS["fine"].items() for text in texts}


def test_there_are_enough_variants_to_mean_something() -> None:
    assert len(BROAD) >= 200
    assert len(NARROW) >= 60


def test_every_variant_of_a_broad_grant_is_refused() -> None:
    assert [name for name, (kind, text) in BROAD.items() if not find_overbroad(ArtifactKind(kind), text)] == []


def test_a_broad_grant_is_refused_whatever_kind_it_is_said_to_be() -> None:
    missed = [
        (kind, name)
        for name, (_, text) in BROAD.items()
        for kind in (ArtifactKind.SHELL, ArtifactKind.CONFIG)
        if not find_overbroad(kind, text)
    ]
    assert missed == []


def wrapped(text: str) -> dict[str, str]:
    """The same change, spelled to be overlooked."""
    return {
        "full width": "".join(chr(ord(c) + 0xFEE0) if c.isalpha() and c.isascii() else c for c in text),
        "zero width": "\u200b".join(text),
        "soft hyphens": text.replace("e", "e\u00ad"),
        "wide spaces": text.replace(" ", "\u3000"),
        "in a heredoc": f"cat > change.txt <<'EOF'\n{text}\nEOF\n",
    }


def test_languages_without_case_have_none_here() -> None:
    kinds = {"sql", "json-policy", "redis-acl"}
    shouted = {name: (kind, text.upper()) for name, (kind, text) in BROAD.items() if kind in kinds and "\\" not in text}
    assert [name for name, (kind, text) in shouted.items() if not find_overbroad(ArtifactKind(kind), text)] == []


@pytest.mark.parametrize("trick", wrapped(""))
def test_no_way_of_spelling_hides_it(trick: str) -> None:
    assert [
        name for name, (kind, text) in BROAD.items() if not find_overbroad(ArtifactKind(kind), wrapped(text)[trick])
    ] == []


def test_a_narrow_change_is_not_refused() -> None:
    refused = {name: find_overbroad(ArtifactKind(kind), text) for name, (kind, text) in NARROW.items()}
    assert {name: reasons for name, reasons in refused.items() if reasons} == {}


@pytest.mark.parametrize("content", ["{" * 8_000, "[" * 8_000, "- " * 4_000, "a: &a [*a, *a]\n" * 400, "\"'" * 4_000])
def test_hostile_text_is_read_to_its_end(content: str) -> None:
    assert isinstance(find_overbroad(ArtifactKind.MANIFEST, content), list)
