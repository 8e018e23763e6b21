"""Grammars from strangers: compiled once per content, bounded in time and memory, refused with the reason.

llguidance bounds most of what it does, but not all: a few patterns that must hold at once can take all memory while
they are compiled. So a grammar is first compiled in a child process with limits of its own; only one that passed there
is compiled here.
"""

import hashlib
import json
import resource
import subprocess
import sys
import threading
from collections import OrderedDict
from typing import Any

from serving.engine.constraint import Constraint
from serving.engine.request import UnsupportedSchema
from stillroom.recipe.grammar import GRAMMAR_DEFAULTS

MOST_BYTES = 256 * 1024
MOST_DEPTH = 48
KEPT = 256  # compiled grammars; a compiled one takes some ten to some hundred kB
CHECK_SECONDS = 5
CHECK_BYTES = 2**30
_LIMITS = {
    "initial_lexer_fuel": 1_000_000,
    "step_lexer_fuel": 200_000,
    "max_lexer_states": 50_000,
    "verbose_errors": False,
}


class Compiler:
    """Compiles for one vocabulary. Any thread; two threads that ask for the same grammar compile it once."""

    def __init__(self, tokenizer: Any, words: int, checker: "Checker") -> None:
        self._tokenizer, self._words = tokenizer, words
        self._known: OrderedDict[str, Constraint | UnsupportedSchema] = OrderedDict()
        self._lock, self._one_at_a_time = threading.Lock(), threading.Lock()
        self._checker = checker

    def compile(self, kind: str, content: Any) -> Constraint:
        """kind: `json_schema` (content: the schema, a dict), `json_object`, `regex`, `lark` (content: text).

        Raises UnsupportedSchema where it cannot be enforced, and where that would take too much.
        """
        text = _grammar(kind, content)
        key = hashlib.sha256(text.encode()).hexdigest()
        found = self._look_up(key)
        if found is None:
            with self._one_at_a_time:
                found = self._look_up(key) or self._compile(text)
            with self._lock:
                self._known[key] = found
                while len(self._known) > KEPT:
                    self._known.popitem(last=False)
        if isinstance(found, UnsupportedSchema):
            raise UnsupportedSchema(str(found))
        return found

    def close(self) -> None:
        """End the child process."""
        self._checker.close()

    def _look_up(self, key: str) -> "Constraint | UnsupportedSchema | None":
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)

    def _compile(self, text: str) -> "Constraint | UnsupportedSchema":
        from llguidance import LLParserLimits

        reason = self._checker.fault(text)
        if reason:
            return UnsupportedSchema(reason)
        try:
            return Constraint(self._tokenizer, text, self._words, LLParserLimits(**_LIMITS))  # type: ignore[arg-type]
        except ValueError as error:
            return UnsupportedSchema(str(error))


def _grammar(kind: str, content: Any) -> str:
    """llguidance's text for it; raises UnsupportedSchema for what is too large to look at."""
    from llguidance import LLMatcher

    if kind == "json_object":
        kind, content = "json_schema", {"type": "object"}
    if kind == "json_schema":
        if not isinstance(content, dict):
            raise UnsupportedSchema("A JSON Schema must be an object.")
        if _depth(content) > MOST_DEPTH:
            raise UnsupportedSchema(f"The schema is nested more than {MOST_DEPTH} levels deep.")
        # "x-guidance" could switch llguidance to leave out what it does not know.
        content = {name: value for name, value in content.items() if name != "x-guidance"}
        try:
            text = json.dumps(content, allow_nan=False)
        except ValueError as error:
            raise UnsupportedSchema(f"The schema is not JSON: {error}") from error
    elif kind in ("regex", "lark") and isinstance(content, str):
        text = content
    else:
        raise UnsupportedSchema(
            f"A constraint is a json_schema, a json_object, a regex or a lark grammar, not {kind!r}."
        )
    if len(text) > MOST_BYTES:
        raise UnsupportedSchema(f"The {kind} has {len(text)} bytes; {MOST_BYTES} are accepted.")
    if kind == "regex":
        return LLMatcher.grammar_from_regex(text)
    if kind == "lark":
        return LLMatcher.grammar_from_lark(text)
    try:
        return LLMatcher.grammar_from_json_schema(text, overrides=GRAMMAR_DEFAULTS)  # type: ignore[arg-type]
    except ValueError as error:
        raise UnsupportedSchema(str(error)) from error


def _depth(value: Any) -> int:
    """How deeply dicts and lists are nested, without recursion."""
    deepest, left = 0, [(value, 1)]
    while left:
        part, depth = left.pop()
        deepest = max(deepest, depth)
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        if depth <= MOST_DEPTH:
            left.extend((item, depth + 1) for item in inner if isinstance(item, dict | list))
    return deepest


class Checker:
    """A child process that compiles grammars under limits of memory and time; where it dies of one, another begins."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None

    def start(self) -> "subprocess.Popen[str]":
        """The child, begun where there is none."""
        if self._child is None or self._child.poll() is not None:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "serving.engine.compiler"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
        return self._child

    def fault(self, text: str) -> str:
        """Why a grammar is refused, or empty."""
        child = self.start()
        late = threading.Timer(CHECK_SECONDS, child.kill)
        late.start()
        try:
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write(json.dumps(text) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            late.cancel()
        if line:
            return str(json.loads(line))
        child.kill()
        child.wait()
        return f"The grammar takes more than {CHECK_SECONDS} s or {CHECK_BYTES >> 20} MiB to compile."

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for stream in (self._child.stdin, self._child.stdout):
                if stream is not None:
                    stream.close()


def check_all() -> None:
    """The child: a grammar a line on stdin, its fault a line on stdout, both as JSON."""
    from llguidance import LLParserLimits

    from stillroom.recipe.grammar import byte_tokenizer

    resource.setrlimit(resource.RLIMIT_AS, (CHECK_BYTES, CHECK_BYTES))
    limits = LLParserLimits(**_LIMITS)  # type: ignore[arg-type]
    for line in sys.stdin:
        try:
            Constraint(byte_tokenizer(), json.loads(line), 257, limits)
            fault = ""
        except ValueError as error:
            fault = str(error)
        print(json.dumps(fault), flush=True)


if __name__ == "__main__":
    check_all()
