"""Read prompt files from a folder. Errors name file, line and what to do.

A file is YAML 1.2 front matter between two lines of `---`, then the Jinja blocks `system` and `user`.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from jinja2 import TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from service.prompt.environment import open_environment, vocabulary
from service.prompt.lint import find_problems
from service.prompt.model import Head, Prompt, PromptError

_FENCE = re.compile(r"\A---\n(?P<head>.*?\n)---\n(?P<body>.*)\Z", re.DOTALL)


def default_folder() -> Path:
    """The prompts that come with this installation: the checkout's `prompts/`, else the copy inside the package."""
    checkout = Path(__file__).parents[2] / "prompts"
    return checkout if checkout.is_dir() else Path(__file__).parents[1] / "_data" / "prompts"


def load_prompts(folder: Path) -> dict[str, Prompt]:
    """Every prompt of a folder by name. Raises `PromptError` with one line per problem."""
    prompts: dict[str, Prompt] = {}
    problems: list[str] = []
    partials = {path.name: read_text(path) for path in sorted(folder.glob("_*.md"))}
    for path in sorted(folder.glob("[a-z]*.md")):
        try:
            prompts[path.stem] = read_prompt(path.name, read_text(path), partials)
        except PromptError as error:
            problems.append(str(error))
    if problems:
        raise PromptError("\n".join(problems))
    if not prompts:
        raise PromptError(f"{folder}: no prompt files (*.md) here; set WHYDENIED_PROMPTS_DIR to the folder with them")
    return prompts


def read_prompt(file: str, source: str, partials: Mapping[str, str]) -> Prompt:
    """One prompt from its text and the partials it may include, checked and rendered once. Raises `PromptError`."""
    head, body, offset = _read_head(file, source)
    env = open_environment(partials)
    try:
        tree = env.parse("\n" * offset + body)
        included = {name: partials[name] for name in _included(file, env, tree, partials)}
        trees = {name: env.parse(text) for name, text in included.items()}
        problems = [f"{file}:{line}: {problem}" for line, problem in find_problems(head, tree, trees, set(env.globals))]
        if problems:
            raise PromptError("\n".join(problems))
        prompt = Prompt(head, _hash({file: source, **included}), env.from_string(body))
    except TemplateSyntaxError as error:
        raise PromptError(f"{file}:{error.lineno}: {error.message}") from error
    prompt.render_sample()
    return prompt


def read_text(path: Path) -> str:
    """A file's text with `\\n` line ends, so that a checkout on another system has the same hash."""
    return path.read_text(encoding="utf-8").replace("\r\n", "\n")


def _read_head(file: str, source: str) -> tuple[Head, str, int]:
    found = _FENCE.match(source)
    if not found:
        raise PromptError(f"{file}:1: must begin with front matter between two lines of `---`")
    try:
        head = Head.model_validate(YAML(typ="safe", pure=True).load(found["head"]))
    except ValidationError as error:
        lines = (f"{file}: front matter: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise PromptError("\n".join(lines)) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise PromptError(f"{file}:{line}: {error.problem or error.context}") from None
    except YAMLError as error:
        raise PromptError(f"{file}: front matter: {error}") from None
    if f"{head.name}.md" != file:
        raise PromptError(f"{file}: name {head.name!r} must equal the file's stem")
    return head, found["body"], source[: found.start("body")].count("\n")


def _included(
    file: str, env: ImmutableSandboxedEnvironment, tree: nodes.Template, partials: Mapping[str, str]
) -> list[str]:
    found: set[str] = set()
    waiting = [tree]
    while waiting:
        for name in meta.find_referenced_templates(waiting.pop()):
            if name is None or name not in partials:
                raise PromptError(f"{file}: includes {name!r}, which is not a partial (`_<name>.md`) of this folder")
            if name not in found:
                found.add(name)
                waiting.append(env.parse(partials[name]))
    return sorted(found)


def _hash(files: Mapping[str, str]) -> str:
    content = {**files, "vocabulary": vocabulary()}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
