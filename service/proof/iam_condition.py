"""Conditions of AWS policies, three-valued: they hold, they do not, or the checker does not know the operator.

Source: "IAM JSON policy elements: Condition operators" of the IAM User Guide.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

import re2

from service.proof.claim import Unknown

Context = Mapping[str, tuple[str, ...]]
"""Condition keys in lower case to the values that the request carries."""

_Test = Callable[[str, str], bool]


_LONGEST = 2_048


@lru_cache(1_024)
def _glob(pattern: str) -> Any:
    wild = {"*": ".*", "?": "."}
    return re2.compile("(?s)" + "".join(wild.get(part, re2.escape(part)) for part in re.split(r"([*?])", pattern)))


def matches(pattern: str, value: str) -> bool:
    """Whether `*` and `?` of a pattern cover a value, in linear time. Raises `Unknown` beyond any policy's size."""
    if len(pattern) > _LONGEST or len(value) > _LONGEST:
        raise Unknown("a pattern with more letters than any policy needs")
    return _glob(pattern).fullmatch(value) is not None


def matches_arn(pattern: str, value: str) -> bool:
    """Like `matches`, but a wildcard stays within its part of the ARN, as ArnLike has it."""
    one, other = pattern.split(":", 5), value.split(":", 5)
    return len(one) == len(other) and all(matches(p, v) for p, v in zip(one, other, strict=True))


def _in_network(block: str, address: str) -> bool:
    try:
        return ip_address(address) in ip_network(block, strict=False)
    except ValueError:
        return False


_OPERATORS: dict[str, _Test] = {
    "stringequals": lambda wanted, held: wanted == held,
    "stringequalsignorecase": lambda wanted, held: wanted.lower() == held.lower(),
    "stringlike": matches,
    "arnequals": matches_arn,
    "arnlike": matches_arn,
    "bool": lambda wanted, held: wanted.lower() == held.lower(),
    "ipaddress": _in_network,
    "numericequals": lambda wanted, held: wanted == held,
}
_NEGATED = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "arnnotequals": "arnequals",
    "arnnotlike": "arnlike",
    "notipaddress": "ipaddress",
}


def holds(operator: str, key: str, wanted: tuple[str, ...], context: Context) -> bool:
    """Whether one condition holds for a request. Raises `Unknown` for an operator that is not known here."""
    held = context.get(key.lower())
    quantifier, _, rest = operator.rpartition(":")
    name = rest.lower()
    if name == "null":
        return wanted[0].lower() == str(held is None).lower()
    optional = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    if held is None:
        return optional or name in _NEGATED or quantifier.lower() == "forallvalues"
    test = _test_of(name)
    found = (any(test(one, value) for one in wanted) for value in held)
    negated = name in _NEGATED
    results = (not one if negated else one for one in found)
    return all(results) if quantifier.lower() == "forallvalues" else any(results)


def _test_of(name: str) -> _Test:
    test = _OPERATORS.get(_NEGATED.get(name, name))
    if test is None:
        raise Unknown(f"condition operator {name!r}")
    return test


def satisfying(conditions: Mapping[str, Mapping[str, tuple[str, ...]]]) -> Context:
    """A request context that meets conditions which ask for values; those that forbid values need none."""
    context: dict[str, tuple[str, ...]] = {}
    for operator, keys in conditions.items():
        name = operator.rpartition(":")[2].lower().removesuffix("ifexists")
        for key, wanted in keys.items():
            if name == "null":
                context |= {} if wanted[0].lower() == "true" else {key.lower(): ("present",)}
            elif name in _OPERATORS:
                example = wanted[0].split("/")[0] if name == "ipaddress" else wanted[0].replace("*", "x")
                context[key.lower()] = (example.replace("?", "x"),)
            elif name not in _NEGATED:
                raise Unknown(f"condition operator {operator!r}")
    return context
