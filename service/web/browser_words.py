"""A browser in the words of people, from what it says of itself, which may be anything: for reading only. Pure."""

import re

# The first that fits counts: most browsers also name those whose pages they want to be served.
_BROWSERS = (
    ("Edge", r"\bEdg(?:e|A|iOS)?/(\d+)"),
    ("Opera", r"\bOPR/(\d+)"),
    ("Firefox", r"\b(?:Firefox|FxiOS)/(\d+)"),
    ("Chrome", r"\b(?:Headless)?Chrome/(\d+)|\bCriOS/(\d+)"),
    ("Safari", r"\bVersion/(\d+)[^ ]* (?:Mobile/\w+ )?Safari/"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("macOS", "Mac OS X"),
    ("ChromeOS", "CrOS"),
    ("Linux", "Linux"),
)


def browser_words(user_agent: str | None) -> str:
    """`Chrome 126 on Linux`; the start of what it says where it is none that is known here."""
    if not user_agent:
        return "not kept"
    system = next((f" on {name}" for name, mark in _SYSTEMS if mark in user_agent), "")
    for name, pattern in _BROWSERS:
        if found := re.search(pattern, user_agent):
            return f"{name} {next(filter(None, found.groups()))}{system}"
    return user_agent[:60]
