"""The one secret of an installation, and the keys derived from it.

It comes from a setting or from a file made on first start. Lose it and the stored connection secrets are lost with it.
"""

import base64
import os
import secrets
from pathlib import Path
from typing import Self

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_FILE = "secret.key"
_SHORTEST = 16


class WrongKey(Exception):
    """A stored secret was encrypted with another key than the one in use."""


class Keyring:
    """Keys for the purposes of one installation; each purpose has its own, and none tells anything of another."""

    def __init__(self, master: bytes) -> None:
        self._master = master
        self._fernet = Fernet(base64.urlsafe_b64encode(self.derive("stored-secrets")))

    @classmethod
    def load(cls, data_dir: Path, secret_key: str | None) -> Self:
        """Use `secret_key` when it is given, else `secret.key` in `data_dir`, made when missing.

        Raises `ValueError` when the key is too short to be a secret, `OSError` when the file cannot be read or made.
        """
        source = "the secret key setting" if secret_key else str(data_dir / _FILE)
        master = secret_key or _read_or_make(data_dir / _FILE)
        if len(master) < _SHORTEST:
            raise ValueError(
                f"{source} is shorter than {_SHORTEST} characters; make one with: "
                "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        return cls(master.encode())

    def derive(self, purpose: str) -> bytes:
        """32 bytes that only this installation has, the same for the same purpose every time (HKDF-SHA256)."""
        return HKDF(algorithm=SHA256(), length=32, salt=b"whydenied", info=purpose.encode()).derive(self._master)

    def encrypt(self, data: bytes) -> str:
        """Encrypt for storage. The text differs each time."""
        return self._fernet.encrypt(data).decode()

    def decrypt(self, token: str) -> bytes:
        """Undo `encrypt`. Raises `WrongKey` when the text is not from this installation's key, or was changed."""
        try:
            return self._fernet.decrypt(token)
        except InvalidToken:
            raise WrongKey(
                "a stored secret cannot be read with the secret key in use: restore the key it was saved with, "
                "or enter the secret again"
            ) from None


def _read_or_make(file: Path) -> str:
    """Several processes may start at once: the one that links its file first decides, and all read the same."""
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = file.with_name(f"{_FILE}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as made:
            made.write(secrets.token_urlsafe(32) + "\n")
            made.flush()
            os.fsync(made.fileno())
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return file.read_text().strip()
