"""Numbers that other states give a person: known by their names, and by the checks that python-stdnum has for them."""

import re
from importlib import import_module

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
_NAMES = re.compile("|".join(f"({names})" for names in _NAMED))
_MAY_BE = re.compile(r"[\dA-Z](?:(?<=\d)[\d ./-]{6}[\dA-Z]|(?<=[A-Z])(?:[A-Z]{3,5}\d{2}|\d{7}))")
_REACH = 24
"""Characters between a name and its number: `N° de sécurité sociale : `, `Burgerservicenummer (BSN)`."""
_NUMBER = re.compile(r"(?<![A-Za-z0-9])(?:[A-Z]{1,6}[ -]?)?\d(?:[ ./+-]?[A-Z0-9]){6,20}(?![A-Za-z0-9])")


def find_national_numbers(text: Text, start: int, stop: int) -> None:
    """Take what is called by the name of a national number in a line, and passes its check."""
    if not _MAY_BE.search(text.left, start, stop):
        return
    for name in _NAMES.finditer(text.left, start, stop):
        before = text.left[name.start() - 1 : name.start()]
        place = _NUMBER.search(text.left, name.end(), stop)
        if before.isalnum() or place is None or place.start() > name.end() + _REACH:
            continue
        if end := _valid_end(place[0], _MODULES[name.lastindex - 1] if name.lastindex else ""):
            text.take(place.start(), place.start() + end, "id_number")


def is_national_number(value: str) -> bool:
    """Whether it passes the check of any of these states."""
    return any(_is_valid(value, modules) for modules in _MODULES)


def _valid_end(found: str, modules: str) -> int:
    """How much of what was found is the number: words in capitals may follow it; 0 where nothing is."""
    while found:
        if _is_valid(found, modules):
            return len(found)
        found = found[: max(found.rfind(" "), 0)]
    return 0


def _is_valid(value: str, modules: str) -> bool:
    return any(import_module(f"stdnum.{name}").is_valid(value) for name in modules.split())
