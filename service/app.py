"""The composition root: the one place that turns settings into running parts."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlencode

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import SecretStr
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Receive, Scope, Send

from connectors import BrokenConnector, discover
from connectors.base import Connector
from service import __version__
from service.declared import DeclarationError, Declared, load_declared
from service.declared_models import open_models
from service.keyring import Keyring
from service.llm.base import LLMError
from service.match.matcher import Matcher
from service.metrics import Metrics
from service.oidc_settings import OidcSettingsError, open_provider
from service.pipeline import Pipeline
from service.prompt.load import load_prompts
from service.prompt.model import PromptError
from service.pull_settings import interval_of
from service.redact import Redactor
from service.rules.load import RuleError, load_packs
from service.settings import Settings
from service.shown_settings import show_settings
from service.store import connections
from service.store.access import preset_api_key
from service.store.checkpoint import checkpoint_for_ever
from service.store.engine import migrate, open_engine
from service.store.failures import counts_by_analysis, counts_by_status
from service.store.limits import Limits as DeliveryLimits
from service.store.pulls import Schedule, declare_pull
from service.store.schema import NewerSchema
from service.store.writer import Writer
from service.upkeep import count_events, keep_for
from service.web import find_pages, find_routers, health
from service.web.access import SignInRequired, page_caller
from service.web.errors import install_errors
from service.web.gate import Gate
from service.web.ingest import PREFIX, Ingest, count_accepted
from service.web.live import LiveConnections
from service.web.oidc_provider import Provider
from service.web.openapi import DESCRIPTION, describe
from service.web.pages import STATIC_FOLDER
from service.web.prefix import BelowPrefix, ambiguous, prefix_of
from service.web.public_keys import PublicKeys
from service.web.refusals import Refusals
from service.web.security import Shield
from service.web.services import ModelSetup, Services
from service.web.sign_in import SessionTimes, SignIn
from service.web.static_files import PageFiles
from service.web.waiting_room import WaitingRoom
from service.worker import Worker
from service.worker.budget import Limits
from service.worker.cloud_proof import prove
from service.worker.diagnosis import diagnose
from service.worker.models import Models
from service.worker.pulling import Counts, Pulling

log = structlog.get_logger(__name__)


class StartError(Exception):
    """The service cannot start. The message says what is wrong and where, and names no secret."""


class Application(FastAPI):
    """The service as one ASGI application: ingest in front, everything else behind the shield."""

    ingest: Ingest
    shield: Shield
    outside: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self.outside(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whose path begins at our root."""
        handler = self.ingest if scope["path"].startswith(PREFIX) else self.shield
        await handler(scope, receive, send)


