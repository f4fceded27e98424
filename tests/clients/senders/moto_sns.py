"""SNS delivers what is published to a topic; moto plays Amazon's part."""

import sys

import boto3
from moto import mock_aws

with mock_aws():
    sns = boto3.client("sns", "eu-west-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    address = f"{sys.argv[1]}?token={sys.argv[2]}"
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=address)
    sns.publish(TopicArn=topic, Subject="billing", Message="permission denied for table invoices")
