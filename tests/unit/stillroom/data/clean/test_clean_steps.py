"""Each step of cleaning on rows of its own."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path

import pytest
from ftfy.badness import MOJIBAKE_CATEGORIES, is_bad
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.data.clean.boilerplate import LineCounts, line_keys
from stillroom.data.clean.language import KNOWN, _identifier, languages, likeliest
from stillroom.data.clean.repair import _MAY_BE_BAD, _MAY_NEED_REPAIR, repair, repair_text
from stillroom.data.clean.repetition import _shares, repetition
from stillroom.data.clean.symbols import symbols
from stillroom.data.clean.text import split_words
from stillroom.data.clean.toxicity import ListedWords, read_lists
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.recipe.cleaning import Repetition, Symbols

SENTENCE = "The committee meets in the small hall to talk about the budget for the coming season."


def row(text: str, label: object = None) -> Row:
    return Row("1", text, label, "csv")


def numbers(result: Row | Rejected) -> tuple[float, float]:
    assert isinstance(result, Rejected)
    return result.numbers["value"], result.numbers["bound"]


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        ("Grüße aus Köln".encode().decode("cp1252"), "Grüße aus Köln"),
        ("Itâ€™s at noon", "It’s at noon"),
        ("会议改到".encode().decode("latin-1"), "会议改到"),
        ("a\x00b\x07c", "abc"),
        ("e\u0301t\u00e9", "été"),
        ("AT&amp;T meets", "AT&T meets"),
        ("“curly”，全角！", "“curly”，全角！"),
        ("plain text, as it was\n", "plain text, as it was\n"),
    ],
)
def test_broken_text_is_repaired_and_sound_text_is_left(broken: str, whole: str) -> None:
    assert repair_text(broken) == whole


def test_the_label_is_repaired_with_its_text() -> None:
    fixed = repair(row("Treffen in K\u00c3\u00b6ln", {"events": [{"location": "K\u00c3\u00b6ln", "seats": 3}]}))
    assert fixed.label["events"][0]["location"] in fixed.text == "Treffen in Köln"
    assert fixed.label["events"][0]["seats"] == 3


@given(st.text(max_size=40))
def test_repair_is_idempotent(text: str) -> None:
    assert repair_text(repair_text(text)) == repair_text(text)


@given(st.text(st.sampled_from("aé ÂÃ£â€œ™漢ﬁ&;amp\n\r\x85\u2028e\u0301\ufeff½"), max_size=30))
def test_a_first_look_changes_nothing_of_what_ftfy_would_do(text: str) -> None:
    import ftfy

    once = ftfy.fix_text(text, uncurl_quotes=False, fix_character_width=False)
    assert (repair_text(text) == text) == (once == text)


@given(st.text(st.sampled_from("aZ .?1\n" + "".join(MOJIBAKE_CATEGORIES.values())), max_size=8))
def test_what_is_not_looked_at_closely_is_not_bad(text: str) -> None:
    assert not is_bad(text) or _MAY_BE_BAD.search(text) or _MAY_NEED_REPAIR.search(text)


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "Zs"]), max_size=40))
def test_plain_text_is_never_changed(text: str) -> None:
    assert repair_text(text) == text == unicodedata.normalize("NFC", text)


def test_lines_of_many_texts_are_boilerplate() -> None:
    footer = "This message is confidential and meant for you alone."
    texts = [f"Letter {number} says something of its own.\nThanks, Ann\n {footer}" for number in range(5)]
    counts = LineCounts()
    for text in texts:
        counts.add(line_keys(text))
    clean = counts.often(5)
    assert clean(row(texts[0])) == row("Letter 0 says something of its own.\nThanks, Ann")
    assert counts.often(6)(row(texts[0])) == row(texts[0])
    only = clean(row(f"{footer}\n{footer}"))
    assert isinstance(only, Rejected) and only.reason == "nothing but boilerplate" and numbers(only) == (2, 5)


def test_a_line_counts_once_a_text() -> None:
    counts = LineCounts()
    counts.add(line_keys("one two three four\n" * 9))
    assert counts.often(2)(row("one two three four")) == row("one two three four")


@given(st.text(st.sampled_from("aB1ü会 \t\u3000-"), max_size=12))
def test_a_line_of_four_words_has_a_key_whatever_its_white_space(line: str) -> None:
    whole = " ".join(line.split())
    assert line_keys(line) == line_keys(whole) == line_keys(f"{line}\n  {line} ")
    assert bool(line_keys(line)) == (len(split_words(whole)) >= 4 and len(whole) > 4)


@settings(max_examples=15)
@given(st.lists(st.sampled_from(["a b c d", "e f g h", "i j k l", "short"]), max_size=8), st.permutations(range(3)))
def test_what_is_boilerplate_does_not_depend_on_the_order(lines: list[str], order: list[int]) -> None:
    texts = ["\n".join(lines), "a b c d\nx", "\n".join(reversed(lines))]
    found = []
    for places in (range(3), order):
        counts = LineCounts()
        for place in places:
            counts.add(line_keys(texts[place]))
        found.append([counts.often(2)(row(text)) for text in texts])
    assert found[0] == found[1]


def test_repeated_lines_are_dropped_with_their_share() -> None:
    result = repetition(row("buy now\n" * 3 + SENTENCE), Repetition())
    assert isinstance(result, Rejected) and numbers(result) == (0.5, 0.3)
    assert result.as_dict()["reason"] == "the text repeats itself: duplicate lines 0.50, at most 0.3"
    assert result.as_dict()["numbers"] == {"value": 0.5, "bound": 0.3}


def test_repeated_runs_of_words_are_dropped_in_long_texts_alone() -> None:
    chant = "we want more of it and we want more of it today because "
    result = repetition(row(chant * 6), Repetition())
    assert isinstance(result, Rejected) and "run" in result.detail
    assert isinstance(repetition(row(chant * 2), Repetition()), Row)
    fresh = " ".join(f"word{number}" for number in range(200))
    assert isinstance(repetition(row(fresh), Repetition()), Row)


@given(st.lists(st.sampled_from(["a", "bb", "会", "dddd"]), min_size=1, max_size=40))
def test_shares_are_those_of_all_runs(words: list[str]) -> None:
    def runs(size: int) -> list[tuple[str, ...]]:
        return [tuple(words[place : place + size]) for place in range(len(words) - size + 1)]

    def characters(some: Iterable[str]) -> int:
        return sum(map(len, some))

    wanted: list[float] = []
    for size in (2, 3, 4):
        wanted.append(max((n * characters(run) for run, n in Counter(runs(size)).items() if n > 1), default=0))
    for size in range(5, 11):
        all_runs = runs(size)
        inside = {
            place
            for start, run in enumerate(all_runs)
            if run in all_runs[:start]
            for place in range(start, start + size)
        }
        wanted.append(characters(words[place] for place in inside))
    shares = [share for _, share, _ in _shares(" ".join(words), Repetition(min_words=1))]
    assert shares == [min(1.0, share / characters(words)) for share in takewhile(bool, wanted)]


def test_chinese_is_judged_by_its_characters() -> None:
    result = repetition(row("大家好欢迎光临" * 12), Repetition())
    assert isinstance(result, Rejected) and numbers(result)[0] > 0.2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# # # # word word", "number signs"),
        ("- a\n- b\n* c", "lines with a bullet"),
        ("well there…\nyou know...\nyes", "ellips"),
        ("12 34 -- 56 // word", "words with a letter 0.17, at least 0.8"),
    ],
)
def test_signs_are_dropped(text: str, said: str) -> None:
    result = symbols(row(text), Symbols())
    assert isinstance(result, Rejected) and said in result.detail and set(result.numbers) == {"value", "bound"}


def test_prose_has_words_enough() -> None:
    assert symbols(row(SENTENCE), Symbols()) == row(SENTENCE)
    assert symbols(row(""), Symbols()) == row("")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (SENTENCE, "en"),
        ("Der Ausschuss trifft sich im kleinen Saal, um über den Haushalt der Saison zu reden.", "de"),
        ("各位同事请注意本周项目例会改到三楼会议室召开请大家准时参加", "zh"),
    ],
)
def test_languages_are_told(text: str, code: str) -> None:
    kept = languages([row(text)], [code, "fr"], 0.5)[0]
    assert isinstance(kept, Row) and kept.meta == {"language": code}
    other = languages([row(text)], ["fr", "it"], 0.5)[0]
    assert isinstance(other, Rejected) and other.detail.startswith(f"{code} (") and numbers(other)[1] == 0.5


@given(
    st.lists(
        st.text(max_size=80) | st.sampled_from([SENTENCE, SENTENCE.upper(), "各位同事请注意", "\ud83d", "Ђ ђ"]),
        max_size=6,
    )
)
def test_many_texts_at_once_are_told_as_one_by_one(texts: list[str]) -> None:
    told = languages([row(text) for text in texts], ["en", "sr"], 0.0)
    for text, result in zip(texts, told, strict=True):
        code, probability = likeliest(text)
        assert isinstance(result, Row) and result.meta == {"language": code}
        refused = languages([row(text)], [code], 1.1)[0]
        assert numbers(refused)[0] == pytest.approx(probability, abs=1e-4)


def test_the_codes_that_are_written_down_are_those_of_the_model() -> None:
    assert sorted(KNOWN) == list(KNOWN) == sorted(set(map(str, _identifier().nb_classes)))


def test_a_known_language_is_not_overwritten() -> None:
    known = Row("1", SENTENCE, None, "csv", {"language": "English"})
    assert languages([known], ["en"], 0.5) == [known]


def test_listed_words_are_found_as_words() -> None:
    listed = ListedWords(["damn", "go away", "笨蛋"], 0)
    assert numbers(listed(row("DAMN it, go\n away!"))) == (2, 0)
    assert numbers(listed(row("你这个笨蛋吗"))) == (1, 0)
    assert listed(row("Amsterdamned forgo awayness")) == row("Amsterdamned forgo awayness")
    assert ListedWords(["damn"], 1)(row("damn")) == row("damn")


@given(st.text(st.sampled_from("ab ö会-"), max_size=12))
def test_listed_words_have_borders_on_both_sides(text: str) -> None:
    found = re.findall(r"(?<!\w)ab a(?!\w)|(?<!\w)öb(?!\w)|会a(?!\w)|(?<!\w)b(?!\w)|-", " ".join(text.split()))
    result = ListedWords(["b", "Öb", "ab a", "-", "会a"], 0)(row(text))
    assert (result.numbers["value"] if isinstance(result, Rejected) else 0) == len(found)


@given(st.text(st.sampled_from("abB _-*ö"), max_size=12))
def test_a_listed_word_is_missed_in_no_text_that_has_it(text: str) -> None:
    found = re.findall(r"(?<!\w)(?:ab a|a\*b|öb|b)(?!\w)", " ".join(text.casefold().split()))
    result = ListedWords(["b", "öb", "ab a", "a*b"], 0)(row(text))
    assert (result.numbers["value"] if isinstance(result, Rejected) else 0) == len(found)


def test_word_lists_say_all_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "good").write_text("# comment\nDamn\n\n go away \n")
    (tmp_path / "empty").write_text("# nothing\n")
    (tmp_path / "latin").write_bytes(b"gr\xfc\xdfe")
    assert read_lists([str(tmp_path / "good")]) == ["Damn", "go away"]
    with pytest.raises(UserError) as caught:
        read_lists([str(tmp_path / name) for name in ("good", "empty", "latin", "gone")])
    said = str(caught.value).splitlines()
    assert "holds no word" in said[0] and "not UTF-8 (byte 2)" in said[1] and "No such file" in said[2]
