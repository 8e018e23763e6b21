"""What the servers are asked: e-mails to extract, free chat, and questions on a long context that they share."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SEED = 7919
"""Of the mails; no training uses it."""
EXTRACT_TOKENS = 1400
"""An answer of four events fits whose three texts have all their 80 characters, each a token, so every one is whole."""
CHAT_TOKENS, SHORT_TOKENS = 96, 24
SHARED = 10_400
"""Characters of a shared context, about 4,000 tokens."""
QUESTIONS = 8
"""On each shared context."""


@dataclass(frozen=True)
class Workload:
    """One kind of requests to one model.

    context: tokens of one request, prompt and answer. requests: how many by number of clients. least: the goal,
    requests a second over the best peer's, by number of clients. later: the goal of p95 against that peer's. arrivals:
    it is also sent at random moments. What a trial tries: the options that begin so and the numbers of slots, beginning
    from what was best for the work that this one is `like`.
    """

    name: str
    title: str
    model: str
    context: int
    requests: dict[int, int]
    least: dict[int, float]
    schema: dict[str, Any] | None = None
    later: float = 1.0
    arrivals: bool = False
    like: str = ""
    options: tuple[str, ...] = ("-",)
    slots: tuple[int, ...] = (8,)
    bodies: list[dict[str, Any]] = field(default_factory=list, repr=False)
    warming: list[dict[str, Any]] = field(default_factory=list, repr=False)


EXTRACTION = {1: 16, 4: 16, 8: 24, 16: 32, 32: 48}
TUNED = {1: 2.0, 8: 2.5, 16: 2.5}
UNTUNED = {1: 3.0, 8: 4.0}


def workloads() -> list[Workload]:
    """All of them, with their requests."""
    from stillroom.recipe.load import load_recipe

    recipe = load_recipe(Path("recipes/email-events.yaml"), sources_must_exist=False)
    most = max(EXTRACTION.values())
    mails = _extraction(recipe, most + 32)
    few = {1: 16, 8: 24, 16: 32}

    def extraction(
        name: str, title: str, model: str, requests: dict[int, int], least: dict[int, float], **more: Any
    ) -> Workload:
        return Workload(
            name, title, model, recipe.serve.context_tokens, requests, least, recipe.output_schema, 0.5,
            bodies=mails[32:], warming=mails[:32], **more,
        )  # fmt: skip

    chat, long = _chat(), _long()
    return [
        extraction("tuned-q8", "E-mails, the demo's tuned model in Q8_0", "tuned-Q8_0", EXTRACTION, TUNED,
                   arrivals=True, slots=(8, 16)),
        extraction("tuned-f16", "E-mails, the demo's tuned model in F16", "tuned-F16", few, TUNED,
                   like="tuned-q8", options=(), slots=()),
        extraction("tuned-q4", "E-mails, the demo's tuned model in Q4_0", "tuned-Q4_0", few, TUNED,
                   like="tuned-q8", options=(), slots=()),
        extraction("untuned", "E-mails, the packaged model in Q4_0, not tuned", "base-Q4_0", {1: 8, 8: 48}, UNTUNED,
                   like="tuned-q8", options=("--spec",), slots=()),
        Workload("chat", "Free chat without a schema, the packaged model in Q4_0", "base-Q4_0", 1024, {1: 6, 8: 16},
                 {1: 1.0, 8: 1.0}, bodies=chat[8:], warming=chat[:8]),
        Workload("shared", "Questions on contexts of 4,000 tokens, the packaged model in Q4_0",
                 "base-Q4_0", 5120, {8: 16}, {8: 5.0}, bodies=long, warming=chat[:8],
                 # Not eight: each slot of llama-server computes a context for itself, two minutes of them.
                 options=(), slots=(2, 1)),
    ]  # fmt: skip


def _extraction(recipe: Any, count: int) -> list[dict[str, Any]]:
    from stillroom.data.synthetic import generate
    from stillroom.recipe.prompt import messages

    source = next(source for source in recipe.data.sources if source.kind == "generated-event-mail")
    longest = recipe.data.cleaning.max_characters
    shape = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": recipe.output_schema}}
    return [
        {
            "messages": messages(recipe, row.text[:longest]),
            "temperature": 0,
            "max_tokens": EXTRACT_TOKENS,
            "response_format": shape,
        }
        for row in generate(count, SEED, source.languages)
    ]


_TASKS = (
    "Explain in a few sentences",
    "Give three short tips about",
    "Write a short story about",
    "What is special about",
)
_TOPICS = (
    "how bread rises", "the tides", "planting tomatoes", "a night train", "old clocks", "learning to swim", "glass",
    "why leaves turn red", "making tea", "a lighthouse keeper",
)  # fmt: skip


def _chat() -> list[dict[str, Any]]:
    asked = [f"{task} {topic}." for topic in _TOPICS for task in _TASKS]
    random.Random(SEED).shuffle(asked)
    return [_free([{"role": "user", "content": text}], CHAT_TOKENS) for text in asked]


_ASKED = (
    "Which city is named first?", "Who writes about a meeting?", "Is anything cancelled?", "Name one date that occurs.",
    "Which mail looks like spam?", "What is the last mail about?", "Who is the second sender?", "Is there a concert?",
)  # fmt: skip


def _long() -> list[dict[str, Any]]:
    """Questions on mailboxes, those on one mailbox behind each other."""
    from stillroom.data.synthetic import generate

    asked: list[dict[str, Any]] = []
    rows = generate(10_000, SEED + 1, {"en": 1})
    for _ in range(2):
        inbox = ""
        while len(inbox) < SHARED:
            inbox += next(rows).text + "\n\n---\n\n"
        for question in _ASKED[:QUESTIONS]:
            system = {"role": "system", "content": f"These are the mails of one mailbox.\n\n{inbox[:SHARED]}"}
            asked.append(_free([system, {"role": "user", "content": question}], SHORT_TOKENS))
    return asked


def _free(messages: Sequence[dict[str, str]], tokens: int) -> dict[str, Any]:
    return {
        "messages": list(messages),
        "temperature": 0,
        "max_tokens": tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def valid(text: str, schema: dict[str, Any] | None) -> bool:
    """Whether an answer is what was asked for: JSON that follows the schema, or any text where there is none."""
    if schema is None:
        return bool(text)
    import jsonschema

    try:
        jsonschema.validate(json.loads(text), schema)
    except (ValueError, jsonschema.ValidationError):
        return False
    return True


def model_file(name: str, run: Path) -> Path:
    """The GGUF file behind a workload's model: of the demo's run, or the packaged model, quantised at first use."""
    which, _, format = name.partition("-")
    if which == "tuned":
        found = sorted((run / "models").glob(f"*-{format}.gguf"))
        if not found:
            raise SystemExit(
                f"There is no {format} model in {run}/models. Run make demo first, or name a run by --run."
            )
        return found[0]
    from stillroom.export.export import cached_base_gguf
    from stillroom.export.quantize import quantize
    from stillroom.models.base import PACKAGED, resolve_base_model
    from stillroom.models.cache import cache_folder

    out = cache_folder() / "bench-serve" / f"{PACKAGED}-{format}.gguf"
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        quantize(cached_base_gguf(resolve_base_model(PACKAGED)), out, format)  # type: ignore[arg-type]
    return out
