"""The signature of an SNS message: RSA over some of its fields, by a certificate that Amazon publishes.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import base64
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from connectors.base import Unauthenticated

_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_ALGORITHMS: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 - SNS's default


def verify_message(message: Mapping[str, Any], certificate: bytes) -> None:
    """Raise `Unauthenticated` unless the certificate (PEM) signed the message."""
    algorithm = _ALGORITHMS.get(str(message.get("SignatureVersion")))
    try:
        key = x509.load_pem_x509_certificate(certificate).public_key()
        signature = base64.b64decode(str(message.get("Signature")), validate=True)
    except ValueError:
        raise Unauthenticated("The signature is not base64, or the certificate is none") from None
    if algorithm is None or not isinstance(key, RSAPublicKey):
        raise Unauthenticated("The signature is not of version 1 or 2")
    try:
        key.verify(signature, signed_text(message), PKCS1v15(), algorithm)
    except InvalidSignature:
        raise Unauthenticated("The delivery is not signed by Amazon SNS") from None


def signed_text(message: Mapping[str, Any]) -> bytes:
    """Name and value, a line each, of the fields that a message of its type signs; an absent subject is left out."""
    fields = _NOTIFICATION if message.get("Type") == "Notification" else _CONFIRMATION
    return "".join(f"{name}\n{message[name]}\n" for name in fields if message.get(name) is not None).encode(
        "utf-8", "replace"
    )
