"""Does a text hold an expression of a date or a time of day, in English, German or Chinese?

The answer decides whether mail that nobody labelled may be called "announces no event". A missed date would put a false
label into the data, a false alarm only sets one mail aside, so every doubtful form counts as a date: "may" after a
preposition, "1/2", "sun," and the ordinal "4th" among them. A year alone does not: no day follows from it.
"""

import re

_MONTHS = (
    r"january|february|april|june|july|august|september|october|november|december"
    r"|januar|jänner|februar|feber|märz|maerz|juni|juli|oktober|dezember"
)
# Short forms and names that are also words need a capital letter or a number beside them.
_SHORT_MONTHS = r"jan|feb|mar|mär|apr|may|mai|march|jun|jul|aug|sept?|oct|okt|nov|dec|dez"
_CAPITAL_MONTHS = (
    r"Jan|JAN|Feb|FEB|Mar|MAR|Mär|Apr|APR|Mai|Jun|JUN|Jul|JUL|Aug|AUG|Sept?|SEP|Oct|OCT|Okt|Nov|NOV|Dec|DEC|Dez"
)
_WEEKDAYS = (
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
    r"|(?:mon|diens|donners|frei|sams|sonn)tag(?:e?[ns]?|e)|mittwochs?|sonnabends?"
)
_SHORT_WEEKDAYS = r"mon|tues?|weds?|thur?s?|fri|sat|sun"
_UNIT = (
    r"(?:sec(?:ond)?s?|min(?:ute)?s?|h(?:ou)?rs?|days?|nights?|evenings?|mornings?|afternoons?|weeks?|weekends?|wknd"
    r"|fortnights?|months?|quarters?|years?|semesters?|terms?|seasons?|summer|winter|spring|autumn|fall)"
)
_EINHEIT = (
    r"(?:sekunden?|minuten?|stunden?|tage?[ns]?|woche[n]?|wochenenden?|monat(?:en?|s)?|quartals?|jahr(?:en?|s)?"
    r"|mal|abend|morgen|vormittag|nachmittag|nacht|semester|sommer|winter|frühling|frühjahr|herbst)"
)
_COUNT = (
    r"(?:\d+|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fourteen|thirty|sixty|ninety|(?:a )?few"
    r"|(?:a )?couple(?: of)?|several|some|half an?|another)"
)
_ANZAHL = (
    r"(?:\d+|einer?|einem|einen|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|vierzehn|wenigen|ein paar|einigen)"
)
_TALLY = r"(?:\d+|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_HAN = r"[一二三四五六七八九十两廿0-9０-９]"

