"""SQL as an artifact: one privilege on one object for one role, the denied ones and no other."""

import re
from collections.abc import Iterator

from service.domain import Artifact
from service.proof.claim import Denied, Proof, Unknown, judge
from service.proof.sql_grant import KINDS, Grant, read_grants, unquote

FAMILY = "sql grant"
_Wanted = tuple[tuple[str, ...], tuple[str, ...]]
_PERMISSION = re.compile(
    r"(?P<what>[A-Za-z_][\w ,()]*?)\s+(?P<link>ON|IN|OF)\s+(?P<object>\S.*)\Z|(?P<role>\w+) in \w+\Z"
)
_BARE = re.compile(r"[A-Z][A-Z_ ]+\Z")
_LIST = re.compile(r",\s*(?![^()]*\))")
_CONTAINERS = frozenset({"USAGE", "USE SCHEMA", "USE CATALOG", "CONNECT"})
_PART = re.compile(r"\"([^\"]+)\"|`([^`]+)`|\[([^\]]+)\]|'([^']+)'|([^\s.:\"`'\[\]()]+)")


def prove_sql(artifact: Artifact, denied: Denied) -> Proof:
    """Raises `InvalidArtifact` and `Unknown`."""
    grants = read_grants(artifact.content)
    known = _Names(artifact.placeholders)
    wanted = _read_missing(denied)
    if not wanted:
        raise Unknown(f"which privilege {', '.join(denied.missing) or 'the event'} means")
    serving = [grant for grant in grants if any(_serves(grant, *one, known) for one in wanted)]
    short = None if serving else _say_short(grants, wanted)
    short = short or _find_other_grantee(grants, denied, known)
    return judge(FAMILY, short=short, overgrants=tuple(_find_beside(grants, wanted, known)))


class _Names:
    """Names as SQL compares them here: without quotes, in any case; a placeholder stands for anything."""

    def __init__(self, placeholders: tuple[str, ...]) -> None:
        self.placeholders = placeholders

    def open(self, name: str) -> bool:
        return any(one in name.upper() for one in self.placeholders)

    def same(self, one: str, other: str) -> bool:
        return self.open(one) or one.casefold() == other.casefold()

    def end_alike(self, held: tuple[str, ...], stated: tuple[str, ...]) -> bool:
        """Whether two names agree from the right as far as both go; one part at least."""
        pairs = list(zip(reversed(held), reversed(stated), strict=False))
        return bool(pairs) and all(self.same(*pair) for pair in pairs)


def _read_missing(denied: Denied) -> list[_Wanted]:
    """Privileges and the object's name parts of each missing permission; ('?',) where the event names no privilege."""
    found: list[_Wanted] = []
    for permission in denied.missing:
        stated = _PERMISSION.match(permission)
        if stated and stated["role"]:
            found.append(((stated["role"].upper(),), ()))
        elif stated:
            words = [word for word in _parts(stated["object"]) if word.upper() not in KINDS | {"ROLE"}]
            member = stated["what"].upper() == "MEMBER" or stated["link"] == "OF"
            choices = [("?",)] if stated["what"].lower().startswith("a ") else _read_choices(stated["what"])
            found += [((words[-1].upper(),), ())] if member and words else [(what, tuple(words)) for what in choices]
        elif _BARE.match(permission):
            found.append(((permission.removeprefix("SYSTEM ").removeprefix("ROLE "),), ()))
        elif "@" in permission or re.fullmatch(r"\w+", permission):
            found.append(((permission.upper(),), ()))
    return found


def _read_choices(what: str) -> list[tuple[str, ...]]:
    """Lists of privileges, any of which would do ("ALTER or VIEW DEFINITION")."""
    choices = re.split(r"\s+or\s+", what, flags=re.IGNORECASE)
    return [tuple(one.strip().upper() for one in _LIST.split(choice)) for choice in choices]


def _parts(text: str) -> list[str]:
    bare = re.sub(r"\([^)]*\)", " ", text)
    return [next(part for part in found.groups() if part) for found in _PART.finditer(bare)]


def _privilege(text: str) -> str:
    """A privilege without its columns, without the words that only say its kind."""
    return re.sub(r"\s*\(.*\)", "", text).removeprefix("SYSTEM ").removeprefix("ROLE ").strip()


def _columns(text: str) -> str:
    return re.sub(r"[\s\"`\[\]]", "", text[text.index("(") :]) if "(" in text else ""


def _serves(grant: Grant, privileges: tuple[str, ...], name: tuple[str, ...], known: _Names) -> bool:
    held = {_privilege(one) for one in grant.privileges}
    for wanted in privileges:
        if wanted != "?" and _privilege(wanted) not in held and not any(known.open(one) for one in held):
            return False
    return not name or not grant.name or known.end_alike(grant.name, name)


def _say_short(grants: tuple[Grant, ...], wanted: list[_Wanted]) -> str:
    given = "; ".join(f"{', '.join(one.privileges)} on {one.object or 'no object'}" for one in grants)
    asked = "; ".join(f"{', '.join(what)} on {'.'.join(name) or 'no object'}" for what, name in wanted)
    return f"it grants {given}, but {asked} was denied"


def _find_other_grantee(grants: tuple[Grant, ...], denied: Denied, known: _Names) -> str | None:
    stated = "@".join(unquote(part) for part in (denied.principal or "").split("@"))
    if not stated:
        return None
    user = stated.partition("@")[0]
    for grantee in (name for grant in grants for name in grant.grantees):
        held = grantee.partition("@")[0]
        if not (known.open(held) or known.same(held, user.strip("'")) or known.same(grantee, stated)):
            return f"it grants to {grantee}, but {denied.principal} was denied"
    return None


def _find_beside(grants: tuple[Grant, ...], wanted: list[_Wanted], known: _Names) -> Iterator[str]:
    asked = {_privilege(one) for what, _ in wanted for one in what}
    narrow = {_columns(one) for what, _ in wanted for one in what} - {""}
    for grant in grants:
        if len(grant.grantees) > 1:
            yield f"grants to {len(grant.grantees)} grantees"
        if "*" in grant.name and any(name and "*" not in name for _, name in wanted):
            yield f"grants on every object ({grant.object})"
        for one in grant.privileges:
            bare = _privilege(one)
            is_way = bare in _CONTAINERS and len(grants) > 1
            if bare not in asked and "?" not in asked and not known.open(bare) and not is_way:
                yield f"grants {bare} too, which was not denied"
            if narrow and bare in asked and not _columns(one) and "(" not in grant.object:
                yield f"grants {bare} on the whole table, but only columns were denied"
