"""What may be sent of an answer: whole characters, and never a piece of a stop text."""

from hypothesis import given
from hypothesis import strategies as st

from serving.engine.text import TextBuffer


def said(buffer: TextBuffer, pieces: list[bytes]) -> list[str]:
    return [*(buffer.add(piece) for piece in pieces), buffer.end()]


def test_a_character_is_sent_when_it_is_whole() -> None:
    assert said(TextBuffer(), ["会".encode()[:2], "会".encode()[2:] + b"!"]) == ["", "会!", ""]


def test_bytes_that_become_no_character() -> None:
    assert said(TextBuffer(), [b"a\xe4\xbc"]) == ["a", "\ufffd"]


def test_a_possible_stop_text_is_held_back() -> None:
    buffer = TextBuffer(["END"])
    assert [buffer.add(b"so E"), buffer.add(b"N"), buffer.add(b"O")] == ["so ", "", "ENO"]
    assert [buffer.add(b" EN"), buffer.add(b"D and more")] == [" ", ""]
    assert buffer.stopped and buffer.add(b"x") == "" and buffer.end() == ""


def test_the_first_of_several_stop_texts_counts() -> None:
    buffer = TextBuffer(["cd", "b", ""])
    assert buffer.add(b"abcd") == "a" and buffer.stopped


def test_a_held_begin_is_said_at_the_end() -> None:
    assert said(TextBuffer(["END"]), [b"the E"]) == ["the ", "E"]


@given(st.text("abé会", max_size=20), st.lists(st.text("abé会", min_size=1, max_size=4), max_size=3), st.data())
def test_cut_anywhere_it_says_the_same(text: str, stop: list[str], data: st.DataObject) -> None:
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=5)))
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    places = [text.find(one) for one in stop if one in text]
    found = "".join(said(TextBuffer(stop), pieces))
    # Cut in another place another stop text may be whole first; what is said never holds one.
    assert text.startswith(found) and not any(one in found for one in stop)
    assert len(found) >= min(places, default=len(text))
