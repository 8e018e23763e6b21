"""English titles, places, people and bodies."""

from random import Random

from stillroom.data.synthetic.model import Domain, Party, Place, Title
from stillroom.data.synthetic.template import words

FIRST = words(
    "Anna Tom Priya Marcus Helen Omar Grace Peter Lucy Daniel Fiona Samuel Nadia Hugh Carla Ben Ruth Victor Amina "
    "Oliver Jane Kofi Martha Simon Elena Patrick Sophie Raj Laura Graham Ingrid Leo Molly Neil Tessa Walter"
)
LAST = words(
    "Bell Carter Nair Whitlock Osborne Haddad Lindsay Moran Fletcher Okafor Sinclair Pryce Delgado Hughes Barlow "
    "Chandra Novak Webster Ashby Kendall Moss Petrov Langley Quinn Rowe Stanton Vickers Yates Archer Dunne Frost "
    "Garner Holt Irving Keane Marsh"
)
TOWNS = words(
    "Northfield Ashbourne Millbrook Eastleigh Harwood Kingsley Redhill Stonebridge Westbury Oakham Fairhaven Brampton "
    "Lowdale Greystone Marlow Thornbury Wexcombe Belford Carrick Dunmore"
)
_BODIES = (
    "{town} Community Choir",
    "{town} Chess Club",
    "{town} Historical Society",
    "{town} Library",
    "{town} Music School",
    "{town} Gardening Society",
    "{town} Running Club",
    "{town} Film Society",
    "{town} Town Council",
    "{town} Primary School",
    "{town} Science Centre",
    "{town} Chamber Orchestra",
    "{town} Health Centre",
    "{last} & {last2} Architects",
    "{last} Consulting",
    "{last} Engineering",
    "Facilities Management",
    "Human Resources",
    "IT Operations",
    "Finance Department",
    "{town} Data Users Group",
    "{town} Art Gallery",
    "{last} Foundation",
    "{town} Cycling Campaign",
    "Students' Union {town}",
    "{town} Allotment Association",
)
STREETS = words(
    "Mill Lane|Station Road|Church Street|Harbour Street|Elm Avenue|Market Square|Victoria Road|Park Row|"
    "Castle Street|Orchard Way|Bridge Street|Queen's Drive"
)
TREES = words("Birch Cedar Maple Aspen Willow Rowan Juniper Hazel Alder Linden")

_TOPICS = words(
    "Budget|Marketing|Product|Sales|Hiring|Safety|Supplier|Customer Service|Roadmap|Research|Website|Warehouse|Pricing|"
    "Data Protection|Logistics|Procurement|Quality|Design|Payroll|Onboarding|Release|Compliance|Inventory|Energy|"
    "Training|Fleet"
)
_WHEN_OF = words("Quarterly|Annual|Monthly|Joint|Regional|Interim|Q1|Q2|Q3|Q4")
_MEETINGS = words(
    "Review|Planning Meeting|Kick-off|Workshop|Briefing|Retrospective|Steering Group|Update Call|"
    "Strategy Session|Committee Meeting|Team Meeting|Status Meeting"
)
_SYSTEMS = words(
    "Mail Server|File Server|VPN|Database|Payment Gateway|Phone System|Booking Portal|Backup Storage|Wi-Fi Network|"
    "Ticket System|Intranet|Printing Service|Login Service|Staging Cluster|Data Warehouse|Firewall"
)
_WORKS = words("Maintenance|Upgrade|Migration|Security Update|Restart|Firmware Update|Failover Test|Patch Window")
_PARTS = words("Phase 1|Phase 2|Round 2|North Region|South Region|Wave 3|Pilot Group|Phase 3")
_SITES = words("Leeds|Dublin|Head Office|Building B|Data Centre 2|Campus East|Warehouse North|Cork")
_SUBJECTS = words(
    "Sourdough Baking|Watercolour Painting|Beekeeping|Home Energy|First Aid|Python|Bird Watching|Public Speaking|"
    "Bicycle Repair|Family History|Calligraphy|Machine Learning|Pruning Fruit Trees|Photography|Creative Writing|"
    "Spreadsheets|Pottery|Astronomy|Mindfulness|Italian Cooking|Patent Law|Soil Health|Knitting|Chess Openings"
)
_COURSES = (
    "{subject} Workshop",
    "Introduction to {subject}",
    "{subject} for Beginners",
    "{subject} Taster Day",
    "An Evening of {subject}",
    "Advanced {subject}",
    "{subject} Seminar",
    "{subject} Masterclass",
    "Talk on {subject}",
    "Lecture: {subject} Today",
)
_ADJECTIVES = words("Silent Golden Distant Broken Hidden Paper Northern Velvet Restless Winter Borrowed Secret")
_NOUNS = words("River Orchard Lantern Harbour Letters Garden Mountain Station Island Bridge Mirror Tides")
_SEASONS = words("Spring Summer Autumn Winter Christmas Easter Midsummer")
_SHOWS = (
    "{season} Concert",
    "{town} Jazz Night",
    "Film Night: The {adjective} {noun}",
    "Reading: {adjective} {noun}",
    "Exhibition Opening: {adjective} {noun}",
    "{season} Choir Concert",
    "{town} Book Fair",
    "{town} Open Mic",
    "Theatre Evening: The {adjective} {noun}",
    "{town} Folk Festival",
    "{season} {instrument} Recital",
    "{season} Gala",
    "Poetry Evening: {noun} and {noun2}",
    "Lecture: The {adjective} {noun}",
)
_INSTRUMENTS = words("Piano Violin Cello Organ Guitar Harp Flute Lute")
_GATHERINGS = (
    "{season} Fair",
    "{street} Clean-up",
    "{town} Residents' Meeting",
    "Parents' Evening Class {number}",
    "{season} Barbecue",
    "{season} Fire Drill",
    "Lift Inspection No. {number}",
    "{town} Blood Donation Day",
    "{town} Fun Run",
    "{street} Street Party",
    "{season} Quiz Night",
    "{town} Repair Café",
    "Leaving Drinks for {first}",
    "{season} Plant Swap",
    "Open Day {town}",
    "Charity Walk {town}",
    "Neighbourhood Breakfast {street}",
    "{town} Flea Market",
    "Flat Viewing No. {number}",
    "{season} Hike",
    "Annual General Meeting {town}",
    "{first}'s Birthday Party",
    "{first}'s Housewarming",
    "Yoga Class {town}",
)


