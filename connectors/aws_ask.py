"""A question to an API of AWS that speaks JSON, to be signed by whoever sends it."""

import re
from collections.abc import Mapping
from typing import Any

from connectors.pull import PullRefused, PullRequest, PullSetting, Settings, base_url, post_json

_REGION = re.compile(r"[a-z]{2}(?:-[a-z]{2,9}){1,3}-[0-9]{1,2}")

AWS_SETTINGS = (
    PullSetting("region", "The region, such as eu-central-1."),
    PullSetting("access_key_id", "An access key; without one, this machine's own role is used.", required=False),
    PullSetting("secret_access_key", "The secret of that access key.", secret=True, required=False),
    PullSetting("session_token", "The token of temporary credentials.", secret=True, required=False),
    PullSetting("url", "Another endpoint than the region's own.", required=False),
)


def check_region(settings: Settings, service: str) -> None:
    """Raise `PullRefused` for a region or an address that is none."""
    if not _REGION.fullmatch(settings.get("region", "")):
        raise PullRefused("region must be one of AWS, such as eu-central-1")
    if settings.get("access_key_id") and not settings.get("secret_access_key"):
        raise PullRefused("secret_access_key is missing: it belongs to the access key")
    _address(settings, service)


def aws_request(settings: Settings, service: str, target: str, question: Mapping[str, Any]) -> PullRequest:
    """The request, not signed yet."""
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
    return post_json(_address(settings, service), question, headers, f"aws:{service}:{settings['region']}")


def _address(settings: Settings, service: str) -> str:
    if settings.get("url"):
        return f"{base_url(settings)}/"
    end = "amazonaws.com.cn" if settings["region"].startswith("cn-") else "amazonaws.com"
    return f"https://{service}.{settings['region']}.{end}/"
