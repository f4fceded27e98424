"""Calls to models from job threads: at most so many at once, all in one event loop."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Sequence

from service.llm.base import Completion, Provider
from service.llm.draft import Draft
from service.prompt.model import Rendered
from service.worker.durable import Interrupted

_Future = concurrent.futures.Future[Completion[Draft]]


class Calls:
    """The one place that uses providers. `call` is for threads; `start` and `stop` for their owner."""

    def __init__(self, providers: Sequence[Provider], concurrency: int) -> None:
        self._providers = providers
        self._concurrency = concurrency
        self._slots = asyncio.Semaphore(concurrency)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: set[asyncio.Task[Completion[Draft]]] = set()

    def start(self) -> None:
        """Start the event loop. After `stop` it may be started again."""
        self._slots = asyncio.Semaphore(self._concurrency)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="llm-calls", daemon=True)
        self._thread.start()

    def call(self, provider: Provider, prompt: Rendered) -> Completion[Draft]:
        """Ask, waiting for a free slot. Raises `LLMError`, or `Interrupted` when `stop` is called meanwhile."""
        loop = self._loop
        if loop is None:
            raise Interrupted
        future = asyncio.run_coroutine_threadsafe(self._ask(provider, prompt), loop)
        try:
            return self._wait(future, loop)
        except concurrent.futures.CancelledError:
            raise Interrupted from None

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

    async def _ask(self, provider: Provider, prompt: Rendered) -> Completion[Draft]:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            async with self._slots:
                return await provider.ask(prompt, Draft)
        finally:
            self._tasks.discard(task)

    async def _close(self, loop: asyncio.AbstractEventLoop) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for provider in self._providers:
            await provider.close()
        await loop.shutdown_default_executor()
