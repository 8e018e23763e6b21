"""What the engine is asked, and what it tells about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from serving.engine.constraint import Constraint

FinishReason = Literal["stop", "length", "cancelled"]
MOST_LOGPROBS = 20
EMBEDDINGS_ONLY = "This model makes embeddings only, and answers nothing."


class EngineError(Exception):
    """A request that was not answered, with a sentence for its sender."""


class InvalidRequest(EngineError):
    """It can never be answered: too long for the context, an unknown adapter, a number out of bounds."""


class UnknownAdapter(InvalidRequest):
    """No adapter of this name is loaded, or none any more."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no adapter {name!r}.")
        self.name = name


class UnsupportedSchema(InvalidRequest):
    """A schema, regex or grammar that cannot be enforced; the message says why."""

    field: str | None = None
    """What in a client's request brought it, where that is known."""


class Overloaded(EngineError):
    """The queue is full, or the engine drains. `reason` is one of a closed set, fit for a metric's label."""

    def __init__(self, reason: Literal["queued_requests", "queued_tokens", "draining"], retry_after: int) -> None:
        super().__init__(f"The server is busy ({reason.replace('_', ' ')}). Try again in {retry_after} s.")
        self.reason, self.retry_after = reason, retry_after
        """retry_after: whole seconds until the queue will probably have room."""


class DeadlineExceeded(EngineError):
    """The request's deadline passed. `queued`: it had not even begun."""

    def __init__(self, queued: bool) -> None:
        super().__init__(f"The deadline passed while the request {'waited' if queued else 'was being answered'}.")
        self.queued = queued


class ConstraintFailed(EngineError):
    """The grammar could not be followed any further (a parser's limit): the answer ends here, never unconstrained."""


class EngineStopped(EngineError):
    """The engine was closed, or failed, before the answer was whole."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen. Temperature 0 is greedy: the likeliest allowed token, and seed does not matter.

    logit_bias: token id → what is added to its logit. logprobs: None, or how many alternatives (0–20) are told beside
    each token's own log-probability. Penalties are OpenAI's; repetition_penalty is CTRL's, over prompt and answer.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    logprobs: int | None = None

    def faults(self) -> list[str]:
        """What is out of bounds, one sentence each."""
        checks = [
            (0 <= self.temperature <= 100, "temperature must be between 0 and 100."),
            (0 < self.top_p <= 1, "top_p must be above 0 and at most 1."),
            (self.top_k >= 0, "top_k must be 0 (off) or more."),
            (0 <= self.min_p <= 1, "min_p must be between 0 and 1."),
            (0 < self.repetition_penalty <= 10, "repetition_penalty must be above 0 and at most 10."),
            (-2 <= self.presence_penalty <= 2, "presence_penalty must be between -2 and 2."),
            (-2 <= self.frequency_penalty <= 2, "frequency_penalty must be between -2 and 2."),
            (self.seed is None or -(2**63) <= self.seed < 2**64, "seed must be a 64-bit number."),
            (all(-100 <= b <= 100 for b in self.logit_bias.values()), "logit_bias must be between -100 and 100."),
            (self.logprobs is None or 0 <= self.logprobs <= MOST_LOGPROBS, "logprobs must be between 0 and 20."),
        ]
        return [message for holds, message in checks if not holds]

    @property
    def greedy(self) -> bool:
        """No draw is made."""
        return self.temperature == 0

    @property
    def plain(self) -> bool:
        """The logits are used as they are: neither penalties nor biases."""
        return (
            self.repetition_penalty == 1
            and not self.presence_penalty
            and not self.frequency_penalty
            and not self.logit_bias
        )


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt (token ids) and how to answer it.

    For n answers submit n requests: the prompt is computed once. constraint comes from `Engine.compile`. stop: the
    answer ends before the first of these texts. adapter: name of a loaded LoRA, or None. stream: whether text is told
    as it comes, or in one event at the end, which wakes nobody in between. deadline: a time of `time.monotonic()`. id
    is for logs and traces only.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    constraint: Constraint | None = None
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    adapter: str | None = None
    stream: bool = True
    deadline: float | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Logprob:
    """A token's natural log-probability under the model, before penalties, temperature and constraint.

    `top` are the likeliest tokens at its place with theirs, best first.
    """

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request took. Tokens: `cached` of the prompt's were not computed, `forced` of the answer's were never
    sampled, `drafted` were guessed and `accepted` of those were right. Seconds: in the queue, until the first token,
    and from it to the last."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    forced: int = 0
    drafted: int = 0
    accepted: int = 0
    queue_seconds: float = 0.0
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Text:
    """More of the answer. `logprobs` are as many as `tokens` where they were asked for."""

    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[Logprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is whole (`stop`), was cut at max_tokens (`length`), or its client went (`cancelled`)."""

    reason: FinishReason
    usage: Usage


@dataclass(frozen=True, slots=True)
class Failed:
    """There will be no (more) answer."""

    error: EngineError
    usage: Usage


Event = Text | Finished | Failed
