"""Keys as vendors publish them: a certificate for SNS, a key set for tokens. Made anew for each run."""

import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

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


def authority_for(host: str, file: Path) -> str:
    """A certificate, as PEM, that vouches for itself and for a host; the file gets its key too, for a server."""
    key, name = new_key(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
    now = datetime.now(UTC)
    try:
        named: x509.GeneralName = x509.IPAddress(ip_address(host))
    except ValueError:
        named = x509.DNSName(host)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName([named]), critical=False).serial_number(7)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    made = builder.sign(key, hashes.SHA256()).public_bytes(pem)
    file.write_bytes(made + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return made.decode()


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
