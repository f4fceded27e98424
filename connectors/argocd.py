"""Argo CD's and Argo Rollouts' notifications by a webhook service, with the template below.

https://argo-cd.readthedocs.io/en/stable/operator-manual/notifications/services/webhook/
"""

from connectors.templated import TemplatedConnector


class ArgoCDConnector(TemplatedConnector):
    """Reads the state of an application whose sync failed."""

    name = "argocd"
    title = "Argo CD notifications"
    group = "kubernetes"
    kind = "argocd.application"
    setup = """\
# argocd-notifications-cm
service.webhook.whydenied: |
  url: %URL%
  headers: [{name: Authorization, value: "Bearer $whydenied-token"}, {name: Content-Type, value: application/json}]
template.whydenied: |
  webhook:
    whydenied:
      method: POST
      body: |
        {"id": "{{.app.metadata.uid}}:{{.app.status.operationState.finishedAt}}", "service": "{{.app.metadata.name}}",
         "message": {{toJson .app.status.operationState.message}}, "state": "{{.app.status.operationState.phase}}",
         "group_key": "{{.app.metadata.uid}}", "environment": "{{.app.spec.destination.namespace}}"}
trigger.on-sync-failed: |
  - when: app.status.operationState.phase in ['Error', 'Failed']
    send: [whydenied]
# argocd-notifications-secret, key whydenied-token: %SECRET%
"""


CONNECTOR = ArgoCDConnector()
