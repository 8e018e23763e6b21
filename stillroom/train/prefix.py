"""The tree of a batch: tokens that rows have in common stand in it once.

What all rows begin with is its root, what some of them share beyond that (a DPO pair shares its prompt) are inner
nodes, and what is a row's own is a leaf. The nodes lie one behind the other in a single packed sequence without
padding, and run through the model in one forward: each token sees its own node up to itself and the whole of the nodes
above. So loss and gradients are those of the plain forward, up to float rounding. Dropout on a shared node is one draw
for all rows below it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MIN_SHARED = 16
"""A shared node shorter than this costs more in extra kernel launches than it saves."""


@dataclass(frozen=True, slots=True)
class Node:
    """Tokens `begin` to `end` of the packed sequence, behind those of the nodes above, `above`, root first."""

    begin: int
    end: int
    above: tuple[slice, ...]
    depth: int
    """Number of tokens in the nodes above: the position of the node's first token in its rows."""

    @property
    def seen(self) -> tuple[slice, ...]:
        """All that the node's last token sees."""
        return (*self.above, slice(self.begin, self.end))


@dataclass(slots=True)
class Tree:
    """A batch packed: `tokens` and their `positions` in the rows, the `nodes`, and each row's slices of the tokens."""

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    rows: list[tuple[slice, ...]] = field(default_factory=list)
    causal: dict[Any, Any] = field(default_factory=dict)
    """The mask of the longest node, by dtype: what the layers' attention keeps for one another."""


def find_tree(rows: Sequence[list[int]]) -> Tree:
    """Pack rows (token ids without padding, none empty). A node is shared where that saves MIN_SHARED tokens a row."""
    tree = Tree(rows=[()] * len(rows))
    # In lexicographic order rows that share a prefix are neighbours, and the first and the last differ earliest.
    order = sorted(range(len(rows)), key=lambda row: rows[row])

    def grow(members: list[int], depth: int, above: tuple[slice, ...]) -> None:
        common = _common(rows[members[0]], rows[members[-1]])
        if common - depth >= MIN_SHARED or len(members) == 1:
            above = _add(tree, rows[members[0]][depth:common], depth, above)
            depth = common
        for row in members:
            if len(rows[row]) <= depth:
                tree.rows[row] = above
        group: list[int] = []
        longer = [row for row in members if len(rows[row]) > depth]
        for place, row in enumerate(longer):
            group.append(row)
            following = longer[place + 1 : place + 2]
            if not following or _common(rows[row], rows[following[0]]) - depth < MIN_SHARED:
                grow(group, depth, above)
                group = []

    grow(order, 0, ())
    return tree


def _add(tree: Tree, tokens: Sequence[int], depth: int, above: tuple[slice, ...]) -> tuple[slice, ...]:
    """Put a node at the end of the packed sequence; returns what its last token sees."""
    begin = len(tree.tokens)
    node = Node(begin, begin + len(tokens), above, depth)
    tree.tokens.extend(tokens)
    tree.positions.extend(range(depth, depth + len(tokens)))
    tree.nodes.append(node)
    return node.seen


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    for position, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return position
    return min(len(one), len(other))
