"""Jenkins: the Notification plugin's messages, or a step of a pipeline with the log's end.

https://plugins.jenkins.io/notification/
"""

from typing import Any

from connectors.templated import TemplatedConnector
from connectors.values import as_mapping, as_text, first_text

_FAILED = frozenset({"FAILURE", "UNSTABLE", "ABORTED"})


class JenkinsConnector(TemplatedConnector):
    """Reads finished builds; a success of the same job resolves a failure."""

    name = "jenkins"
    title = "Jenkins"
    group = "delivery"
    kind = "jenkins.build"
    setup = """\
// Jenkinsfile: the log's end is what a root cause is found in
post { failure { script {
  def log = currentBuild.rawBuild.getLog(200).join('\\n')
  httpRequest url: '%URL%', httpMode: 'POST', contentType: 'APPLICATION_JSON',
    customHeaders: [[name: 'Authorization', value: 'Bearer %SECRET%', maskValue: true]],
    requestBody: groovy.json.JsonOutput.toJson([id: env.BUILD_TAG, service: env.JOB_NAME, link: env.BUILD_URL,
      group_key: env.JOB_NAME, message: log])
} } }
// or the Notification plugin: URL %URL%, protocol HTTP, format JSON, event Job Finalized, Log Lines 200
"""

    def arrange(self, item: dict[str, Any]) -> dict[str, Any]:
        """The plugin's message as a flat object; none while a build runs."""
        build = as_mapping(item.get("build"))
        if not build:
            return item
        status = as_text(build.get("status"))
        if status not in _FAILED | {"SUCCESS"}:
            return {}
        name, number = as_text(item.get("name")), as_text(build.get("number"))
        return {
            "id": f"{name}:{number}:{status}",
            "state": "resolved" if status == "SUCCESS" else "firing",
            "title": f"{name} #{number} {status}",
            "output": as_text(build.get("log")),
            "service": name,
            "time": build.get("timestamp"),
            "link": first_text(build.get("full_url"), build.get("url")),
            "group_key": name,
        }


CONNECTOR = JenkinsConnector()
