"""Read rule packs from a folder. Errors name file, line, rule and what to do.

YAML is read by ruamel.yaml (1.2: `no` stays text, a duplicate key is an error). Parsing a large folder takes
seconds, so each parsed file is remembered under the hash of its content.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from service.rules.cache import remember
from service.rules.model import Pack


class RuleError(ValueError):
    """A rule file cannot be used. The message holds one line per problem: `file:line rule: problem`."""


def load_packs(folder: Path) -> list[Pack]:
    """All packs of a folder, sorted by system. Raises `RuleError` with every problem found."""
    files = sorted(path for path in folder.glob("*.yaml"))
    if not files:
        raise RuleError(f"{folder}: no rule files (*.yaml) here; set WHYDENIED_RULES_DIR to the folder that holds them")
    packs: list[Pack] = []
    problems: list[str] = []
    for path in files:
        source = path.read_bytes()
        try:
            packs.append(read_pack(path, source.decode(), _parsed(path, source)))
        except RuleError as error:
            problems.append(str(error))
    if problems:
        raise RuleError("\n".join(problems))
    return packs


def read_pack(path: Path, source: str, data: Any = None) -> Pack:
    """One pack from its text; `data` is the text already parsed. Raises `RuleError`."""
    try:
        pack = Pack.model_validate(parse_yaml(path, source) if data is None else data)
    except ValidationError as error:
        raise RuleError("\n".join(_describe(path, source, error))) from None
    if pack.system != path.stem:
        raise RuleError(f"{path.name}: system {pack.system!r} must equal the file's stem {path.stem!r}")
    return pack


def parse_yaml(path: Path, source: str) -> Any:
    """Plain data from YAML 1.2. Raises `RuleError` with the line."""
    try:
        return YAML(typ="safe").load(source)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RuleError(f"{path.name}:{line}: {error.problem or error.context}") from None
    except YAMLError as error:
        raise RuleError(f"{path.name}: {error}") from None


def _parsed(path: Path, source: bytes) -> Any:
    return remember(path.stem, source, lambda: parse_yaml(path, source.decode()))


def _describe(path: Path, source: str, error: ValidationError) -> Iterable[str]:
    root = YAML(typ="safe").compose(source)
    for problem in error.errors(include_url=False):
        place = problem["loc"]
        line = _line_of(root, place)
        where = ".".join(str(part) for part in place if not (isinstance(part, str) and part.startswith("function-")))
        rule = _rule_id(root, place)
        yield f"{path.name}:{line} {rule or path.stem}: {where or 'pack'}: {problem['msg']}"


def _line_of(node: Node | None, place: tuple[int | str, ...]) -> int:
    line = 1
    for part in place:
        if node is None:
            break
        line = node.start_mark.line + 1
        node = _child(node, part)
    return node.start_mark.line + 1 if node is not None else line


def _child(node: Node, part: int | str) -> Node | None:
    if isinstance(node, MappingNode):
        return next((value for key, value in node.value if key.value == str(part)), None)
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        child: Node = node.value[part]
        return child
    return None


def _rule_id(root: Node | None, place: tuple[int | str, ...]) -> str | None:
    if root is None or len(place) < 2 or place[0] != "rules":
        return None
    rules = _child(root, "rules")
    rule = _child(rules, place[1]) if rules is not None else None
    found = _child(rule, "id") if rule is not None else None
    return str(found.value) if found is not None else None


def default_folder() -> Path:
    """The packs that come with this installation: the checkout's `rules/`, else the copy inside the package."""
    checkout = Path(__file__).parents[2] / "rules"
    return checkout if checkout.is_dir() else Path(__file__).parents[1] / "_data" / "rules"
