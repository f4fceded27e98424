"""The straight path of an event: redact, match, fingerprint, commit. No decision about storage or HTTP is made here."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from connectors.base import Delivery, ErrorEvent
from service.domain import Answer, abstain
from service.fingerprint import FINGERPRINT_VERSION, of_denial, of_text
from service.match.answer import Match
from service.match.matcher import Matcher
from service.redact import Redactor
from service.store.writer import Occurrence, UnparsedDelivery, Writer
from service.tracing import span

MAX_TEXT = 65_536
_MAX_REDACTED = 1_048_576
# A failure tends to arrive in bursts of equal texts; a thousand small ones cost some 20 MB to remember.
_REMEMBERED = 1_024
_MAX_REMEMBERED = 8_192
_FEW, _SHORT = 16, 32_768  # events and characters up to which the event loop does not notice the work
_CUT = "\n[... {} characters left out ...]\n"
_NO_RULE = "No rule knows this text. A model is asked where one is configured; until then nothing is claimed."


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of one event, after it was committed.

    `failure_id` is null only for a resolved event that closed nothing. `match` is the rule's where its answer is what
    the failure shows; a reviewer's or a model's answer is read by `analysis_id`.
    """

    event_id: str
    failure_id: str | None
    duplicate: bool
    analysis_id: str | None
    match: Match | None
    folded: bool = False

    @property
    def kind(self) -> Literal["new", "folded", "duplicate"]:
        """What it is counted as. `folded`: new, but its own failure would have been one too many."""
        return "duplicate" if self.duplicate else "folded" if self.folded else "new"

    @property
    def answer(self) -> Answer | None:
        """The rule's whole answer; rendering it costs a millisecond, so senders get only its verdict."""
        return self.match.answer(self.analysis_id) if self.match and self.analysis_id else None


