"""Personal data is found, masked alike in text and label, and comes back from the vault."""

import json
import os
import re
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from stillroom.cli.unmask import unmask
from stillroom.data.cleaning import Cleaner
from stillroom.data.pii import bank, identity, mail_address, national, network, phone
from stillroom.data.pii.detect import find
from stillroom.data.pii.fake import fake
from stillroom.data.pii.made_up import HAN_STEMS, HAN_SURNAMES, STEMS, SUFFIXES
from stillroom.data.pii.mask import Masker, Pair
from stillroom.data.pii.vault import KEY_VARIABLE, Vault, vault_path
from stillroom.data.prepare import prepare
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row, read_rows
from stillroom.errors import UserError
from stillroom.recipe.cleaning import Pii

KEY = b"k" * 32
CASES = Path(__file__).parents[5] / "benchmarks/pii_hard.txt"
_MARK = re.compile(r"\[\[(\w+):(.*?)\]\]")
VALUES = {
    "email": ["anna@keller.org", "J.Doe+x@mail.co.uk", "BOB@ACME.COM", "info (at) verein (dot) de"],
    "phone": ["+49 30 901820", "(415) 555-2671", "13800138000", "0171/1234567", "0044 20 7946 0018"],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819"],
    "card": ["4111 1111 1111 1111", "378282246310005"],
    "id_number": ["536-22-8726", "11010519491231002X", "65 170839 J 003"],
    "ip": ["192.168.178.24", "2001:db8:85a3::8a2e:370:7334"],
}
some_values = st.sampled_from([(kind, value) for kind, values in VALUES.items() for value in values])


def masker(**wanted: Any) -> Masker:
    return Masker(Pii.model_validate(wanted), KEY)


def unmarked(line: str) -> tuple[str, list[tuple[int, int, str]]]:
    """A case without its marks, and where what it marks stands."""
    text, truth, end = "", [], 0
    for match in _MARK.finditer(line):
        text += line[end : match.start()]
        truth.append((len(text), len(text) + len(match[2]), match[1]))
        text += match[2]
        end = match.end()
    return text + line[end:], truth


def test_hard_cases_are_found_and_little_else() -> None:
    right, found, wanted = 0, 0, 0
    lines = [line for line in CASES.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    for line in lines:
        text, truth = unmarked(line.replace("\\n", "\n"))
        spans = [(span.start, span.end, span.kind) for span in find(text) if span.kind != "name"]
        right, found, wanted = right + len({*spans} & {*truth}), found + len(spans), wanted + len(truth)
    assert len(lines) >= 120
    assert right / found >= 0.95 and right / wanted >= 0.95


@given(some_values, st.sampled_from(["x", "Ünter ", "电话", "Tel: ", "see\n"]), st.sampled_from(["", ".", " or", "，"]))
def test_masking_is_consistent_final_and_reversible(value: tuple[str, str], before: str, after: str) -> None:
    _, original = value
    text = f"{before} {original}{after}"
    row, pairs = masker().row(Row("1", text, {"quoted": original, "all": [text]}, "csv"))
    if not pairs:  # such as a card that is called a telephone number
        assert row.text == text
        return
    [pair] = pairs
    assert original not in row.text and row.label == {"quoted": pair.fake, "all": [row.text]}
    assert masker().row(row)[0] == row
    assert row.text.replace(pair.fake, pair.original) == text


@given(st.text(max_size=60))
def test_any_text_can_be_masked_twice(text: str) -> None:
    once = masker().text(text)
    assert masker().text(once) == once


FINDERS = (bank, identity, mail_address, national, network, phone)
PIECES = [
    *(value for values in VALUES.values() for value in values), *"\n \t.,:;-+/@()[]<>#=x00147年", "AHV ", "x", "DE",
    "AB ", "at", "AT", "ät", "dot", "org", "klammeraffe", "passport ", "Visa ", "tel:", "wa.me/", "NI ", "SSN ",
    "12.3.2026", "10:30", "756.9217.0769.85", "JG 10 37 59 A", "L01X00T47", "$1,200.50", "RMB 30", "http://a.de/1",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_a_quick_look_misses_nothing(text: str) -> None:
    found = find(text)
    with pytest.MonkeyPatch.context() as patch:
        for module in FINDERS:
            for name in [name for name in vars(module) if name.startswith("_MAY_BE")]:
                patch.setattr(module, name, re.compile(""))
        assert find(text) == found


def test_digits_of_another_script_are_in_no_ip_address() -> None:
    assert find("from 192.168.56.\u0663") == []


@given(some_values)
def test_a_fake_is_nobodys_and_the_key_decides(value: tuple[str, str]) -> None:
    kind, original = value
    made = fake(kind, original, KEY)
    assert made == fake(kind, original, KEY) != original
    assert made != fake(kind, original, b"another key") and made != fake(kind, original, KEY, 1)
    assert find(f"IBAN, card or Tel: {made}") == []


@pytest.mark.parametrize(
    "text",
    [
        "BSN 123456782", "PESEL: 44051401458", "Codice fiscale RSSMRA85T10A562S", "AHV-Nr. 756.9217.0769.85",
        "Mi DNI es 45872310Y", "NHS no. 943 476 5919", "CPR 211062-5629", "CPF 390.533.447-05", "NI: SC 45 67 89 A",
        "Passport 512345678", "Driver licence MORGA753116SM9IJ", "Reisepassnummer C4JKW3CX0",
    ],
)  # fmt: skip
def test_what_a_state_calls_people_by_is_known_by_its_name_and_masked_for_good(text: str) -> None:
    [span] = find(text)
    assert span.kind == "id_number" and span.end == len(text)
    number = text[span.start :]
    assert find(f"Order {number}") == []
    once = masker().text(text)
    assert once[: span.start] == text[: span.start] and number not in once and masker().text(once) == once


def test_a_number_that_fails_its_check_is_nobodys() -> None:
    assert find("BSN 123456783, PESEL 44051401459, DNI 45872310X") == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Kundennummer 4711-0815. Rückfragen: 0221 4710815-22.", "0221 4710815-22"),
        ("Mieternummer 000815-02, Notdienst 0175 5556677", "0175 5556677"),
        ("Quote case 7946 0992. Enquiries: 0131 496 0777.", "0131 496 0777"),
        ("Bei Rückfragen Bestellnummer 0221 4710815 angeben", ""),
        ("Enquiries with reference 0131 496 0777 only", ""),
    ],
)
def test_whom_to_ask_is_called_by_telephone_unless_a_later_word_says_otherwise(text: str, number: str) -> None:
    assert [text[span.start : span.end] for span in find(text)] == ([number] if number else [])


