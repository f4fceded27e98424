"""What one process knows to be committed, so that the next batch need not look it up."""

from dataclasses import dataclass, field

_LIMIT = 100_000


@dataclass(slots=True)
class Known:
    """Facts that stay true until a failure is deleted: other processes may add to them, never change them.

    Only what was committed belongs in here. When a deletion proves one wrong, `forget` all.
    `failures`: ids by fingerprint. `sightings`, `openings`: primary keys. `answered`: failure and version of the rule.
    `delivered`: monotonic seconds at which a connection's last delivery was noted. `crowded`: until when a connection
    has no room for new failures.
    """

    failures: dict[tuple[int, str], str] = field(default_factory=dict)
    sightings: set[tuple[str, ...]] = field(default_factory=set)
    openings: set[tuple[str, ...]] = field(default_factory=set)
    answered: set[tuple[str, ...]] = field(default_factory=set)
    delivered: dict[str, float] = field(default_factory=dict)
    crowded: dict[str, float] = field(default_factory=dict)

    def learn(self, other: "Known") -> None:
        """Take over what a transaction found, once it is committed."""
        if len(self.failures) + len(self.sightings) + len(self.openings) + len(self.answered) > _LIMIT:
            self.forget()
        self.failures.update(other.failures)
        self.sightings.update(other.sightings)
        self.openings.update(other.openings)
        self.answered.update(other.answered)
        self.delivered.update(other.delivered)
        self.crowded.update(other.crowded)

    def forget(self) -> None:
        self.failures.clear()
        self.sightings.clear()
        self.openings.clear()
        self.answered.clear()
