"""What is installed is pinned by hash, complete, and free to use; advisories are asked for by `make audit`."""

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from tomllib import loads

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = loads((ROOT / "pyproject.toml").read_text())
FILES = sorted((ROOT / "requirements").glob("*.txt"))
# Permissive, or copyleft that ends at the library: nothing that reaches into this project.
ALLOWED = re.compile(
    r"\b(MIT(-0)?|BSD(-\d-Clause)?|Apache(-| )2\.0|Apache Software License|ISC(L)?|PSF-2\.0|MPL(-| )2\.0|LGPL-3\.0-only"
    r"|Zlib|Unlicense)\b",
    re.IGNORECASE,
)
FORBIDDEN = re.compile(r"\b(AGPL|(?<!L)GPL|SSPL|BUSL|Commons Clause|Proprietary)", re.IGNORECASE)


def pins(name: str) -> dict[str, str]:
    """Package and version of every line of a file of requirements."""
    text = (ROOT / "requirements" / name).read_text()
    return {
        canonicalize_name(one): version for one, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE)
    }


def entries(file: Path) -> Iterator[str]:
    """Each requirement with its continued lines."""
    yield from re.findall(r"^[^\s#].*(?:\n[ ]+.*)*", file.read_text(), re.MULTILINE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_requirement_is_one_version_with_its_hashes_and_no_address(file: Path) -> None:
    for entry in entries(file):
        assert re.match(r"[\w.\[\]-]+==[\w.!+]+( ; [^\\\n]+)? \\\n( +--hash=sha256:[0-9a-f]{64}( \\\n)?)+$", entry), (
            entry
        )
    assert "://" not in file.read_text()


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("runtime.txt", PROJECT["project"]["dependencies"]),
        ("dev.txt", PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]),
    ],
)
def test_the_pins_are_what_the_project_asks_for(file: str, wanted: list[str]) -> None:
    pinned = pins(file)
    for requirement in map(Requirement, wanted):
        version = pinned.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not in requirements/{file}: run make lock"
        assert requirement.specifier.contains(version), f"{requirement} is pinned to {version}: run make lock"


def test_what_runs_is_what_was_tested() -> None:
    tested = pins("dev.txt")
    assert {name: tested.get(name) for name in pins("runtime.txt")} == pins("runtime.txt")


def test_every_package_that_ships_may_be_used() -> None:
    unread = []
    for name in pins("runtime.txt"):
        try:
            told = metadata(name)
        except PackageNotFoundError:  # for another system or a later Python
            unread.append(name)
            continue
        classified = [one for one in told.get_all("Classifier") or [] if one.startswith("License ::")]
        licence = " ".join([told.get("License-Expression") or told.get("License") or "", *classified])[:500]
        assert ALLOWED.search(licence), f"{name}: {licence!r} is not known to be free to use"
        assert not FORBIDDEN.search(licence), f"{name}: {licence!r} binds who uses it"
    assert len(unread) <= 5, unread
