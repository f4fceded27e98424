"""Commands as an artifact: one right on one object for one identity, by the command's own grammar."""

import re
from collections.abc import Callable, Iterator

from service.domain import Artifact
from service.proof.claim import Denied, Proof, Unknown, judge
from service.proof.shell_command import Command, read_commands

_ON_KAFKA = re.compile(r" on (topic|group|transactional_?id|cluster)\b", re.IGNORECASE)
_ONLY = {"gh": "auth refresh", "aws": "lambda add-permission"}
_ROOT_GROUPS = frozenset({"root", "sudo", "wheel", "admin", "docker", "disk", "shadow", "lxd"})
_KAFKA_TYPES = {"--topic": "topic", "--group": "group", "--transactional-id": "transactionalid", "--cluster": "cluster"}
_FLAGS = frozenset({"--add", "--cluster", "-R", "--append", "--force", "-a", "-n", "--prefix", "--from-key"})
_Findings = Iterator[str]


def prove_command(artifact: Artifact, denied: Denied) -> Proof:
    """Raises `InvalidArtifact` and `Unknown`."""
    commands = read_commands(artifact.content, _FLAGS)
    command = commands[0]
    tool = _TOOLS.get(command.name)
    if tool is None or len(commands) > 1:
        raise Unknown(f"what {command.name} allows")
    family, short_of, beside_of = tool
    names = _Names(artifact.placeholders)
    return judge(family, short=short_of(command, denied, names), overgrants=tuple(beside_of(command, denied, names)))


def reads(content: str) -> str | None:
    """The family of a script by its first command, or None where no checker here reads it."""
    if any(
        content.startswith(tool + " ") and not content.startswith(f"{tool} {only} ") for tool, only in _ONLY.items()
    ):
        return None
    tool = _TOOLS.get((content.split(maxsplit=1) or [""])[0].rpartition("/")[2].removesuffix(".sh"))
    return tool[0] if tool else None


class _Names:
    def __init__(self, placeholders: tuple[str, ...]) -> None:
        self.placeholders = placeholders

    def open(self, value: str) -> bool:
        return any(name in value for name in self.placeholders)

    def same(self, held: str, stated: str) -> bool:
        return self.open(held) or held.casefold() == stated.casefold()


def _words_of(denied: Denied) -> str:
    return " ".join(denied.missing)


def _need(stated: object, denied: Denied) -> None:
    """Abstain where the missing permission is not named in the words of this system."""
    if not stated:
        raise Unknown(f"what {_words_of(denied) or 'the event'} means")


def _short_kafka(command: Command, denied: Denied, names: _Names) -> str | None:
    if command.option("--add") is None:
        return "it does not add an ACL"
    who, operation = command.option("--allow-principal") or "", command.option("--operation") or ""
    if denied.principal and not names.same(who, denied.principal):
        return f"it allows {who}, but {denied.principal} was denied"
    wanted = [one.replace("_", "").casefold() for one in denied.missing if _ON_KAFKA.search(one)]
    _need(wanted, denied)
    kind = next((words for option, words in _KAFKA_TYPES.items() if command.option(option) is not None), None)
    if kind is None:
        return "it names no topic, group, transactional id or cluster"
    name = command.option(f"--{kind}") if kind in {"topic", "group"} else command.option("--transactional-id")
    for one in wanted:
        right = names.open(operation) or operation.replace("_", "").casefold() in re.split(r" or | on ", one)
        if right and f" on {kind}" in one and (not name or names.open(name) or one.endswith(name.casefold())):
            return None
    return f"{operation} on {kind} {name or ''} is not {' or '.join(denied.missing)}"


def _beside_kafka(command: Command, _denied: Denied, _names: _Names) -> _Findings:
    if (command.option("--resource-pattern-type") or "literal") != "literal":
        yield "matches names by a prefix"
    yield from (f"allows {one} too" for one in command.all("--operation")[1:])
    for option, kind in _KAFKA_TYPES.items():
        yield from (f"allows every {kind}" for value in command.all(option) if value == "*")
    if command.option("--allow-principal") == "User:*":
        yield "allows everybody"


