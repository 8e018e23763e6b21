"""YAML read as plain JSON-like data that remembers the line and column of every key and value.

The text is composed into nodes and the values are made here, for three reasons: every node keeps its place, all
duplicate keys are found at once, and a bare date stays text (an answer is JSON, which has no dates).
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillroom.errors import UserError
from stillroom.recipe.faults import Fault, Place, path_text

if TYPE_CHECKING:
    from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

Position = tuple[int, int]
_TAG = "tag:yaml.org,2002:"


@dataclass
class Document:
    """The data of a YAML text; `keys` and `values` map a place in it to line and column, counted from 1."""

    data: Any = None
    keys: dict[Place, Position] = field(default_factory=dict)
    values: dict[Place, Position] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def position(self, place: Place, *, of_key: bool = False) -> Position:
        """Where a place is written; for one that is not there, where the nearest thing around it is."""
        if not of_key and place in self.values:
            return self.values[place]
        while place:
            if place in self.keys:
                return self.keys[place]
            if place in self.values:
                return self.values[place]
            place = place[:-1]
        return self.values.get((), (1, 1))


def read_document(path: Path) -> Document:
    """Read a YAML file. A text that is not YAML has faults and no data; UserError when there is no such file."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"No such file: {path}") from error
    except IsADirectoryError as error:
        raise UserError(f"{path} is a folder; name the recipe's YAML file.") from error
    except PermissionError as error:
        raise UserError(f"{path} may not be read; change its permissions.") from error
    try:
        return parse_document(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return Document(faults=[Fault(line, 1, "", "a byte that is not UTF-8; save the file as UTF-8")])


def parse_document(text: str) -> Document:
    """Read YAML text; syntax faults are in the result."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.reader import ReaderError

    document = Document()
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        document.faults.append(_syntax_fault(error, text))
        return document
    except ReaderError as error:
        before = text[: error.position]
        column = len(before) - before.rfind("\n")
        message = f"a control character (U+{ord(text[error.position]):04X}); remove it"
        document.faults.append(Fault(before.count("\n") + 1, column, "", message))
        return document
    if root is None:
        message = "the file is empty; `stillroom new NAME` writes a recipe to start from"
        document.faults.append(Fault(1, 1, "", message))
        return document
    document.data = _value(document, root, (), ())
    return document


def _syntax_fault(error: Any, text: str) -> Fault:
    mark = error.problem_mark or error.context_mark
    problem = str(error.problem or error.context or "a mistake in the YAML")
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())] or problem.startswith("found character '\\t'"):
        message = "not YAML: a tab; indent with spaces"
    elif problem.startswith("mapping values are not allowed"):
        message = "not YAML: a colon where none may stand; put the text in quotes, or check the indentation"
    elif problem.startswith("found character"):
        message = f"not YAML: {problem}; put the text in quotes"
    elif problem == "but found another document":
        message = "a second document begins here; a recipe is one document, remove the `---`"
    elif problem.startswith("found undefined alias"):
        message = f"not YAML: {problem}; put a text that begins with * in quotes"
    else:
        context = f" {error.context}" if error.context else ""
        message = f"not YAML: {problem}{context}; check the indentation, brackets and quotes"
    return Fault(mark.line + 1, mark.column + 1, "", message)


def _position(node: "Node") -> Position:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _fault(document: Document, node: "Node", place: Place, message: str) -> None:
    document.faults.append(Fault(*_position(node), path_text(place), message))


def _value(document: Document, node: "Node", place: Place, around: tuple[int, ...]) -> Any:
    """The node as plain data; `around` holds the ids of the nodes it lies in, to catch an alias of itself."""
    from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

    # A key without a value ends where the next one begins; its own line is what the reader looks for.
    empty = node.start_mark.index == node.end_mark.index
    document.values[place] = document.keys.get(place, _position(node)) if empty else _position(node)
    if id(node) in around:
        _fault(document, node, place, "an alias (*) of what it lies in; write the value out")
        return None
    around = (*around, id(node))
    if isinstance(node, MappingNode):
        return _mapping(document, node, place, around)
    if isinstance(node, SequenceNode):
        return [_value(document, item, (*place, index), around) for index, item in enumerate(node.value)]
    assert isinstance(node, ScalarNode)  # the third and last kind of node
    return _scalar(document, node, place)


def _mapping(document: Document, node: "MappingNode", place: Place, around: tuple[int, ...]) -> dict[str, Any]:
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    data: dict[str, Any] = {}
    merged: list[Node] = []
    for key_node, value_node in node.value:
        if not isinstance(key_node.value, str):
            _fault(document, key_node, place, "a key that is a list or a mapping; write plain text")
            continue
        key = key_node.value  # the raw text: `no`, `1` and `2026-01-01` are all meant as written
        inner = (*place, key)
        if str(key_node.tag) == _TAG + "merge":
            merged += value_node.value if isinstance(value_node, SequenceNode) else [value_node]
        elif key in data:
            line = document.keys[inner][0]
            _fault(document, key_node, inner, f"this key is already on line {line}; remove one of the two")
        else:
            document.keys[inner] = _position(key_node)
            data[key] = _value(document, value_node, inner, around)
    for source in merged:
        if not isinstance(source, MappingNode):
            _fault(document, source, place, "`<<` takes a mapping; write `<<: *name`")
            continue
        for key_node, value_node in source.value:
            if isinstance(key_node.value, str) and key_node.value not in data:
                inner = (*place, key_node.value)
                document.keys[inner] = _position(key_node)
                data[key_node.value] = _value(document, value_node, inner, around)
    return data


def _scalar(document: Document, node: "ScalarNode", place: Place) -> Any:
    kind = str(node.tag).removeprefix(_TAG)
    text = str(node.value)
    if kind in ("str", "timestamp"):
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind in ("int", "float"):
        try:
            return _number(kind, text.replace("_", ""))
        except ValueError:
            _fault(document, node, place, f"'{text}' is not a number; put a text in quotes")
            return None
    _fault(document, node, place, f"the tag {node.tag} is unknown; remove it")
    return None


def _number(kind: str, text: str) -> int | float:
    if kind == "int":
        return int(text, 0) if text.lstrip("+-")[:2].lower() in ("0x", "0o", "0b") else int(text)
    special = text.lower().lstrip("+-")
    if special in (".inf", ".nan"):
        value = math.inf if special == ".inf" else math.nan
        return -value if text.startswith("-") else value
    return float(text)