def test_in_json_the_nearest_key_says_what_a_number_is() -> None:
    line = '{"phone": "+13125550188", "acct": "0171 1234567", "mobile": "0171 1234567"}'
    assert [line[span.start : span.end] for span in find(line)] == ["+13125550188", "0171 1234567"]
    assert find(line)[1].start > line.index("mobile")


@pytest.mark.parametrize(
    ("text", "far", "begins"),
    [
        ("Call 030 901820.", "+49 30 901820", "+49 00"),
        ("Appelez le 06 12 34 56 78.", "+33 6 12 34 56 78", "+33 0 0"),  # a German number too, as it stands
        ("Call 020 7946 0018.", "0044 20 7946 0018", "0044 00"),
    ],
)
def test_one_number_written_in_two_ways_ends_alike(text: str, far: str, begins: str) -> None:
    row, _ = masker().row(Row("1", text, {"phone": far}, "csv"))
    local, other = (re.sub(r"\D", "", part) for part in (row.text, row.label["phone"]))
    assert local[-5:] == other[-5:] and row.label["phone"].startswith(begins) and far not in str(row)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Steuer-ID: 86 095 742 719", "86095742719"),
        ("NHS no. 943 476 5919", "9434765919"),
        ("N° de sécurité sociale : 2 55 08 14 168 025 38", "255081416802538"),
        ("NI: SC456789A", "sc 45 67 89 a"),
    ],
)
def test_an_id_number_is_one_however_it_is_grouped(text: str, label: str) -> None:
    row, _ = masker().row(Row("1", text, {"number": label}, "csv"))
    made = row.text[len(text.rstrip(" 0123456789SCA")) :]
    assert label not in str(row) and text not in str(row)
    assert re.sub(r"\W", "", row.label["number"]).upper() == re.sub(r"\W", "", made)


@pytest.mark.parametrize("number", ["4711081", "51234567", "SC456789A"])
def test_a_short_number_of_a_passport_is_masked_for_good(number: str) -> None:
    once = masker().text(f"Passport {number}")
    assert number not in once and masker().text(once) == once


def test_a_french_number_is_one_with_and_without_its_spaces() -> None:
    row, _ = masker().row(Row("1", "Mon numéro : 06 12 34 56 78", {"phone": "0612345678"}, "csv"))
    assert re.sub(r"\D", "", row.text) == row.label["phone"] != "0612345678"