def person(random: Random) -> Party:
    """Somebody with a mailbox."""
    first, last = random.choice(FIRST), random.choice(LAST)
    host = random.choice(TOWNS).lower()
    name = f"{first} {last}"
    return Party(name, f"{first.lower()}.{last.lower()}@{host}.example", name, f"by {name}")


def body(random: Random) -> Party:
    """A club, company or department with a mailbox."""
    town, (last, last2) = random.choice(TOWNS), random.sample(LAST, 2)
    name = random.choice(_BODIES).format(town=town, last=last, last2=last2)
    article = "the " if name.startswith(town) or name.startswith("Students") else ""
    return Party(
        name,
        f"{random.choice(('info', 'office', 'events'))}@{town.lower()}.example",
        article + name,
        f"by {article}{name}",
        True,
    )


def town(random: Random) -> str:
    """A place name."""
    return random.choice(TOWNS)


def _office_title(random: Random) -> Title:
    text = f"{random.choice(_TOPICS)} {random.choice(_MEETINGS)}"
    if random.random() < 0.45:
        text = f"{random.choice(_WHEN_OF)} {text}"
    if random.random() < 0.2:
        text += f" {random.choice(_PARTS)}"
    return Title(
        text.lower()
        if random.random() < 0.12 and not any(part in text for part in _PARTS) and " Q" not in f" {text}"
        else text
    )


def _system_title(random: Random) -> Title:
    text = f"{random.choice(_SYSTEMS)} {random.choice(_WORKS)}"
    return Title(f"{text} {random.choice(_PARTS)}" if random.random() < 0.4 else text)


def _course_title(random: Random) -> Title:
    text = random.choice(_COURSES).format(subject=random.choice(_SUBJECTS))
    return Title(f"{text}, Part {random.randint(1, 4)}" if random.random() < 0.2 else text)


def _composed(patterns: tuple[str, ...], random: Random) -> Title:
    noun, noun2 = random.sample(_NOUNS, 2)
    text = random.choice(patterns).format(
        season=random.choice(_SEASONS),
        town=town(random),
        adjective=random.choice(_ADJECTIVES),
        noun=noun,
        noun2=noun2,
        instrument=random.choice(_INSTRUMENTS),
        street=random.choice(STREETS),
        number=random.randint(2, 40),
        first=random.choice(FIRST),
    )
    return Title(text)


def _room(random: Random) -> Place:
    name = random.choice(
        (
            "Room {n}.{k}",
            "Meeting Room {tree}",
            "Conference Room {k}",
            "Room {tree}",
            "Seminar Room {n}{k}",
            "Room {letter}{n}0{k}",
        )
    )
    name = name.format(
        n=random.randint(1, 6), k=random.randint(1, 9), tree=random.choice(TREES), letter=random.choice("ABCDE")
    )
    if random.random() < 0.12:
        name = random.choice(("Zoom", "Microsoft Teams", "Google Meet"))
        return Place(name, f"on {name}")
    return Place(name, f"in {name}")


def _site(random: Random) -> Place:
    name = random.choice(_SITES)
    return Place(
        name, f"in {name}" if name.startswith(("Build", "Data", "Ware", "Leeds", "Dub", "Cork")) else f"at {name}"
    )


def _venue(random: Random) -> Place:
    name = random.choice(
        (
            "{town} Town Hall",
            "{town} Library",
            "Café {tree}",
            "{number} {street}",
            "{tree} Street Theatre",
            "St Mary's Church {town}",
            "{town} Community Centre",
            "The {tree} Inn",
            "{town} Museum",
            "{tree} Hall, {street}",
            "{town} Sports Ground",
            "{town} Park Pavilion",
        )
    )
    name = name.format(
        town=town(random), tree=random.choice(TREES), number=random.randint(2, 90), street=random.choice(STREETS)
    )
    return Place(name, f"at {name}")


DOMAINS = (
    Domain("office", 0.38, (8, 17), _office_title, _room, weekdays_only=True),
    Domain("systems", 0.12, (6, 23), _system_title, _site),
    Domain("courses", 0.16, (9, 19), _course_title, lambda random: random.choice((_room, _venue))(random)),
    Domain("culture", 0.17, (16, 20), lambda random: _composed(_SHOWS, random), _venue),
    Domain("community", 0.17, (9, 19), lambda random: _composed(_GATHERINGS, random), _venue),
)


def grammar(title: Title) -> dict[str, str]:
    """`the` for common names; names with a possessive, a colon or an opening verb stand alone."""
    alone = any(
        mark in title.text
        for mark in (
            "'s ",
            ": ",
            "Introduction",
            "Advanced",
            " for Beginners",
            "An Evening",
            "Leaving Drinks",
            "Open Mic",
            "Lecture",
            "Housewarming",
            "Parents' Evening",
        )
    )
    article = "" if alone else "the "
    return {"the": article + title.text, "The": (article.capitalize() or "") + title.text}
