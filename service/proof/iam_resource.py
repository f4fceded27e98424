"""Which form of ARN an AWS action takes.

Source: the service authorization reference (docs.aws.amazon.com/service-authorization/latest/reference), 2026-11.
Only services whose forms are often confused are here; an action of any other is not judged.
"""

import re

_BUCKET_ACTION = re.compile(
    r"s3:(ListBucket\w*|(Create|Delete|Head)Bucket|(Get|Put|Delete)(Bucket\w*|LifecycleConfiguration|ReplicationConfiguration"
    r"|EncryptionConfiguration|AnalyticsConfiguration|InventoryConfiguration|MetricsConfiguration|AccelerateConfiguration"
    r"|IntelligentTieringConfiguration))\Z",
    re.IGNORECASE,
)
_OBJECT_ACTION = re.compile(
    r"s3:((Get|Put|Delete)Object\w*|AbortMultipartUpload|ListMultipartUploadParts|RestoreObject|BypassGovernanceRetention"
    r"|ReplicateObject|ReplicateDelete)\Z",
    re.IGNORECASE,
)
_LOCK_CONFIGURATION = re.compile(r"s3:(Get|Put)BucketObjectLockConfiguration\Z", re.IGNORECASE)
_FORMS: tuple[tuple[str, str, str], ...] = (
    (r"sqs:\w+", r"arn:[\w-]+:sqs:[^:]+:[^:]+:[^:/]+", "a queue's ARN, arn:aws:sqs:REGION:ACCOUNT:QUEUE"),
    (r"sns:(Publish|Subscribe|\w*Topic\w*)", r"arn:[\w-]+:sns:[^:]+:[^:]+:[^:/]+", "a topic's ARN"),
    (
        r"kms:(Decrypt|Encrypt|GenerateDataKey\w*|ReEncrypt\w*|CreateGrant|DescribeKey|Sign|Verify\w*|GetPublicKey)",
        r"arn:[\w-]+:kms:[^:]+:[^:]+:key/.+",
        "a key's ARN (an alias ARN does not cover the key)",
    ),
    (r"dynamodb:\w+", r"arn:[\w-]+:dynamodb:[^:]*:[^:]*:(table|global-table)/.+", "a table's ARN"),
    (r"lambda:Invoke\w+", r"arn:[\w-]+:lambda:[^:]+:[^:]+:function:.+", "a function's ARN"),
    (
        r"logs:(PutLogEvents|CreateLogStream|GetLogEvents|DescribeLogStreams)",
        r"arn:[\w-]+:logs:[^:]+:[^:]+:log-group:[^:]+:.+",
        "a log group's ARN with its suffix, log-group:NAME:*",
    ),
    (r"secretsmanager:GetSecretValue", r"arn:[\w-]+:secretsmanager:[^:]+:[^:]+:secret:.+", "a secret's ARN"),
    (r"ssm:(Get|Put|Delete)Parameters?(ByPath)?", r"arn:[\w-]+:ssm:[^:]*:[^:]*:parameter/.+", "a parameter's ARN"),
    (
        r"ecr:(BatchGetImage|GetDownloadUrlForLayer|BatchCheckLayerAvailability|PutImage|\w+LayerUpload|UploadLayerPart)",
        r"arn:[\w-]+:ecr:[^:]+:[^:]+:repository/.+",
        "a repository's ARN",
    ),
    (r"(iam:PassRole|sts:AssumeRole\w*)", r"arn:[\w-]+:iam::[^:]*:role/.+", "a role's ARN"),
)
_ALONE = re.compile(
    r"(ecr:GetAuthorizationToken|s3:ListAllMyBuckets|organizations:List(Accounts|Roots)|kms:List(Keys|Aliases)|iam:List(Users|Roles)"
    r"|ec2:Describe(Instances|Vpcs|Subnets|Images|Regions|SecurityGroups|NetworkInterfaces)|sqs:ListQueues|sns:ListTopics"
    r"|lambda:ListFunctions|dynamodb:ListTables|secretsmanager:ListSecrets|ssm:DescribeParameters|cloudwatch:PutMetricData)\Z",
    re.IGNORECASE,
)
_COMPILED = tuple(
    (re.compile(rf"{action}\Z", re.IGNORECASE), re.compile(rf"{form}\Z"), says) for action, form, says in _FORMS
)
# Ends that the vendor's own pages leave open: a service-linked role, a trail's folder, a log group's streams, the six
# letters that a secret's ARN ends with, an EC2 resource whose id is not known before it is created.
_OPEN_END = re.compile(
    r":role/aws-service-role/[^*]+/\*\Z|/AWSLogs/[^*]+/\*\Z|:log-group:[^*]+:(log-stream:)?\*\Z|:secret:[^*?]+-(\?{6}|\*)\Z"
    r"|:ec2:[^*]+:[^*]+:[a-z-]+/\*\Z"
)


def find_wrong_form(action: str, resource: str) -> str | None:
    """Why an ARN cannot be this action's resource, or None where it can or is not known."""
    if resource != "*" and _ALONE.match(action):
        return f'{action} has no resource types and takes "*" only, not {resource}'
    if resource == "*" or not resource.startswith("arn:"):
        return None
    if action.lower().startswith("s3:"):
        return _find_wrong_s3(action, resource)
    for pattern, form, says in _COMPILED:
        if pattern.match(action) and not form.match(resource):
            return f"{action} takes {says}, not {resource}"
    return None


def _find_wrong_s3(action: str, resource: str) -> str | None:
    if not re.match(r"arn:[\w-]+:s3:::", resource):
        return None
    is_object = "/" in resource
    if _OBJECT_ACTION.match(action) and not _LOCK_CONFIGURATION.match(action) and not is_object:
        return f"{action} is about objects: {resource} must name one (bucket/key)"
    if _BUCKET_ACTION.match(action) and is_object:
        return f"{action} is about the bucket: {resource} must end with the bucket's name"
    return None


def is_open_ended(resource: str) -> bool:
    """Whether a wildcard in an ARN is one that the vendor's own pages ask for."""
    return _OPEN_END.search(resource) is not None
