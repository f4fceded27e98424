"""Which model is asked, and whether now: the first of the list that is in order, within the budget and the limits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from service.llm.base import Completion, LLMError, Provider, Usage
from service.llm.draft import Draft
from service.llm.pricing import Priced
from service.prompt.model import Rendered
from service.store import spending
from service.store.requests import keep_request
from service.tracing import Attributes, span
from service.worker.breaker import Breaker
from service.worker.budget import Hold, Limits, budget_hold, pace_hold, start_of_day, start_of_month
from service.worker.calls import Calls
from service.worker.ledger import set_states

_MINUTE = timedelta(seconds=60)


class Held(Exception):
    """No call was sent, because of what the hold says."""

    def __init__(self, hold: Hold) -> None:
        super().__init__(hold.reason)
        self.hold = hold


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call as metrics count it. `outcome`: answered or failed; `seconds` and `cost` where there was an answer."""

    model: str
    outcome: str
    usage: Usage | None
    cost: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Answered:
    """A model's answer and what it cost in dollars; None without a price.

    `bill` is what `spending.close_call` wants, as plain data: the caller writes it down together with the answer, so
    that a database in trouble does not lose what was paid for.
    """

    completion: Completion[Draft]
    cost: float | None
    bill: dict[str, Any]


class Asking:
    """The providers in order of preference. Each has a circuit breaker; every call is written down before it is sent.

    `diagnose` tells people why the provider refused whydenied's own account, from its words.
    """

    def __init__(
        self,
        engine: Engine,
        calls: Calls,
        providers: Sequence[Priced],
        limits: Limits,
        diagnose: Callable[[str], str],
        observe: Callable[[CallRecord], None],
    ) -> None:
        self._engine = engine
        self._calls = calls
        self._desks = [(priced, Breaker()) for priced in providers]
        self._limits = limits
        self._diagnose = diagnose
        self._observe = observe
        self._limited: Hold | None = None

    @property
    def hold(self) -> Hold | None:
        """Why no call would be sent at present, if so."""
        limited = self._limited
        if limited and limited.until > datetime.now(UTC):
            return limited
        return self._rest() if all(breaker.is_open for _, breaker in self._desks) else None

    def probe(self) -> None:
        """Try providers that are out of order with the next call, not only when their rest is over."""
        for _, breaker in self._desks:
            breaker.cut_short()

    def ask(self, prompt: Rendered, failure_id: str) -> Answered:
        """Ask the first provider that is in order and within the budget, then the next.

        Raises `LLMError`, `Held` or `Interrupted`.
        """
        errors: list[LLMError] = []
        hold: Hold | None = None
        for priced, breaker in self._desks:
            if not breaker.admits():
                continue
            try:
                with span("chat", _call_of(priced.provider, failure_id), kind="client") as noted:
                    answered = self._ask_one(priced, breaker, prompt, failure_id)
                    noted.note(_usage_of(answered.completion))
                    return answered
            except LLMError as error:
                errors.append(error)
            except Held as held:
                hold = held.hold
        if hold:
            self._limited = hold
            raise Held(hold)
        if errors:
            raise min(errors, key=lambda error: (error.permanent, error.account))
        raise Held(self._rest())

    def _ask_one(self, priced: Priced, breaker: Breaker, prompt: Rendered, failure_id: str) -> Answered:
        provider = priced.provider
        try:
            call_id = self._open(priced, prompt, failure_id)
            completion = self._calls.call(provider, prompt)
        except LLMError as error:
            explained = self._explained(error)
            breaker.failed(explained)
            self._close_failed(call_id, priced, prompt, explained)
            raise explained from None
        except BaseException:
            breaker.left()
            raise
        breaker.succeeded()
        cost = priced.cost_of(completion.model, completion.usage)
        bill = self._bill(call_id, "answered", completion.model, completion.usage, cost, completion.latency)
        return Answered(completion, cost, bill)

    def _open(self, priced: Priced, prompt: Rendered, failure_id: str) -> str:
        """Write the call down, unless it has to wait. Raises `Held`."""
        now = datetime.now(UTC)
        provider = priced.provider
        most = priced.most_of(prompt)
        call = spending.NewCall(failure_id, provider.name, provider.model, prompt.name, prompt.version, most)
        with self._engine.begin() as conn:
            hold = self._find_hold(conn, most or 0.0, now)
            if hold is None:
                set_states(conn, [failure_id], "running", f"{provider.model} by {provider.name} is asked.")
                call_id = spending.open_call(conn, call, now)
                keep_request(conn, call_id, failure_id, prompt.system, prompt.user)
                return call_id
        raise Held(hold)

    def _find_hold(self, conn: Connection, most: float, now: datetime) -> Hold | None:
        limits = self._limits
        if limits == Limits():
            return None
        spending.lock_spending(conn)
        if limits.has_budget:
            day, month = (spending.spent_since(conn, since) for since in (start_of_day(now), start_of_month(now)))
            if hold := budget_hold(limits, day, month, most, now):
                return hold
        if limits.per_minute is None:
            return None
        return pace_hold(limits, spending.last_starts(conn, now - _MINUTE, limits.per_minute), now)

    def _close_failed(self, call_id: str, priced: Priced, prompt: Rendered, error: LLMError) -> None:
        """A call without an answer costs what it used; where nobody knows, the most that it may have."""
        model = priced.provider.model
        cost: float | None = 0.0
        if error.usage:
            cost = priced.cost_of(model, error.usage)
        elif error.timed_out or error.billed:
            cost = priced.most_of(prompt)
        with self._engine.begin() as conn:
            spending.close_call(conn, **self._bill(call_id, "failed", model, error.usage, cost, None))

    def _bill(
        self, call_id: str, outcome: str, model: str, usage: Usage | None, cost: float | None, seconds: float | None
    ) -> dict[str, Any]:
        self._observe(CallRecord(model, outcome, usage, cost, seconds))
        tokens = [usage.input, usage.output] if usage else [0, 0]
        return {
            "call_id": call_id,
            "outcome": outcome,
            "model": model,
            "tokens": tokens,
            "cost": cost,
            "seconds": seconds,
        }

    def _explained(self, error: LLMError) -> LLMError:
        """A fault of whydenied's own account, with what its own rules make of it."""
        if not (error.account and error.told and (words := self._diagnose(error.told))):
            return error
        told = f"{error.message} {words}"
        return LLMError(told, permanent=True, account=True, told=error.told)

    def _rest(self) -> Hold:
        """The hold while every provider is out of order."""
        _, soonest = min(self._desks, key=lambda desk: desk[1].rest)
        errors = [breaker.error for _, breaker in self._desks if breaker.error]
        until = datetime.now(UTC) + timedelta(seconds=max(1.0, soonest.rest))
        if errors and all(error.account for error in errors):
            return Hold("unavailable", errors[0].message, until)
        said = errors[0].message if errors else "A provider that was out of order is being tried"
        return Hold("queued", f"{said}. No other call is sent until {until:%H:%M:%S} UTC.".replace("..", "."), until)


def _call_of(provider: Provider, failure_id: str) -> Attributes:
    """https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/, without what was asked and answered."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider.name,
        "gen_ai.request.model": provider.model,
        "whydenied.failure_id": failure_id,
    }


def _usage_of(completion: Completion[Draft]) -> Attributes:
    return {
        "gen_ai.response.model": completion.model,
        "gen_ai.usage.input_tokens": completion.usage.input,
        "gen_ai.usage.output_tokens": completion.usage.output,
    }
