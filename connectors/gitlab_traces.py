"""GitLab: the traces of failed jobs, which its webhooks lack, and the jobs whose webhook was lost.

https://docs.gitlab.com/api/jobs/#get-a-log-file
https://docs.gitlab.com/api/jobs/#list-all-jobs-for-a-pipeline
https://docs.gitlab.com/api/pipelines/#list-project-pipelines
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from connectors.base import ErrorEvent
from connectors.ci_log import LOG_LIMIT, excerpt
from connectors.pull import (
    Exchange,
    Pulled,
    Puller,
    PullGone,
    PullRefused,
    PullRequest,
    PullSetting,
    Settings,
    ask,
    ask_json,
    base_url,
)
from connectors.pull_window import Window, zulu
from connectors.values import as_link, as_list, as_mapping, as_text, as_time, attributes_of, join_texts

_NUMBER = re.compile(r"[0-9]{1,20}")
_PROJECT = re.compile(r"[A-Za-z0-9_.-]{1,200}(?:/[A-Za-z0-9_.-]{1,200}){0,20}")
_MOST_JOBS, _PIPELINES = 5, 8


class GitLabTraces(Puller):
    """Reads what a token with `read_api` may read."""

    every = 300
    optional_schedule = ("project",)
    settings = (
        PullSetting("token", "A project or group access token with the scope read_api, role Reporter.", secret=True),
        PullSetting(
            "project", "group/name or number, whose failed jobs are looked for, if webhooks get lost.", required=False
        ),
        PullSetting("url", "GitLab's address.", required=False, default="https://gitlab.com"),
    )

    def check(self, settings: Settings) -> None:
        """Raise `PullRefused` for an address or a project that is none."""
        base_url(settings)
        project = settings.get("project", "")
        if project and (not _PROJECT.fullmatch(project) or ".." in project):
            raise PullRefused("project must be group/name, or its number")

    def lacks_text(self, event: ErrorEvent) -> bool:
        """A job and a pipeline have only a reason such as `script_failure`."""
        return event.state == "firing" and event.type in {"gitlab.job", "gitlab.pipeline"}

    def enrich(self, event: ErrorEvent, settings: Settings, now: datetime) -> Exchange[ErrorEvent]:
        """The event with the end of the trace of each failed job."""
        project = str(event.attributes.get("gitlab.project_id", ""))
        kind, _, rest = event.id.partition(":")
        number = rest.partition(":")[0]
        if not _NUMBER.fullmatch(project) or not _NUMBER.fullmatch(number):
            raise PullGone("The webhook names no project and number that traces could be asked for by")
        jobs: list[Mapping[str, Any]] = [{"id": number}]
        if kind == "pipeline":
            jobs = yield from _failed_jobs(project, number, settings, now)
        text = event.text
        for job in jobs:
            trace = yield from _trace(project, job, settings, now)
            text = f"{text}\n{trace}".strip()
        return replace(event, text=text)

    def pull(self, settings: Settings, cursor: str | None, now: datetime) -> Exchange[Pulled]:
        """The failed jobs of the failed pipelines of a project, with their traces."""
        window = Window.read(cursor, now)
        page, project = int(window.page or 1), quote(settings["project"], safe="")
        query = (
            *(("status", "failed"), ("order_by", "updated_at"), ("sort", "asc")),
            *(("updated_after", zulu(window.since)), ("updated_before", zulu(window.until))),
            *(("per_page", str(_PIPELINES)), ("page", str(page))),
        )
        found = yield from ask_json(_request(f"/api/v4/projects/{project}/pipelines", settings, query), now)
        numbers = [as_text(as_mapping(pipeline).get("id")) or "" for pipeline in as_list(found)]
        events: list[ErrorEvent] = []
        for number in filter(_NUMBER.fullmatch, numbers):
            try:
                jobs = yield from _failed_jobs(project, number, settings, now)
            except PullGone:
                continue
            for job in jobs:
                try:
                    trace = yield from _trace(project, job, settings, now)
                except PullGone:
                    trace = ""
                events.append(_event(job, trace, settings, now))
        more = len(numbers) == _PIPELINES
        return Pulled(tuple(events), window.turn(str(page + 1) if more else None), more or window.is_behind(now))


def _trace(project: str, job: Mapping[str, Any], settings: Settings, now: datetime) -> Exchange[str]:
    path = f"/api/v4/projects/{project}/jobs/{as_text(job.get('id'))}/trace"
    answer = yield from ask(replace(_request(path, settings), limit=LOG_LIMIT, tail=True), now)
    return excerpt(answer.body)


def _event(job: Mapping[str, Any], trace: str, settings: Settings, now: datetime) -> ErrorEvent:
    """The event that the job's webhook makes, with the same id."""
    name, ref, link = as_text(job.get("name")), as_text(job.get("ref")), as_link(job.get("web_url"))
    repository = (link or "").removeprefix(base_url(settings)).partition("/-/")[0].strip("/") or settings["project"]
    reason = as_text(job.get("failure_reason"))
    said = join_texts([f"job {name} failed", None if reason == "unknown_failure" else reason])
    return ErrorEvent(
        id=f"job:{as_text(job.get('id'))}:failed",
        text=f"{said}\n{trace}".strip(),
        type="gitlab.job",
        time=as_time(job.get("finished_at"), now),
        service_name=repository,
        url=link,
        grouping_key=f"{repository}:job:{name}:{ref or ''}",
        attributes=attributes_of(
            [
                ("vcs.repository", repository),
                ("vcs.ref", ref),
                ("vcs.revision", as_mapping(job.get("commit")).get("id")),
                ("gitlab.stage", job.get("stage")),
                ("gitlab.job_id", job.get("id")),
            ]
        ),
    )


def _failed_jobs(project: str, number: str, settings: Settings, now: datetime) -> Exchange[list[Mapping[str, Any]]]:
    query = (("scope[]", "failed"), ("per_page", "20"))
    request = _request(f"/api/v4/projects/{project}/pipelines/{number}/jobs", settings, query)
    jobs = [as_mapping(job) for job in as_list((yield from ask_json(request, now)))]
    failed = [job for job in jobs if job.get("allow_failure") is not True]
    kept = [job for job in failed if _NUMBER.fullmatch(as_text(job.get("id")) or "")][:_MOST_JOBS]
    if not kept:
        raise PullGone("GitLab names no failed job of this pipeline")
    return kept


def _request(path: str, settings: Settings, query: tuple[tuple[str, str], ...] = ()) -> PullRequest:
    headers = {"PRIVATE-TOKEN": settings["token"], "Accept": "*/*"}
    return PullRequest(base_url(settings) + path, headers=headers, query=query)
