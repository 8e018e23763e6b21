"""German titles with their gender, places with their preposition, people and bodies."""

from random import Random

from stillroom.data.synthetic.model import Domain, Party, Place, Title
from stillroom.data.synthetic.template import words

FIRST = words(
    "Anna Jonas Miriam Lukas Katrin Stefan Leyla Matthias Sabine Felix Birgit Emre Johanna Tobias Ulrike Moritz Nele "
    "Andreas Petra Henning Clara Wolfgang Svenja Rainer Dilara Georg Franziska Holger Lena Martin"
)
LAST = words(
    "Krüger Hoffmann Yilmaz Brandt Seidel Vogel Lorenz Bergmann Kühn Albrecht Winkler Pohl Sommer Kaya Ziegler Böhm "
    "Arnold Reuter Schubert Engel Horn Busch Haas Dietrich Ernst Jansen Sauer Thiele Voigt Wegner"
)
TOWNS = words(
    "Lindenau Altheim Neukirchen Waldstetten Rosenfeld Steinbach Hohenau Birkental Grünwalde Seehausen Mühlbach "
    "Oberried Falkenberg Buchholz Wiesental Königsau"
)
_BODIES = (  # name, gender
    ("Musikschule {town}", "f"),
    ("Heimatverein {town}", "m"),
    ("Sportverein {town}", "m"),
    ("Volkshochschule {town}", "f"),
    ("Stadtbücherei {town}", "f"),
    ("Gemeindeverwaltung {town}", "f"),
    ("Kirchenchor {town}", "m"),
    ("Schachklub {town}", "m"),
    ("Grundschule {town}", "f"),
    ("Kulturverein {town}", "m"),
    ("Planungsbüro {last}", "n"),
    ("Personalabteilung", "f"),
    ("IT-Abteilung", "f"),
    ("Hausverwaltung {last}", "f"),
    ("Stadtarchiv {town}", "n"),
    ("Kammerorchester {town}", "n"),
    ("Gartenverein {town}", "m"),
    ("Förderverein {town}", "m"),
    ("Ingenieurbüro {last}", "n"),
    ("Bürgerinitiative {town}", "f"),
)
STREETS = words(
    "Mühlgasse Bahnhofstraße Lindenallee Gartenstraße Schulstraße Hafenstraße Kirchgasse Rosenstraße Bergstraße "
    "Waldstraße Brunnengasse Goethestraße"
)
_PREFIXES = words(
    "Team Projekt Budget Strategie Planungs Abteilungs Quartals Vertriebs Redaktions Jahres Produkt Einkaufs "
    "Sicherheits "
    "Marketing Personal Qualitäts"
)
_MEETINGS = (
    ("besprechung", "f"),
    ("sitzung", "f"),
    ("treffen", "n"),
    ("workshop", "m"),
    ("klausur", "f"),
    ("runde", "f"),
    ("konferenz", "f"),
)
_TAILS = (
    "Region Nord",
    "Region Süd",
    "zum Haushaltsplan",
    "zur neuen Website",
    "zum Datenschutz",
    "zur Lagerplanung",
    "zum Messeauftritt",
    "Gruppe West",
    "Bereich Technik",
    "zur Preisliste",
    "zum Umzug",
    "zur Einarbeitung",
    "zum Lieferkonzept",
    "zur Energieplanung",
    "zum Relaunch",
)
_SYSTEMS = words(
    "Mailserver Datenbank VPN Telefonanlage Dateiserver Buchungsportal Intranet WLAN Ticketsystem Zahlungsdienst "
    "Backup-System "
    "Druckserver Zeiterfassung Kassensystem"
)
_WORKS = (
    ("Wartung", "f"),
    ("Update", "n"),
    ("Umstellung", "f"),
    ("Neustart", "m"),
    ("Migration", "f"),
    ("Sicherheitsupdate", "n"),
    ("Lasttest", "m"),
)
_SUBJECTS = words(
    "Brotbacken Aquarellmalerei Imkerei Obstbaumschnitt Fotografie Rhetorik Solarenergie Kalligrafie Ahnenforschung "
    "Fahrradreparatur Töpfern Astronomie Datenschutz Python Tabellenkalkulation Kräuterkunde "
    "Improvisationstheater Patentrecht "
    "Bodenkunde Vogelkunde"
)
_COURSES = (
    ("Workshop", "m"),
    ("Einführungskurs", "m"),
    ("Seminar", "n"),
    ("Vortrag", "m"),
    ("Schnupperkurs", "m"),
    ("Kursabend", "m"),
    ("Aufbaukurs", "m"),
    ("Schulung", "f"),
    ("Tagesseminar", "n"),
    ("Fortbildung", "f"),
)
_SEASONS = words("Frühlings Sommer Herbst Winter Advents Neujahrs Jubiläums Oster")
_SHOWS = (
    ("konzert", "n"),
    ("fest", "n"),
    ("markt", "m"),
    ("ball", "m"),
    ("lesung", "f"),
    ("ausstellung", "f"),
    ("gala", "f"),
    ("wanderung", "f"),
)
_WORK_TITLES = words(
    "Das stille Haus|Am anderen Ufer|Papierschiffe|Der lange Winter|Nachtlicht|Unter Linden|Die "
    "Uhrmacherin|Sieben Briefe|"
    "Fremde Gärten|Das zweite Leben|Spätsommer|Im Nebel"
)
_EVENINGS = (
    ("Filmabend", "m"),
    ("Lesung", "f"),
    ("Theaterabend", "m"),
    ("Vernissage", "f"),
    ("Hörspielabend", "m"),
    ("Buchvorstellung", "f"),
)
_GATHERINGS = (
    ("Elternabend Klasse {number}", "m"),
    ("Hausversammlung {street}", "f"),
    ("Nachbarschaftstreffen {street}", "n"),
    ("Tag der offenen Tür {town}", "m"),
    ("Mitgliederversammlung {town}", "f"),
    ("Blutspendetermin {town}", "m"),
    ("Flohmarkt {street}", "m"),
    ("Bürgerversammlung {town}", "f"),
    ("Spieleabend {town}", "m"),
    ("Probealarm Gruppe {letter}", "m"),
    ("Aufzugsprüfung Nr. {number}", "f"),
    ("Straßenfest {street}", "n"),
    ("Wohnungsbesichtigung Nr. {number}", "f"),
    ("Repair-Café {town}", "n"),
    ("Abschiedsfeier für {first}", "f"),
    ("Grillabend {street}", "m"),
    ("Geburtstagsfeier von {first}", "f"),
    ("Vorstandssitzung {town}", "f"),
    ("Chorprobe {town}", "f"),
    ("Spendenlauf {town}", "m"),
)
ARTICLES = {"m": ("der", "den", "zum"), "f": ("die", "die", "zur"), "n": ("das", "das", "zum")}  # der, den, zu dem
_ASCII = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