def _short_etcd(command: Command, denied: Denied, names: _Names) -> str | None:
    if command.words[1:3] != ("role", "grant-permission") or len(command.words) != 6:
        return "it grants no permission to a role"
    permission, key = command.words[4:]
    _need([one for one in denied.missing if " on " in one], denied)
    for one in denied.missing:
        what, _, where = one.partition(" on ")
        fits = permission.casefold() in re.split(r" or ", what.casefold()) or permission == "readwrite"
        if (names.open(permission) or fits) and names.same(key, where):
            return None
    return f"{permission} on {key} is not {_words_of(denied)}"


def _beside_etcd(command: Command, denied: Denied, names: _Names) -> _Findings:
    if command.words[4:5] == ("readwrite",) and "read" not in _words_of(denied):
        yield "allows reading too"
    if command.option("--prefix") not in {None, "false"} and not names.open(command.words[-1]):
        yield f"allows every key that starts with {command.words[-1]}"
    if command.option("--from-key") is not None:
        yield "allows every key from there on"


def _short_rabbit(command: Command, denied: Denied, names: _Names) -> str | None:
    if command.words[1:2] != ("set_permissions",) or len(command.words) != 6:
        return "it sets no configure, write and read pattern for a user"
    user = command.words[2]
    if denied.principal and not names.same(user, denied.principal):
        return f"it is about {user}, but {denied.principal} was denied"
    stated = re.match(r"(configure|write|read) on \w+ (.+) in vhost (\S+)\Z", _words_of(denied))
    if not stated:
        _need(all(map(names.open, command.words[3:])), denied)
        return None
    right, name, vhost = stated.groups()
    if not names.same(command.option("-p", "--vhost") or "/", vhost):
        return f"it is about another vhost than {vhost}"
    pattern = command.words[3 + ("configure", "write", "read").index(right)]
    return None if _covers(pattern, name, names) else f"the {right} pattern {pattern} does not cover {name}"


def _covers(pattern: str, name: str, names: _Names) -> bool:
    """Whether one branch of a pattern is the anchored, escaped name: the only form that is surely narrow."""
    return any(branch == f"^{re.escape(name)}$" or branch == f"^{name}$" for branch in _branches(pattern, names))


def _branches(pattern: str, names: _Names) -> list[str]:
    return [branch for branch in pattern.split("|") if branch and not names.open(branch)]


def _beside_rabbit(command: Command, denied: Denied, names: _Names) -> _Findings:
    for right, pattern in zip(("configure", "write", "read"), command.words[3:], strict=False):
        for branch in _branches(pattern, names):
            if not (branch.startswith("^") and branch.endswith("$")) or ".*" in branch:
                yield f"{right} matches more than one name ({branch})"
            if denied.missing and not _words_of(denied).startswith((right, "permissions")):
                yield f"sets {right} too, which was not denied; keep what is there"


def _short_setfacl(command: Command, denied: Denied, names: _Names) -> str | None:
    entry = (command.option("-m", "--modify") or "").split(":")
    if len(entry) != 3 or entry[0] not in {"u", "user", "g", "group"}:
        return "it adds no entry for one user or group (-m u:USER:rwx)"
    needed = _letters(_words_of(denied))
    _need(needed, denied)
    if needed - set(entry[2].casefold()) and not names.open(entry[2]):
        return f"{entry[2]} lacks {''.join(sorted(needed - set(entry[2].casefold())))}"
    path = command.words[-1]
    return None if names.open(path) or path in _words_of(denied) else f"it is about {path}, not {_words_of(denied)}"


def _letters(words: str) -> set[str]:
    """The mode letters that a missing permission asks for."""
    spoken = {"read": "r", "write": "w", "execute": "x", "search": "x"}
    return {letter for word, letter in spoken.items() if re.search(rf"\b{word}\b", words)}


def _beside_setfacl(command: Command, denied: Denied, _names: _Names) -> _Findings:
    entry = (command.option("-m", "--modify") or "").split(":")
    held, needed = set(entry[-1].casefold()) - {"-"}, _letters(_words_of(denied))
    if command.option("-R") is not None:
        yield "changes a whole tree"
    if "w" in held and needed and "w" not in needed:
        yield "allows writing too"
    if len(entry) == 3 and not entry[1]:
        yield "changes the owner's own entry"


