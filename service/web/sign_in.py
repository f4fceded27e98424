"""Signing in and out, and the set-up of the first account.

The browser holds a random token in an HttpOnly cookie, the database its hash. Who signs in and out is in the audit log,
and so is every tenth refusal in a row; each single one is in the service's log.
"""

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response

from service.keyring import Keyring
from service.store import access
from service.store.access_tables import Account, Session
from service.store.activity import note_activity
from service.store.identities import Person, admit
from service.store.sessions import revoke_session
from service.web.passwords import AttemptLimit, WeakPassword, hash_password, is_password

log = structlog.get_logger(__name__)


class SignInRefused(Exception):
    """The message is for the person who tried. `retry_after` is in seconds, 0 when trying again is free."""

    def __init__(self, message: str, retry_after: int = 0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Browser:
    """What is known of who asks before he is known."""

    address: str
    user_agent: str


def browser_of(request: Request) -> Browser:
    """The browser of a request; behind a trusted proxy, its address is the one that the proxy saw."""
    address = request.client.host if request.client else "unknown"
    return Browser(address, request.headers.get("user-agent", "")[:300])


class SessionTimes:
    """How long a session lasts: `hours` in all, and `idle_hours` without a page that somebody opened."""

    def __init__(self, hours: int, idle_hours: int) -> None:
        self.lifetime = timedelta(hours=hours)
        self.idle = min(self.lifetime, timedelta(hours=idle_hours))


class SignIn:
    """The sign-in of one application. `cookie` is the name of its cookie; `path` is where the application lives.

    `count` gets the way and the outcome of each attempt.
    """

    def __init__(
        self,
        engine: Engine,
        keyring: Keyring,
        *,
        lasts: SessionTimes,
        takes_passwords: bool,
        secure_cookies: bool,
        count: Callable[[str, str], None],
        path: str = "",
    ) -> None:
        self._engine = engine
        self._lasts = lasts
        self.takes_passwords = takes_passwords
        self._count = count
        self._secure = secure_cookies
        self._path = path
        self._attempts = AttemptLimit()
        self._setup_token = access.setup_token(keyring)
        self._is_set_up = False
        self.cookie = self.cookie_named("")

    def cookie_named(self, purpose: str) -> str:
        """The full name of a cookie. `__Host-` binds one to this very host, where the whole host is ours."""
        bound = ("__Secure-" if self._path else "__Host-") if self._secure else ""
        return "-".join(filter(None, (f"{bound}whydenied", purpose)))

    def open_setup_token(self) -> str | None:
        """The token that makes the first account; None once there is one, and where passwords are switched off."""
        if self.takes_passwords and not self._is_set_up:
            with self._engine.connect() as conn:
                self._is_set_up = access.count_accounts(conn) > 0
        return None if self._is_set_up or not self.takes_passwords else self._setup_token

    def sign_in(self, email: str, password: str, browser: Browser) -> str:
        """A session token. Raises `SignInRefused`, in the same words for a wrong name and a wrong password."""
        self._check_passwords()
        keys = (f"account {email.casefold()}", f"address {browser.address}")
        if wait := self._attempts.wait(*keys):
            self._count("password", "braked")
            raise SignInRefused(f"Too many attempts failed. Try again in {wait // 60 + 1} min.", wait)
        with self._engine.connect() as conn:
            account = access.find_account(conn, email)
        if not is_password(password, account.password_hash if account else None) or account is None:
            self._note_failure(browser, account, *keys)
            raise SignInRefused("The e-mail or the password is wrong.")
        with self._engine.begin() as conn:
            token = self._open(conn, account, browser)
        self._count("password", "ok")
        return token

    def _check_passwords(self) -> None:
        if not self.takes_passwords:
            raise SignInRefused("Passwords are switched off here. Sign in with the provider.")

    def let_in(self, person: Person, browser: Browser, issuer: str) -> str:
        """A session token for whom a provider vouches. Raises `NotAdmitted`."""
        with self._engine.begin() as conn:
            token = self._open(conn, admit(conn, person), browser, issuer)
        self._count("provider", "ok")
        return token

    def _open(self, conn: Connection, account: Account, browser: Browser, issuer: str | None = None) -> str:
        how = f"by {issuer or 'password'} from {browser.address}"
        note_activity(conn, account.username, "signed in", how, note=browser.user_agent or None)
        about = {"address": browser.address, "user_agent": browser.user_agent, "issuer": issuer}
        return access.open_session(conn, account.id, self._lasts.idle, **about)

    def _note_failure(self, browser: Browser, account: Account | None, *keys: str) -> None:
        """Count it. The one that closes the brake on an account is for the audit log."""
        self._attempts.note_failure(*keys)
        self._count("password", "refused")
        log.warning("sign-in refused", address=browser.address, reason="wrong e-mail or password")
        if account is not None and self._attempts.wait(keys[0]):
            subject = f"{account.username} from {browser.address}"
            with self._engine.begin() as conn:
                note_activity(conn, "somebody", "failed to sign in too often", subject)

    def check_brake(self, request: Request) -> None:
        """Raises `SignInRefused` when too many sign-ins from this address failed."""
        if wait := self._attempts.wait(f"address {browser_of(request).address}"):
            raise SignInRefused(f"Too many attempts failed. Try again in {wait // 60 + 1} min.", wait)

    def note_refusal(self, request: Request, reason: str) -> None:
        """Remember that a sign-in with a provider failed."""
        address = browser_of(request).address
        self._attempts.note_failure(f"address {address}")
        self._count("provider", "refused")
        log.warning("sign-in refused", address=address, reason=reason)

    def make_first_account(self, token: str, email: str, password: str, browser: Browser) -> str:
        """The first account, an admin, signed in: its session token. Raises `SignInRefused`."""
        self._check_setup(token, browser.address)
        if not access.is_email(email):
            raise SignInRefused("That is no e-mail address.")
        try:
            hashed = hash_password(password, email)
            with self._engine.begin() as conn:
                account = access.create_first_account(conn, email, hashed)
                note_activity(conn, account.username, "made the account", f"{account.username}: admin, the first one")
                return self._open(conn, account, browser)
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

    def change_password(self, email: str, old: str, new: str, browser: Browser) -> str:
        """Give a new password for the old one. Every session ends; the token of a new one comes back.

        Raises `SignInRefused`, `WeakPassword`.
        """
        self._check_passwords()
        keys = (f"account {email.casefold()}", f"address {browser.address}")
        if wait := self._attempts.wait(*keys):
            raise SignInRefused(f"Too many attempts failed. Try again in {wait // 60 + 1} min.", wait)
        with self._engine.connect() as conn:
            account = access.find_account(conn, email)
        if account is None or not is_password(old, account.password_hash):
            self._note_failure(browser, account, *keys)
            raise SignInRefused("The present password is wrong.")
        hashed = hash_password(new, email)
        with self._engine.begin() as conn:
            access.change_account(conn, account.id, password_hash=hashed)
            note_activity(conn, account.username, "changed the password", "all sessions ended")
            return self._open(conn, account, browser)

    def session_of(self, request: Request) -> tuple[Session, Account] | None:
        """The session of the browser that sent the request, and whose it is."""
        token = request.cookies.get(self.cookie)
        if not token:
            return None
        with self._engine.connect() as conn:
            session = access.find_session(conn, token)
            account = access.get_account(conn, session.account_id) if session else None
        if session is None or account is None:
            return None
        if request.headers.get("sec-fetch-dest") != "empty":  # a page that asks for itself is nobody who reads it
            with suppress(SQLAlchemyError):  # a database that is busy writing must not refuse a reader
                access.note_seen(self._engine, session, self._lasts.lifetime, self._lasts.idle)
        return session, account

    def sign_out(self, request: Request) -> str | None:
        """End the session of the request, if it has one; gives the provider that vouched for it."""
        found = self.session_of(request)
        if found is None:
            return None
        session, account = found
        with self._engine.begin() as conn:
            if revoke_session(conn, session.id):
                note_activity(conn, account.username, "signed out", f"from {browser_of(request).address}")
        return session.issuer

    def remember(self, response: Response, token: str) -> None:
        """Put the session into the browser."""
        self.put_cookie(response, "", token, int(self._lasts.lifetime.total_seconds()))

    def forget(self, response: Response) -> None:
        """Take the session out of the browser."""
        self.drop_cookie(response, "")

    def put_cookie(self, response: Response, purpose: str, value: str, seconds: int) -> None:
        """Give the browser a cookie that no script and no other site can read."""
        response.set_cookie(
            self.cookie_named(purpose),
            value,
            max_age=seconds,
            path=f"{self._path}/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def drop_cookie(self, response: Response, purpose: str) -> None:
        """Take it back."""
        name, path = self.cookie_named(purpose), f"{self._path}/"
        response.delete_cookie(name, path=path, secure=self._secure, httponly=True, samesite="lax")


def local_path(target: str) -> str:
    """The path to go to after signing in; anything that leads off this site becomes the front page."""
    parts = urlsplit(target)
    safe = target.startswith("/") and not target.startswith(("//", "/\\")) and not (parts.scheme or parts.netloc)
    return target if safe and target.isprintable() and "\\" not in target else "/"
