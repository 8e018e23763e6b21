"""What clients may ask, as OpenAI defines it. What we cannot do is refused; what has no effect here is taken.

A field of the type None is one that OpenAI knows and that is not done here: null is taken, anything else refused.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Temperature = Annotated[float, Field(ge=0, le=2)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Share = Annotated[float, Field(gt=0, le=1)]
Stop = str | Annotated[list[str], Field(max_length=16)]
Count = Annotated[int, Field(ge=1)]
JsonObject = dict[str, Any]

MOST_CHOICES = 16
MOST_TEXTS = 1024
MOST_INPUTS = 2048  # as OpenAI has it


class Strict(BaseModel):
    """A number is a number and no text, and a field that we do not know is refused, as OpenAI does."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Loose(BaseModel):
    """Clients send back what they were given, with fields of their libraries' own."""

    model_config = ConfigDict(extra="ignore", strict=True)


class StreamOptions(Strict):
    """What a stream tells beside the answer."""

    include_usage: bool | None = False
    include_obfuscation: bool | None = None


class StructuredOutputs(Strict):
    """vLLM's field for answers held to something else than a JSON Schema: exactly one of these."""

    regex: str | None = None
    grammar: str | None = Field(None, description="A grammar in llguidance's Lark.")
    choice: Annotated[list[str], Field(min_length=1)] | None = None
    json_schema: JsonObject | None = Field(None, alias="json")

    @model_validator(mode="after")
    def _one(self) -> "StructuredOutputs":
        if sum(value is not None for value in (self.regex, self.grammar, self.choice, self.json_schema)) != 1:
            raise ValueError("give exactly one of regex, grammar, choice and json")
        return self


