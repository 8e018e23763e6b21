"""Texts in other languages than the recipe's, told by py3langid: its model, asked about many texts at once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stillroom.data.reading import Rejected
from stillroom.data.rows import Row

OTHER_LANGUAGE = "in another language"
FEW = 4
"""Fewer texts go through the automaton one after the other."""
ENOUGH = 500
"""Characters that tell the language as well as the whole text does."""
_CODES = """
ace af am an ar ary arz as az ba bcl be bg bn br bs ca crh cs cy da de dz el en eo es et eu ext fa fi fo fr fuv fy ga
gcf gcr gd gl gom grc gu gug guw ha hbo he hi hr ht hu hy id ig is it ja jv ka kab kik kk km kn ko ku ky la lb lg lij
ln lo lt ltg lv mg mk ml mn mr ms mt my ne nl nn no nso oc om or pa pcm pl ps pt qu ro ru rw sa sdh se si sk sl sn so
sq sr st sv sw ta te tg th tk tl tr tt ug uk ur uz uzs vec vi vo wa wuu xh yo yue zh zu zxx
"""
KNOWN = tuple(_CODES.split())
"""The codes of all languages that can be told. Written down, because the model that has them takes half a second."""


def languages(rows: Sequence[Row], wanted: Sequence[str], least: float) -> list[Row | Rejected]:
    """The rows with their language in meta, or their rejection where the wanted ones together are too unlikely."""
    results: list[Row | Rejected] = []
    identifier = _identifier()
    columns = [place for place, code in enumerate(identifier.nb_classes) if code in wanted]
    likely = _probabilities([row.text[:ENOUGH] for row in rows])
    firsts = likely.argmax(axis=1).tolist() if rows else []
    for place, (row, first, of_wanted) in enumerate(zip(rows, firsts, likely[:, columns].tolist(), strict=True)):
        best, probability = str(identifier.nb_classes[first]), sum(of_wanted)
        if probability < least:
            said = f"{best} ({likely[place, first]:.2f}); {', '.join(wanted)} {probability:.2f}, at least {least:g}"
            results.append(Rejected(row, OTHER_LANGUAGE, said, {"value": round(probability, 4), "bound": least}))
        else:
            results.append(row if "language" in row.meta else replace(row, meta={**row.meta, "language": best}))
    return results


def likeliest(text: str) -> tuple[str, float]:
    """The code of a text's likeliest language, and how probable it is."""
    code, probability = _identifier().rank(text[:ENOUGH])[0]
    return str(code), float(probability)


def _probabilities(texts: Sequence[str]) -> NDArray[np.float32]:
    """What py3langid's `rank` finds for each text; shape (texts, classes), of two columns of one class the second 0."""
    identifier = _identifier()
    encoded = [identifier._encode(text) for text in texts]
    likely: NDArray[np.float32] = np.zeros((len(texts), len(identifier.nb_classes)), np.float32)
    for place, found in enumerate(_features(encoded)):
        if found:
            likely[place] = identifier._sparse_score(Counter(found), identifier.nb_ptc)
    likely *= np.array([[1 / max(1, len(text)) ** 0.5] for text in encoded], np.float32).reshape(-1, 1)
    np.exp(likely - likely.max(axis=1, keepdims=True), out=likely)
    likely /= likely.sum(axis=1, keepdims=True)
    for first, second in identifier._alias_pairs:
        likely[:, first] += likely[:, second]
        likely[:, second] = 0
    return likely


def _features(encoded: Sequence[bytes]) -> list[list[int]]:
    """The features that the identifier's automaton passes on each text, in their order.

    A step of the automaton is a step of all texts at once; for many texts that takes a tenth of the time.
    """
    if len(encoded) < FEW:
        return [_features_of(text) for text in encoded]
    moves, bases, outputs = _automaton()
    order = sorted(range(len(encoded)), key=lambda place: -len(encoded[place]))
    lengths = np.array([len(encoded[place]) for place in order], np.int64)
    longest = int(lengths[0]) if len(lengths) else 0
    padded = b"".join(encoded[place].ljust(longest, b"\0") for place in order)
    letters = np.frombuffer(padded, np.uint8).reshape(len(order), longest).T.astype(np.int64)
    states = np.zeros((longest + 1, len(order)), np.int64)
    going = np.searchsorted(-lengths, -np.arange(longest), side="left").tolist()
    for step, count in enumerate(going):
        states[step + 1, :count] = moves[bases[states[step, :count]] + letters[step, :count]]
    found = outputs[states[1:].T]
    features: list[list[int]] = [[] for _ in encoded]
    for place, length, own in zip(order, lengths.tolist(), found, strict=True):
        own = own[:length]
        features[place] = own[own >= 0].tolist()
    return features


def _features_of(encoded: bytes) -> list[int]:
    identifier = _identifier()
    moves, bases, outputs = identifier.tk_nextmove, identifier._rowbase, identifier.tk_output
    state, features = 0, []
    for letter in encoded:
        state = moves[bases[state] + letter]
        if outputs[state] >= 0:
            features.append(outputs[state])
    return features


@lru_cache(1)
def _automaton() -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int32]]:
    """The next state by row and byte, where the row of each state begins, and the feature that a state stands for."""
    identifier = _identifier()
    bases = np.asarray(identifier.tk_row, np.int64) << 8
    return np.asarray(identifier.tk_nextmove), bases, np.asarray(identifier.tk_output, np.int32)


@lru_cache(1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    # Its table is in half precision, which numpy converts for every text anew; as floats it takes 28 MB more.
    identifier.nb_ptc = identifier.nb_ptc.astype(np.float32)
    return identifier
