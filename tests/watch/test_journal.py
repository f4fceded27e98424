"""The journal is read by systemd's own journalctl, from real journals, and goes on at its cursor."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from service.watch.journal import JournalSource
from service.watch.source import Batch, WatchError

Write = Callable[..., Path]
DENIED = "permission denied for table orders"


def take(source: JournalSource) -> list[Any]:
    """All records until there are no more."""

    async def whole() -> list[Any]:
        records: list[Any] = []
        try:
            while (batch := await source.read()) is not None:
                records += batch.records
        finally:
            await source.close()
        return records

    return asyncio.run(whole())


def messages(records: Sequence[Any]) -> list[str]:
    return [record["MESSAGE"] for record in records]


def test_entries_are_read_once_with_their_cursor_and_a_restart_goes_on(journal: Write) -> None:
    folder = journal({"MESSAGE": "ready", "PRIORITY": "6"}, {"MESSAGE": DENIED, "_SYSTEMD_UNIT": "billing.service"})
    source = JournalSource(None, folder=folder, at_end=False, once=True)
    ready, denied = take(source)
    assert messages([ready, denied]) == ["ready", DENIED]
    assert (denied["_SYSTEMD_UNIT"], denied["_HOSTNAME"]) == ("billing.service", "web-1")
    journal({"MESSAGE": "one more"})
    again = JournalSource({"cursor": denied["__CURSOR"]}, folder=folder, once=True)
    assert messages(take(again)) == ["one more"]


def test_what_is_there_at_the_first_start_is_passed_over_but_what_comes_is_followed(journal: Write) -> None:
    folder = journal({"MESSAGE": "old"})

    async def follow() -> list[str]:
        source = JournalSource(None, folder=folder)
        begun = await source.read()
        assert begun is not None
        assert begun.after["cursor"]
        await asyncio.to_thread(journal, {"MESSAGE": DENIED})
        batch: Batch | None = None
        async with asyncio.timeout(60):
            while batch is None:
                batch = await source.read()
        await source.close()
        return messages(batch.records)

    assert asyncio.run(follow()) == [DENIED]


def test_a_stack_trace_that_a_process_prints_line_by_line_is_one_record(journal: Write) -> None:
    lines = ["Traceback (most recent call last):", '  File "a.py", line 1, in f', f"ValueError: {DENIED}", "next"]
    others = [{"MESSAGE": f"other {number}", "_PID": "8"} for number in range(2)]
    own = [{"MESSAGE": line} for line in lines]
    folder = journal(own[0], others[0], own[1], others[1], *own[2:])
    records = take(JournalSource(None, folder=folder, at_end=False, once=True))
    assert messages(records) == ["\n".join(lines[:3]), "other 0", "other 1", "next"]


def test_what_is_no_utf_8_is_read_all_the_same_and_a_unit_can_be_chosen(journal: Write) -> None:
    folder = journal(
        {"MESSAGE": b"denied \xff\xfe", "_SYSTEMD_UNIT": "a.service"},
        {"MESSAGE": "of another unit", "_SYSTEMD_UNIT": "b.service"},
        {"MESSAGE": "x" * 100_000, "_SYSTEMD_UNIT": "a.service"},
    )
    source = JournalSource(None, units=("a.service",), folder=folder, at_end=False, once=True)
    odd, long = messages(take(source))
    assert odd == "denied \ufffd\ufffd"
    assert len(long) == 65_536


def test_a_journal_that_cannot_be_read_says_so(tmp_path: Path, journal: Write) -> None:
    folder = journal({"MESSAGE": "ready"})
    with pytest.raises(WatchError, match=r"journalctl has ended \(1\): .*nowhere"):
        take(JournalSource(None, folder=tmp_path / "nowhere", at_end=False, once=True))
    with pytest.raises(WatchError, match="journalctl has ended"):
        take(JournalSource({"cursor": "no cursor"}, folder=folder, once=True))
