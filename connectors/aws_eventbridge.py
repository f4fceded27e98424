"""Amazon EventBridge: events by an API destination, CloudTrail records of refused calls above all.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
"""

from connectors.aws_message import read_eventbridge
from connectors.aws_trail import CloudTrailEvents
from connectors.base import AuthScheme, Delivery, Parsed, Sample, Unparseable
from connectors.bodies import read_json
from connectors.shared_secret import SharedSecretConnector
from connectors.values import as_text, dig


class EventBridgeConnector(SharedSecretConnector):
    """Reads what a rule of EventBridge sends on."""

    name = "aws-eventbridge"
    title = "AWS EventBridge (CloudTrail)"
    group = "cloud"
    schemes: tuple[AuthScheme, ...] = ("header", "basic", "bearer", "url-token", "none")
    pulls = CloudTrailEvents()
    sample = Sample(
        '{"version": "0", "id": "%ID%", "detail-type": "AWS API Call via CloudTrail", "source": '
        '"aws.whydenied", "account": "111122223333", "time": "%TIME%", "region": "us-east-1", "resources": '
        '[], "detail": {"eventID": "%ID%", "eventTime": "%TIME%", "eventSource": "whydenied.example.com", '
        '"eventName": "Test", "errorCode": "AccessDenied", "errorMessage": "%TEXT%"}}',
    )
    setup = """\
# Calls that only read reach a rule in the state ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS only.
resource "aws_cloudwatch_event_connection" "whydenied" {
  name               = "whydenied"
  authorization_type = "API_KEY"
  auth_parameters {
    api_key {
      key   = "X-Whydenied-Key" # the header that this connection names, with the scheme header
      value = "%SECRET%"
    }
  }
}
resource "aws_cloudwatch_event_api_destination" "whydenied" {
  name                = "whydenied"
  connection_arn      = aws_cloudwatch_event_connection.whydenied.arn
  invocation_endpoint = "%URL%"
  http_method         = "POST"
}
resource "aws_cloudwatch_event_rule" "refused" {
  name  = "refused-calls"
  state = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
  event_pattern = jsonencode({ detail = { errorCode = [{ wildcard = "*Denied*" }, { wildcard = "*Unauthorized*" }] } })
}
"""

    def parse(self, delivery: Delivery) -> Parsed:
        """The event, none where it records a call that succeeded."""
        value = read_json(delivery.body)
        if not isinstance(value, dict) or "detail-type" not in value or not as_text(value.get("id")):
            raise Unparseable("An event of EventBridge is an object with `id` and `detail-type`; leave its input whole")
        own = as_text(dig(value, "detail", "eventID")) or str(value["id"])  # the call's own id, as CloudTrail lists it
        event = read_eventbridge(value, own, delivery.received_at)
        return Parsed((event,) if event else ())


CONNECTOR = EventBridgeConnector()