@pytest.mark.parametrize(
    ("text", "number", "kind"),
    [
        ("My NI number is AB 12 34 56 C.", "AB 12 34 56 C", "id_number"),
        ("My passport number is C01X00T47.", "C01X00T47", "id_number"),
        ("My new number is 0171 2345678.", "0171 2345678", "phone"),
        ("My order number is 0171 2345678.", "", ""),
    ],
)
def test_my_number_is_a_telephones_unless_a_word_between_says_otherwise(text: str, number: str, kind: str) -> None:
    assert [(text[span.start : span.end], span.kind) for span in find(text)] == ([(number, kind)] if number else [])


def test_an_address_in_a_link_is_masked_with_the_same_fake() -> None:
    text = "Leave: https://news.test/off?mail=anna%40keller.org&list=3 (sent to anna@keller.org)"
    once = masker().text(text)
    quoted, plain = re.findall(r"[\w.-]+(?:%40|@)[\w.-]+example", once)
    assert "keller" not in once and quoted.replace("%40", "@") == plain and "&list=3 (" in once
    assert masker().text(once) == once


def test_places_in_the_text_move_with_it() -> None:
    text = "Write to anna@keller.org by Friday, or to bob@acme.com."
    spans = [{"start": text.index(word), "end": text.index(word) + len(word)} for word in ("anna@keller.org", "Friday")]
    row, pairs = masker(offsets=["start", "end"]).row(Row("1", text, {"spans": spans, "count": 9}, "csv"))
    found = [row.text[span["start"] : span["end"]] for span in row.label["spans"]]
    assert found == [pairs[0].fake, "Friday"] and row.label["count"] == 9


def test_places_are_counted_from_the_text_as_it_was_read(make_recipe: Any) -> None:
    pii = {"offsets": ["start", "end"]}
    schema = {"type": "object", "properties": {"start": {"type": "integer"}, "end": {"type": "integer"}}}
    recipe = make_recipe({"kind": "csv", "path": "a.csv"}, schema=schema, cleaning={"pii": pii})
    text = "\n  Write to anna@keller.org by Friday. "
    start = text.index("Friday")
    cleaner = Cleaner(recipe, None, masker(offsets=["start", "end"]))
    [outcome] = cleaner([Row("1", text, {"start": start, "end": start + 6}, "csv")])
    assert isinstance(outcome.item, Row)
    assert outcome.item.text[outcome.item.label["start"] : outcome.item.label["end"]] == "Friday"


def test_what_a_label_quotes_among_other_words_is_masked_as_in_the_text() -> None:
    text = "Mail anna@keller.org or bob@acme.com, Tel. 030 901820."
    masked, _ = masker().row(Row("1", text, {"a": "bob@acme.com, then 030 901820!", "b": "keller.org"}, "csv"))
    bob, number = masked.text.split()[3].strip(","), masked.text.partition("Tel. ")[2].strip(".")
    assert masked.label == {"a": f"{bob}, then {number}!", "b": "keller.org"}


def test_the_reason_of_a_dropped_row_tells_nothing() -> None:
    item = Rejected(
        Row("1", "Mail anna@keller.org", {"to": "anna@keller.org"}, "csv"), "no", "'anna@keller.org' is long"
    )
    masked, _ = masker().rejected(item)
    assert "keller.org" not in json.dumps(masked.as_dict()) and masked.detail.endswith("is long")


def test_names_of_the_header_are_masked_everywhere() -> None:
    text = "From: Lena Vogt <lena@vogt.de>\nTo: Sales Team <sales@acme.com>\nSubject: Hi\n\nLena Vogt will come."
    row, pairs = masker(kinds=["name"]).row(Row("1", text, {"organizer": "Lena Vogt"}, "csv"))
    [pair] = pairs
    assert row.text == text.replace("Lena Vogt", pair.fake) and row.label == {"organizer": pair.fake}
    assert masker(kinds=["name"]).row(row)[0] == row


def test_a_model_that_is_not_there_is_said(tmp_path: Path, make_recipe: Any) -> None:
    (tmp_path / "a.csv").write_text("text,label\nx,a\n")
    recipe = make_recipe(
        {"kind": "csv", "path": "a.csv"},
        cleaning={"pii": {"name_model": "no_such_model", "vault": str(tmp_path / "v")}},
    )
    with pytest.raises(UserError, match=r"needs spaCy|No spaCy model no_such_model"):
        prepare(recipe, tmp_path, tmp_path / "out")


