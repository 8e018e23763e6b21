"""The train split with its sources in given proportions."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.errors import UserError

LEFT_OUT = "left out to mix the sources"


def mix(rows: Sequence[Row], weights: Mapping[str, float]) -> tuple[list[int], list[Rejected]]:
    """The places of the rows that stay, and those that are left out.

    As many rows stay as the proportions allow: all of the source that is scarcest for its weight. The rows come in the
    random order that the data seed gave them, and each source keeps its first ones. A source that is not named weighs
    1. Raises UserError for a name that no row has, and where no row would stay.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        places[row.source].append(place)
    unknown = [name for name in weights if name not in places]
    if unknown:
        raise UserError(
            f"data.mixing names {', '.join(unknown)}, and the train split has no row of it. "
            f"Its sources: {', '.join(sorted(places))}."
        )
    shares = {name: weights.get(name, 1.0) for name in places}
    if rows and not any(shares.values()):
        raise UserError(
            f"data.mixing gives {', '.join(sorted(places))} the weight 0, so the train split would be empty. "
            "Give at least one of them more."
        )
    most = min((len(places[name]) / share for name, share in shares.items() if share), default=0.0)
    kept = {name: own[: round(most * shares[name])] for name, own in places.items()}
    left_out = [
        Rejected(rows[place], LEFT_OUT, f"{name}: {len(kept[name])} of {len(own)} rows stay")
        for name, own in places.items()
        for place in own[len(kept[name]) :]
    ]
    return sorted(place for own in kept.values() for place in own), left_out
