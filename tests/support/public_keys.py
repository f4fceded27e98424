"""Keys as vendors publish them: a certificate for SNS, a key set for tokens. Made anew for each run."""

import json
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import RSAKey


def new_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def certificate_of(key: RSAPrivateKey) -> bytes:
    """A certificate of the key by itself, as PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.example")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(start).not_valid_after(start + timedelta(days=3650))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def as_jwk(key: RSAPrivateKey) -> RSAKey:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return RSAKey.import_key(pem, {"kid": "k1", "use": "sig", "alg": "RS256"})


def key_set_of(key: RSAPrivateKey) -> bytes:
    """The published half of the key as a JSON Web Key Set."""
    return json.dumps({"keys": [as_jwk(key).as_dict(private=False)]}).encode()


def token_of(key: RSAPrivateKey, claims: dict[str, object]) -> str:
    """A signed token."""
    return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, as_jwk(key))


_OTHER = new_key()
OTHER_KEYS = {"pem": certificate_of(_OTHER), "jwks": key_set_of(_OTHER)}
