"""The radix tree against a plain account of which cell belongs to whom."""

from hypothesis import given, settings
from hypothesis import strategies as st

from serving.engine.prefix_tree import SHORTEST_MATCH, PrefixTree, common

TOKENS = st.lists(st.integers(0, 2), min_size=1, max_size=14)


class Plain:
    """Cells as objects: a sequence is a list of (token, cell), and a shared cell is the same object."""

    def __init__(self) -> None:
        self.sequences: dict[int, list[tuple[int, object]]] = {}

    @property
    def cells(self) -> int:
        return len({id(cell) for held in self.sequences.values() for _, cell in held})

    def longest(self, tokens: list[int]) -> int:
        return max((common([token for token, _ in held], tokens) for held in self.sequences.values()), default=0)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from("bbbed"), TOKENS, st.integers(0, 9)), max_size=30))
def test_it_counts_and_finds_as_the_plain_account_does(steps: list[tuple[str, list[int], int]]) -> None:
    tree, plain, number = PrefixTree(), Plain(), 0
    for act, tokens, pick in steps:
        held = sorted(plain.sequences)
        if act == "b":
            source, length = tree.match(tokens)
            longest = plain.longest(tokens)
            assert length == (longest if longest >= SHORTEST_MATCH else 0)
            shared = plain.sequences[source][:length] if length else []
            assert [token for token, _ in shared] == tokens[:length]
            number += 1
            tree.attach(number, tokens[:length])
            tree.extend(number, tokens[length:])
            plain.sequences[number] = shared + [(token, object()) for token in tokens[length:]]
        elif held:
            sequence = held[pick % len(held)]
            if act == "e" and not tree.is_dormant(sequence):
                tree.extend(sequence, tokens)
                plain.sequences[sequence] += [(token, object()) for token in tokens]
            elif act == "d":
                if pick % 2 and not tree.is_dormant(sequence):
                    for needless in tree.retire(sequence):
                        assert {id(c) for _, c in plain.sequences[needless]} <= {
                            id(c) for _, c in plain.sequences[sequence]
                        }
                        del plain.sequences[needless]
                else:
                    tree.drop(sequence)
                    del plain.sequences[sequence]
        assert tree.cells == plain.cells
        for sequence, cells in plain.sequences.items():
            assert tree.length(sequence) == len(cells)


def test_the_least_recently_used_goes_first() -> None:
    tree = PrefixTree()
    for sequence, start in enumerate((10, 20, 30)):
        tree.attach(sequence, ())
        tree.extend(sequence, list(range(start, start + 8)))
        tree.retire(sequence)
    assert tree.oldest() == 0
    assert tree.match([10, 11, 12, 13, 14, 99]) == (0, 5)
    assert tree.oldest() == 1 and tree.oldest(keep=1) == 2
    tree.drop(1)
    assert tree.cells == 16 and tree.dormant_cells == 16 and tree.match(list(range(20, 28))) == (-1, 0)


def test_what_one_adapter_computed_is_unknown_to_another() -> None:
    tree = PrefixTree()
    tree.attach(1, (), "a")
    tree.extend(1, [1, 2, 3, 4, 5])
    assert tree.match([1, 2, 3, 4, 5], "a") == (1, 5)
    assert tree.match([1, 2, 3, 4, 5], "b") == tree.match([1, 2, 3, 4, 5]) == (-1, 0)


def test_a_conversation_keeps_one_sequence() -> None:
    tree = PrefixTree()
    tree.attach(1, ())
    tree.extend(1, [1, 2, 3, 4, 5])
    tree.retire(1)
    tree.attach(2, [1, 2, 3, 4, 5])
    tree.extend(2, [6, 7])
    assert tree.retire(2) == [1] and tree.cells == 7 and tree.dormant_count == 1
