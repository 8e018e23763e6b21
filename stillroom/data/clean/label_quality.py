"""Labels that a model of the other rows disagrees with, listed for people: confident learning (Northcutt et al. 2021).

The model is logistic regression over hashed words, cross-validated, so that each row is judged by one that has not seen
it. Written by hand: cleanlab does the same in more ways, and brings pandas and a framework for it.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stillroom.data.clean.text import split_words
from stillroom.data.rows import Row
from stillroom.data.split import class_of

FOLDS = 5
FEATURES = 2**16


def doubtful_labels(rows: Sequence[Row], schema: dict[str, Any] | None, seed: int) -> tuple[list[dict[str, Any]], str]:
    """Rows whose label is doubtful, the most doubtful first, and a note ("" unless nothing could be judged).

    A row is doubtful when the model finds another class likelier than its own, and at least as likely as it is on
    average for the rows of that class. Holds the words of all rows as a sparse matrix. Classes of fewer than five rows
    are not judged.
    """
    classes = [class_of(row, schema) for row in rows]
    counts = Counter(classes)
    places = [place for place, name in enumerate(classes) if counts[name] >= FOLDS]
    names = sorted({classes[place] for place in places})
    if len(names) < 2:
        return [], "Label quality: fewer than two classes have five rows or more, so no label was judged."
    labels = np.array([names.index(classes[place]) for place in places])
    likely = _likely([rows[place].text for place in places], labels, seed)
    own = likely[np.arange(len(places)), labels]
    usual = np.array([own[labels == number].mean() for number in range(len(names))])
    sure = np.where(likely >= usual, likely, -1.0)
    better = sure.argmax(axis=1)
    doubtful = np.flatnonzero((sure.max(axis=1) > 0) & (better != labels) & (likely.argmax(axis=1) == better))
    listed = [
        {
            "id": rows[places[place]].id,
            "label": names[labels[place]],
            "suggested": names[better[place]],
            "probability": round(float(own[place]), 4),
            "probability_suggested": round(float(likely[place, better[place]]), 4),
            "text": rows[places[place]].text,
        }
        for place in doubtful[np.argsort(own[doubtful], kind="stable")].tolist()
    ]
    return listed, ""


def _likely(texts: list[str], labels: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """The probability of each class by a model that was fitted without the row; shape (rows, classes)."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline

    words = HashingVectorizer(n_features=FEATURES, analyzer=_features, alternate_sign=False, norm=None).transform(texts)
    model = make_pipeline(TfidfTransformer(sublinear_tf=True), LogisticRegression(C=10.0, tol=1e-2))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    likely: NDArray[np.float64] = cross_val_predict(model, words, labels, cv=folds, method="predict_proba")
    return likely


def _features(text: str) -> list[str]:
    words = split_words(text)
    return words + [f"{one} {two}" for one, two in pairwise(words)]
