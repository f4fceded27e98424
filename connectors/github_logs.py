"""GitHub Actions: the logs of failed jobs, which its webhooks lack, and the runs whose webhook was lost.

https://docs.github.com/en/rest/actions/workflow-jobs
https://docs.github.com/en/rest/actions/workflow-runs
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.base import ErrorEvent
from connectors.ci_log import LOG_LIMIT, excerpt
from connectors.pull import (
    Exchange,
    Pulled,
    Puller,
    PullError,
    PullGone,
    PullRequest,
    PullSetting,
    Settings,
    ask,
    ask_json,
    base_url,
)
from connectors.pull_window import Window, zulu
from connectors.values import as_link, as_list, as_mapping, as_text, as_time, attributes_of, dig, join_texts

_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_NUMBER = re.compile(r"[0-9]{1,20}")
_KINDS = ("github.workflow_run", "github.workflow_job", "github.check_run")
_FAILED = frozenset({"failure", "timed_out"})
_MOST_JOBS, _RUNS = 5, 20


class GitHubLogs(Puller):
    """Reads what a token with `actions: read` may read."""

    every = 300
    optional_schedule = ("repository",)
    settings = (
        PullSetting("token", "A fine-grained token of these repositories with Actions: read.", secret=True),
        PullSetting("repository", "owner/name whose failed runs are looked for, if webhooks get lost.", required=False),
        PullSetting("url", "The REST API's address.", required=False, default="https://api.github.com"),
    )

    def check(self, settings: Settings) -> None:
        """Raise `PullRefused` for an address that is none."""
        base_url(settings)

    def lacks_text(self, event: ErrorEvent) -> bool:
        """A run and a job never have it; a check has where its app says more than a headline."""
        return event.state == "firing" and event.type in _KINDS and "\n" not in event.text.partition("\nstep failed")[0]

    def enrich(self, event: ErrorEvent, settings: Settings, now: datetime) -> Exchange[ErrorEvent]:
        """The event with the end of the log of each failed job."""
        repository = str(event.attributes.get("vcs.repository", ""))
        kind, _, rest = event.id.partition(":")
        number = rest.partition(":")[0]
        if not _REPOSITORY.fullmatch(repository) or ".." in repository or not _NUMBER.fullmatch(number):
            raise PullGone("The webhook names no repository and number that logs could be asked for by")
        if kind == "workflow_run":
            jobs = yield from _failed_jobs(repository, number, settings, now)
        else:
            jobs = [{"id": number}]
        logs = yield from _logs(repository, jobs, settings, now)
        return replace(event, text="\n".join([event.text, *logs]))

    def pull(self, settings: Settings, cursor: str | None, now: datetime) -> Exchange[Pulled]:
        """The failed runs of the repository, with the logs of their jobs."""
        repository = settings.get("repository", "")
        if not _REPOSITORY.fullmatch(repository) or ".." in repository:
            raise PullError("repository must be owner/name")
        window = Window.read(cursor, now)
        page = int(window.page or 1)
        query = (
            ("status", "failure"),
            ("created", f"{zulu(window.since)}..{zulu(window.until)}"),
            *(("per_page", str(_RUNS)), ("page", str(page))),
        )
        found = yield from ask_json(_request(f"/repos/{repository}/actions/runs", settings, query), now)
        runs = [run for run in map(as_mapping, as_list(dig(found, "workflow_runs"))) if run.get("id")]
        events = []
        for run in runs:
            bare = _event(run, repository, now)
            try:
                events.append((yield from self.enrich(bare, settings, now)))
            except PullGone:
                events.append(bare)
        more = len(runs) == _RUNS
        return Pulled(tuple(events), window.turn(str(page + 1) if more else None), more or window.is_behind(now))


def _failed_jobs(repository: str, run: str, settings: Settings, now: datetime) -> Exchange[list[Mapping[str, Any]]]:
    path = f"/repos/{repository}/actions/runs/{run}/jobs"
    query = (("filter", "latest"), ("per_page", "100"))
    found = yield from ask_json(_request(path, settings, query), now)
    jobs = [as_mapping(job) for job in as_list(dig(found, "jobs"))]
    failed = [job for job in jobs if job.get("conclusion") in _FAILED][:_MOST_JOBS]
    if not failed:
        raise PullGone("GitHub names no failed job of this run")
    return failed


def _logs(repository: str, jobs: list[Mapping[str, Any]], settings: Settings, now: datetime) -> Exchange[list[str]]:
    """What each job says of its failure. A job that never ran has steps, but no log."""
    told: list[str] = []
    for job in jobs:
        number = as_text(job.get("id")) or ""
        if not _NUMBER.fullmatch(number):
            continue
        steps = [
            f"job {as_text(job.get('name'))}, step failed: {as_text(step.get('name'))}"
            for step in map(as_mapping, as_list(job.get("steps")))
            if step.get("conclusion") in _FAILED
        ]
        try:
            log = yield from _log(repository, number, settings, now)
        except PullGone:
            if len(jobs) == 1 and not steps:
                raise
            log = b""
        told.append(join_texts([*steps, excerpt(log)]))
    return [text for text in told if text]


def _log(repository: str, job: str, settings: Settings, now: datetime) -> Exchange[bytes]:
    """GitHub names a storage address that holds for a minute; our token has no business there."""
    request = _request(f"/repos/{repository}/actions/jobs/{job}/logs", settings)
    answer = yield from ask(replace(request, limit=LOG_LIMIT, tail=True), now)
    if 300 <= answer.status < 400:
        address = answer.headers.get("location", "")
        answer = yield from ask(PullRequest(address, limit=LOG_LIMIT, tail=True, by_answer=True), now)
    if not 200 <= answer.status < 300:
        raise PullError(f"GitHub sends us on from the log's address ({answer.status})")
    return answer.body


def _event(run: Mapping[str, Any], repository: str, now: datetime) -> ErrorEvent:
    """The event that the run's webhook makes, with the same id."""
    name, branch = as_text(run.get("name")) or "workflow_run", as_text(run.get("head_branch"))
    return ErrorEvent(
        id=f"workflow_run:{as_text(run.get('id'))}:{as_text(run.get('run_attempt')) or ''}:failure",
        text=f"{name} failure in {repository}",
        type="github.workflow_run",
        time=as_time(run.get("updated_at"), now),
        service_name=repository,
        url=as_link(run.get("html_url")),
        grouping_key=f"{repository}:workflow_run:{name}:{branch or ''}",
        attributes=attributes_of(
            [
                ("vcs.repository", repository),
                ("vcs.ref", branch),
                ("vcs.revision", run.get("head_sha")),
                ("github.event", run.get("event")),
                ("github.run_id", as_text(run.get("id"))),
            ]
        ),
    )


def _request(path: str, settings: Settings, query: tuple[tuple[str, str], ...] = ()) -> PullRequest:
    headers = {
        "Authorization": f"Bearer {settings['token']}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    return PullRequest(base_url(settings) + path, headers=headers, query=query)