def person(random: Random) -> Party:
    """Somebody with a mailbox."""
    first, last = random.choice(FIRST), random.choice(LAST)
    name = f"{first} {last}"
    mailbox = f"{first}.{last}@{random.choice(TOWNS)}.example".lower().translate(_ASCII)
    return Party(name, mailbox, name, f"von {name}")


def body(random: Random) -> Party:
    """A club, company or department with a mailbox."""
    pattern, gender = random.choice(_BODIES)
    place = town(random)
    name = pattern.format(town=place, last=random.choice(LAST))
    mailbox = f"{random.choice(('info', 'kontakt', 'post'))}@{place}.example".lower().translate(_ASCII)
    by = {"m": "vom", "n": "vom", "f": "von der"}[gender]
    return Party(name, mailbox, f"{ARTICLES[gender][0]} {name}", f"{by} {name}", True)


def town(random: Random) -> str:
    """A place name."""
    return random.choice(TOWNS)


def _office_title(random: Random) -> Title:
    kind, gender = random.choice(_MEETINGS)
    text = random.choice(_PREFIXES) + kind
    return Title(f"{text} {random.choice(_TAILS)}" if random.random() < 0.55 else text, gender)


def _system_title(random: Random) -> Title:
    work, gender = random.choice(_WORKS)
    return Title(
        f"{work} {random.choice(_SYSTEMS)}{random.choice(('', '', ' Phase 1', ' Stufe 2', ' Teil 3'))}", gender
    )