class TestVault:
    def test_fakes_come_back(self, tmp_path: Path) -> None:
        with Vault(tmp_path / "new/a.vault") as vault:
            own = Masker(Pii(), vault.key)
            text = "From anna@keller.org, Tel. 030 901820, IBAN DE89 3704 0044 0532 0130 00."
            row, pairs = own.row(Row("1", text, None, "csv"))
            assert vault.admit(pairs) == vault.admit(pairs) == set()
            assert vault.reverse(row.text) == text and vault.reverse("nothing here") == "nothing here"
        assert stat.S_IMODE(os.stat(tmp_path / "new/a.vault").st_mode) == 0o600
        assert stat.S_IMODE(os.stat(tmp_path / "new").st_mode) == 0o700
        with Vault(tmp_path / "new/a.vault") as again:  # the key is kept: the next run makes the same fakes
            assert Masker(Pii(), again.key).text(text) == row.text

    def test_two_values_never_share_a_fake(self, tmp_path: Path) -> None:
        with Vault(tmp_path / "a.vault") as vault:
            taken = fake("email", "bob@acme.com", vault.key)
            assert vault.admit([Pair("email", "anna@keller.org", taken)]) == set()
            bob = Pair("email", "bob@acme.com", taken)
            assert vault.admit([Pair("ip", "10.1.1.1", "250.1.1.1"), bob]) == {bob}
            assert vault.reverse("250.1.1.1") == "10.1.1.1"
            chosen = vault.fake_for("email", "bob@acme.com")
            assert chosen not in (taken, "bob@acme.com") and vault.fake_for("email", "bob@acme.com") == chosen
            assert vault.fake_for("email", "anna@keller.org") == taken

    def test_the_first_of_many_keeps_a_fake(self, tmp_path: Path) -> None:
        pairs = [Pair("phone", f"030 9018{number}", "000 1") for number in range(50)]
        with Vault(tmp_path / "a.vault") as vault:
            assert vault.admit(pairs) == set(pairs[1:])
            assert vault.reverse("000 1") == pairs[0].original

    @pytest.mark.parametrize(
        ("kind", "value", "start", "taken"),
        [
            ("phone", "061132", "000", [f"{number:06}" for number in range(1000)]),
            ("name", "KELLER", "", [f"{stem}{suffix}".upper() for stem in STEMS for suffix in SUFFIXES]),
            ("name", "欧阳", "", [f"{a}{b}{c}" for a in HAN_SURNAMES for b in HAN_STEMS for c in HAN_STEMS]),
        ],
    )
    def test_where_all_fakes_of_a_length_are_taken_the_next_are_longer(
        self, tmp_path: Path, kind: str, value: str, start: str, taken: list[str]
    ) -> None:
        with Vault(tmp_path / "a.vault") as vault:
            assert fake(kind, value, vault.key) in taken
            assert vault.admit([Pair(kind, f"value {number}", one) for number, one in enumerate(taken)]) == set()
            made = vault.fake_for(kind, value)
            assert len(made) - 2 in map(len, taken)
            assert made.startswith(start) and made not in taken and made.isupper() == value.isupper()
            assert vault.reverse(f"Call {made}!") == f"Call {value}!"
            assert not find(f"Tel: {made}")

    def test_rows_with_a_fake_of_another_value_are_masked_anew(self, tmp_path: Path, make_recipe: Any) -> None:
        # 300 numbers of six digits have a thousand fakes: some draw the same.
        rows = [{"text": f"Call {number} about it, Tel. 03{number:04d}", "label": "a"} for number in range(1000, 1300)]
        (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
        pii = {"vault": str(tmp_path / "v.vault")}
        source = {"kind": "jsonl", "path": "a.jsonl"}
        prepare(
            make_recipe(source, schema=None, cleaning={"pii": pii, "near_duplicate_threshold": 1.0}),
            tmp_path,
            tmp_path / "out",
        )
        texts = [
            row.text for name in ("train", "validation", "test") for row in read_rows(tmp_path / f"out/{name}.jsonl")
        ]
        assert len(texts) == 300 == len({text.partition("Tel. ")[2] for text in texts})
        with Vault(tmp_path / "v.vault") as vault:
            drawn = [fake("phone", row["text"].partition("Tel. ")[2], vault.key) for row in rows]
            assert len(set(drawn)) < 300
            assert sorted(map(vault.reverse, texts)) == sorted(str(row["text"]) for row in rows)

    def test_a_key_encrypts_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "a.vault"
        monkeypatch.setenv(KEY_VARIABLE, "a passphrase")
        with Vault(path) as vault:
            made = vault.fake_for("email", "anna@keller.org")
            assert vault.reverse(made) == "anna@keller.org"
        assert b"keller" not in path.read_bytes() and vault.key not in path.read_bytes()
        monkeypatch.setenv(KEY_VARIABLE, "another")
        with pytest.raises(UserError, match="is not the key of the vault"):
            Vault(path)
        monkeypatch.delenv(KEY_VARIABLE)
        with pytest.raises(UserError, match=f"is encrypted: set {KEY_VARIABLE}"):
            Vault(path)

    def test_what_is_no_vault_or_open_to_all_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "text").write_text("no data base at all, but long enough to look at")
        os.chmod(tmp_path / "text", 0o600)
        with pytest.raises(UserError, match="is not a vault"):
            Vault(tmp_path / "text")
        (tmp_path / "open").touch(0o644)
        with pytest.raises(UserError, match="chmod 600"):
            Vault(tmp_path / "open")

    def test_it_has_a_place_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_DATA_HOME", "/data")
        assert vault_path(None, "mails") == Path("/data/stillroom/vaults/mails.vault")
        assert vault_path("/x/y", "mails") == Path("/x/y")


