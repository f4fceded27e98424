"""From an event's text to the one rule that knows it: tidy, match, extract, answer."""