class SamplingOptions(Strict):
    """How the next token is chosen; the last four are not OpenAI's, but what other servers call them."""

    temperature: Temperature | None = Field(None, description="0 takes the likeliest token. Default 1; 0 for a recipe.")
    top_p: Share | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Stop | None = None
    n: Annotated[int, Field(ge=1, le=MOST_CHOICES)] | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] | None = None
    structured_outputs: StructuredOutputs | None = None

    @field_validator("logit_bias")
    @classmethod
    def _token_ids(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        for key in value or {}:
            if not (key.isascii() and key.isdigit() and len(key) < 10):
                raise ValueError(f"'{key}' is not a token id")
        return value

    @property
    def stops(self) -> list[str]:
        """The stop texts, as a list; an empty one stops nothing."""
        return [text for text in ([self.stop] if isinstance(self.stop, str) else self.stop or []) if text]


class TextPart(Loose):
    """A piece of a message."""

    type: Literal["text", "refusal"]
    text: str = ""


class CalledFunction(Loose):
    """What the assistant called."""

    name: str
    arguments: str


class ToolCall(Loose):
    """A call in an assistant's message."""

    id: str = ""
    type: Literal["function"] = "function"
    function: CalledFunction


class Message(Loose):
    """One turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None

    @field_validator("content", mode="before")
    @classmethod
    def _text_only(cls, value: Any) -> Any:
        for part in value if isinstance(value, list) else []:
            if isinstance(part, dict) and part.get("type") not in ("text", "refusal"):
                raise ValueError(f"the model reads text only, not '{part.get('type')}'")
        return value

    @model_validator(mode="after")
    def _complete(self) -> "Message":
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise ValueError(f"a message of the role {self.role} needs content")
        return self

    @property
    def text(self) -> str:
        """The content as one text."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class Function(Strict):
    """A function that the model may call."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: JsonObject | None = Field(None, description="JSON Schema of the arguments; none means no arguments.")
    strict: bool | None = None

    @field_validator("parameters")
    @classmethod
    def _an_object(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None and value.get("type", "object") != "object":
            raise ValueError("arguments are an object, so the schema's type must be 'object'")
        return value


class Tool(Strict):
    """A tool; only functions are known."""

    type: Literal["function"]
    function: Function


class FunctionName(Strict):
    """A function by its name."""

    name: str


class NamedTool(Strict):
    """One tool that must be called."""

    type: Literal["function"]
    function: FunctionName


class AllowedToolList(Strict):
    """Some of the tools, and whether one of them must be called."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedTool], Field(min_length=1)]


class AllowedTools(Strict):
    """A choice among some of the tools."""

    type: Literal["allowed_tools"]
    allowed_tools: AllowedToolList


class NamedSchema(Strict):
    """A JSON Schema with its name."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    json_schema: JsonObject | None = Field(None, alias="schema")
    strict: bool | None = None


class TextFormat(Strict):
    """Any text."""

    type: Literal["text"]


class JsonObjectFormat(Strict):
    """Any JSON object."""

    type: Literal["json_object"]


class JsonSchemaFormat(Strict):
    """JSON that follows a schema; it is always enforced, strict or not."""

    type: Literal["json_schema"]
    json_schema: NamedSchema


ResponseFormat = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]


class ChatRequest(SamplingOptions):
    """The body of /v1/chat/completions."""

    model: str | None = Field(None, description="The served model or an adapter; the served model by default.")
    messages: Annotated[list[Message], Field(min_length=1)]
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | AllowedTools | None = None
    parallel_tool_calls: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    # Known to OpenAI and without effect here.
    user: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prediction: JsonObject | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    prompt_cache_options: JsonObject | None = None
    modalities: list[Literal["text"]] | None = None
    chat_template_kwargs: JsonObject | None = Field(
        None, description="Further variables of the model's chat template, such as enable_thinking; vLLM's name."
    )
    audio: None = None
    functions: None = Field(None, description="Use tools.")
    function_call: None = Field(None, description="Use tool_choice.")
    moderation: None = None
    web_search_options: None = None

    @property
    def has_grammar(self) -> bool:
        """Whether it brings a grammar of its own, which must be compiled."""
        return bool(self.tools or self.response_format or self.structured_outputs)

    @model_validator(mode="after")
    def _consistent(self) -> "ChatRequest":
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs to be true")
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options needs stream to be true")
        if self.tool_choice not in (None, "none") and not self.tools:
            raise ValueError("tool_choice needs tools")
        held = self.response_format is not None and self.response_format.type != "text"
        if held and self.structured_outputs is not None:
            raise ValueError("give response_format or structured_outputs, not both")
        if self.tools and self.tool_choice != "none" and self.structured_outputs is not None:
            raise ValueError("give tools or structured_outputs, not both; response_format may stand beside tools")
        names = [tool.function.name for tool in self.tools or []]
        if len(set(names)) < len(names):
            raise ValueError("two tools have one name")
        return self


TokenIds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class CompletionRequest(SamplingOptions):
    """The body of /v1/completions: the prompt as it is, without a chat template."""

    model: str | None = None
    prompt: (
        str
        | TokenIds
        | Annotated[list[str], Field(min_length=1, max_length=MOST_TEXTS)]
        | Annotated[list[TokenIds], Field(min_length=1, max_length=MOST_TEXTS)]
    )
    max_tokens: Count | None = Field(None, description="16 by default, as OpenAI has it.")
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    echo: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    best_of: Count | None = Field(None, description="Taken where it equals n.")
    suffix: None = Field(None, description="The model continues a text; it does not fill gaps.")
    user: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "CompletionRequest":
        if self.best_of is not None and self.best_of != (self.n or 1):
            raise ValueError("best_of other than n is not supported")
        if self.echo and self.logprobs is not None:
            raise ValueError("logprobs of an echoed prompt are not supported; ask for one of the two")
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options needs stream to be true")
        return self


class EmbeddingRequest(Strict):
    """The body of /v1/embeddings."""

    model: str | None = None
    input: (
        str
        | TokenIds
        | Annotated[list[str], Field(min_length=1, max_length=MOST_INPUTS)]
        | Annotated[list[TokenIds], Field(min_length=1, max_length=MOST_INPUTS)]
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Count | None = None
    user: str | None = None


class ExtractRequest(Strict):
    """The body of /v1/extract: one text, or several."""

    model: str | None = None
    text: str | None = None
    texts: Annotated[list[str], Field(min_length=1, max_length=MOST_TEXTS)] | None = None

    @model_validator(mode="after")
    def _one(self) -> "ExtractRequest":
        if (self.text is None) == (self.texts is None):
            raise ValueError("give either text or texts")
        return self


class AdapterRequest(Strict):
    """The body of POST /v1/adapters."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    path: str = Field(min_length=1, description="A GGUF file below the server's adapter folder.")
