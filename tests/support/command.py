"""Commands run in this process: what a command says and how it ends, without the start of a process for each."""

import contextlib
import io
import os
import sys
import tempfile
from subprocess import CompletedProcess
from unittest.mock import patch

from service.cli import build_app


def run_command(*arguments: str, stdin: str = "", **settings: str) -> CompletedProcess[str]:
    """Run `whydenied` with these arguments. Of the environment's WHYDENIED_* variables it sees `settings` only."""
    said, told = io.StringIO(), io.StringIO()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WHYDENIED_")}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as given, patch.dict(os.environ, kept | settings, clear=True):
        given.write(stdin)
        given.seek(0)
        with patch.object(sys, "stdin", given), contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
            code = _exit_code_of(arguments)
    return CompletedProcess(list(arguments), code, said.getvalue(), told.getvalue())


def _exit_code_of(arguments: tuple[str, ...]) -> int:
    try:
        build_app()(list(arguments), prog_name="whydenied")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
