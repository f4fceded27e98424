"""Who was denied what most: names are counted with all events of their failures."""

from service.store.denials import Denial, Pair, pair_up, rank

DENIALS = [
    Denial("rule", "ana", "read", "ledger", 5),
    Denial("rule", "ana", "write", "ledger", 7),
    Denial("llm", "bo", "read", "ledger", 1),
    Denial("rule", "bo", "read", "archive", 20),
    Denial("none", None, None, None, 900),
    Denial("rule", "cy", None, "vault", 2),
]


def test_names_stand_in_the_order_of_their_events() -> None:
    assert rank(DENIALS, "principal", 2) == [("bo", 21), ("ana", 12)]
    assert rank(DENIALS, "action", 10) == [("read", 26), ("write", 7)]
    assert rank([], "resource", 10) == []


def test_pairs_are_of_the_names_denied_most() -> None:
    assert pair_up(DENIALS, 2) == [
        Pair("bo", "archive", ["read"], 20),
        Pair("ana", "ledger", ["write", "read"], 12),
        Pair("bo", "ledger", ["read"], 1),
    ]
    assert pair_up(DENIALS, 3)[-2:] == [Pair("cy", "vault", [], 2), Pair("bo", "ledger", ["read"], 1)]
