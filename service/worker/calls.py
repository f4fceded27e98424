"""Calls to the model from job threads: at most so many at once, all in one event loop, none that is known to fail.

When whydenied's own account is at fault, calls are not sent for a while: they would fail too.
"""

import asyncio
import concurrent.futures
import threading
import time

from service.llm.base import Completion, LLMError, Provider
from service.llm.draft import Draft
from service.prompt.model import Rendered
from service.worker.durable import Interrupted

_PAUSE_SECONDS = 15 * 60.0
_Future = concurrent.futures.Future[Completion[Draft]]


class Calls:
    """The one place that uses a provider. `call` is for threads; `start` and `stop` for their owner."""

    def __init__(self, provider: Provider, concurrency: int) -> None:
        self.provider = provider
        self._concurrency = concurrency
        self._slots = asyncio.Semaphore(concurrency)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: set[asyncio.Task[Completion[Draft]]] = set()
        self._fault: LLMError | None = None
        self._fault_until = 0.0

    def start(self) -> None:
        """Start the event loop. After `stop` it may be started again."""
        self._slots = asyncio.Semaphore(self._concurrency)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="llm-calls", daemon=True)
        self._thread.start()

    @property
    def fault(self) -> LLMError | None:
        """Why no call is sent at present, if so."""
        return self._fault if time.monotonic() < self._fault_until else None

    def call(self, prompt: Rendered) -> Completion[Draft]:
        """Ask, waiting for a free slot. Raises `LLMError`, or `Interrupted` when `stop` is called meanwhile."""
        loop = self._loop
        if loop is None:
            raise Interrupted
        future = asyncio.run_coroutine_threadsafe(self._ask(prompt), loop)
        try:
            return self._wait(future, loop)
        except concurrent.futures.CancelledError:
            raise Interrupted from None
        except LLMError as error:
            if error.account:
                self._fault, self._fault_until = error, time.monotonic() + _PAUSE_SECONDS
            raise

    def _wait(self, future: _Future, loop: asyncio.AbstractEventLoop) -> Completion[Draft]:
        """The future's result. A loop that stopped before it saw the call would never give one."""
        while self._loop is loop or future.done():
            try:
                return future.result(timeout=1.0)
            except TimeoutError:
                continue
        future.cancel()
        raise Interrupted

    def stop(self) -> None:
        """End calls in flight and the event loop, if it runs."""
        loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close(loop), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()

    async def _ask(self, prompt: Rendered) -> Completion[Draft]:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            async with self._slots:
                if fault := self.fault:
                    raise LLMError(fault.message, permanent=True, account=True)
                return await self.provider.ask(prompt, Draft)
        finally:
            self._tasks.discard(task)

    async def _close(self, loop: asyncio.AbstractEventLoop) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.provider.close()
        await loop.shutdown_default_executor()
