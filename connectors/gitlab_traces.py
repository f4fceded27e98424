"""GitLab: the traces of failed jobs, which its webhooks lack.

https://docs.gitlab.com/api/jobs/#get-a-log-file
https://docs.gitlab.com/api/jobs/#list-all-jobs-for-a-pipeline
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
    Puller,
    PullGone,
    PullRequest,
    PullSetting,
    Settings,
    ask,
    ask_json,
    base_url,
)
from connectors.values import as_list, as_mapping, as_text

_NUMBER = re.compile(r"[0-9]{1,20}")
_MOST_JOBS = 5


class GitLabTraces(Puller):
    """Reads what a token with `read_api` may read."""

    settings = (
        PullSetting("token", "A project or group access token with the scope read_api, role Reporter.", secret=True),
        PullSetting("url", "GitLab's address.", required=False, default="https://gitlab.com"),
    )

    def check(self, settings: Settings) -> None:
        """Raise `PullRefused` for an address that is none."""
        base_url(settings)

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
        told = [event.text]
        for job in jobs:
            path = f"/api/v4/projects/{project}/jobs/{as_text(job.get('id'))}/trace"
            request = replace(_request(path, settings), limit=LOG_LIMIT, tail=True)
            answer = yield from ask(request, now)
            told.append(excerpt(answer.body))
        return replace(event, text="\n".join(text for text in told if text))


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
