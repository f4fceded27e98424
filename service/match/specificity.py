"""What a pattern's text says of its matches: the literal characters that each must contain, the groups one can lack."""

import re

_ESCAPED_CLASS = frozenset("dDwWsSbBAzpP")
_GROUP_HEAD = re.compile(r"\?(?:P?<(\w+)>|[a-zA-Z-]*:|[a-zA-Z-]+(?=\)))")


def count_literals(pattern: str) -> int:
    """Letters and digits that any match must contain; of alternatives the poorest counts."""
    return _alternatives(pattern, 0)[0]


def optional_groups(pattern: str) -> list[frozenset[str]]:
    """Named groups that a match leaves out together: those of each alternative, or under `?`, `*` or `{0,n}`."""
    units: list[frozenset[str]] = []
    frames: list[list[set[str]]] = [[set()]]
    names: list[str | None] = []
    at = 0
    while at < len(pattern):
        if pattern[at] == "(":
            head = _GROUP_HEAD.match(pattern, at + 1)
            names.append(head[1] if head else None)
            frames.append([set()])
            at = head.end() if head else at + 1
        elif pattern[at] == ")":
            branches, name = frames.pop(), names.pop()
            inside = set().union(*branches) | ({name} if name else set())
            optional, at = _quantifier(pattern, at + 1)
            units += _units(branches) + ([frozenset(inside)] if optional else [])
            frames[-1][-1] |= inside
        elif pattern[at] == "|":
            frames[-1].append(set())
            at += 1
        else:
            at = _atom(pattern, at)[1]
    return [unit for unit in dict.fromkeys(units + _units(frames[0])) if unit]


def _units(branches: list[set[str]]) -> list[frozenset[str]]:
    return [frozenset(names) for names in branches] if len(branches) > 1 else []


def _alternatives(pattern: str, at: int) -> tuple[int, int]:
    branches: list[int] = []
    total = 0
    while at < len(pattern) and pattern[at] != ")":
        if pattern[at] == "|":
            branches.append(total)
            total, at = 0, at + 1
            continue
        size, at = _atom(pattern, at)
        optional, at = _quantifier(pattern, at)
        total += 0 if optional else size
    return min([*branches, total]), at


def _atom(pattern: str, at: int) -> tuple[int, int]:
    char = pattern[at]
    if char == "(":
        head = _GROUP_HEAD.match(pattern, at + 1)
        size, at = _alternatives(pattern, head.end() if head else at + 1)
        return size, at + 1
    if char == "[":
        return 0, _class_end(pattern, at)
    if char == "\\" and at + 1 < len(pattern):
        follows = pattern[at + 1]
        if follows in "pP" and pattern[at + 2 : at + 3] == "{":
            return 0, pattern.index("}", at) + 1
        return int(follows not in _ESCAPED_CLASS and follows.isalnum()), at + 2
    return int(char.isalnum()), at + 1


def _class_end(pattern: str, at: int) -> int:
    at += 2 if pattern[at + 1 : at + 2] == "^" else 1
    at += 1 if pattern[at : at + 1] == "]" else 0
    while at < len(pattern) and pattern[at] != "]":
        if pattern[at : at + 2] == "[:":
            at = pattern.find(":]", at) + 1
        at += 2 if pattern[at] == "\\" else 1
    return at + 1


def _quantifier(pattern: str, at: int) -> tuple[bool, int]:
    char = pattern[at : at + 1]
    optional = char in ("?", "*") and char != ""
    if optional or char == "+":
        at += 1
    elif char == "{" and (counted := re.compile(r"\{(\d+)(,\d*)?\}").match(pattern, at)):
        optional, at = counted.group(1) == "0", counted.end()
    else:
        return False, at
    return optional, at + (1 if pattern[at : at + 1] in ("?", "+") and pattern[at : at + 1] else 0)
