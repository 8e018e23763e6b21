"""Numbers that other states give a person: known by their names, and by the checks that python-stdnum has for them."""

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

from stillroom.data.pii.span import Text

# The names before a number, and the modules of python-stdnum one of which must find it right.
_NAMED = {
    r"AHV|AVS|OASI": "ch.ssn",
    r"SV-?N[Rr]|VSNR|Sozialversicherungs-?(?:nr|nummer)": "at.vnr",
    r"NIR|[Ss][ée]cu(?:rit[ée] sociale)?": "fr.nir",
    r"D\.?N\.?I|N\.?I\.?[EF]|[Cc]ontribuinte|Cartão de Cidadão": "es.dni es.nie pt.nif pt.cc",
    r"[Cc]od(?:ice|\.) ?[Ff]isc(?:ale|\.)?|C\.? ?F\.": "it.codicefiscale",
    r"BSN|[Bb]urgerservicenummer|[Ss]ofinummer": "nl.bsn",
    r"PESEL": "pl.pesel",
    r"[Rr]ijksregister(?:nummer)?|[Rr]egistre national|INSZ|NISS": "be.nn",
    r"[Pp]ersonnummer|CPR": "se.personnummer dk.cpr",
    r"[Ff]ødselsnummer": "no.fodselsnummer",
    r"[Hh]enkilötunnus|HETU": "fi.hetu",
    r"[Rr]odné číslo|RČ": "cz.rc sk.rc",
    r"CNP": "ro.cnp",
    r"PPSN?": "ie.pps",
    r"NHS": "gb.nhs",
    r"[Ss]ocial [Ii]nsurance|SIN": "ca.sin",
    r"TFN|[Tt]ax [Ff]ile": "au.tfn",
    r"CPF": "br.cpf",
    r"CURP": "mx.curp",
    r"Aadhaar|PAN": "in_.aadhaar in_.pan",
    r"T\.?C\.? [Kk]imlik": "tr.tckimlik",
    r"주민등록번호": "kr.rrn",
}
_MODULES = list(_NAMED.values())
# Letters and digits of each, so that few checks are made.
_SIZES = {
    "ch.ssn": {13}, "at.vnr": {10}, "fr.nir": {15}, "es.dni": {9}, "es.nie": {9}, "pt.nif": {9}, "pt.cc": {12},
    "it.codicefiscale": {16}, "nl.bsn": {9}, "pl.pesel": {11}, "be.nn": {11}, "se.personnummer": {10, 12},
    "dk.cpr": {10}, "no.fodselsnummer": {11}, "fi.hetu": {10, 11}, "cz.rc": {9, 10}, "sk.rc": {9, 10}, "ro.cnp": {13},
    "ie.pps": {8, 9}, "gb.nhs": {10}, "ca.sin": {9}, "au.tfn": {8, 9}, "br.cpf": {11}, "mx.curp": {18},
    "in_.aadhaar": {12}, "in_.pan": {10}, "tr.tckimlik": {11}, "kr.rrn": {13},
}  # fmt: skip
_NAMES = re.compile("|".join(f"({names})" for names in _NAMED))
_MAY_BE_NAMED = re.compile(f"(?<![^\\W_])(?:{'|'.join(_NAMED)})")
"""The same where a word begins, which is all that counts; quicker to look for."""
_MAY_BE = re.compile(r"[\dA-Z](?:(?<=\d)[\d ./-]{6}[\dA-Z]|(?<=[A-Z])(?:[A-Z]{3,5}\d{2}|\d{7}))")
_REACH = 24
"""Characters between a name and its number: `N° de sécurité sociale : `, `Burgerservicenummer (BSN)`."""
_NUMBER = re.compile(r"(?<![A-Za-z0-9])(?:[A-Z]{1,6}[ -]?)?\d(?:[ ./+-]?[A-Z0-9]){6,20}(?![A-Za-z0-9])")


def find_national_numbers(text: Text, start: int, stop: int) -> None:
    """Take what is called by the name of a national number in a line, and passes its check."""
    if not _MAY_BE.search(text.left, start, stop) or not _MAY_BE_NAMED.search(text.left, start, stop):
        return
    for name in _NAMES.finditer(text.left, start, stop):
        before = text.left[name.start() - 1 : name.start()]
        place = _NUMBER.search(text.left, name.end(), stop)
        if before.isalnum() or place is None or place.start() > name.end() + _REACH:
            continue
        if end := _valid_end(place[0], _MODULES[name.lastindex - 1] if name.lastindex else ""):
            text.take(place.start(), place.start() + end, "id_number")


def checks_of(value: str) -> str:
    """The checks of these states that a value passes."""
    return " ".join(_passed(value, " ".join(_MODULES)))


def passes(value: str, checks: str) -> bool:
    """Whether a value passes one of these checks."""
    return any(_passed(value, checks))


def _passed(value: str, checks: str) -> Iterator[str]:
    size = sum(map(str.isalnum, value))
    return (name for name in checks.split() if size in _SIZES[name] and _module(name).is_valid(value))


def _valid_end(found: str, modules: str) -> int:
    """How much of what was found is the number: words in capitals may follow it; 0 where nothing is."""
    while found:
        if passes(found, modules):
            return len(found)
        found = found[: max(found.rfind(" "), 0)]
    return 0


@cache
def _module(name: str) -> Any:
    return import_module(f"stdnum.{name}")
