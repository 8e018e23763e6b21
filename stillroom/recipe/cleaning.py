"""The recipe's data.cleaning: what is repaired, dropped or cut before the split. What costs time is off at first."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from stillroom.recipe.section import Section

Fraction = Annotated[float, Field(ge=0, le=1)]


class Repetition(Section):
    """Texts that say the same again and again are dropped; the bounds are Gopher's (Rae et al. 2021)."""

    min_words: PositiveInt = Field(50, description="Runs of words are judged in texts of this many words or more.")
    duplicate_lines: Fraction = Field(0.3, description="Largest share of lines that repeat an earlier line.")
    duplicate_line_characters: Fraction = Field(0.2, description="Largest share of characters in such lines.")
    top_ngrams: list[Fraction] = Field(
        [0.2, 0.18, 0.16],
        min_length=3,
        max_length=3,
        description="Largest share of characters in the commonest run of 2, 3 and 4 words.",
    )
    duplicate_ngrams: list[Fraction] = Field(
        [0.15, 0.14, 0.13, 0.12, 0.11, 0.1],
        min_length=6,
        max_length=6,
        description="Largest share of characters in repeated runs of 5, 6, 7, 8, 9 and 10 words.",
    )


class Symbols(Section):
    """Texts that are more signs than words are dropped; the bounds are Gopher's."""

    symbols_per_word: Annotated[float, Field(ge=0)] = Field(0.1, description="Most number signs and ellipses a word.")
    bullet_lines: Fraction = Field(0.9, description="Largest share of lines that begin with a bullet.")
    ellipsis_lines: Fraction = Field(0.3, description="Largest share of lines that end with an ellipsis.")
    alphabetic_words: Fraction = Field(0.8, description="Least share of words that hold a letter.")


class Toxicity(Section):
    """Texts with words of the user's own lists are dropped. No list is shipped: what offends depends on the task."""

    lists: list[str] = Field(
        min_length=1, description="Text files with a word or phrase a line; # begins a comment. Relative to the recipe."
    )
    max_hits: Annotated[int, Field(ge=0)] = Field(0, description="A text may hold this many of them.")


PiiKind = Literal["email", "phone", "iban", "card", "id_number", "ip", "name"]


class Pii(Section):
    """Personal data is masked by fakes, the same for the same value in texts, labels and facts of every row."""

    kinds: list[PiiKind] = Field(
        ["email", "phone", "iban", "card", "id_number", "ip"],
        min_length=1,
        description="What is masked. name finds the names in a mail's header lines, and what name_model finds.",
    )
    name_model: str | None = Field(
        None, description="A spaCy model, by its name or folder, that finds the names of people."
    )
    offsets: list[str] = Field(
        [], description="Fields of the label that are places in the text, such as [start, end]; they move with it."
    )
    vault: str | None = Field(
        None,
        description="The file that knows which fake stands for whom; by default in ~/.local/share/stillroom/vaults. "
        "Relative to the recipe.",
    )


class Contamination(Section):
    """Test rows whose words stand in the train split too are left out."""

    words: PositiveInt = Field(13, description="Length of the runs of words that are compared; 13 is GPT-3's.")
    max_overlap: Fraction = Field(0.5, description="Largest share of a test row's runs that training rows may have.")


class Semantic(Section):
    """Texts that mean the same are found by embedding; needs the extra stillroom[semantic]."""

    threshold: Fraction = Field(0.95, description="Cosine of the embeddings from which two texts mean the same.")


class Cleaning(Section):
    """What is repaired, dropped or cut before the split; each dropped row keeps its reason and its numbers."""

    repair: bool = Field(
        False, description="Repair mojibake, control characters and decomposed letters in texts and labels, by ftfy."
    )
    boilerplate_documents: Annotated[int, Field(ge=2)] | None = Field(
        None, description="A line of four words or more that stands in this many texts is removed from them."
    )
    min_characters: PositiveInt = Field(1, description="A shorter text is dropped.")
    max_characters: PositiveInt = Field(2000, description="A longer text is cut there, at a word's end.")
    repetition: Repetition | None = Field(None, description="Bounds on repetition; {} takes the usual ones.")
    symbols: Symbols | None = Field(None, description="Bounds on signs; {} takes the usual ones.")
    languages: list[Annotated[str, Field(pattern="^[a-z]{2,3}$")]] | None = Field(
        None, min_length=1, description="Codes (ISO 639-1) of the languages that stay, such as [en, de]."
    )
    language_probability: Fraction = Field(
        0.5, description="Least probability that a text is in one of these languages."
    )
    toxicity: Toxicity | None = Field(None, description="Word lists of what no text may hold.")
    pii: Pii | None = Field(None, description="Masks personal data; {} takes the usual kinds.")
    near_duplicate_threshold: Fraction = Field(0.8, description="Jaccard similarity from which two texts are one.")
    near_duplicates: Literal["group", "drop"] = Field(
        "group", description="Near duplicates stay together in one split, or all but the first are dropped."
    )
    semantic: Semantic | None = Field(
        None, description="Joins texts of one meaning to the near duplicates; {} takes the usual threshold."
    )
    contamination: Contamination | None = Field(None, description="Bounds on what test rows share with training rows.")
    label_quality: bool = Field(
        False, description="List labels that a cross-validated model doubts in label_quality.jsonl, for people."
    )