def test_prepare_masks_all_it_writes(tmp_path: Path, make_recipe: Any) -> None:
    rows = [
        {"text": f"Please write to person{n}@firma{n}.de or call +49 30 9018{n:02d} about point {n * n}.",
         "label": {"to": f"person{n}@firma{n}.de"}}
        for n in range(40)
    ]  # fmt: skip
    rows += [{"text": "call +49 30 901899", "label": "not JSON: jane@doe.com"}, rows[0]]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    schema = {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}
    cleaning = {"pii": {"vault": str(tmp_path / "kept/mails.vault")}, "near_duplicate_threshold": 1.0}
    recipe = make_recipe({"kind": "jsonl", "path": "a.jsonl"}, schema=schema, cleaning=cleaning)
    report = prepare(recipe, tmp_path, tmp_path / "out")
    assert report["masked"] == {"email": 42, "phone": 42}
    written = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert not re.search(r"firma\d|jane@doe|30 9018", "".join(written.values()))
    assert Counter(report["dropped"]) == {"the label is not JSON": 1, "exact duplicate": 1}
    with Vault(tmp_path / "kept/mails.vault") as vault:
        lines = [
            json.loads(line)
            for name in ("train", "validation", "test")
            for line in written[f"{name}.jsonl"].splitlines()
        ]
        assert all(line["label"]["to"] in line["text"] for line in lines)
        assert sorted(vault.reverse(line["text"]) for line in lines) == sorted(str(row["text"]) for row in rows[:40])
    before = {name: (tmp_path / "out" / name).read_bytes() for name in written}
    prepare(recipe, tmp_path, tmp_path / "again")
    assert {name: (tmp_path / "again" / name).read_bytes() for name in written} == before


def test_the_command_puts_the_originals_back(tmp_path: Path) -> None:
    with Vault(tmp_path / "a.vault") as vault:
        made = vault.fake_for("email", "anna@keller.org")
    result = CliRunner().invoke(unmask, [str(tmp_path / "a.vault")], input=f'{{"to": "{made}"}}\nno fake\n')
    assert result.exit_code == 0 and result.output == '{"to": "anna@keller.org"}\nno fake\n'


def test_a_vault_among_the_runs_files_is_refused(tmp_path: Path, make_recipe: Any) -> None:
    (tmp_path / "a.csv").write_text("text,label\nx,a\n")
    recipe = make_recipe({"kind": "csv", "path": "a.csv"}, cleaning={"pii": {"vault": str(tmp_path / "out/v.vault")}})
    with pytest.raises(UserError, match="name a place outside"):
        prepare(recipe, tmp_path, tmp_path / "out")


def test_ids_that_hold_personal_data_are_named(tmp_path: Path, make_recipe: Any) -> None:
    rows = "".join(f"person{n}@firma.de,text number {n} of many {n * 7},a\n" for n in range(20))
    (tmp_path / "a.csv").write_text("id,text,label\n" + rows)
    recipe = make_recipe(
        {"kind": "csv", "path": "a.csv", "id": "id"}, schema=None, cleaning={"pii": {"vault": str(tmp_path / "v")}}
    )
    assert "20 ids hold personal data" in prepare(recipe, tmp_path, tmp_path / "out")["notes"][-1]
