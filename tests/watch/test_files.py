"""A file is read once, line by line, however it is rotated and whenever we are restarted."""

import os
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from service.watch.files import Facts, FileSource
from service.watch.source import WatchError

Take = Callable[..., list[Any]]
LONG = "padding " * 40 + "."  # a copied file is known by its first bytes


class Watched:
    """A file that is followed: whoever is killed and begun again goes on where the last read was done."""

    def __init__(self, path: Path, take: Take, *, at_end: bool = False) -> None:
        self.path, self.take, self.at_end = path, take, at_end
        self.kept: Mapping[str, Any] | None = None
        self.told: list[str] = []
        self.source: FileSource | None = None

    def __call__(self, reads: int = 1, *, once: bool = False) -> list[str]:
        """The messages of some reads."""
        facts = Facts("web-1", "billing", "prod")
        if self.source is None or once:
            self.source = FileSource(self.path, self.kept, facts, self.told.append, at_end=self.at_end, once=once)
        found = self.take(self.source, reads)
        self.kept = self.source._place.told() if self.source._place else None
        return [record["MESSAGE"] for record in found]

    def killed(self) -> None:
        self.source = None

    def is_known(self) -> bool:
        """Whether there is something in the file by which a copy of it can be known."""
        told = self.path.stat() if self.path.exists() else None
        return bool(told and told.st_size and self.kept and (self.kept["offset"] or self.kept["inode"] != told.st_ino))

    def append(self, text: str) -> None:
        with self.path.open("a") as file:
            file.write(text)


@pytest.fixture
def watched(tmp_path: Path, take: Take) -> Watched:
    return Watched(tmp_path / "app.log", take)


def test_what_is_there_at_the_first_start_is_passed_over_and_a_line_is_read_once_it_ends(
    tmp_path: Path, take: Take
) -> None:
    watched = Watched(tmp_path / "app.log", take, at_end=True)
    watched.append("old\n")
    assert watched() == []
    watched.append("new\nhal")
    assert watched(3) == ["new"]
    watched.append("f\n")
    assert watched(3) == ["half"]


def test_a_file_that_does_not_exist_yet_is_read_from_its_start(tmp_path: Path, take: Take) -> None:
    watched = Watched(tmp_path / "app.log", take, at_end=True)
    assert watched(2) == []
    watched.append("first\n")
    assert watched(4) == ["first"]


def test_a_restart_goes_on_where_it_stopped(watched: Watched) -> None:
    watched.append("one\ntwo\n")
    assert watched(3) == ["one", "two"]
    watched.killed()
    watched.append("three\n")
    assert watched(3) == ["three"]


def test_a_record_says_where_it_comes_from_and_has_the_same_id_when_it_is_read_again(
    watched: Watched, take: Take
) -> None:
    watched.append("2026-03-02T10:00:00Z denied\n")
    watched()
    before = watched.kept
    sources = [FileSource(watched.path, before, Facts("web-1", "billing"), print, once=True) for _ in range(2)]
    (first,), (second,) = (take(source) for source in sources)
    assert first == second
    assert first["__CURSOR"].endswith(":0")
    assert (first["_HOSTNAME"], first["SYSLOG_IDENTIFIER"]) == ("web-1", "billing")
    assert first["log"]["file"]["path"] == str(watched.path)
    assert first["@timestamp"] == "2026-03-02T10:00:00+00:00"


def test_a_renamed_file_is_read_to_its_end_before_the_new_one(watched: Watched) -> None:
    watched.append("one\n")
    assert watched(3) == ["one"]
    older = watched.path.rename(watched.path.with_name("app.log.1"))
    watched.append("three\n")
    with older.open("a") as late:
        late.write("two, of a writer that does not know yet")
    assert watched(12) == ["two, of a writer that does not know yet", "three"]
    assert watched.told == []


def test_what_was_rotated_while_nobody_looked_is_read_first(watched: Watched) -> None:
    watched.append("one\n")
    assert watched(3) == ["one"]
    watched.killed()
    for number in range(3):
        watched.append(f"after rotation {number}\n")
        for older in (3, 2, 1):
            if (there := watched.path.with_name(f"app.log.{older}")).exists():
                there.rename(watched.path.with_name(f"app.log.{older + 1}"))
        watched.path.rename(watched.path.with_name("app.log.1"))
    watched.append("newest\n")
    watched.path.with_name("app.log.9.gz").write_bytes(b"\x1f\x8b")
    assert watched(20) == ["after rotation 0", "after rotation 1", "after rotation 2", "newest"]


def test_a_file_that_was_copied_and_truncated_loses_nothing(watched: Watched) -> None:
    watched.append(f"one {LONG}\n")
    assert watched(3) == [f"one {LONG}"]
    watched.append("two\n")
    shutil.copy(watched.path, watched.path.with_name("app.log.1"))
    watched.path.write_text("")
    watched.append("three\n")
    assert watched(8) == ["two", "three"]
    assert watched.told == []


def test_a_file_whose_older_part_is_gone_is_read_from_its_start_and_says_so(watched: Watched) -> None:
    watched.append("one, which is longer than the next\n")
    watched(3)
    watched.path.write_text("short\n")
    assert watched(5) == ["short"]
    assert watched.told == [f"{watched.path} is read from its start: it is not the file any more that was read before"]


def test_two_truncations_give_other_ids_at_the_same_offset(watched: Watched, take: Take) -> None:
    runs = set()
    for text in ("a longer first line\n", "shorter one\n", "short\n"):
        watched.path.write_text(text)
        assert watched(5) == [text.strip()]
        assert watched.kept
        runs.add(watched.kept["run"])
    assert len(runs) == 3


def test_with_once_the_end_of_the_file_ends_its_last_line(watched: Watched) -> None:
    watched.append("one\ntwo without an end")
    assert watched(3, once=True) == ["one", "two without an end"]


def test_a_long_line_is_cut_and_the_next_one_is_whole(watched: Watched) -> None:
    watched.append("denied " + "x" * 3_000_000 + "\nnext\n")
    cut_off, following = watched(8)
    assert (len(cut_off), following) == (65_536, "next")


def test_what_is_no_plain_file_is_refused(tmp_path: Path, take: Take) -> None:
    for path in (tmp_path, Path("/dev/null")):
        with pytest.raises(WatchError, match="no plain file"):
            Watched(path, take)()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_each_line_is_read_once_and_in_order(watched: Watched, seed: int) -> None:
    chance, written = random.Random(seed), 1
    watched.append(f"line 0 {LONG}\n")
    read = watched(3)
    for number in range(60):
        older = watched.path.with_name(f"app.log.{number}")
        match chance.choice(["append", "append", "append", "read", "read", "rename", "copy", "kill"]):
            case "append":
                for _ in range(chance.randint(1, 5)):
                    watched.append(f"line {written} {LONG}\n")
                    written += 1
            case "read":
                read += watched(chance.randint(1, 12))
            case "kill":
                watched.killed()
            case "rename" if watched.path.exists() and watched.path.stat().st_size:
                watched.path.rename(older)
                os.utime(older, ns=(number, number))  # files of one log are not rotated within one tick of the clock
            case "copy" if watched.is_known():
                shutil.copy(watched.path, older)
                os.utime(older, ns=(number, number))
                watched.path.write_text("")
    watched.append("last\n")
    for _ in range(40):
        read += watched(5)
    assert read == [*(f"line {number} {LONG}" for number in range(written)), "last"]
