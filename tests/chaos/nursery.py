"""Processes of the service by the hundred: one process that has imported everything forks each of them at once.

`python nursery.py RULES_DIR CLOCK` reads a JSON line per process, `{"arguments", "environment", "log"}`, and answers
with its id. The child runs the same command as the console script would, with a time of day that is off by as many
seconds as the file CLOCK says. The nursery ends when its input does.
"""

import ctypes
import json
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import dbos  # noqa: F401 - what every child needs is imported before they are made
import time_machine
import uvicorn  # noqa: F401

from service.app import create_app
from service.cli import build_app
from service.settings import Settings

_DIE_WITH_PARENT = 1  # of prctl, https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html


def run(wanted: dict[str, Any]) -> None:
    """Become the service: own session, log, environment and signals, nothing of the nursery's."""
    os.setsid()
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    os.closerange(3, 64)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    threading.Thread(target=keep_wrong_time, args=(Path(sys.argv[2]),), daemon=True).start()
    sys.argv = ["whydenied", *wanted["arguments"]]
    build_app()()


def keep_wrong_time(clock: Path) -> None:
    """Shift the time of day, and leave the monotonic clock alone, as a correction of a machine's clock does."""
    traveller = time_machine.travel(time.time(), tick=True).start()
    shift, pause = 0, threading.Event()
    while True:
        wanted = int(clock.read_text())
        traveller.shift(wanted - shift)
        shift = wanted
        pause.wait(0.05)


def warm_up() -> None:
    """Make an application once: what that reads and compiles, every child has."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), rules_dir=Path(sys.argv[1]), worker=False)
        create_app(settings).state.services.engine.dispose()


def main() -> None:
    warm_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the dead
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                run(json.loads(line))
            except SystemExit as end:
                os._exit(end.code if isinstance(end.code, int) else 1)
            except BaseException as error:
                with Path("/dev/stderr").open("a") as output:
                    output.write(f"{error!r}\n")
                os._exit(1)
            os._exit(0)
        print(child, flush=True)


if __name__ == "__main__":
    main()
