"""Elasticsearch: the documents of a query, page by page from one point in time.

https://www.elastic.co/docs/reference/elasticsearch/rest-apis/paginate-search-results
"""

import json
import re
from datetime import datetime
from typing import Any
from urllib.parse import quote

from connectors.log_line import LogLines
from connectors.pull import (
    Exchange,
    Pulled,
    Puller,
    PullRefused,
    PullRequest,
    PullSetting,
    Settings,
    ask_json,
    base_url,
    credentials_of,
    found_at,
    page_of,
    post_json,
)
from connectors.pull_window import Window, zulu
from connectors.values import as_list, as_mapping, as_text, dig

_DOCUMENTS = 500
_KEPT = "15m"
_INDEX = re.compile(r"[A-Za-z0-9_.*,:<>{}+-]{1,200}")


class ElasticsearchQuery(Puller):
    """Reads forward in time; of the documents, those that look like a failure are kept."""

    every = 60
    settings = (
        PullSetting("url", "Elasticsearch's address, such as https://es.example:9200."),
        PullSetting("index", "Indices, aliases or data streams, such as logs-*."),
        PullSetting("query", "A query string in Lucene's syntax.", required=False, default="*"),
        PullSetting("time_field", "The field that holds a document's time.", required=False, default="@timestamp"),
        PullSetting("api_key", "An encoded API key with the right read on these indices.", secret=True, required=False),
        PullSetting("username", "Or a user name.", required=False),
        PullSetting("password", "The password of that user.", secret=True, required=False),
    )

    def check(self, settings: Settings) -> None:
        """Raise `PullRefused` for an address or an index that is none."""
        base_url(settings)
        if not _INDEX.fullmatch(settings.get("index", "")):
            raise PullRefused("index must name indices, such as logs-*")

    def pull(self, settings: Settings, cursor: str | None, now: datetime) -> Exchange[Pulled]:
        """The next 500 documents."""
        window, headers = Window.read(cursor, now), credentials_of(settings)
        if settings.get("api_key"):
            headers["Authorization"] = f"ApiKey {settings['api_key']}"
        place = json.loads(window.page) if window.page else {}
        if not place:
            url = f"{base_url(settings)}/{quote(settings['index'], safe='*,')}/_pit"
            opened = yield from ask_json(
                PullRequest(url, "POST", headers, (("keep_alive", _KEPT), ("ignore_unavailable", "true"))), now
            )
            place = {"pit": as_text(dig(opened, "id")) or ""}
        question = _question(settings, window, place)
        found = yield from ask_json(post_json(f"{base_url(settings)}/_search", question, headers), now)
        hits = [as_mapping(hit) for hit in as_list(dig(found, "hits", "hits"))]
        lines = LogLines(found_at(now))
        for hit in hits:
            document = dict(as_mapping(hit.get("_source")))
            identity = f"{as_text(hit.get('_index'))}:{as_text(hit.get('_id'))}"
            lines.add(document, identity=identity, time=document.get(settings["time_field"]))
        following = None
        if len(hits) == _DOCUMENTS:
            pit = as_text(dig(found, "pit_id")) or place["pit"]
            following = json.dumps({"pit": pit, "after": hits[-1].get("sort")})
        return page_of(lines, window, following, now)


def _question(settings: Settings, window: Window, place: dict[str, Any]) -> dict[str, Any]:
    span = {settings["time_field"]: {"gte": zulu(window.since), "lt": zulu(window.until)}}
    asked = {"query_string": {"query": settings["query"], "allow_leading_wildcard": False}}
    question: dict[str, Any] = {
        "size": _DOCUMENTS,
        "track_total_hits": False,
        "pit": {"id": place["pit"], "keep_alive": _KEPT},
        "query": {"bool": {"filter": [{"range": span}, asked]}},
        "sort": [{settings["time_field"]: "asc"}],
    }
    return question | ({"search_after": place["after"]} if place.get("after") else {})
