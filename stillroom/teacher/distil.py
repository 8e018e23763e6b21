"""From documents to questions and grounded answers, each with a citation that is in its passage.

For each passage and kind the teacher writes a question, answers it from the passage alone and cites what proves the
answer. The citation must stand in the passage, and a judge must find the pair valid. What fails keeps its reason.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stillroom.data.documents.chunks import Chunk
from stillroom.data.duplicates import fold
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.evaluate.text_metrics import tokens
from stillroom.recipe.teacher import DistilledSource, QuestionKind
from stillroom.teacher.citation import cited_sentences, find_citation
from stillroom.teacher.client import Client, NoAnswer
from stillroom.teacher.judge import score_answer
from stillroom.teacher.structured import Trust, ask_json

NOT_IN_TEXT: QuestionKind = "not-in-text"
FEWEST_CHARACTERS = 80
"""A shorter passage is a heading or a page number."""

# Why something is left out; the report counts by them.
TOO_SHORT = "the passage is too short to ask about"
NO_QUESTION = "no valid question"
NOTHING_TO_ASK = "the passage has nothing of this kind"
NO_ANSWER = "no valid answer"
BAD_CITATION = "the citation is not in the passage"
UNANSWERED = "the passage does not answer the question"
ANSWERED = "the passage does answer the question"
NO_VERDICT = "no verdict of the judge"
LOW_SCORE = "the judge's score is too low"
ASKED_BEFORE = "the question was asked before"

_KINDS: dict[QuestionKind, str] = {
    "fact": "that asks for one fact which the passage states",
    "reasoning": "whose answer must be concluded from two or more statements of the passage",
    "comparison": "that asks in what two things of the passage differ or are alike",
    "procedure": "that asks how something is done, step by step, as the passage tells it",
    "not-in-text": "that fits the subject of the passage, but whose answer the passage does not hold",
}
# One small example in each prompt: a weak teacher follows it better than any rule, and a strong one keeps the form.
_EXAMPLE = (
    "Visitors sign in at the desk and get a badge. It opens the front door until six. After six a guard lets visitors "
    "out. A lost badge costs five euros."
)
_EXAMPLE_QUESTIONS: dict[QuestionKind, str] = {
    "fact": "What does a lost visitor badge cost?",
    "reasoning": "Can a visitor with a badge leave the house alone at seven?",
    "comparison": "How does leaving before six differ from leaving after six for a visitor?",
    "procedure": "What does a visitor do to get a badge?",
    "not-in-text": "Where can visitors park their cars?",
}
# A weak teacher does what the last example does, so the last one is the case that is wanted most.
_EXAMPLE_ANSWERS: tuple[tuple[str, dict[str, str] | None], ...] = (
    ("Where can visitors park their cars?", None),
    ("What does a lost visitor badge cost?", {"citation": "A lost badge costs five euros.", "answer": "Five euros."}),
)
MOST_SENTENCES = 60
_QUESTION: dict[str, Any] = {
    "type": "object",
    "properties": {"question": {"type": ["string", "null"], "minLength": 10, "maxLength": 250}},
    "required": ["question"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One question that is wanted."""

    chunk: Chunk
    kind: QuestionKind
    number: int

    @property
    def id(self) -> str:
        """The passage's id with the kind and number of the question."""
        return f"{self.chunk.id}?{self.kind}{self.number}"


@dataclass
class Distilled:
    """What came of it: pairs as rows whose label is `{"answer", "citation"}`, and what was left out."""

    rows: list[Row] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    stopped: UserError | None = None


def distil(client: Client, source: DistilledSource, chunks: Sequence[Chunk], name: str) -> Distilled:
    """Ask for every kind of question about every passage. `name` is the source that the rows are counted under.

    The meta of a row holds the question, its kind, the place of passage and citation in the document, and the judge's
    score.
    """
    found = Distilled()
    for chunk in chunks:
        if len(chunk.text.strip()) < FEWEST_CHARACTERS:
            detail = f"{len(chunk.text.strip())} characters"
            found.rejected.append(Rejected(Row(chunk.id, chunk.text, None, name), TOO_SHORT, detail))
    usable = [chunk for chunk in chunks if len(chunk.text.strip()) >= FEWEST_CHARACTERS]
    asks = [Ask(chunk, kind, n) for chunk in usable for kind in source.questions for n in range(1, source.per_kind + 1)]
    trust = Trust("questions")

    def work(ask: Ask) -> Row | Rejected:
        pair = distil_one(client, source, ask, name)
        if isinstance(pair, Row):
            trust.gained()
        elif pair.reason in (NO_QUESTION, NO_ANSWER, NO_VERDICT):  # a teacher that cannot hold to the format
            trust.failed(pair.detail)
        return pair

    outcome = client.each(work, asks, f"Distilling {name}")
    found.stopped = outcome.stopped
    seen: set[str] = set()
    for result in outcome.done():
        if isinstance(result, Row) and (question := fold(result.meta["question"])) in seen:
            result = Rejected(result, ASKED_BEFORE)
        elif isinstance(result, Row):
            seen.add(question)
        (found.rows if isinstance(result, Row) else found.rejected).append(result)  # type: ignore[arg-type]
    passages = {(chunk.file, chunk.start): _passage(chunk) for chunk in usable}
    controls = _controls(client, source, found.rows, passages) if found.stopped is None else (0, 0)
    found.report = _report(found, chunks, asks, outcome.results.count(None), controls)
    return found


