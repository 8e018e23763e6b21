"""What the rows of a data set are like: how long, how varied, and where they lie on a map.

Everything is taken from at most so many rows, drawn by a hash of their ids, so that a data set of any size is looked at
in seconds; the figures say of how many rows they speak.
"""

import heapq
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillroom.data.clean.text import split_words
from stillroom.data.rows import Row
from stillroom.data.sampling import rank
from stillroom.data.split import class_of
from stillroom.data.versions import DataSet, open_data
from stillroom.files import write_json
from stillroom.recipe.model import Recipe

if TYPE_CHECKING:
    import numpy as np

STATISTICS = "statistics.json"
MOST_ROWS = 10_000
MOST_ON_MAP = 800
MOST_READ = 1_000
"""Rows whose language and personal data are looked for: both look at every word."""
SURE = 0.6
"""Probability from which a language is named."""
UNSURE = "not certain"
DIMENSIONS = 4096
"""Words are hashed to so many columns for the map; two that share one make texts look a little more alike."""
BINS = 24
COMMON = 0.05
"""Share of the texts from which a run of words counts as one that they have in common."""
RUN = 5

Count = Callable[[list[str]], list[int]]


def write_statistics(folder: Path, recipe: Recipe | None) -> dict[str, Any]:
    """Write the statistics of a data folder into it, and return them."""
    found = statistics(open_data(folder), recipe)
    write_json(folder / STATISTICS, found)
    return found


def statistics(data: DataSet, recipe: Recipe | None) -> dict[str, Any]:
    """Lengths, variety and map as JSON values."""
    schema = recipe.output_schema if recipe else data.schema
    total, drawn = _drawn(data)
    rows = [row for _, _, _, row in sorted(drawn, key=lambda item: item[1])]
    nearest = [row for _, _, _, row in drawn[:MOST_ON_MAP]]
    read = [row for _, _, _, row in drawn[:MOST_READ]]
    texts = [row.text for row in rows]
    return {
        "rows": total,
        "looked_at": len(rows),
        "lengths": _lengths(texts, recipe),
        "variety": _variety(texts),
        "read": len(read),
        "languages": _languages(read),
        "personal": _personal(read),
        "map": _map([row.text for row in nearest], [class_of(row, schema) for row in nearest], nearest, recipe),
    }


def in_tokens(found: dict[str, Any], data: DataSet, recipe: Recipe | None) -> dict[str, Any]:
    """The statistics with lengths in tokens, where they were taken before the model's tokenizer was on this machine."""
    if recipe is None or found["lengths"]["unit"] == "tokens" or token_counter(recipe.base_model)[1] != "tokens":
        return found
    _, drawn = _drawn(data)
    return {**found, "lengths": _lengths([row.text for _, _, _, row in drawn], recipe)}


def _drawn(data: DataSet) -> tuple[int, list[tuple[bytes, int, str, Row]]]:
    """The number of rows, and those that are looked at, each with its rank, its place and its split."""
    total = 0

    def counted() -> Iterator[tuple[bytes, int, str, Row]]:
        nonlocal total
        for total, (split, row) in enumerate(data.rows(), start=1):
            yield rank(0, row.id), total, split, row

    drawn = heapq.nsmallest(MOST_ROWS, counted(), key=lambda item: item[:2])
    return total, drawn


