"""Everything that is promised about speed, measured beside yardsticks in one run: `make bench`.

Ratios count; the rest is this machine's. `--quick` takes minutes instead of a quarter of an hour and is less sure;
`--write` puts the figures into docs/benchmarks.md and its chart.
"""

import argparse
import os
import platform
import shlex
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(_ROOT), str(_ROOT / "tests" / "support")]

import analysis  # noqa: E402 - the support of the tests is found only now
import matching  # noqa: E402
import pages  # noqa: E402
import startup  # noqa: E402
import throughput  # noqa: E402
from report import Results, chart_of, document  # noqa: E402

_DOCUMENT = _ROOT / "docs" / "benchmarks.md"
_CHART = _ROOT / "docs" / "images" / "benchmarks.svg"


def measure(*, quick: bool) -> Results:
    """All figures, each part told as it is done."""
    load = os.getloadavg()[1]
    began = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        tell("ingest")
        rows = throughput.measure(Path(folder), (1, 64, 256), 1.0 if quick else 3.0, 2 if quick else 5)
    tell("matching")
    costs = matching.measure()
    tell("start and memory")
    start = startup.measure(2 if quick else 5)
    memory = startup.memory(10_000 if quick else 100_000)
    tell("pages")
    size = (10_000, 100_000) if quick else (100_000, 1_000_000)
    served = pages.run(None, *size, 20 if quick else 100)
    tell("analysis by a model")
    asked = analysis.measure(times=1_000 if quick else 10_000)
    command = shlex.join(["make", "bench"] if not quick else [".venv/bin/python", "bench/run.py", "--quick"])
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, load {load:.1f}"
    return Results(command, machine, began, rows, costs, start, memory, size, served, asked)


def tell(part: str) -> None:
    print(f"measuring {part} ...", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and a tenth of the data")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    args = parser.parse_args()
    results = measure(quick=args.quick)
    text = document(results)
    print(text)
    if args.write:
        _DOCUMENT.write_text(text)
        _CHART.write_text(chart_of(results))


if __name__ == "__main__":
    main()
