import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.data.mail_replies import own_words


@pytest.mark.parametrize(
    ("body", "own"),
    [
        ("Yes.\n\nOn Mon, 23 Nov 2026, Ann <a@example.org> wrote:\n> Shall we?\n> Ann", "Yes."),
        ("Yes.\n\nOn Mon, 23 Nov 2026 at 10:12,\nAnn Long-Name\n<a@example.org> wrote:\n\n> Shall we?", "Yes."),
        ("On Monday Ann wrote:\n> Shall we?\n\nYes, at noon.", "Yes, at noon."),
        ("Ja.\n\nAm 23.11.2026 um 10:12 schrieb Ann <a@example.org>:\n> Sollen wir?", "Ja."),
        ("好的。\n\n2026年11月23日 10:12，安 <a@example.org> 写道：\n> 可以吗？", "好的。"),
        ("Ok.\n\n-----Original Message-----\nFrom: Ann\nSent: Monday\nTo: Bob\nSubject: x\n\nShall we?", "Ok."),
        ("Passt.\n\nVon: Ann\nGesendet: Montag\nAn: Bob\nBetreff: x\n\nSollen wir?", "Passt."),
        ("好。\n\n发件人: 安\n发送时间: 星期一\n收件人: 王\n主题: 会议\n\n可以吗？", "好。"),
        ("See you.\n\n-- \nBob\n+49 30 1234", "See you."),
        ("See you.\n\nBest regards,\nBob", "See you."),
        ("Bis dann.\n\nMit freundlichen Grüßen\nBob", "Bis dann."),
        ("Noted.\n\n__________________________________________________\nList footer\nhttp://example.org", "Noted."),
        ("One\nSmith> Two\nThree", "One\n\nThree"),
        (
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\nHello.\n"
            "-----BEGIN PGP SIGNATURE-----\nabc\n-----END PGP SIGNATURE-----",
            "Hello.",
        ),
    ],
)
def test_what_is_dropped(body: str, own: str) -> None:
    assert own_words(body) == own


@pytest.mark.parametrize(
    "body",
    [
        "Agenda:\n\n- welcome\n- budget\n- any other business",
        "Hi all,\nThanks, that works for me.\n" + "We go on with the plan as it stands.\n" * 14,
        "Sale\n\n" + "-" * 40 + "\n" + "A newsletter goes on below its first rule.\n" * 20 + "The end",
        "Concert on Friday at 19:30, city hall.",
        "周五下午三点在二楼会议室开会。",
        "=> use the second one",
    ],
)
def test_what_is_kept(body: str) -> None:
    assert own_words(body) == body.strip()


def test_a_forwarded_mail_is_what_its_sender_says() -> None:
    passed_on = "FYI\n\n---------- Forwarded message ----------\nFrom: Ann\nSubject: Concert\nTo: Bob\n\nFriday at 8."
    assert own_words(passed_on) == passed_on
    outlook = "FYI\n\nFrom: Ann\nSent: Monday\nTo: Bob\nSubject: Concert\n\nFriday at 8."
    assert own_words(outlook) == "FYI"
    assert own_words(outlook, forwarded=True) == outlook


def test_a_mail_that_is_one_quotation_keeps_it() -> None:
    assert own_words("> only\n> this") == "> only\n> this"


def test_a_mail_that_is_one_signature_keeps_it() -> None:
    assert own_words("-- \nBob\nExample Ltd") == "--\nBob\nExample Ltd"


@given(st.text(max_size=300))
def test_words_are_never_lost_altogether(body: str) -> None:
    assert any(letter.isalnum() for letter in own_words(body)) or not any(letter.isalnum() for letter in body)


@given(
    st.lists(
        st.sampled_from(
            ["> ", "On ", "wrote:", "\n", "From: a\n", "Thanks,\n", "-- \n", "_" * 40, "x ", "\ue0003\ue001"]
        )
    )
)
def test_any_mixture_of_marks_is_read(parts: list[str]) -> None:
    own_words("".join(parts))


@pytest.mark.parametrize(
    "line",
    [
        "On " + "a " * 20_000,
        "From: " * 5_000,
        "> " * 20_000,
        "-" * 50_000,
        "Am 1 schrieb " * 5_000,
        "_" * 40 + "\nx y" * 5_000,
    ],
)
def test_hostile_lines_take_no_quadratic_time(line: str) -> None:
    started = time.monotonic()
    own_words(line + "\n" + line)
    assert time.monotonic() - started < 2