def distil_one(client: Client, source: DistilledSource, ask: Ask, name: str) -> Row | Rejected:
    """One pair, or why there is none."""
    passage, meta = _passage(ask.chunk), dict[str, Any](kind=ask.kind)
    row = Row(ask.id, ask.chunk.text, None, name, meta)
    try:
        question = _question(client, passage, ask)
    except NoAnswer as error:
        return Rejected(row, NO_QUESTION, str(error))
    if question is None:
        return Rejected(row, NOTHING_TO_ASK, ask.kind)
    row = Row(ask.id, f"Question: {question}\n\n{ask.chunk.text}", None, name, meta)
    faults: list[str] = []
    try:
        citation, answer = _answer(client, passage, ask, question, faults)
    except NoAnswer as error:
        return Rejected(row, BAD_CITATION if BAD_CITATION in faults else NO_ANSWER, str(error))
    meta["citation_failed_at_first"] = BAD_CITATION in faults
    if (answer is None) != (ask.kind == NOT_IN_TEXT):
        return Rejected(row, UNANSWERED if answer is None else ANSWERED, answer or "")
    try:
        score, reason = score_answer(client, passage, question, answer, citation)
    except NoAnswer as error:
        return Rejected(row, NO_VERDICT, str(error))
    pair = _pair(source, ask, name, question, answer, citation, score)
    pair.meta["citation_failed_at_first"] = BAD_CITATION in faults
    return pair if score >= source.min_score else Rejected(pair, LOW_SCORE, f"{score} of 5: {reason}")


def notes(report: dict[str, Any]) -> list[str]:
    """The report in sentences: also how weak the teacher was."""
    scores, citations, controls = report["scores"], report["citations"], report["controls"]
    judged = sum(scores.values())
    lines = [
        f"The teacher was asked for {report['asked']} questions about {report['chunks']} passages, and "
        f"{report['pairs']} pairs were good. {report['chunks_without_pair']} passages gave none."
    ]
    if citations["answers"]:
        lines.append(
            f"In {citations['failed_at_first']} of {citations['answers']} answers what was cited was not in "
            f"the passage; {citations['failed']} of them stayed without one, even when it could choose a sentence."
        )
    if judged:
        spread = ", ".join(f"{count} × {score}" for score, count in sorted(scores.items(), reverse=True))
        lines.append(f"The judge's scores: {spread}.")
    if controls["asked"]:
        share = controls["accepted"] / controls["asked"]
        worth = (
            "its scores say little" if share > 0.5 else "its scores say something" if share > 0.2 else "it notices most"
        )
        lines.append(
            f"Shown answers that belong to other questions, the judge accepted {controls['accepted']} of "
            f"{controls['asked']}: {worth}."
        )
    return lines


def _passage(chunk: Chunk) -> str:
    above = " > ".join(chunk.headings)
    return f"({above})\n{chunk.text}" if above else chunk.text


def _question(client: Client, passage: str, ask: Ask) -> str | None:
    def asked(text: str) -> str:
        return (
            f"The passage:\n\n{text}\n\nWrite one question {_KINDS[ask.kind]}. Name what it is about, so that it "
            "can be understood by somebody who has not read the passage. Answer with JSON: question; null where the "
            "passage does not allow for such a question."
        )

    messages = [
        ("system", "You write questions that test whether a text was understood."),
        ("user", asked(_EXAMPLE)),
        ("assistant", json.dumps({"question": _EXAMPLE_QUESTIONS[ask.kind]})),
        ("user", asked(passage)),
    ]
    value = ask_json(client, "questions", messages, _QUESTION, check=_not_the_example, sample=ask.number - 1)
    return value["question"].strip() if value["question"] else None


def _not_the_example(value: dict[str, Any]) -> str:
    example = value["question"] in _EXAMPLE_QUESTIONS.values()
    return "that is the question of the example; ask about the last passage" if example else ""


