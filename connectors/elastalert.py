"""ElastAlert 2's HTTP alerters: the matching document itself, with what the rule adds.

https://elastalert2.readthedocs.io/en/latest/alerts.html#http-post-2
"""

from typing import Any

from connectors.templated import TemplatedConnector


class ElastAlertConnector(TemplatedConnector):
    """Reads matches; their fields are those of the document."""

    name = "elastalert"
    title = "ElastAlert 2"
    group = "alerts"
    kind = "elastalert.match"
    setup = """\
alert: post2
http_post2_url: "%URL%"
http_post2_headers: {Authorization: "Bearer %SECRET%"}
http_post2_payload: {rule_name: NAME_OF_THE_RULE}
http_post2_all_values: true
"""

    def arrange(self, item: dict[str, Any]) -> dict[str, Any]:
        """The document without the counts that ElastAlert adds; the rule is its group."""
        document = {name: value for name, value in item.items() if name not in {"num_hits", "num_matches", "_type"}}
        return {**document, "group_key": item["rule_name"]} if item.get("rule_name") else document


CONNECTOR = ElastAlertConnector()
