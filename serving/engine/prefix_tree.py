"""Which tokens stand in the KV cache, and for which sequences: a radix tree over tokens.

A node is a run of cells that hold the same tokens for the same sequences. llama.cpp lets any number of sequences share
a cell, so a new prompt takes over what it has in common with any other, live or finished, without computing it. Nothing
here touches llama.cpp: who uses the tree tells it of every copy, every computed token and every cut.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

SHORTEST_MATCH = 4  # fewer tokens are computed faster than they are looked after


class Node:
    """A run of tokens behind its parent's; `holders` are the sequences that pass through all of it."""

    __slots__ = ("children", "holders", "parent", "tokens")

    def __init__(self, parent: "Node | None", tokens: list[int], holders: set[int]) -> None:
        self.parent, self.tokens, self.holders = parent, tokens, holders
        # Two sequences may have computed the same tokens each for itself, so a token may begin several runs.
        self.children: dict[int, list[Node]] = {}

    def add(self, child: "Node") -> None:
        self.children.setdefault(child.tokens[0], []).append(child)

    def remove(self, child: "Node") -> None:
        rest = self.children[child.tokens[0]]
        rest.remove(child)
        if not rest:
            del self.children[child.tokens[0]]


class PrefixTree:
    """The tokens of all sequences. `cells` is how many the cache really holds: what is shared counts once."""

    def __init__(self) -> None:
        self._roots: dict[str | None, Node] = {}
        self._tips: dict[int, Node] = {}
        self._dormant: OrderedDict[int, None] = OrderedDict()
        self.cells = 0

    def match(self, tokens: Sequence[int], adapter: str | None = None) -> tuple[int, int]:
        """The longest computed beginning of `tokens`: a sequence that holds it, and its length (0: none worth it).

        What an adapter computed is of use to the same adapter only.
        """
        node, length, _ = self._find(list(tokens), adapter)
        if length < SHORTEST_MATCH:
            return -1, 0
        for holder in node.holders:
            if holder in self._dormant:
                self._dormant.move_to_end(holder)
        return next(iter(node.holders)), length

    def attach(self, sequence: int, tokens: Sequence[int], adapter: str | None = None) -> None:
        """`sequence` now shares all of `tokens`, which the tree holds; none: it begins empty."""
        root = self._roots.setdefault(adapter, Node(None, [], set()))
        node, length, used = self._find(list(tokens), adapter)
        assert length == len(tokens)
        if used < len(node.tokens):
            node = self._split(node, used)
        self._tips[sequence] = node
        while node is not root:
            node.holders.add(sequence)
            assert node.parent is not None
            node = node.parent

    def extend(self, sequence: int, tokens: Sequence[int]) -> None:
        """`sequence` computed more tokens."""
        if not tokens:
            return
        tip = self._tips[sequence]
        if tip.parent is not None and tip.holders == {sequence} and not tip.children:
            tip.tokens.extend(tokens)
        else:
            self._tips[sequence] = child = Node(tip, list(tokens), {sequence})
            tip.add(child)
        self.cells += len(tokens)

    def retire(self, sequence: int) -> list[int]:
        """Keep what a finished sequence holds until room is needed; returns dormant ones that hold nothing beyond it,
        which were dropped."""
        needless = []
        node = self._tips[sequence].parent
        while node is not None:
            needless += [other for other in node.holders if other in self._dormant and self._tips[other] is node]
            node = node.parent
        tip = self._tips[sequence]
        needless += [other for other in tip.holders if other in self._dormant and self._tips[other] is tip]
        self._dormant[sequence] = None
        for other in needless:
            self.drop(other)
        return needless

    def drop(self, sequence: int) -> None:
        """Forget a sequence; its cells are free where nobody shares them."""
        self._dormant.pop(sequence, None)
        node: Node | None = self._tips.pop(sequence)
        while node is not None and node.parent is not None:
            parent = node.parent
            node.holders.discard(sequence)
            if not node.holders:
                parent.remove(node)
                self.cells -= len(node.tokens)
            node = parent

    def forget(self, adapter: str | None) -> list[int]:
        """Drop all that an adapter computed, once no live sequence uses it; returns the sequences that held it."""
        root = self._roots.pop(adapter, None)
        held = [sequence for sequence in self._tips if self._root(sequence) is root]
        for sequence in held:
            self.drop(sequence)
        return held

    def oldest(self, keep: int = -1) -> int | None:
        """The dormant sequence that was of no use for the longest time, other than `keep`."""
        return next((sequence for sequence in self._dormant if sequence != keep), None)

    def is_dormant(self, sequence: int) -> bool:
        """Whether it was retired and not dropped since."""
        return sequence in self._dormant

    @property
    def dormant_count(self) -> int:
        """Retired sequences."""
        return len(self._dormant)

    @property
    def dormant_cells(self) -> int:
        """Cells that only dormant sequences hold."""
        dormant = self._dormant.keys()
        return sum(len(node.tokens) for node in self._nodes() if node.holders <= dormant)

    def length(self, sequence: int) -> int:
        """How many tokens a sequence holds."""
        count, node = 0, self._tips[sequence]
        while node.parent is not None:
            count, node = count + len(node.tokens), node.parent
        return count

    def __contains__(self, sequence: int) -> bool:
        return sequence in self._tips

    def _find(self, tokens: list[int], adapter: str | None) -> tuple[Node, int, int]:
        """The node in which the longest known begin of `tokens` ends, its length, and how much of the node that is."""
        node = self._roots.get(adapter) or Node(None, [], set())
        best = (node, 0, 0)
        paths = [(node, 0)]
        while paths:
            node, length = paths.pop()
            for child in node.children.get(tokens[length], ()) if length < len(tokens) else ():
                same = common(child.tokens, tokens, length)
                if length + same > best[1]:
                    best = (child, length + same, same)
                if same == len(child.tokens):
                    paths.append((child, length + same))
        return best

    def _root(self, sequence: int) -> Node:
        node = self._tips[sequence]
        while node.parent is not None:
            node = node.parent
        return node

    def _split(self, node: Node, at: int) -> Node:
        """Cut a node in two; returns the front."""
        parent = node.parent
        assert parent is not None
        parent.remove(node)
        front = Node(parent, node.tokens[:at], set(node.holders))
        parent.add(front)
        node.parent, node.tokens = front, node.tokens[at:]
        front.add(node)
        return front

    def _nodes(self) -> Iterator[Node]:
        left = [child for root in self._roots.values() for group in root.children.values() for child in group]
        while left:
            node = left.pop()
            yield node
            left.extend(child for group in node.children.values() for child in group)


def common(run: Sequence[int], tokens: Sequence[int], start: int = 0) -> int:
    """How many tokens of `run` stand in `tokens` from `start` on."""
    low, high = 0, min(len(run), len(tokens) - start)
    if run[:high] == tokens[start : start + high]:
        return high
    while high - low > 1:  # run[:low] is the same, run[:high] is not
        middle = (low + high) // 2
        if run[low:middle] == tokens[start + low : start + middle]:
            low = middle
        else:
            high = middle
    return low