_ANY_CASE = [
    # Numbers: 2026-11-23, 23.11.2026, 11/23/26, 23.11., 11/23, 11-23-2026, 20261123.
    r"(?<!\d)\d{4}\s?[-/.年]\s?\d{1,2}\s?[-/.月]\s?\d{1,2}(?!\d)",
    r"(?<!\d)\d{1,2}\s?[./-]\s?\d{1,2}\s?[./-]\s?(?:\d{4}|'?\d{2})(?!\d)",
    r"(?<![\d.,])(?:0?[1-9]|[12]\d|3[01])\.\s?(?:0?[1-9]|1[0-2])\.(?!\d)",
    r"(?<![\d/.])(?!24/7)(?:0?[1-9]|[12]\d|3[01])/(?:0?[1-9]|[12]\d|3[01])(?![\d/])",
    r"(?<!\d)(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)",
    r"\b\d{1,2}(?:st|nd|rd|th)\b",
    r"\b(?:am|vom|zum|bis|ab|seit|den|dem)\s+\d{1,2}\.(?!\d)",
    r"\b(?:the|on|by|until|till)\s+(?:first|second|third|fourth|fifth|tenth|fifteenth|twentieth|last) of\b",
    # Months and weekdays.
    rf"\b(?:{_MONTHS})s?\b",
    rf"\b(?:{_SHORT_MONTHS})\b\.?[\s,-]{{0,3}}'?\d",
    rf"\d(?:st|nd|rd|th|\.)?[\s,/-]{{0,3}}(?:of\s)?(?:{_SHORT_MONTHS})\b",
    r"\b(?:in|by|of|since|until|till|before|after|during|early|mid|late|last|next|this|from|through|im|ab|bis|seit|ende|anfang|mitte)"
    r"[\s-]+(?:may|march|mai)\b",
    rf"\b(?:{_WEEKDAYS})\b",
    r"\b(?:mon|diens|mittwoch|donners|frei|sams|sonn)(?:tag)?(?:abend|morgen|mittag|vormittag|nachmittag|nacht)s?\b",
    rf"\b(?:{_SHORT_WEEKDAYS})\b[.,]{{0,2}}\s?(?:den\s|the\s)?\d",
    r"\b(?:on|this|next|last|by|until|till|every|or|and|before|after)\s+(?:mon|tues?|weds?|thur?s?|fri|sat|sun)\b",
    # Times of day.
    r"(?<![\d:])(?:[01]?\d|2[0-4]):[0-5]\d(?!\d)",
    r"\b\d{1,4}(?:[:.]\d{2})?\s?-?\s?(?:a\.?\s?m\b|p\.?\s?m\b|uhr\b|o'?\s?clock\b|hrs?\b|h\b|noon\b)",
    r"\b(?:at|by|until|till|from|before|after|around|about|um|gegen|bis|ab)\s+(?:[01]?\d|2[0-3])[.h]?[0-5]\d\b",
    r"\b(?:at|by|um|gegen)\s+\d{1,2}(?![\d%$.,/]|\s*(?:percent|prozent))\b",
    r"\b(?:at|by|around|until|till)\s+(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b",
    rf"\b(?:half past|quarter (?:past|to)|viertel (?:vor|nach)|halb {_ANZAHL}|\d+ (?:past|to) {_TALLY})\b",
    rf"\b{_ANZAHL}\s+uhr\b|\b{_TALLY}\s+o'?clock\b",
    r"\b(?:noon|midday|midnight|mid-day|lunch ?time|mittags?|mitternachts?|o'clock|uhrzeit)\b",
    # Words that count from today.
    r"\b(?:today|todays|tonight|tonite|tomm?orr?ow|tmrw|yesterday|overmorrow|nowadays|eod|cob|eow|weekends?|wknd|fortnight)\b",
    rf"\b(?:this|next|last|coming|following|previous|past|upcoming|current|same|every|each|one|any|other|whole|all)\s+"
    rf"(?:\w+\s+)?{_UNIT}\b",
    rf"\bthe (?:\w+ )?(?:next|last|other|same|previous|following) {_UNIT}\b",
    rf"\b(?:in|within|for|after|about|over)\s+(?:the\s|about\s|another\s|next\s|last\s|past\s)*{_COUNT}\s+(?:\w+\s+)?{_UNIT}\b",
    rf"\b{_COUNT}\s*{_UNIT}\s+(?:ago|later|earlier|hence|before|after|from|left|to go|notice|or so|away)\b",
    r"\b(?:end|start|beginning|middle|rest|close|first|last) (?:of|in) (?:the |this |next |last )?"
    r"(?:day|week|weekend|month|quarter|year|business)\b",
    r"\b(?:in|during|this|that|next|the) (?:the )?(?:morning|afternoon|evening|night)\b|\bat night\b",
    r"\b(?:later|earlier) (?:this|that|today|on)\b|\b(?:the )?day (?:after|before)\b|\bthe other day\b",
    r"\b(?:heute|heut|morgens?|übermorgen|uebermorgen|gestern|vorgestern|abends|vormittags?|nachmittags?|feierabend|wochenendes?)\b",
    r"\b(?:nächste|naechste|kommende|diese|letzte|vorige|vergangene|folgende|jede|selbe)[rnsm]?\s+"
    rf"(?:\w+\s+)?{_EINHEIT}\b",
    r"\b(?:in|vor|seit|nach|binnen|innerhalb(?: von)?)\s+(?:etwa\s|ca\.?\s|rund\s|den\s)?"
    rf"{_ANZAHL}\s+(?:\w+\s+)?{_EINHEIT}\b",
    r"\b(?:ende|anfang|mitte)\s+(?:der|des|dieser|dieses|nächster|nächsten|kommender|kommenden)\s+\w+",
    # Feast days.
    r"\b(?:christmas|x-?mas|easter|thanksgiving|hall?owe'?en|new year'?s?|valentine'?s?|labou?r day|memorial day"
    r"|independence day|good friday|boxing day|bank holiday|ramadan|passover|hanukk?ah|yom kippur|pentecost)\b",
    r"\b(?:weihnacht(?:en|s\w*)|heilig(?:abend|er abend)|silvester|neujahr|ostern|oster\w+|pfingst\w+"
    r"|karfreitag|advent\w*|fasching|karneval|tag der (?:deutschen )?einheit|feiertags?)\b",
    # Chinese.
    r"[今明后昨前当][天日晚早晨]|大后天|大前天|今夜|当晚|次日|翌日|[今明后去前]年|本[周月年日晚]",
    r"[下上这本每][个一两]?(?:周|週|星期|礼拜|禮拜|月|季|旬|年)|周末|週末|星期|礼拜|禮拜|[周週][一二三四五六日天末1-7]",
    rf"{_HAN}+\s?(?:月|[日号號](?!码|碼|线|線|楼|樓)|点|點|时(?!候)|時(?!候)|刻钟|刻鐘)",
    rf"(?:{_HAN}|几|幾|数|半)+\s?个?\s?(?:天|日|周|週|星期|月|年|小时|小時|钟头|分钟|分鐘|秒)(?:之|以)?(?:后|後|前|内|內)",
    r"[上下]午|早上|早晨|清晨|晚上|今晚|中午|正午|凌晨|傍晚|夜里|半夜|月[初中底末]|年[初中底末]|[上中下]旬",
    r"春节|元旦|国庆|中秋|端午|清明节|除夕|元宵|重阳|圣诞|情人节|劳动节|五一|十一假期|黄金周|正月|腊月|寒假|暑假",
    r"(?:後天|後日|當天|節|春節|國慶|聖誕|農曆|农历|阴历)",
]
_EXACT_CASE = [
    rf"\b(?:{_CAPITAL_MONTHS})\b",
    r"(?<=[a-z,;:] )(?:May|March|MAY|MARCH)\b(?! I\b)",
    r"\b(?:May|March)(?=\s+(?:issue|meeting|event|edition|\d|for|at|in|and|or|to)\b)",
    r"\b(?:Mon|Tue|Tues|Wed|Weds|Thu|Thur|Thurs|Fri|Sat|MON|TUE|WED|THU|FRI|SAT|SUN)\b",
    r"\bSun(?=[,.]?\s*(?:\d|[A-Z][a-z]{2} \d|at\b|night|morning|afternoon|evening|-|–|/))",
    r"\b(?:Mo|Di|Mi|Do|Fr|Sa|So)(?=[.,]?\s*(?:den\s)?\d|\s?[-–]\s?(?:Mo|Di|Mi|Do|Fr|Sa|So)\b)",
    r"\b(?:ET|EST|EDT|CST|CDT|MST|MDT|PST|PDT|GMT|UTC|BST|CET|CEST|MEZ|MESZ)\b",
]
_ANY = re.compile("|".join(f"(?:{pattern})" for pattern in _ANY_CASE), re.IGNORECASE)
_EXACT = re.compile("|".join(f"(?:{pattern})" for pattern in _EXACT_CASE))


def find_date(text: str) -> str | None:
    """The first expression of a date or time of day, as it stands in the text; None where there is none."""
    match = _EXACT.search(text) or _ANY.search(text)
    return match.group() if match else None