class Pipeline:
    """The path from an authentic event to a committed one. Safe to share between requests."""

    def __init__(
        self,
        *,
        matcher: Matcher,
        redactor: Redactor,
        writer: Writer,
        notify_unanswered: Callable[[Sequence[str]], None],
    ) -> None:
        """`notify_unanswered` gets the ids of committed failures that need an analysis; it must not block."""
        self.matcher = matcher
        self._redactor = redactor
        self._writer = writer
        self._notify_unanswered = notify_unanswered
        self._match = lru_cache(maxsize=_REMEMBERED)(self._match_anew)

    def explain(self, text: str, context: Mapping[str, Any]) -> Answer:
        """The answer to a text; nothing is stored. Raises `RedactionFailed`."""
        clean = self.clean(text)
        match = self.matcher.match(clean, context)
        return match.answer("explain") if match else abstain("explain", _NO_RULE)

    async def accept(
        self, connection: str, events: Sequence[ErrorEvent], *, replayed: Sequence[str] = ()
    ) -> list[Accepted]:
        """Store events; returns once they are committed, in order. Unparsed deliveries `replayed` go with the same.

        Raises `Overloaded`, `StoreUnavailable` or `RedactionFailed`, and then nothing of the delivery is stored.
        """
        if len(events) <= _FEW and sum(len(event.text) for event in events) <= _SHORT:
            prepared = self._prepare_all(connection, events)
        else:
            prepared = await asyncio.to_thread(self._prepare_all, connection, events)
        with span("commit"):
            stored = await self._writer.write([occurrence for occurrence, _ in prepared], replayed=replayed)
        unanswered = [done.failure_id for done in stored if done.needs_analysis and done.failure_id]
        if unanswered:
            self._notify_unanswered(list(dict.fromkeys(unanswered)))
        return [
            Accepted(
                event_id=done.event_id,
                failure_id=done.failure_id,
                duplicate=done.duplicate,
                analysis_id=done.analysis_id,
                match=match if done.own_answer else None,
                folded=done.folded,
            )
            for done, (_, match) in zip(stored, prepared, strict=True)
        ]

    async def keep_unparsed(self, connection: str, delivery: Delivery, reason: str) -> None:
        """Store an authentic delivery that its connector cannot read, redacted. Raises like `accept`."""
        body = await asyncio.to_thread(self.clean, delivery.body.decode(errors="replace"))
        kept = UnparsedDelivery(
            connection=connection,
            received_at=delivery.received_at,
            reason=reason,
            headers={name: self._clean_header(name, value) for name, value in delivery.headers.items()},
            body=body,
            path=self._redactor.redact(delivery.path).text,
        )
        await self._writer.write([], [kept])

    def _clean_header(self, name: str, value: str) -> str:
        """The value alone, redacted in sight of its name."""
        return self._redactor.redact(f"{name}: {value}").text.removeprefix(f"{name}: ")

    def clean_event(self, event: ErrorEvent) -> ErrorEvent:
        """The event as it would be stored: redacted and bounded. Raises `RedactionFailed`."""
        return _shortened(self._redactor.redact_event(_shortened(event, _MAX_REDACTED)), MAX_TEXT)

    def clean(self, text: str) -> str:
        """The text as it would be stored: redacted and bounded. Raises `RedactionFailed`."""
        return shorten(self._redactor.redact(shorten(text, _MAX_REDACTED)).text, MAX_TEXT)

    def _prepare_all(self, connection: str, events: Sequence[ErrorEvent]) -> list[tuple[Occurrence, Match | None]]:
        return [self.prepare(connection, event) for event in events]

    def prepare(self, connection: str, event: ErrorEvent) -> tuple[Occurrence, Match | None]:
        """Redact, match and fingerprint one event."""
        with span("redact"):
            clean = self.clean_event(event)
        with span("match"):
            context = context_of(clean)
            match, fingerprint = self._recognize(clean, context)
        occurrence = Occurrence(
            connection=connection,
            event=clean,
            context=context,
            fingerprint=fingerprint,
            fingerprint_version=FINGERPRINT_VERSION,
            answer=match.answer if match else None,
            rule_version=f"{match.rule.id}@{match.version}" if match else None,
            is_general=bool(match and match.is_general),
        )
        return occurrence, match

    def _recognize(self, event: ErrorEvent, context: dict[str, Any]) -> tuple[Match | None, str]:
        if event.state == "resolved":
            return None, of_text(event.text)
        if len(event.text) > _MAX_REMEMBERED:
            return self._match_anew(event.text, tuple(context.items()))
        return self._match(event.text, tuple(context.items()))

    def _match_anew(self, text: str, context: tuple[tuple[str, Any], ...]) -> tuple[Match | None, str]:
        match = self.matcher.match(text, dict(context))
        return match, fingerprint_of(match) if match else of_text(text)


def fingerprint_of(match: Match) -> str:
    """The semantic fingerprint of a known denial."""
    return of_denial(match.system, match.cause, match.principal, match.action, match.resource)


def context_of(event: ErrorEvent) -> dict[str, Any]:
    """What rules and prompts may know besides the text, by OpenTelemetry's short names. Absent facts are left out."""
    facts = {
        "http_status": event.http_status,
        "service": event.service_name,
        "environment": event.environment,
        "exception_type": event.exception_type,
        "url": event.url,
        **{name: value for name, value in event.attributes.items() if isinstance(value, str | int | bool)},
    }
    return {name: value for name, value in facts.items() if value is not None}


def _shortened(event: ErrorEvent, limit: int) -> ErrorEvent:
    return event if len(event.text) <= limit else replace(event, text=shorten(event.text, limit))


def shorten(text: str, limit: int) -> str:
    """At most about `limit` characters: the first quarter and, since errors stand last in logs, the end.

    Cuts fall between words, so that no secret is halved before it is redacted.
    """
    if len(text) <= limit:
        return text
    head = text[: limit // 4].rsplit(maxsplit=1)[0]
    tail = text[len(text) - limit + limit // 4 :].split(maxsplit=1)[-1]
    return head + _CUT.format(len(text) - len(head) - len(tail)) + tail
