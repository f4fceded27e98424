"""What a rule's answer would say for its example if the text left out whatever the pattern lets it leave out."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from service.match.answer import Match, derive_values
from service.match.matcher import Alternative
from service.match.specificity import optional_groups
from service.render import MISSING, TemplateFault


def lean_problems(match: Match, alternative: Alternative) -> Iterator[str]:
    """One problem for the first captures whose absence the templates do not stand; none where they stand all."""
    units = list(_can_be_absent(match, alternative))
    for names in dict.fromkeys([tuple(dict.fromkeys(name for unit in units for name in unit)), *units]):
        fault = _fault_without(match, names) if names else None
        if fault:
            left_out = ", ".join(names)
            yield f"{fault} when the text does not state {left_out}: guard it with {{% if %}} or use | placeholder"
            return


def _can_be_absent(match: Match, alternative: Alternative) -> Iterator[tuple[str, ...]]:
    looked_up = [{name} for name in match.rule.extract if name not in alternative.exact.groupindex]
    for unit in [*looked_up, *optional_groups(alternative.text)]:
        held = [name for name in sorted(unit) if match.captures[name] is not None and name not in match.rule.derive]
        if held:
            yield tuple(held)


def _fault_without(match: Match, names: tuple[str, ...]) -> str | None:
    taken = {*match.rule.extract, *(name for one in match.ready.alternatives for name in one.exact.groupindex)}
    captures: dict[str, Any] = {**match.captures, **dict.fromkeys([*names, *(set(match.rule.derive) - taken)])}
    try:
        captures |= derive_values(match.rule, match.ready.pack, captures, match.context, strict=False)
        answer = replace(match, captures=captures, spans={}).render_answer("lean")
    except TemplateFault as fault:
        return f"does not render ({fault})"
    fields = [name for name, held in answer.model_dump(mode="json").items() if MISSING in str(held)]
    return f"writes {MISSING} in {' and '.join(fields)}" if fields else None
