import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.data.documents.chunks import chunk_of, chunks
from stillroom.data.documents.document import Builder, Document
from stillroom.data.documents.plain import markdown_headings

PIECES = st.lists(
    st.sampled_from(
        ["# Top\n", "## Sub\n", "a word ", "\n\n", "Ende. ", "句子。", "x" * 130, "\t", "1, 2; ", "\n", " " * 500]
    ),
    max_size=120,
).map("".join)


@given(text=PIECES, size=st.integers(100, 400), share=st.floats(0, 0.49))
@settings(max_examples=30)
def test_chunks_are_the_text_at_their_place_and_cover_all_of_it(text: str, size: int, share: float) -> None:
    overlap = int(size * share)
    document = Document("a.md", text, headings=tuple(markdown_headings(text)))
    found = list(chunks(document, size, overlap))
    covered = set[int]()
    for number, chunk in enumerate(found, start=1):
        assert chunk.id == f"a.md#{number}"
        assert text[chunk.start : chunk.end] == chunk.text == chunk.text.strip() != ""
        assert len(chunk.text) <= size
        covered.update(range(chunk.start, chunk.end))
    assert {place for place, letter in enumerate(text) if not letter.isspace()} <= covered
    for one, other in itertools.pairwise(found):
        assert one.start < other.start and one.end < other.end
        assert one.end - other.start <= overlap


def document(*blocks: tuple[int, str]) -> Document:
    builder = Builder("h.docx")
    for level, text in blocks:
        builder.heading(level, text) if level else builder.block(text)
    return builder.document()


LONG = "The keeper counts the jars in the evening and writes the number down. " * 10


def test_a_gap_longer_than_a_chunk_makes_no_empty_one() -> None:
    found = list(chunks(Document("a.txt", "before" + " " * 5000 + "after"), 1000, 100))
    assert [chunk.text for chunk in found] == ["before", "after"]


def test_a_heading_begins_a_chunk_and_stands_over_it() -> None:
    made = document((1, "House"), (2, "Jars"), (0, LONG), (2, "Lamps"), (0, LONG), (1, "Garden"), (0, LONG))
    found = list(chunks(made, 1000, 100))
    assert [chunk.headings for chunk in found] == [("House", "Jars"), ("House", "Lamps"), ("Garden",)]
    assert [chunk.text.split("\n")[0] for chunk in found] == ["House", "Lamps", "Garden"]


def test_short_sections_share_a_chunk() -> None:
    made = document(*[part for n in range(20) for part in ((1, f"Question {n}"), (0, "Short answer."))])
    found = list(chunks(made, 400, 0))
    assert len(found) < 12
    assert all(len(chunk.text) > 40 for chunk in found[:-1])


def test_a_long_section_is_cut_at_sentences_and_overlaps() -> None:
    found = list(chunks(document((1, "Jars"), (0, LONG)), 300, 100))
    assert len(found) == 3
    assert all(chunk.text.endswith("down.") for chunk in found)
    assert all(chunk.text.startswith("The keeper") for chunk in found[1:])
    assert all(one.end > other.start for one, other in itertools.pairwise(found))
    assert {chunk.headings for chunk in found} == {("Jars",)}


def test_the_page_is_where_a_chunk_begins() -> None:
    builder = Builder("a.pdf")
    for _ in range(3):
        builder.page()
        builder.block(LONG)
    pages = [chunk.page for chunk in chunks(builder.document(), 500, 0)]
    assert pages == sorted(pages) and set(pages) == {1, 2, 3}


def test_a_row_leads_back_to_its_chunk() -> None:
    chunk = next(chunks(document((1, "Jars"), (0, LONG)), 300, 50, "documents:x/"))
    row = chunk.as_row("documents:x", "label")
    assert chunk_of(row) == chunk and row.label == "label"
    assert row.meta["headings"] == ["Jars"]


def test_an_overlap_of_half_the_size_is_refused() -> None:
    with pytest.raises(ValueError, match="must be less than half"):
        next(chunks(Document("a", "text"), 100, 50))
