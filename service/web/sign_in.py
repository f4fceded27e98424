"""Signing in and out with a password, and the set-up of the first account.

The browser holds a random token in an HttpOnly cookie, the database its hash.
"""

import re
import secrets
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import Response

from service.keyring import Keyring
from service.store import access
from service.store.access_tables import Account
from service.web.passwords import AttemptLimit, WeakPassword, hash_password, is_password

_EMAIL = re.compile(r"[^@\s]{1,200}@[^@\s]{1,200}")


class SignInRefused(Exception):
    """The message is for the person who tried. `retry_after` is in seconds, 0 when trying again is free."""

    def __init__(self, message: str, retry_after: int = 0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SignIn:
    """The sign-in of one application. `cookie` is the name of its cookie."""

    def __init__(self, engine: Engine, keyring: Keyring, *, session_hours: int, secure_cookies: bool) -> None:
        self._engine = engine
        self._lifetime = timedelta(hours=session_hours)
        self._secure = secure_cookies
        self._attempts = AttemptLimit()
        self._setup_token = access.setup_token(keyring)
        self._is_set_up = False
        self.cookie = "__Host-whydenied" if secure_cookies else "whydenied"

    def open_setup_token(self) -> str | None:
        """The token that makes the first account; None once there is one."""
        if not self._is_set_up:
            with self._engine.connect() as conn:
                self._is_set_up = access.count_accounts(conn) > 0
        return None if self._is_set_up else self._setup_token

    def sign_in(self, email: str, password: str, address: str) -> str:
        """A session token. Raises `SignInRefused`, in the same words for a wrong name and a wrong password."""
        keys = (f"account {email.casefold()}", f"address {address}")
        if wait := self._attempts.wait(*keys):
            raise SignInRefused(f"Too many attempts failed. Try again in {wait // 60 + 1} min.", wait)
        with self._engine.connect() as conn:
            account = access.find_account(conn, email)
        if not is_password(password, account.password_hash if account else None) or account is None:
            self._attempts.note_failure(*keys)
            raise SignInRefused("The e-mail or the password is wrong.")
        with self._engine.begin() as conn:
            return access.open_session(conn, account.id, self._lifetime)

    def make_first_account(self, token: str, email: str, password: str, address: str) -> str:
        """The first account, an admin, signed in: its session token. Raises `SignInRefused`."""
        self._check_setup(token, address)
        if not _EMAIL.fullmatch(email):
            raise SignInRefused("That is no e-mail address.")
        try:
            hashed = hash_password(password)
            with self._engine.begin() as conn:
                account = access.create_first_account(conn, email, hashed)
                return access.open_session(conn, account.id, self._lifetime)
        except WeakPassword as error:
            raise SignInRefused(str(error)) from None
        except access.AlreadySetUp:
            raise SignInRefused("An account exists already; sign in with it.") from None

    def _check_setup(self, token: str, address: str) -> None:
        key = f"set-up {address}"
        if wait := self._attempts.wait(key):
            raise SignInRefused("Too many attempts failed. Try again later.", wait)
        expected = self.open_setup_token()
        if expected is None:
            raise SignInRefused("An account exists already; sign in with it.")
        if not secrets.compare_digest(token.encode(), expected.encode()):
            self._attempts.note_failure(key)
            raise SignInRefused("The set-up token is wrong. The service prints it when it starts.")

    def account_of(self, request: Request) -> Account | None:
        """Who is signed in in the browser that sent the request."""
        token = request.cookies.get(self.cookie)
        if not token:
            return None
        with self._engine.connect() as conn:
            return access.session_account(conn, token)

    def sign_out(self, request: Request) -> None:
        """End the session of the request, if it has one."""
        if token := request.cookies.get(self.cookie):
            with self._engine.begin() as conn:
                access.close_session(conn, token)

    def remember(self, response: Response, token: str) -> None:
        """Put the session into the browser."""
        response.set_cookie(
            self.cookie,
            token,
            max_age=int(self._lifetime.total_seconds()),
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def forget(self, response: Response) -> None:
        """Take the session out of the browser."""
        response.delete_cookie(self.cookie, path="/", secure=self._secure, httponly=True, samesite="lax")


def local_path(target: str) -> str:
    """The path to go to after signing in; anything that leads off this site becomes the front page."""
    parts = urlsplit(target)
    safe = target.startswith("/") and not target.startswith(("//", "/\\")) and not (parts.scheme or parts.netloc)
    return target if safe and target.isprintable() and "\\" not in target else "/"
