"""What AWS demands of a request: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html"""

import hmac
import re
from hashlib import sha256

from vendor_api import Answer, Asked


def aws_demands(asked: Asked, secret: str) -> Answer | None:
    """What AWS answers to a request that is not signed as its documentation says."""
    told = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([\w-]+)/(\w+)/aws4_request, SignedHeaders=([\w;-]+), "
        r"Signature=(\w{64})",
        asked.headers.get("authorization", ""),
    )
    if not told or not {"host", "x-amz-date", "x-amz-target"} <= set(told[5].split(";")):
        return Answer({"__type": "MissingAuthenticationTokenException"}, 403)
    headers = "".join(f"{name}:{asked.headers[name].strip()}\n" for name in told[5].split(";"))
    canonical = f"{asked.method}\n{asked.path}\n\n{headers}\n{told[5]}\n{sha256(asked.body).hexdigest()}"
    scope = f"{told[2]}/{told[3]}/{told[4]}/aws4_request"
    whole = f"AWS4-HMAC-SHA256\n{asked.headers['x-amz-date']}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (*scope.split("/"), whole):
        key = hmac.digest(key, part.encode(), "sha256")
    return None if key.hex() == told[6] else Answer({"__type": "SignatureDoesNotMatch"}, 403)
