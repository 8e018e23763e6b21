"""The benchmark's corpus: texts of random words with planted near duplicates whose true similarity is known."""

import json
import random
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from stillroom.data.duplicates import similarity
from stillroom.data.synthetic import generate

THRESHOLD = 0.8
PLANTED = 0.1
"""Share of the documents that are edited copies of another one."""


@dataclass(frozen=True)
class Planted:
    """Two documents, by their places, and their Jaccard similarity."""

    one: int
    other: int
    jaccard: float


def write_corpus(path: Path, documents: int, seed: int = 0) -> list[Planted]:
    """Write the documents as JSON Lines (`id`, `text`), and return the planted pairs; about 40 % of them are below 0.8.

    Words are drawn by Zipf's law from 30,000, and a text has 60 to 400 of them, so two texts that were not planted
    share next to no run of three words.
    """
    draw = random.Random(seed)
    vocabulary = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 9))) for _ in range(30_000)]
    weights = [1 / (rank + 10) for rank in range(len(vocabulary))]
    texts: list[list[str]] = []
    planted: list[tuple[int, int]] = []
    originals = documents - int(documents * PLANTED)
    for _ in range(originals):
        texts.append(draw.choices(vocabulary, weights, k=draw.randint(60, 400)))
    for place in draw.sample(range(originals), documents - originals):
        planted.append((place, len(texts)))
        texts.append(_edited(texts[place], draw))
    order = list(range(documents))
    draw.shuffle(order)
    new_place = {old: new for new, old in enumerate(order)}
    lines = [" ".join(words) for words in texts]
    with path.open("w") as stream:
        for new, old in enumerate(order):
            stream.write(json.dumps({"id": str(new), "text": lines[old]}) + "\n")
    return [Planted(new_place[one], new_place[two], similarity(lines[one], lines[two])) for one, two in planted]


def write_mails(path: Path, mails: int, seed: int = 0) -> None:
    """Write generated e-mails in English, German and Chinese as JSON Lines; every fifth has personal data in it."""
    from benchmarks.data_pii import signature

    draw = random.Random(seed)
    with path.open("w") as stream:
        for number, row in enumerate(generate(mails, seed, {"en": 0.6, "de": 0.25, "zh": 0.15})):
            text = f"{row.text}\n\n{signature(draw)[0]}" if number % 5 == 0 else row.text
            stream.write(json.dumps({"text": text, "label": {"category": row.label["category"]}}) + "\n")


def split_corpus(path: Path, parts: int) -> None:
    """Write the documents into so many files of a folder, for what reads one file with each process."""
    folder = path.with_suffix("")
    folder.mkdir()
    with path.open() as stream, ExitStack() as open_files:
        files = [open_files.enter_context((folder / f"{part}.jsonl").open("w")) for part in range(parts)]
        for number, line in enumerate(stream):
            files[number % parts].write(line)


def _edited(words: list[str], draw: random.Random) -> list[str]:
    """A copy with 0 to 10 % of its words changed, dropped or doubled."""
    words = list(words)
    for _ in range(draw.randint(0, len(words) // 10)):
        place = draw.randrange(len(words))
        match draw.randrange(3):
            case 0:
                words[place] = draw.choice(words)
            case 1:
                del words[place]
            case 2:
                words.insert(place, words[place])
    return words
