import pytest

from stillroom.data.date_expressions import find_date


@pytest.mark.parametrize(
    "text",
    [
        # Numbers.
        "2026-11-23",
        "on 11/23/26",
        "23.11.2026",
        "am 23.11.",
        "see you 11/23",
        "23-11-2026",
        "20261123",
        "the 4th",
        "2026年11月23日",
        # Months and weekdays.
        "early December",
        "Nov 23",
        "23 Nov",
        "23rd of May",
        "in May",
        "last march",
        "See you Sat, noon",
        "on tue",
        "Wednesdays",
        "im März",
        "Dienstag",
        "Sonnabend",
        "Mittwochabend",
        "Mo, 23",
        "Ende Mai",
        "am 3. um acht",
        "11月",
        "十一月",
        "23号",
        "三日",
        # Times of day.
        "at 14:30",
        "2 pm",
        "930 am",
        "2:30p.m.",
        "five o'clock",
        "at 7",
        "at 1900",
        "half past two",
        "noon",
        "um 14 Uhr",
        "14.30 Uhr",
        "halb acht",
        "mittags",
        "下午三点",
        "15点",
        "晚上8時",
        "中午",
        # Words that count from another day.
        "today",
        "tomorrow",
        "tommorow",
        "tonight",
        "next week",
        "this coming weekend",
        "in two days",
        "in a couple of hours",
        "three weeks from now",
        "end of the month",
        "the day after",
        "heute",
        "morgen",
        "übermorgen",
        "nächste Woche",
        "kommenden Montag",
        "in drei Tagen",
        "Ende der Woche",
        "明天",
        "后天",
        "下周五",
        "本月底",
        "三天后",
        "两周内",
        "星期三",
        "礼拜天",
        # Feast days.
        "Christmas",
        "on New Year's Eve",
        "Thanksgiving",
        "Heiligabend",
        "Ostermontag",
        "Silvester",
        "春节",
        "国庆",
        "除夕",
    ],
)
def test_dates_are_found(text: str) -> None:
    assert find_date(f"Hello all, {text} then. Bye") is not None
    assert find_date(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "Thanks, that fixed it.",
        "You may want to upgrade to version 7.3 of the package.",
        "It costs $25 and weighs 3.5 kg, so 50% less.",
        "Support is there 24/7.",
        "In 1997 the group had 12 members.",
        "The march of progress; he sat there; the sun shone.",
        "Das kostet 25,00 Euro und wiegt 3,5 kg.",
        "Vielen Dank, das hat geholfen.",
        "谢谢，问题已经解决了。",
        "这个价格是250元。",
        "有时候程序会崩溃，请看日志。",
    ],
)
def test_plain_talk_holds_none(text: str) -> None:
    assert find_date(text) is None


def test_what_was_found_is_given_back() -> None:
    assert find_date("Let us meet on Friday.") == "Friday"