def _short_group(command: Command, denied: Denied, names: _Names) -> str | None:
    added = command.option("-aG") or (
        command.option("-G", "--groups") if command.option("-a", "--append") == "" else None
    )
    if not added:
        return "it replaces the user's groups instead of adding one (-aG)"
    _need(names.open(added) or any(one.startswith("group ") for one in denied.missing), denied)
    fits = names.open(added) or any(f"group {one}" in denied.missing for one in added.split(","))
    return None if fits else f"{added} is not {_words_of(denied)}"


def _beside_group(command: Command, denied: Denied, names: _Names) -> _Findings:
    for group in (command.option("-aG", "-G", "--groups") or "").split(","):
        if group in _ROOT_GROUPS:
            yield f"the group {group} is as good as root"
        elif f"group {group}" not in denied.missing and not names.open(group):
            yield f"adds the group {group} too"


def _short_setcap(command: Command, denied: Denied, _names: _Names) -> str | None:
    held = {name.upper() for name in re.split(r"[,+=]", command.words[1])[:-1]} if len(command.words) > 1 else set()
    wanted = {name.upper() for name in denied.missing if name.upper().startswith("CAP_")}
    _need(wanted, denied)
    return None if wanted <= held else f"{', '.join(sorted(held)) or 'nothing'} is not {_words_of(denied)}"


def _beside_setcap(command: Command, denied: Denied, _names: _Names) -> _Findings:
    held = {name.upper() for name in re.split(r"[,+=]", command.words[1])[:-1]} if len(command.words) > 1 else set()
    yield from (f"gives {name} too" for name in sorted(held - {one.upper() for one in denied.missing}))


def _short_gh(command: Command, denied: Denied, _names: _Names) -> str | None:
    scopes = (command.option("-s", "--scopes") or "").split(",")
    _need(all(re.fullmatch(r"[a-z_:]+", one) for one in denied.missing), denied)
    return None if set(denied.missing) & set(scopes) else f"the scope {', '.join(scopes)} is not {_words_of(denied)}"


def _beside_gh(command: Command, denied: Denied, _names: _Names) -> _Findings:
    scopes = (command.option("-s", "--scopes") or "").split(",")
    yield from (f"asks for the scope {one} too" for one in scopes if one and one not in denied.missing)


def _short_invoke(command: Command, denied: Denied, _names: _Names) -> str | None:
    action = command.option("--action")
    _need([one for one in denied.missing if re.fullmatch(r"lambda:\w+", one)], denied)
    return None if action in denied.missing else f"{action or 'no action'} is not {_words_of(denied)}"


def _beside_invoke(command: Command, _denied: Denied, _names: _Names) -> _Findings:
    principal = command.option("--principal") or ""
    if principal == "*":
        yield "allows everybody"
    if principal.endswith(".amazonaws.com") and not (
        command.option("--source-arn") or command.option("--source-account")
    ):
        yield f"allows {principal} on behalf of any account (--source-arn is missing)"


def _short_yc(command: Command, denied: Denied, names: _Names) -> str | None:
    role, target = command.option("--role") or "", command.words[-1]
    _need([one for one in denied.missing if re.fullmatch(r"[\w.-]+", one)], denied)
    if role not in denied.missing:
        return f"{role} is not {_words_of(denied)}"
    is_there = names.open(target) or not denied.resource or target in denied.resource
    return None if is_there else f"{target} is not {denied.resource}"


def _beside_yc(command: Command, _denied: Denied, _names: _Names) -> _Findings:
    if (command.option("--subject") or "").startswith("system:"):
        yield "allows everybody"


_Short = Callable[[Command, Denied, _Names], str | None]
_Beside = Callable[[Command, Denied, _Names], _Findings]
_TOOLS: dict[str, tuple[str, _Short, _Beside]] = {
    "kafka-acls": ("kafka acl", _short_kafka, _beside_kafka),
    "etcdctl": ("etcd permission", _short_etcd, _beside_etcd),
    "rabbitmqctl": ("rabbitmq permission", _short_rabbit, _beside_rabbit),
    "setfacl": ("file acl", _short_setfacl, _beside_setfacl),
    "usermod": ("group membership", _short_group, _beside_group),
    "setcap": ("capability", _short_setcap, _beside_setcap),
    "aws": ("lambda permission", _short_invoke, _beside_invoke),
    "yc": ("yandex binding", _short_yc, _beside_yc),
    "gh": ("github scope", _short_gh, _beside_gh),
}