def _course_title(random: Random) -> Title:
    course, gender = random.choice(_COURSES)
    return Title(f"{course} {random.choice(_SUBJECTS)}{random.choice(('', '', '', ' Teil 1', ' Teil 2'))}", gender)


def _show_title(random: Random) -> Title:
    if random.random() < 0.5:
        show, gender = random.choice(_SHOWS)
        return Title(f"{random.choice(_SEASONS)}{show}{random.choice(('', ' ' + town(random)))}", gender)
    evening, gender = random.choice(_EVENINGS)
    return Title(f"{evening} „{random.choice(_WORK_TITLES)}“", gender)


def _gathering_title(random: Random) -> Title:
    pattern, gender = random.choice(_GATHERINGS)
    text = pattern.format(
        number=random.randint(1, 10),
        street=random.choice(STREETS),
        town=town(random),
        letter=random.choice("ABCD"),
        first=random.choice(FIRST),
    )
    return Title(text, gender)


def _room(random: Random) -> Place:
    if random.random() < 0.1:
        name = random.choice(("Zoom", "Microsoft Teams"))
        return Place(name, f"über {name}")
    pattern = random.choice(
        (
            "Raum {n}.{k}",
            "Besprechungsraum {k}",
            "Raum {tree}",
            "Konferenzraum {tree}",
            "Seminarraum {n}0{k}",
            "Saal {k}",
        )
    )
    name = pattern.format(
        n=random.randint(1, 5), k=random.randint(1, 9), tree=random.choice(("Ahorn", "Birke", "Linde", "Eiche", "Ulme"))
    )
    return Place(name, f"in {name}" if not name.startswith("Saal") else f"im {name}")


def _site(random: Random) -> Place:
    name, at = random.choice(
        (
            ("Werk Ost", "im"),
            ("Rechenzentrum 2", "im"),
            ("Haus B", "in"),
            ("Gebäude C", "in"),
            ("Serverraum 3", "im"),
            ("Standort Süd", "am"),
        )
    )
    return Place(name, f"{at} {name}")


def _venue(random: Random) -> Place:
    pattern, at = random.choice(
        (
            ("Rathaus {town}", "im"),
            ("Stadtbibliothek {town}", "in der"),
            ("{street} {n}", "in der"),
            ("Gemeindehaus {town}", "im"),
            ("Café {last}", "im"),
            ("Turnhalle {town}", "in der"),
            ("Gasthof {last}", "im"),
            ("Bürgerhaus {town}", "im"),
            ("Museum {town}", "im"),
            ("Aula der Grundschule {town}", "in der"),
            ("Stadthalle {town}", "in der"),
            ("Kulturzentrum {town}", "im"),
        )
    )
    name = pattern.format(
        town=town(random), street=random.choice(STREETS), n=random.randint(2, 80), last=random.choice(LAST)
    )
    return Place(name, f"{at} {name}")


DOMAINS = (
    Domain("office", 0.38, (8, 17), _office_title, _room, weekdays_only=True),
    Domain("systems", 0.12, (6, 23), _system_title, _site),
    Domain("courses", 0.16, (9, 19), _course_title, lambda random: random.choice((_room, _venue))(random)),
    Domain("culture", 0.17, (16, 20), _show_title, _venue),
    Domain("community", 0.17, (9, 19), _gathering_title, _venue),
)


def grammar(title: Title) -> dict[str, str]:
    """The title with its article as subject, as object and after `zu`."""
    der, den, zum = ARTICLES[title.gender]
    return {
        "der": f"{der} {title.text}",
        "Der": f"{der.capitalize()} {title.text}",
        "den": f"{den} {title.text}",
        "zum": f"{zum} {title.text}",
    }
