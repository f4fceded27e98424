"""Bytes of a file become records: whole lines, stack traces with their error, and nothing without end."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import pytest

from connectors.log_joining import Joiner
from service.watch.lines import CHUNK, cut, time_of

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PYTHON = """\
ERROR export failed
Traceback (most recent call last):
  File "export.py", line 7, in run
    s3.put_object(Bucket=bucket)
botocore.exceptions.ClientError: An error occurred (AccessDenied)

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "main.py", line 3, in main
RuntimeError: no export"""
JAVA = """\
2026-03-02 10:00:00 ERROR c.acme.Export - upload failed
software.amazon.awssdk.services.s3.model.S3Exception: User: ana is not authorized
\tat com.acme.Export.run(Export.java:7)
Caused by: java.io.IOException: closed
\t... 12 more"""
NODE = """\
Error: EACCES: permission denied, open '/srv/report.csv'
    at async open (node:internal/fs/promises:639:25) {
  code: 'EACCES'
}"""
PSYCOPG = """\
psycopg.errors.InsufficientPrivilege: permission denied for table orders
LINE 1: SELECT * FROM orders
                      ^"""


def join_lines(lines: Iterable[str]) -> Iterator[str]:
    """The records that the lines of one stream make."""
    joiner, kept = Joiner(), list[str]()
    for line in lines:
        if not joiner.continues(line) and kept:
            yield "\n".join(kept)
            kept = []
        kept.append(line)
    if kept:
        yield "\n".join(kept)


@pytest.mark.parametrize("record", [PYTHON, JAVA, NODE, PSYCOPG], ids=["python", "java", "node", "psycopg"])
def test_a_stack_trace_is_one_record_with_the_error_above_it(record: str) -> None:
    around = ["INFO ready", record, "INFO next", '{"level": "info", "msg": "whole"}', "GET / 200"]
    assert list(join_lines("\n".join(around).splitlines())) == around


def test_a_record_has_no_more_than_some_hundred_lines() -> None:
    lines = ["ERROR", *(f"  at {number}" for number in range(1_000))]
    assert max(record.count("\n") for record in join_lines(lines)) < 300


def test_records_know_where_they_begin_and_the_last_one_waits_until_it_is_settled() -> None:
    data = b"one\ntwo\n  more\nthr"
    assert cut(data, 100, is_settled=False, is_final=False).records == ((100, "one"),)
    settled = cut(data, 100, is_settled=True, is_final=False)
    assert settled.records == ((100, "one"), (104, "two\n  more"))
    assert settled.used == data.index(b"thr")
    assert cut(data, 100, is_settled=True, is_final=True).records[-1] == (100 + data.index(b"thr"), "thr")


def test_of_a_line_without_end_the_beginning_is_kept_and_the_rest_passed_over() -> None:
    first = cut(b"denied " + b"x" * (CHUNK - 7), 0, is_settled=False, is_final=False)
    assert (first.used, first.in_line, len(first.records[0][1])) == (CHUNK, True, 65_536)
    second = cut(b"x" * 50, CHUNK, is_settled=True, is_final=False, in_line=True)
    assert second == cut(b"", CHUNK, is_settled=True, is_final=False, in_line=True).__class__((), 50, in_line=True)
    third = cut(b"xx\nnext\n", CHUNK + 50, is_settled=True, is_final=False, in_line=True)
    assert (third.records, third.used) == (((CHUNK + 53, "next"),), 8)


@pytest.mark.parametrize(
    ("line", "time"),
    [
        ("2026-03-02T10:00:00Z denied", "2026-03-02T10:00:00+00:00"),
        ("[2026-03-02 10:00:00,5 +0200] denied", "2026-03-02T08:00:00.500000+00:00"),
        ("2026-03-02 10:00:00.123456789 UTC [7] ERROR", "2026-03-02T10:00:00.123456+00:00"),
        ("2026-13-02T10:00:00Z denied", NOW.isoformat()),
        ("denied", NOW.isoformat()),
    ],
)
def test_a_line_says_when_it_was_written(line: str, time: str) -> None:
    assert time_of(line, NOW).isoformat() == time
