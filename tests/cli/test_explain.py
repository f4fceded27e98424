"""`whydenied explain` in its three forms, as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from command import run_command

from service import __version__

COMMAND = [sys.executable, "-m", "service", "explain"]
DENIAL = '{"code":"permission-denied","error":"Access to the embed endpoint is denied."}'


def explain(*args: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return run_command("explain", *args, stdin=text)


def test_answers_a_person_cause_first_then_fix_then_verify() -> None:
    run = explain(text=f"starting\n{DENIAL}\n")
    assert run.returncode == 0
    order = [run.stdout.index(word) for word in ("PERMISSION", "Fix", "Verify", "Evidence")]
    assert order == sorted(order)
    assert "\x1b[" not in run.stdout


def test_marks_the_evidence_in_plain_text() -> None:
    lines = explain(text=f"starting\n{DENIAL}\n").stdout.splitlines()
    shown = next(index for index, line in enumerate(lines) if DENIAL in line)
    marked = lines[shown + 1]
    start = lines[shown].index("Access to the embed endpoint is denied")
    assert marked[start:].startswith("^")


def test_reads_a_file(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text(DENIAL)
    assert "api-key:endpoint:embed" in explain(str(log)).stdout


def test_prints_json() -> None:
    answer = json.loads(explain("--json", text=DENIAL).stdout)
    assert answer["verdict"] == "permission"
    assert answer["missing_permissions"] == ["api-key:endpoint:embed"]


def test_tells_its_release() -> None:
    assert run_command("--version").stdout == f"whydenied {__version__}\n"


def test_abstains_without_inventing() -> None:
    answer = json.loads(explain("--json", text="the moon is full").stdout)
    assert (answer["verdict"], answer["cause"], answer["fix"]) == ("unknown", None, None)


@pytest.mark.parametrize(
    ("args", "text", "words"),
    [
        (["/no/such/file"], "", "cannot read"),
        (["access denied for bob"], "", "standard input"),
        ([], "  \n", "no text"),
    ],
)
def test_says_what_is_wrong_without_a_traceback(args: list[str], text: str, words: str) -> None:
    run = explain(*args, text=text)
    assert run.returncode == 2
    assert words in run.stderr
    assert "Traceback" not in run.stderr


def test_batch_keeps_order_and_answers_a_bad_line_with_an_error() -> None:
    lines = [
        json.dumps({"id": "a", "text": DENIAL, "context": {"http_status": 403}}),
        "not json",
        json.dumps({"id": "c"}),
        json.dumps({"id": "d", "text": "nothing", "context": None}),
        json.dumps({"id": 5, "text": "x", "context": "no object"}),
    ]
    run = explain("--jsonl", text="\n".join(lines) + "\n")
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == ["a", None, "c", "d", 5]
    assert ["error" in answer for answer in answers] == [False, True, True, False, True]
    assert run.returncode == 1


def test_batch_streams_in_bounded_memory() -> None:
    filler = "x" * 20_000
    line = json.dumps({"id": "n", "text": DENIAL + filler, "context": {}}) + "\n"
    process = subprocess.Popen([*COMMAND, "--jsonl"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    usage = psutil.Process(process.pid)
    sizes = []
    for _ in range(400):
        process.stdin.write(line)
        process.stdin.flush()
        assert process.stdout.readline()
        sizes.append(usage.memory_info().rss)
    process.stdin.close()
    process.stdout.close()
    assert process.wait(30) == 0
    assert max(sizes[100:]) < sizes[50] * 1.3
