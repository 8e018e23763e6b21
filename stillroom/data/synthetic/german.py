"""The German wording of mails that announce, move or cancel an event."""

from stillroom.data.synthetic.dates_german import STYLES, TIMES
from stillroom.data.synthetic.model import Labels, Language, Wording
from stillroom.data.synthetic.names_german import DOMAINS, body, grammar, person, town
from stillroom.data.synthetic.nonevents_german import OTHERS, SPAM, VOCABULARY

_SENTENCES = {
    ("planned", "sender", "formal"): (
        "hiermit [lade ich|laden wir] Sie <herzlich|freundlich> {zum} {when}{where} ein.",
        "[ich möchte|wir möchten] Sie <herzlich|gern> {zum} einladen. <Der Termin|Termin>: {date}{c_time}{c_place}.",
        "{when} [lade ich|laden wir] Sie {zum}{where} ein.",
        "[ich freue mich|wir freuen uns], Sie {zum} {when}{where} einladen zu dürfen.",
    ),
    ("planned", "sender", "casual"): (
        (
            "[ich veranstalte|wir veranstalten] {when}{where} {den} und <ihr seid eingeladen|[würde mich|würden uns] "
            "freuen, wenn ihr kommt>."
        ),
        "[ich lade|wir laden] euch {zum} {when}{where} ein!",
        "kommt doch {zum}, [ich lade|wir laden] euch {when}{where} dazu ein.",
        "[ich organisiere|wir organisieren] {den} {when}{where}. <Schaut vorbei!|Seid ihr dabei?>",
    ),
    ("planned", "sender", "terse"): (
        "[Lade|Laden] ein {zum}: {date}{c_time}{c_place}.",
        "[Ich lade|Wir laden] ein: {title}, {date}{c_time}{c_place}.",
    ),
    ("planned", "neutral", "formal"): (
        "{der} findet {when}{where} statt.",
        "bitte <beachten Sie|merken Sie sich vor>: {Der} findet {when}{where} statt.",
        "{when} findet {where_first}{der} statt.",
        "es ist vorgesehen, dass {der} {when}{where} stattfindet.",
    ),
    ("planned", "neutral", "casual"): (
        "{der} ist {when}{where}.",
        "<kleine Erinnerung|nicht vergessen>: {When} ist {where_first}{der}.",
        "{when} ist {where_first}{der}, <nur dass ihr es wisst|falls ihr Lust habt>.",
    ),
    ("planned", "neutral", "terse"): (
        "{title}: {date}{c_time}{c_place}.",
        "{date}{c_time}{c_place}: {title}.",
        "Erinnerung: {title} {when}{where}.",
    ),
    ("moved", "sender", "formal"): (
        (
            "leider [muss ich|müssen wir] {den} verschieben: Der Termin {old_when} entfällt, [ich lade|wir laden] "
            "Sie nun {when}{where} ein."
        ),
        "[ich habe|wir haben] {den} verlegt. Statt {old_when} [erwarte ich|erwarten wir] Sie {when}{where}.",
    ),
    ("moved", "sender", "casual"): (
        "[ich muss|wir müssen] {den} leider verschieben, nicht {old_when}, sondern {when}{where}.",
        "Planänderung: [Ich mache|Wir machen] {den} jetzt {when}{where}, nicht {old_when}. <Passt das?|Sorry!>",
        "[ich habe|wir haben] {den} {to_when} verschoben, {old_when} klappt es nicht.",
    ),
    ("moved", "sender", "terse"): (
        "[Habe|Haben] {den} verschoben. Alt: {old_date}{old_c_time}. Neu: {date}{c_time}{c_place}.",
        "[Ich verschiebe|Wir verschieben] {den}: jetzt {date}{c_time}{c_place} statt {old_date}.",
    ),
    ("moved", "neutral", "formal"): (
        "{der} findet nicht wie geplant {old_when}, sondern {when}{where} statt.",
        "{der} wurde {moved}. Neuer Termin: {date}{c_time}{c_place}. Bisher war {old_date}{old_c_time} vorgesehen.",
        "bitte beachten Sie die Terminänderung: {Der} findet nun {when}{where} statt, nicht {old_when}.",
        "{der} wird {to_when} verlegt. Der Termin {old_when} entfällt.",
    ),
    ("moved", "neutral", "casual"): (
        "{der} ist nicht {old_when}, sondern {when}{where}.",
        "neuer Termin für {den}: {date}{c_time}{c_place}. {Old_when} wird also nichts.",
    ),
    ("moved", "neutral", "terse"): (
        "{title} verschoben. Alt: {old_date}{old_c_time}. Neu: {date}{c_time}{c_place}.",
        "{title}: neu {date}{c_time}{c_place}, nicht {old_date}.",
    ),
    ("cancelled", "sender", "formal"): (
        "leider [muss ich|müssen wir] {den} {when}{where} absagen.",
        "zu [meinem|unserem] Bedauern [sage ich|sagen wir] {den}, geplant {when}{where}, ab.",
        "[ich bedaure|wir bedauern], {den} {when}{where} absagen zu müssen.",
    ),
    ("cancelled", "sender", "casual"): (
        "[ich muss|wir müssen] {den} {when}{where} leider absagen.",
        "<so schade|schlechte Nachricht>: [Ich sage|Wir sagen] {den} {when}{where} ab.",
    ),
    ("cancelled", "sender", "terse"): (
        "[Sage|Sagen] {den} {when}{where} ab.",
        "[Ich habe|Wir haben] abgesagt: {title}, {date}{c_time}{c_place}.",
    ),
    ("cancelled", "neutral", "formal"): (
        "{der} {when}{where} <entfällt|fällt leider aus|wurde abgesagt>.",
        (
            "{der}, geplant {when}{where}, <entfällt wegen Krankheit|entfällt aus technischen Gründen|muss leider "
            "entfallen>."
        ),
        "bitte beachten Sie, dass {der} {when}{where} nicht stattfindet.",
    ),
    ("cancelled", "neutral", "casual"): (
        "{der} {when}{where} fällt <aus|ins Wasser>.",
        "{der} {when}{where} wurde abgesagt, schade!",
    ),
    ("cancelled", "neutral", "terse"): (
        "ABGESAGT: {title}, {date}{c_time}{c_place}.",
        "{title} {when}{where} entfällt.",
        "{title} ({date}{c_time}{c_place}): fällt aus.",
    ),
}

