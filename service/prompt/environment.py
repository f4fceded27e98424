"""The Jinja sandbox of prompts: strict names, the closed vocabularies, and the one way in for outside text."""

import json
import re
from collections.abc import Mapping
from typing import Any

from jinja2 import DictLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from service.domain import CAUSES_OF, ArtifactKind, Cause, Verdict

# Characters that close a tag, start an entity, hide or reorder text, or are no text at all.
_UNSAFE = re.compile(
    "[<>&\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]"
)


def open_environment(partials: Mapping[str, str]) -> ImmutableSandboxedEnvironment:
    """A sandbox that may include these partials and nothing else."""
    env = ImmutableSandboxedEnvironment(
        loader=DictLoader(dict(partials)),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals = {"vocabulary": vocabulary()}
    env.filters["untrusted"] = quote_untrusted
    return env


def quote_untrusted(value: Any) -> str:
    """Outside text as JSON that cannot end its tags: sorted keys; `<`, `>`, `&` and invisible characters escaped."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return _UNSAFE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code > 0xFFFF:
        high, low = divmod(code - 0x10000, 0x400)
        return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
    return f"\\u{code:04x}"


def vocabulary() -> dict[str, Any]:
    """The closed lists of the answer contract, as prompts see them."""
    return {
        "verdicts": [verdict.value for verdict in Verdict],
        "causes": {verdict.value: [c.value for c in Cause if c in CAUSES_OF[verdict]] for verdict in Verdict},
        "artifact_kinds": [kind.value for kind in ArtifactKind],
    }
