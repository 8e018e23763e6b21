from hypothesis import given
from hypothesis import strategies as st

from stillroom.export.prefix import common_prefix

token_lists = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), max_size=5)


@given(token_lists)
def test_common_prefix_is_the_longest_that_leaves_one_token(sequences: list[list[int]]) -> None:
    length = common_prefix(sequences)
    if len(sequences) < 2:
        assert length == 0
        return
    assert all(row[:length] == sequences[0][:length] and len(row) > length for row in sequences)
    assert any(row[length] != sequences[0][length] or len(row) == length + 1 for row in sequences)