def create_app(settings: Settings, *, sweep_seconds: float = 20.0) -> Application:
    """The application over a migrated database. Raises `StartError`; starts no thread before its lifespan begins.

    Its worker looks every `sweep_seconds` for failures that other processes received.
    """
    engine = open_store(settings)
    services, worker = _build(settings, engine, sweep_seconds)
    pulling = _open_pulling(services) if settings.worker else None
    app = Application(
        title="whydenied",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(services, worker, pulling, settings.retention_days),
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.services = services
    app.ingest = Ingest(
        connections=services.connections,
        pipeline=services.pipeline,
        metrics=services.metrics,
        body_timeout=settings.body_timeout,
        keys=PublicKeys(),
        refusals=services.refusals,
        gate=services.gate,
        waiting_room=WaitingRoom(engine, services.pipeline, pulling.wake if pulling else _nothing),
    )
    app.shield = Shield(
        super(Application, app).__call__, public_url=settings.public_url, max_body=settings.max_body_bytes
    )
    _mount(app)
    app.outside = _below_prefix(app, services.prefix)
    return app


def _below_prefix(app: Application, prefix: str) -> ASGIApp:
    routers = [health.router, *find_routers(), *itertools.chain(*find_pages())]
    routes = itertools.chain(app.routes, *(router.routes for router in routers))
    if ambiguous(prefix, [PREFIX, *(getattr(route, "path", "/") for route in routes)]):
        raise StartError(
            f"WHYDENIED_PUBLIC_URL: the path {prefix} begins like an address of the service itself; choose another"
        )
    return BelowPrefix(app.serve, prefix) if prefix else app.serve


def open_store(settings: Settings) -> Engine:
    """The database of the settings, migrated. Raises `StartError`."""
    try:
        engine = open_engine(settings.database)
        migrate(engine)
    except (ValueError, NewerSchema) as error:
        raise StartError(f"the database cannot be used: {error}") from None
    except (SQLAlchemyError, OSError) as error:
        cause = str(getattr(error, "orig", None) or error).strip()
        raise StartError(f"the database cannot be opened: {cause}") from None
    return engine


def open_keyring(settings: Settings) -> Keyring:
    """The installation's keys. Raises `StartError`."""
    try:
        return Keyring.load(settings.data_dir, _plain(settings.secret_key))
    except (ValueError, OSError) as error:
        raise StartError(f"the secret key cannot be used: {error}") from None


def _build(settings: Settings, engine: Engine, sweep_seconds: float) -> tuple[Services, Worker | None]:
    keyring = open_keyring(settings)
    metrics = Metrics()
    matcher = _load_matcher(settings)
    redactor = Redactor(keyring.derive("redaction"), emails=settings.redact_emails)
    models = _open_models(settings, matcher, redactor)
    worker = _open_worker(settings, engine, metrics, models, sweep_seconds) if settings.worker else None
    connectors = _load_connectors()
    live = LiveConnections(
        engine,
        keyring,
        connectors,
        max_body=settings.max_body_bytes,
        max_inflated=settings.max_inflated_bytes,
        limits=DeliveryLimits(settings.rate_limit, settings.events_per_day, settings.new_failures_per_hour),
    )
    writer = Writer(
        engine,
        queue_limit=settings.queue_limit,
        observe=metrics.count_commit,
        most_new=lambda name: live.limits_of(name).new_failures_per_hour or 0,
    )
    pipeline = Pipeline(
        matcher=matcher,
        redactor=redactor,
        writer=writer,
        notify_unanswered=worker.enqueue if worker else _nobody,
    )
    metrics.queue_depth.set_function(lambda: writer.waiting)
    metrics.count_failures_with(
        lambda: _count_failures(engine, counts_by_status), lambda: _count_failures(engine, counts_by_analysis)
    )
    _keep_settings(settings, engine, keyring, connectors)
    services = Services(
        engine=engine,
        pipeline=pipeline,
        writer=writer,
        connectors=connectors,
        connections=live,
        refusals=Refusals(engine),
        gate=Gate(engine),
        keyring=keyring,
        metrics=metrics,
        sign_in=SignIn(
            engine,
            keyring,
            lasts=SessionTimes(settings.session_hours, settings.session_idle_hours),
            takes_passwords=settings.password_sign_in,
            count=metrics.count_sign_in,
            secure_cookies=settings.cookies_are_secure,
            path=prefix_of(settings.public_url),
        ),
        public_url=settings.public_url,
        metrics_public=settings.metrics_public,
        models=ModelSetup(
            tuple((one.provider.name, one.provider.model) for one in models.providers),
            settings.llm_budget_day,
            settings.llm_budget_month,
            settings.llm_calls_per_minute,
        ),
        ask_model=worker.ask_again if worker else _nobody,
        provider=_open_provider(settings),
        settings=show_settings(settings),
        retention_days=settings.retention_days,
    )
    return services, worker


def _keep_settings(settings: Settings, engine: Engine, keyring: Keyring, known: dict[str, Connector]) -> None:
    """Bring what the settings declare into the database: connections and the preset key."""
    try:
        if settings.connections is not None:
            declared = load_declared(settings.connections, known)
            with engine.begin() as conn:
                connections.declare(conn, keyring, declared)
                for one in declared:
                    declare_pull(conn, keyring, one.name, _schedule(one, known), datetime.now(UTC))
        if settings.admin_api_key is not None:
            with engine.begin() as conn:
                preset_api_key(conn, settings.admin_api_key.get_secret_value())
    except (DeclarationError, connections.NameTaken, ValueError) as error:
        raise StartError(str(error)) from None


def _schedule(one: Declared, known: dict[str, Connector]) -> Schedule | None:
    puller = known[one.connector].pulls
    return Schedule(one.pull, interval_of(one.pull, puller)) if one.pull is not None and puller else None


def _load_matcher(settings: Settings) -> Matcher:
    try:
        return Matcher(load_packs(settings.rules_dir))
    except RuleError as error:
        raise StartError(f"the rules cannot be used:\n{error}") from None


def _load_connectors() -> dict[str, Connector]:
    try:
        return discover()
    except BrokenConnector as error:
        raise StartError(f"a connector cannot be used: {error}") from None


def _open_provider(settings: Settings) -> Provider | None:
    try:
        return open_provider(settings)
    except OidcSettingsError as error:
        raise StartError(str(error)) from None


def _open_worker(settings: Settings, engine: Engine, metrics: Metrics, models: Models, sweep_seconds: float) -> Worker:
    try:
        return Worker(
            engine,
            settings.data_dir,
            settings.database,
            models if models.providers else None,
            load_prompts(settings.prompts_dir),
            sweep_seconds=sweep_seconds,
            observe=metrics.count_llm_call,
        )
    except PromptError as error:
        raise StartError(str(error)) from None


def _open_models(settings: Settings, matcher: Matcher, redactor: Redactor) -> Models:
    limits = Limits(settings.llm_budget_day, settings.llm_budget_month, settings.llm_calls_per_minute)
    try:
        models = Models(
            open_models(settings), limits, settings.llm_concurrency, diagnose=partial(diagnose, matcher, redactor)
        )
    except (LLMError, DeclarationError) as error:
        raise StartError(str(error)) from None
    if limits.has_budget and (unpriced := models.unpriced()):
        raise StartError(
            f"the price of {', '.join(unpriced)} is not known, so no budget can be kept: declare it in a file of "
            "models (WHYDENIED_LLM_MODELS)"
        )
    return models


def _open_pulling(services: Services) -> Pulling:
    metrics = services.metrics
    counts = Counts(metrics.count_pull, metrics.count_text, partial(count_accepted, metrics), metrics.count_passed_over)
    return Pulling(services.engine, services.keyring, services.connectors, services.pipeline, counts, prove)


def _lifespan(
    services: Services, worker: Worker | None, pulling: Pulling | None, retention_days: int | None
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        services.writer.start()
        await asyncio.to_thread(services.connections.refresh)
        if worker is not None:
            worker.start()
        tasks = [
            asyncio.create_task(services.connections.watch()),
            asyncio.create_task(services.refusals.write_for_ever()),
            asyncio.create_task(services.gate.count_for_ever()),
            asyncio.create_task(count_events(services.engine)),
            asyncio.create_task(checkpoint_for_ever(services.engine)),
        ]
        if pulling is not None:
            tasks.append(asyncio.create_task(pulling.run()))
        if retention_days is not None:
            tasks.append(
                asyncio.create_task(keep_for(services.engine, retention_days, observe=services.metrics.deleted.inc))
            )
        log.info("started", version=__version__, rules=len(services.pipeline.matcher.rules))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if worker is not None:
                await asyncio.to_thread(worker.stop)
            await asyncio.to_thread(services.writer.stop)
            services.engine.dispose()
            log.info("stopped")

    return lifespan


def _mount(app: Application) -> None:
    routers, pages, open_pages = find_routers(), *find_pages()
    app.include_router(health.router)
    for router in [*routers, *open_pages]:
        app.include_router(router)
    for router in pages:
        app.include_router(router, dependencies=[Depends(page_caller)])
    app.mount("/static", PageFiles(directory=STATIC_FOLDER), name="static")
    install_errors(app, [health.router, *routers, *open_pages, *pages])
    app.add_exception_handler(SignInRequired, _to_sign_in)
    describe(app)


async def _to_sign_in(request: Request, _error: Exception) -> Response:
    """Where to sign in; a page that was asked for is come back to."""
    target = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    query = urlencode({"next": target}) if request.method == "GET" and target != "/" else ""
    return RedirectResponse(f"/login?{query}" if query else "/login", 303)


def _count_failures(engine: Engine, count: Callable[[Connection], dict[str, int]]) -> dict[str, int]:
    """What `count` says; nothing while the database is away, so that the other metrics can still be read."""
    try:
        with engine.connect() as conn:
            return count(conn)
    except SQLAlchemyError:
        return {}


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _nothing() -> None:
    """Without a worker in this process another one looks for events that wait."""


def _nobody(_failure_ids: Sequence[str]) -> None:
    """Without a worker in this process another one sweeps for failures that wait."""
