"""The teacher: a larger model behind an OpenAI-compatible endpoint, and what may be spent on it."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from stillroom.recipe.section import Section

PACKAGED_ENDPOINT = "packaged"
"""The base_url that stands for the packaged model in this project's own server, which is started when it is needed."""

QuestionKind = Literal["fact", "reasoning", "comparison", "procedure", "not-in-text"]
NotNegative = Annotated[float, Field(ge=0)]


class Price(Section):
    """What a model costs, for a million tokens, in the currency of the budget."""

    prompt: NotNegative = Field(description="A million tokens of prompts.")
    completion: NotNegative = Field(description="A million tokens of answers.")


class TeacherBudget(Section):
    """What one data set may cost in all. No request is sent that could pass it."""

    money: PositiveFloat | None = Field(None, description="In the currency of the prices; null is no limit.")
    tokens: PositiveInt | None = Field(None, description="Prompts and answers together; null is no limit.")


class Teacher(Section):
    """The model that writes and judges data: any OpenAI-compatible endpoint. Keys come from the environment."""

    base_url: str = Field(
        PACKAGED_ENDPOINT, description="Where the endpoint is, up to /v1; `packaged` starts the packaged model here."
    )
    model: str = Field("smollm2-135m-instruct", min_length=1, description="The model's name at the endpoint.")
    judge_model: str | None = Field(None, description="Another model of the endpoint for judging; null is the same.")
    keys_env: list[str] = Field(
        [], description="Environment variables that hold the keys; one may hold several, parted by commas."
    )
    prices: dict[str, Price] = Field({}, description="Model → its prices; a model without costs nothing here.")
    budget: TeacherBudget = Field(TeacherBudget(), description="What one data set may cost in all.")
    concurrency: Annotated[PositiveInt, Field(le=256)] = Field(4, description="Requests under way at once.")
    requests_per_minute: PositiveInt | None = Field(None, description="Limit of each key; null is none.")
    tokens_per_minute: PositiveInt | None = Field(None, description="Limit of each key; null is none.")
    timeout_s: PositiveFloat = Field(120, description="Seconds after which an answer is given up.")
    tries: PositiveInt = Field(3, description="How often an invalid answer is asked for again, with the fault told.")
    max_answer_tokens: PositiveInt = Field(512, description="A longer answer is cut off.")
    temperature: Annotated[float, Field(ge=0, le=2)] = Field(
        0.7, description="Of what it writes and of its votes; a judge always works at 0."
    )
    votes: PositiveInt = Field(3, description="How often each text is labelled, each time asked in another way.")
    min_agreement: Annotated[float, Field(gt=0, le=1)] = Field(
        0.67, description="Share of equal votes below which a label goes to people."
    )


class DistilledSource(Section):
    """Questions and grounded answers that the teacher draws from documents, each with a citation that is checked."""

    kind: Literal["distilled"]
    path: str = Field(description="The documents: a file, or a folder that is read at any depth.")
    chunk_characters: Annotated[int, Field(ge=100)] = Field(
        2000, description="A passage has at most so many characters."
    )
    chunk_overlap: Annotated[int, Field(ge=0)] = Field(200, description="What neighbouring passages share, at most.")
    ocr: bool = Field(
        True, description="Read pages without a text layer by OCR, if `stillroom[documents]` is installed."
    )
    questions: list[QuestionKind] = Field(
        ["fact", "reasoning", "comparison", "procedure", "not-in-text"],
        min_length=1,
        description="The kinds of question that each passage is asked for.",
    )
    per_kind: PositiveInt = Field(1, description="Questions of each kind for each passage.")
    min_score: Annotated[PositiveInt, Field(le=5)] = Field(
        4, description="Least score (1 to 5) that the judge must give."
    )
    show_passage: bool = Field(
        True, description="The specialist reads question and passage; false: the question alone, and it must know."
    )
    controls: Annotated[int, Field(ge=0)] = Field(
        20, description="Swapped answers that the judge is shown to see whether it notices; for the report."
    )
    sample: PositiveInt | None = Field(None, description="Take this many passages, drawn with the data seed.")
    skip_ids_in: list[str] = Field(
        [], description="Earlier sample files (JSONL, CSV, Parquet); passages whose id they hold are skipped."
    )