WORDING = Wording(
    sentences=_SENTENCES,
    greetings={
        "formal": (
            "Sehr geehrte Damen und Herren,",
            "Liebe Kolleginnen und Kollegen,",
            "Liebe Mitglieder,",
            "Guten Tag,",
            "Liebe Nachbarinnen und Nachbarn,",
            "Guten Morgen,",
        ),
        "casual": (
            "Hallo zusammen,",
            "Hallo {reader},",
            "Hi {reader},",
            "Hallo ihr Lieben,",
            "Moin,",
            "Servus zusammen,",
            "Hi Team,",
        ),
    },
    closings={
        "formal": ("Mit freundlichen Grüßen", "Freundliche Grüße", "Beste Grüße", "Mit besten Grüßen"),
        "casual": ("Viele Grüße", "Liebe Grüße", "Bis dann", "Bis bald", "Schöne Grüße"),
        "terse": ("", "", "Gruß", "--"),
    },
    moved=("verschoben", "verlegt"),
    postponed=("vertagt",),
    where=("Treffpunkt: {place}.", "Ort: {place}.", "Wir treffen uns {at_place}."),
    starts=("Beginn ist {at}.", "Los geht es {at}.", "Uhrzeit: {time}.", "Beginn: {time}."),
    hosts=(
        "Organisiert wird alles {by}.",
        "Gastgeber: {host}.",
        "Veranstaltet wird das Ganze {by}.",
        "Veranstalter: {host}.",
    ),
    speakers=("Die Leitung hat {host}.", "Es spricht {host}.", "Gastgeber: {host}."),
    terse_hosts=("Organisation: {host}.", "Leitung: {host}.", "Veranstalter: {host}."),
    item_hosts=(" (Leitung: {host})", ", organisiert {by}", ", veranstaltet {by}"),
    passed_on=(
        "das hing am Schwarzen Brett, ich gebe es nur weiter:",
        "das habe ich gerade gelesen und leite es weiter:",
        "nur zur Information weitergeleitet:",
        "falls es noch niemand erzählt hat:",
    ),
    extras={
        "formal": (
            "Bitte bringen Sie <Schreibzeug|festes Schuhwerk|Ihren Ausweis|eine eigene Tasse> mit.",
            "Der Eintritt ist frei.",
            "Für Getränke ist gesorgt.",
            "Das Gebäude ist barrierefrei.",
            "Parkplätze sind knapp.",
            "Die Tagesordnung folgt.",
            "Die Unterlagen finden Sie im Anhang.",
            "{other} hat die Folien vorbereitet.",
            "Der Aufzug fährt wieder.",
            "Es gibt {number} Plätze.",
        ),
        "casual": (
            "Es gibt <Kuchen|Kaffee und Kekse|Pizza>.",
            "Bringt gern Freunde mit.",
            "Die Kaffeemaschine geht übrigens wieder.",
            "{other} lässt grüßen.",
            "Danke noch für die Fotos!",
            "Dein Schirm liegt noch bei mir.",
            "{other} hat deinen Schlüssel gefunden.",
        ),
        "terse": (
            "Laptop mitbringen.",
            "Tagesordnung folgt.",
            "Eintritt frei.",
            "Unterlagen anbei.",
            "{number} Plätze.",
        ),
    },
    reply_by=("Bitte um Antwort bis {deadline}.", "Anmeldung bis {deadline}.", "Rückmeldung bitte bis {deadline}."),
    labels=(
        Labels("Was", "Wann", "Uhrzeit", "Wo", "Gastgeber", "Status", "Bisher"),
        Labels("Veranstaltung", "Datum", "Beginn", "Ort", "Veranstalter", "Status", "Alter Termin"),
        Labels("Titel", "Tag", "Uhrzeit", "Treffpunkt", "Leitung", "Status", "Vorher"),
        Labels("Termin", "Datum", "Zeit", "Ort", "Organisation", "Stand", "Zuvor"),
    ),
    statuses={
        "planned": ("geplant", "bestätigt", "findet statt"),
        "moved": ("{moved}",),
        "cancelled": ("abgesagt", "fällt aus", "entfällt"),
    },
    fields_intro={
        "sender": (
            "hiermit [lade ich|laden wir] Sie ein:",
            "[ich freue mich|wir freuen uns] auf Sie und [lade|laden] herzlich ein:",
            "[meine|unsere] Einladung im Überblick:",
        ),
        "sender_changed": (
            "[ich muss|wir müssen] eine Änderung [meiner|unserer] Veranstaltung mitteilen:",
            "bei [meiner|unserer] Veranstaltung hat sich etwas geändert:",
        ),
        "neutral": ("hier die Angaben:", "für den Kalender:", "alle Angaben auf einen Blick:", "bitte beachten:", ""),
    },
    bulletin_intro={
        "sender": (
            "Wir laden herzlich zu unseren nächsten Terminen ein:",
            "Unser Programm, zu dem wir Sie einladen:",
            "Wir freuen uns auf Ihren Besuch. Unsere Termine:",
        ),
        "neutral": (
            "Das ist los:",
            "Die nächsten Termine:",
            "Termine im Überblick:",
            "Was demnächst ansteht:",
            "Zum Vormerken:",
        ),
    },
    bulletin_items={
        "planned": (
            "{date}{c_time}: {title}{c_place}{c_host}",
            "{title} - {date}{c_time}{c_place}{c_host}",
            "{title}, {date}{c_time}{c_place}{c_host}",
            "{date} | {title}{c_time}{c_place}{c_host}",
        ),
        "moved": (
            "{title}: verschoben, jetzt {date}{c_time}{c_place}{c_host} statt {old_date}",
            "NEUER TERMIN {date}{c_time}: {title}{c_place}{c_host} (bisher {old_date})",
        ),
        "cancelled": (
            "ABGESAGT: {title}, {date}{c_time}{c_place}{c_host}",
            "{date}{c_time}: {title}{c_place}{c_host} - fällt aus",
        ),
    },
    bulletin_end=(
        "Mehr auf unserer Webseite.",
        "Sie erhalten diesen Newsletter, weil Sie ihn abonniert haben.",
        "Änderungen vorbehalten.",
        "Abmelden: Antwort mit STOPP.",
        "",
    ),
    notifications={
        "planned": (
            "Erinnerung: {title}\n{date}{c_time}{c_place}",
            "[Kalender] Neuer Eintrag\n{title}\n{date}{c_time}{c_place}",
            "Geplant: {title}\nBeginn: {date}{c_time}{c_place}",
            "Automatische Mitteilung: {Der} ist {when}{where} vorgesehen.",
        ),
        "moved": (
            "Geändert: {title}\nAlt: {old_date}{old_c_time}\nNeu: {date}{c_time}{c_place}",
            "[Kalender] Eintrag verschoben\n{title}\njetzt {date}{c_time}{c_place} (bisher {old_date}{old_c_time})",
            "Automatische Mitteilung: {Der} findet nun {when}{where} statt, nicht {old_when}.",
        ),
        "cancelled": (
            "Abgesagt: {title}\n{date}{c_time}{c_place}",
            "[Kalender] Eintrag abgesagt\n{title}\n{date}{c_time}{c_place}",
            "Automatische Mitteilung: {Der} {when}{where} entfällt.",
        ),
    },
    notification_end=(
        "Bitte antworten Sie nicht auf diese Nachricht.",
        "Diese Nachricht wurde automatisch erstellt.",
        "Vorgang {ticket}",
        "",
    ),
    subjects={
        "planned": ("{title}", "{title} {on}", "Terminhinweis: {title}", "Erinnerung: {title}", "Bitte vormerken"),
        "invitation": ("Einladung: {title}", "Herzliche Einladung", "Einladung {zum}"),
        "moved": (
            "Neuer Termin: {title}",
            "{title} verschoben",
            "Terminänderung",
            "Verschoben: {title}",
            "Planänderung",
        ),
        "cancelled": ("Abgesagt: {title}", "{title} entfällt", "Absage", "{title} fällt aus", "Leider abgesagt"),
        "several": (
            "Was ist los?",
            "Die nächsten Termine",
            "Das Programm",
            "Termine",
            "Rundbrief {town}",
            "Neues aus {town}",
        ),
    },
    quotes=(
        "Am {quoted_date} schrieb {other_full}:\n> Wann passt es? Ich hatte an {old_date} gedacht.",
        "{other_full} schrieb:\n> Ginge auch {old_date}?",
        "-----Ursprüngliche Nachricht-----\nVon: {other_full}\n> Wann ist das? Ich hatte {old_date} notiert.",
    ),
    footers=(
        "Diese Nachricht ist vertraulich.",
        "Tel. 0{ticket}",
        "Von meinem Telefon gesendet",
        "Bitte drucken Sie diese Nachricht nur bei Bedarf aus.",
        "Vereinsregister Nr. {ticket}",
    ),
    relays=("Stadtblatt {town}", "Aushang {town}", "Kalender {town}", "Rundbrief {town}", "Mitarbeiternews"),
    systems=("Kalender", "Statusmeldungen", "Benachrichtigungen", "Buchungssystem", "Terminservice"),
    roles=("Projektleitung", "Sekretariat", "Büroleitung", "Verwaltung", "Vereinskasse", "Programmleitung"),
)

GERMAN = Language(
    "de",
    STYLES,
    TIMES,
    DOMAINS,
    person,
    body,
    town,
    grammar,
    WORDING,
    OTHERS,
    SPAM,
    VOCABULARY,
    lambda name: name.split()[0],
)
