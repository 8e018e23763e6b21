"""What an adapter computed goes with it."""

from serving.engine.prefix_tree import PrefixTree

TOKENS = list(range(20))


def test_all_of_one_adapter_and_nothing_of_another() -> None:
    tree = PrefixTree()
    for sequence, adapter in ((1, None), (2, "a"), (3, "a"), (4, "b"), (5, "a")):
        tree.attach(sequence, (), adapter)
        tree.extend(sequence, [] if sequence == 5 else [*TOKENS, sequence])
        tree.retire(sequence)
    assert tree.cells == 4 * 21
    assert sorted(tree.forget("a")) == [2, 3, 5]
    assert tree.cells == 2 * 21 and tree.dormant_count == 2
    assert tree.match(TOKENS, "a") == (-1, 0)
    assert tree.match(TOKENS, "b") == (4, 20) and tree.match(TOKENS) == (1, 20)
    assert tree.forget("a") == [] and tree.forget("never seen") == []
    tree.attach(6, (), "a")
    tree.extend(6, TOKENS)
    assert tree.match(TOKENS, "a") == (6, 20)
