"""The lock: a prompt's text cannot change while its version stays."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from service.prompt.load import read_text
from service.prompt.model import Prompt, PromptError

LOCK_FILE = "lock.json"
Lock = Mapping[str, Mapping[str, Any]]


def read_lock(folder: Path) -> Lock:
    """The lock of a folder, name to version and sha256; empty where there is none. Raises `PromptError`."""
    path = folder / LOCK_FILE
    if not path.exists():
        return {}
    try:
        lock: Lock = json.loads(read_text(path))
    except ValueError as error:
        raise PromptError(f"{LOCK_FILE}: {error}") from error
    return lock


def find_differences(prompts: Mapping[str, Prompt], lock: Lock) -> Iterator[str]:
    """What differs between the prompts and the lock, each with what settles it."""
    yield from _refusals(prompts, lock)
    for name, prompt in prompts.items():
        if name not in lock or lock[name]["version"] < prompt.head.version:
            yield f"{name} version {prompt.head.version} is not locked: run `whydenied prompts lock`"
    for name in sorted(set(lock) - set(prompts)):
        yield f"{name} is locked but there is no {name}.md: run `whydenied prompts lock`"


def write_lock(folder: Path, prompts: Mapping[str, Prompt]) -> None:
    """Lock the prompts as they stand. Raises `PromptError` where a text changed under an unchanged version."""
    if refusals := list(_refusals(prompts, read_lock(folder))):
        raise PromptError("\n".join(refusals))
    lock = {name: {"version": p.head.version, "sha256": p.sha256} for name, p in sorted(prompts.items())}
    (folder / LOCK_FILE).write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")


def _refusals(prompts: Mapping[str, Prompt], lock: Lock) -> Iterator[str]:
    for name, prompt in prompts.items():
        locked = lock.get(name, {"version": 0})
        if locked["version"] > prompt.head.version:
            yield f"{name} went back from version {locked['version']} to {prompt.head.version}: versions only grow"
        elif locked["version"] == prompt.head.version and locked["sha256"] != prompt.sha256:
            yield (
                f"{name} changed but is still version {prompt.head.version}: "
                f"set `version: {prompt.head.version + 1}` in {name}.md, then run `whydenied prompts lock`"
            )
