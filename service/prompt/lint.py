"""What a prompt file must and must not do, found in its syntax tree before it is ever rendered."""

from collections.abc import Iterator, Mapping

from jinja2 import meta, nodes

from service.prompt.model import BLOCKS, Head, list_names

Problem = tuple[int, str]


def find_problems(
    head: Head, tree: nodes.Template, partials: Mapping[str, nodes.Template], known: set[str]
) -> Iterator[Problem]:
    """Line and problem of everything that is wrong; `known` are the names that every prompt sees."""
    trees = [tree, *partials.values()]
    used = {name for t in trees for name in meta.find_undeclared_variables(t)} - known
    if used != set(head.inputs):
        yield 1, f"inputs declares {list_names(head.inputs)}, the text uses {list_names(used)}"
    if set(head.sample) != set(head.inputs):
        yield 1, f"inputs declares {list_names(head.inputs)}, sample has {list_names(head.sample)}"
    if extra := set(head.untrusted) - set(head.inputs):
        yield 1, f"untrusted names {list_names(extra)}, which is no input"
    yield from _block_problems(tree)
    yield from _untrusted_problems(head, tree)
    for name, partial in partials.items():
        for found in _names_in(partial, head.untrusted):
            yield 1, f"{name}:{found.lineno}: {_USER_ONLY.format(found.name)}"


_USER_ONLY = "`{}` is outside text: it may stand in the block `user` only"


def _block_problems(tree: nodes.Template) -> Iterator[Problem]:
    blocks = [node.name for node in tree.body if isinstance(node, nodes.Block)]
    if sorted(blocks) != sorted(BLOCKS):
        yield 1, "must have exactly the blocks `system` and `user`"
    for node in tree.body:
        text = "".join(part.data for part in node.find_all(nodes.TemplateData))
        if isinstance(node, nodes.Block) or (isinstance(node, nodes.Output) and _is_blank(node)):
            continue
        yield node.lineno + _blank_lines(text), "text outside the blocks `system` and `user` is never sent"


def _is_blank(output: nodes.Output) -> bool:
    return all(isinstance(part, nodes.TemplateData) and not part.data.strip() for part in output.nodes)


def _blank_lines(text: str) -> int:
    return text[: len(text) - len(text.lstrip())].count("\n")


def _untrusted_problems(head: Head, tree: nodes.Template) -> Iterator[Problem]:
    fenced = {id(name) for name in _fenced(tree)} | {id(node.test) for node in tree.find_all(nodes.If)}
    for node in tree.body:
        in_user = isinstance(node, nodes.Block) and node.name == "user"
        for name in _names_in(node, head.untrusted):
            if not in_user:
                yield name.lineno, _USER_ONLY.format(name.name)
            elif id(name) not in fenced:
                yield (
                    name.lineno,
                    f"outside text stands as a line {{{{ {name.name} | untrusted }}}} "
                    f"between the lines <{name.name}> and </{name.name}>",
                )


def _names_in(node: nodes.Node, wanted: list[str]) -> Iterator[nodes.Name]:
    return (name for name in node.find_all(nodes.Name) if name.name in wanted)


def _fenced(tree: nodes.Template) -> Iterator[nodes.Name]:
    """The names that are written as `{{ name | untrusted }}` on a line between `<name>` and `</name>`."""
    for output in tree.find_all(nodes.Output):
        for before, part, after in zip(output.nodes, output.nodes[1:], output.nodes[2:], strict=False):
            if not (isinstance(part, nodes.Filter) and part.name == "untrusted" and isinstance(part.node, nodes.Name)):
                continue
            name = part.node.name
            opened = isinstance(before, nodes.TemplateData) and before.data.endswith(f"<{name}>\n")
            closed = isinstance(after, nodes.TemplateData) and after.data.startswith(f"\n</{name}>")
            if opened and closed:
                yield part.node
