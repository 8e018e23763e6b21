"""What clients are answered, as OpenAPI tells it; the tests hold real answers against these."""

from typing import Any, Literal

from pydantic import BaseModel, Field


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """Every refusal and failure."""

    error: ErrorDetail


class CachedTokens(BaseModel):
    """Where prompt tokens came from."""

    cached_tokens: int = Field(description="Prompt tokens whose keys and values were there already.")


class Usage(BaseModel):
    """Tokens of a request."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: CachedTokens | None = None


class TopLogprob(BaseModel):
    """A token that could have stood there."""

    token: str
    logprob: float
    bytes: list[int] | None


class TokenLogprob(TopLogprob):
    """A token of the answer."""

    top_logprobs: list[TopLogprob]


class Logprobs(BaseModel):
    """The log-probabilities of an answer's tokens."""

    content: list[TokenLogprob] | None
    refusal: None = None


class FunctionCall(BaseModel):
    """A function and its arguments as JSON text."""

    name: str
    arguments: str


class ToolCall(BaseModel):
    """A call that the model asks for."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class AssistantMessage(BaseModel):
    """The answer."""

    role: Literal["assistant"]
    content: str | None
    refusal: None = None
    tool_calls: list[ToolCall] | None = None


Finish = Literal["stop", "length", "tool_calls"]


class ChatChoice(BaseModel):
    """One of n answers."""

    index: int
    message: AssistantMessage
    logprobs: Logprobs | None
    finish_reason: Finish


class ChatCompletion(BaseModel):
    """The answer of /v1/chat/completions."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage


class CompletionLogprobs(BaseModel):
    """The log-probabilities of a completion's tokens, in the older form."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class CompletionChoice(BaseModel):
    """One completion."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: Literal["stop", "length"]


class Completion(BaseModel):
    """The answer of /v1/completions."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage


class Embedding(BaseModel):
    """One vector; base64 of little-endian 32-bit floats where that was asked for."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingUsage(BaseModel):
    """Tokens of an embedding request."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(BaseModel):
    """The answer of /v1/embeddings."""

    object: Literal["list"]
    model: str
    data: list[Embedding]
    usage: EmbeddingUsage


class ModelCard(BaseModel):
    """A model or adapter, for OpenAI's clients and (name, ready) for KServe's."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    root: str = Field(description="The served model that this one is, or is an adapter of.")
    name: str
    ready: bool


class ModelList(BaseModel):
    """The answer of /v1/models, for OpenAI's clients and (models) for KServe's."""

    object: Literal["list"]
    data: list[ModelCard]
    models: list[str]


class Extracted(BaseModel):
    """The answer of /v1/extract to one text."""

    output: Any = Field(description="What the recipe's schema says; text where the recipe has no schema.")
    time_ms: float
    truncated: bool | None = Field(None, description="true where the end of the text found no room; else absent.")


class ExtractedAll(BaseModel):
    """The answer of /v1/extract to several texts, in their order."""

    outputs: list[Any]
    time_ms: float
    truncated: list[int] | None = Field(None, description="Numbers, from 0, of the texts that were cut; else absent.")


class Adapter(BaseModel):
    """A loaded LoRA adapter; its name is a `model` that clients can choose."""

    name: str
    path: str


class AdapterList(BaseModel):
    """All loaded adapters."""

    adapters: list[Adapter]


class Health(BaseModel):
    """What a probe is told."""

    status: Literal["ok", "starting", "draining", "stalled"]
