"""What a number is called by the words before it, in the languages that the finders know."""

import re
from collections.abc import Mapping
from functools import lru_cache

NEAR = 48
"""Characters before a number in which a word may say what it is."""

# Of each name the beginnings of words, or pieces of them, by which a number is called; then those that must begin a
# word. Lower case. "" are the names of what is no personal data: orders, invoices, parts, versions.
_CALLED = {
    "phone": (
        r"phone|telefo[on]|mobi[le]|handy|anruf|whats ?app|hotline|durchwahl|erreich|natel|zurückruf"
        r"|voicemail|extension|pager|portable|teléfono|m[oó]vil|celular|cellulare|telemóvel|zadzwo|komórk"
        r"|rückfragen|notdienst|notruf|enquiries|inquiries"
        r"|电话|手机|致电|联系|传真|拨打|座机|热线|来电|微信|总机",
        r"t[eé]l|fon\b|cell|call|fax|ruf|rufen|sms\b|text (?:me|us)|dial|ring\b|reach (?:me|us)|mob\b|ph\b"
        r"|dw\b|signal\b|r?appel|joign|ll[aá]m|chiam|bel(?:t|len)?\b|ligue|kom\.|ringa?\b"
        r"|(?:my|mi|mon|mio|mijn|meu|min|meine)(?= (?:\w+ )?n(?:um|úm|umé|ummer))",
    ),
    "card": (
        r"card|visa|master|amex|american express|maestro|discover|diners|karte|kreditkart|kartennummer"
        r"|tarjeta|karta|卡|银行账号",
        r"carte\b|carta\b",
    ),
    "ssn": (
        r"social security",
        r"ssn\b|social\b|itin\b",
    ),
    "tax": (
        r"steuer|identifikationsnummer",
        r"id-?nr|tin\b|tax\b|taxes",
    ),
    "document": (
        r"passport|nino\b|national insurance|reisepass|pass-?(?:nr|nummer)|personalausweis"
        r"|ausweis-?(?:nr|nummer)|identity card|national id|driv(?:er'?s?|ing) licen[cs]e|führerschein"
        r"|passeport|permis|pasaporte|passaporto|paspoort|rijbewijs|paszport|护照|身份证|驾驶证|通行证",
        r"ni\b|dl\b|perso\b|id card|id number",
    ),
    "ip": (
        r"address|server|log(?:ged)? ?in|gateway|router|blocked|trace|connect|adresse|rechner|angriff|attack"
        r"|allow|deny|(?:request|attempt|access|traffic|visit|scan|packet|password)\w*(?: \w+){0,3} from\b"
        r"|地址|服务器|主机|登录|来自|公网|内网",
        r"ip\b|hosts?\b|ping|dns\b|client|node\b|ssh\b",
    ),
    "": (
        r"order|qq号|invoice|ticket|reference|tracking|parcel|shipment|serial|isbn|issn|imei"
        r"|part (?:no|number)|batch|version|commit|timestamp|epoch|transaction|booking|reservation"
        r"|meeting id|webinar id|conference id|patent|customer (?:no|number)|bestell|rechnung"
        r"|kunden-?(?:nr|nummer)|artikel|sendung|auftrag|vorgang|seriennummer|buchung|aktenzeichen|betrag"
        r"|gesamt|lieferschein|vertrag|zählerstand|ticketnummer|fehler|gutschein|voucher|coupon|gift card"
        r"|loyalty|receipt|beleg|ust-?id|regon|reg\. no|partita iva|meeting|passcode|confirmation|mitglied"
        r"|membership|policy|claim|barcode|account|konto(?!\w*iban)|kd\.?-nr|re\.?-nr|paketn|awb\b|referenz"
        r"|commande|facture|dossier|réf|pedido|factura|expediente|ordine|fattura|bolletta|codice articolo"
        r"|articolo|factuur|store credit|acct|sipariş|注文|заказ|накладн|zamówien|paczk|faktur|encomenda"
        r"|artículo|numer (?:zam|pacz)|订单|发票|单号|快递|编号|序列号"
        r"|运单|会员|版本|金额|合同|交易|流水|会议号|会议id|批号|条码|学号|工号",
        r"qq\b|ref\b|case\b|sku\b|ean\b|gtin\b|item\b|build\b|error\b|code\b|pin\b|amount\b|total\b|model\b"
        r"|doi\b|po\b|blz\b|charge(?! it| to| my)|lot\b|nip\b|vat\b|tva\b|sire[tn]\b|abn\b|ein\b",
    ),
}
# Without flags, and with letters first, the alternatives are looked for five times as fast.
_PATTERNS = {
    name: (re.compile(pieces), re.compile(rf"\b(?:{beginnings})")) for name, (pieces, beginnings) in _CALLED.items()
}

# A customer's, a house's or a file's: whatever is called some number, by a word that is none of these, is no other.
_SOME_NUMBER = re.compile(r"[^\W\d_]{3,}(?:nummer|nr\.?|number|nummeret)\s*[:.#]?\s*$")


@lru_cache(4096)  # the same words stand before many numbers
def last_called(before: str) -> Mapping[str, int]:
    """Where the last word of each name ends in a text; -1 where none stands in it."""
    before = before.lower()
    ends = {}
    for name, patterns in _PATTERNS.items():
        ends[name] = -1
        for pattern in patterns:
            for match in pattern.finditer(before):
                ends[name] = max(ends[name], match.end())
    number = _SOME_NUMBER.search(before)
    if number and max(ends.values()) <= number.start():
        ends[""] = number.end()
    return ends