def shared_map(a: DataSet, b: DataSet) -> dict[str, Any] | None:
    """One map of two data sets, by their words; the class of a point is "A" or "B". Half of the texts are of each."""
    rows, names = list[Row](), list[str]()
    for name, data in (("A", a), ("B", b)):
        of_one = heapq.nsmallest(MOST_ON_MAP // 2, (row for _, row in data.rows()), key=lambda row: rank(0, row.id))
        rows += of_one
        names += [name] * len(of_one)
    return _map([row.text for row in rows], names, rows, None)


def token_counter(base_model: str | None) -> tuple[Count, str]:
    """How long texts are, and in what: tokens of the model where its tokenizer is on this machine, else words."""
    tokenizer = _tokenizer(base_model) if base_model else None
    if tokenizer is None:
        return lambda texts: [len(split_words(text)) for text in texts], "words"
    return lambda texts: [len(one.ids) for one in tokenizer.encode_batch(texts, add_special_tokens=False)], "tokens"


def _tokenizer(base_model: str) -> Any:
    """The model's tokenizer without transformers, which takes seconds to import; None where it is not here."""
    from stillroom.models.base import local_tokenizer

    try:
        from tokenizers import Tokenizer
    except ImportError:
        return None
    path = local_tokenizer(base_model)
    return Tokenizer.from_file(str(path)) if path else None


def _lengths(texts: Sequence[str], recipe: Recipe | None) -> dict[str, Any]:
    count, unit = token_counter(recipe.base_model if recipe else None)
    lengths = sorted(count(list(texts))) if texts else []
    limits = {}
    if recipe and unit == "tokens":
        from stillroom.recipe.prompt import system_message

        (instruction,) = count([system_message(recipe)])
        limits = {
            "training": max(0, recipe.sft.max_tokens - instruction),
            "serving": max(0, recipe.serve.context_tokens - recipe.serve.max_answer_tokens - instruction),
        }
    if not lengths:
        return {"unit": unit, "limits": limits, "bins": []}
    width = max(1, -(-(lengths[-1] + 1) // BINS))
    bins = [0] * (lengths[-1] // width + 1)
    for length in lengths:
        bins[length // width] += 1
    marks = {name: lengths[int(share * (len(lengths) - 1))] for name, share in (("median", 0.5), ("p95", 0.95))}
    return {
        "unit": unit,
        "bin_width": width,
        "bins": bins,
        "shortest": lengths[0],
        **marks,
        "longest": lengths[-1],
        "limits": limits,
        "over": {name: sum(length > limit for length in lengths) for name, limit in limits.items()},
    }


def _variety(texts: Sequence[str]) -> dict[str, Any]:
    """Distinct runs of words over all runs, and the longer runs that many texts have in common."""
    distinct: dict[str, float] = {}
    split = [split_words(text) for text in texts]
    for size in (1, 2, 3):
        seen, total = set[int](), 0
        for found in split:
            runs = [hash(tuple(found[start : start + size])) for start in range(len(found) - size + 1)]
            total += len(runs)
            seen.update(runs)
        distinct[str(size)] = round(len(seen) / total, 4) if total else 0.0
    counts: Counter[tuple[str, ...]] = Counter()
    for found in split:
        # Not a set: among runs of one count the first of a text leads, and that must not vary.
        phrases = (tuple(found[start : start + RUN]) for start in range(len(found) - RUN + 1))
        counts.update(list(dict.fromkeys(phrases)))
    least = max(3, COMMON * len(texts))
    common = [(" ".join(run), count) for run, count in counts.most_common(200) if count >= least]
    return {"distinct": distinct, "common": _apart(common)[:8], "run": RUN}


def _apart(common: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """Runs without those that overlap one before them: a long phrase would fill the list."""
    kept: list[tuple[set[str], str, int]] = []
    for run, count in common:
        found = set(run.split())
        if all(len(found & other) < len(found) / 2 for other, _, _ in kept):
            kept.append((found, run, count))
    return [{"words": run, "texts": count} for _, run, count in kept]


def _languages(rows: Sequence[Row]) -> dict[str, int]:
    """How many texts are in which language, the commonest first: as their rows say, else as it seems."""
    from stillroom.data.clean.language import likeliest

    counts: Counter[str] = Counter()
    for row in rows:
        stated = row.meta.get("language")
        code, probability = (str(stated), 1.0) if stated else likeliest(row.text)
        counts[code if probability >= SURE else UNSURE] += 1
    return dict(counts.most_common())


def _personal(rows: Sequence[Row]) -> dict[str, int]:
    """In how many texts which kind of personal data stands, as far as rules find it; names are not looked for."""
    from stillroom.data.pii.detect import KINDS, find

    kinds = [kind for kind in KINDS if kind != "name"]
    return dict(Counter(kind for row in rows for kind in {span.kind for span in find(row.text, kinds)}).most_common())


def _map(
    texts: Sequence[str], classes: Sequence[str], rows: Sequence[Row], recipe: Recipe | None
) -> dict[str, Any] | None:
    """Places of the texts in two dimensions, and how many different texts they amount to.

    A recipe that cleans by embeddings gets its map by them; else words are weighted by TF-IDF. The two axes are the
    first principal components. The effective number is the Vendi score of the cosine similarities (D. Friedman and
    A. B. Dieng 2023, arXiv:2210.02410).
    """
    import numpy as np

    if len(rows) < 3:
        return None
    by_meaning = recipe is not None and recipe.data.cleaning.semantic is not None
    table = _embedded(texts) if by_meaning else _weights(texts)
    similarity = table @ table.T
    values = np.clip(np.linalg.eigvalsh(similarity / len(rows)), 1e-12, None)
    effective = float(np.exp(-(values * np.log(values)).sum()))
    np.fill_diagonal(similarity, -1)
    centred = table - table.mean(axis=0)
    spread, vectors = np.linalg.eigh(centred @ centred.T)
    places = vectors[:, -2:][:, ::-1] * np.sqrt(np.clip(spread[-2:][::-1], 0, None))
    # A component's sign is arbitrary: the row farthest out is put on the positive side.
    places *= np.sign(places[np.abs(places).argmax(axis=0), range(2)] + 1e-12)
    scale = float(np.abs(places).max()) or 1.0
    return {
        "rows": len(rows),
        "by": "meaning" if by_meaning else "words",
        "effective": round(effective, 1),
        "nearest": round(float(similarity.max(axis=1).mean()), 3),
        "points": [
            {
                "x": round(float(x) / scale, 3),
                "y": round(float(y) / scale, 3),
                "class": name,
                "id": row.id,
            }
            for row, name, (x, y) in zip(rows, classes, places, strict=True)
        ],
    }


def _embedded(texts: Sequence[str]) -> "np.ndarray[Any, Any]":
    from tempfile import TemporaryDirectory

    import numpy as np

    from stillroom.data.clean.semantic import embed

    with TemporaryDirectory() as folder:
        return np.array(embed(texts, Path(folder) / "vectors"), np.float32)


def _weights(texts: Sequence[str]) -> "np.ndarray[Any, Any]":
    """TF-IDF of hashed words, each row of length 1."""
    import numpy as np

    table = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
    for number, text in enumerate(texts):
        for word, count in Counter(split_words(text)).items():
            # Not hash(): it differs from process to process.
            table[number, zlib.crc32(word.encode()) % DIMENSIONS] += 1 + np.log(count)
    table *= np.log((1 + len(texts)) / (1 + (table > 0).sum(axis=0))) + 1
    norms = np.linalg.norm(table, axis=1, keepdims=True)
    return np.asarray(table / np.where(norms > 0, norms, 1))