def _answer(client: Client, passage: str, ask: Ask, question: str, faults: list[str]) -> tuple[str | None, str | None]:
    """Citation and answer, both None where the passage does not answer. What is wrong on the way goes into `faults`.

    A citation is copied freely first. Where that fails, the teacher chooses among the passage's sentences.
    """

    def check(value: dict[str, Any]) -> str:
        found = value["found"]
        if found is not None and find_citation(ask.chunk.text, found["citation"]) is None:
            faults.append(BAD_CITATION)
            return "the citation does not stand in the passage word for word, or has fewer than three words"
        return ""

    def asked(text: str, question: str) -> str:
        return (
            f"The passage:\n\n{text}\n\nThe question: {question}\n\nAnswer it from the passage alone. Answer with "
            "JSON: found, which holds citation, the words of the passage that prove the answer, copied exactly, at "
            "most two sentences, and then answer, in a sentence or less. found is null where the passage does not hold "
            "the answer."
        )

    messages = [("system", "You answer questions about a text, and prove each answer by the words of the text.")]
    for example, answer in _EXAMPLE_ANSWERS:
        messages += [("user", asked(_EXAMPLE, example)), ("assistant", json.dumps({"found": answer}))]
    messages.append(("user", asked(passage, question)))
    free = _answer_schema({"type": "string", "maxLength": 400})
    sentences = cited_sentences(ask.chunk.text)[:MOST_SENTENCES]
    listed = _answer_schema({"enum": sentences}) if sentences else free
    value = ask_json(client, "answers", messages, free, check=check, temperature=0.0, retry_schema=listed)
    found = value["found"] or {"citation": None, "answer": None}
    return found["citation"], found["answer"]


def _answer_schema(citation: dict[str, Any]) -> dict[str, Any]:
    found = {
        "type": "object",
        "properties": {"citation": citation, "answer": {"type": "string", "minLength": 1, "maxLength": 300}},
        "required": ["citation", "answer"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"found": {"anyOf": [found, {"type": "null"}]}},
        "required": ["found"],
        "additionalProperties": False,
    }


def _pair(
    source: DistilledSource, ask: Ask, name: str, question: str, answer: str | None, citation: str | None, score: int
) -> Row:
    chunk = ask.chunk
    meta: dict[str, Any] = {
        "kind": ask.kind,
        "question": question,
        "file": chunk.file,
        "page": chunk.page,
        "start": chunk.start,
        "end": chunk.end,
        "headings": list(chunk.headings),
        "score": score,
    }
    if citation is not None:
        place = find_citation(chunk.text, citation)
        assert place is not None  # it was checked
        citation = chunk.text[place[0] : place[1]]
        meta |= {"citation_start": chunk.start + place[0], "citation_end": chunk.start + place[1]}
        words = tokens(answer or "")
        meta["grounded"] = round(sum(word in set(tokens(chunk.text)) for word in words) / max(1, len(words)), 4)
    # The question comes first: whatever is too long loses its end.
    text = f"Question: {question}\n\n{chunk.text}" if source.show_passage else question
    return Row(ask.id, text, {"answer": answer, "citation": citation}, name, meta)


def _controls(
    client: Client, source: DistilledSource, rows: Sequence[Row], passages: dict[tuple[str, int], str]
) -> tuple[int, int]:
    """Show the judge answers to other questions: how many it was asked about, and how many it accepted.

    Each row's question gets the answer and citation of the next row of another passage.
    """
    answered = [row for row in rows if row.label["answer"] is not None]
    swapped = []
    for number, row in enumerate(answered):
        others = answered[number + 1 :] + answered[:number]
        other = next((one for one in others if _place(one) != _place(row)), None)
        if other is not None:
            swapped.append((row, other))

    def work(pair: tuple[Row, Row]) -> bool:
        row, other = pair
        label = other.label
        try:
            score, _ = score_answer(
                client, passages[_place(row)], row.meta["question"], label["answer"], label["citation"]
            )
        except NoAnswer:
            return False
        return score >= source.min_score

    verdicts = client.each(work, swapped[: source.controls], "Checking the judge").done()
    return len(verdicts), sum(verdicts)


def _place(row: Row) -> tuple[str, int]:
    return row.meta["file"], row.meta["start"]


def _report(
    found: Distilled, chunks: Sequence[Chunk], asks: Sequence[Ask], left: int, controls: tuple[int, int]
) -> dict[str, Any]:
    reasons = Counter(item.reason for item in found.rejected)
    kept = Counter(row.meta["kind"] for row in found.rows)
    wanted = Counter(ask.kind for ask in asks)
    scored = [row.meta["score"] for row in found.rows]
    scored += [item.row.meta["score"] for item in found.rejected if "score" in item.row.meta]
    with_pair = set(map(_place, found.rows))
    metas = [*(row.meta for row in found.rows), *(item.row.meta for item in found.rejected)]
    first = [meta["citation_failed_at_first"] for meta in metas if "citation_failed_at_first" in meta]
    return {
        "files": len({chunk.file for chunk in chunks}),
        "chunks": len(chunks),
        "chunks_without_pair": len({(chunk.file, chunk.start) for chunk in chunks} - with_pair),
        "asked": len(asks),
        "left": left,
        "pairs": len(found.rows),
        "kinds": {kind: {"asked": count, "kept": kept[kind]} for kind, count in wanted.items()},
        "dropped": dict(reasons.most_common()),
        "citations": {
            "answers": len(first) + reasons[BAD_CITATION],
            "failed_at_first": sum(first) + reasons[BAD_CITATION],
            "failed": reasons[BAD_CITATION],
        },
        "scores": {str(score): count for score, count in sorted(Counter(scored).items())},
        "controls": {"asked": controls[0], "accepted": controls[1]},
    }
