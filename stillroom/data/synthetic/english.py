"""The English wording of mails that announce, move or cancel an event."""

from stillroom.data.synthetic.dates_english import STYLES, TIMES
from stillroom.data.synthetic.model import Labels, Language, Wording
from stillroom.data.synthetic.names_english import DOMAINS, body, grammar, person, town
from stillroom.data.synthetic.nonevents_english import OTHERS, SPAM, VOCABULARY

_SENTENCES = {
    ("planned", "sender", "formal"): (
        "[I|We] would <like|be pleased> to invite you to {the} {when}{where}.",
        "[I am|We are] <pleased|delighted> to invite you to {the}, which will take place {when}{where}.",
        "{When} [I am|we are] holding {the}{where}, and <you are warmly invited|your attendance would be welcome>.",
        "[I|We] <cordially|kindly> invite you to attend {the} {when}{where}.",
        "Please accept [my|our] invitation to {the}. It will be held {when}{where}.",
    ),
    ("planned", "sender", "casual"): (
        (
            "[I'm|We're] <running|putting on|hosting> {the} {when}{where}<. Do come along!| and you're invited.|, "
            "come and join [me|us].>"
        ),
        "[I'd|We'd] love you to come to {the} {when}{where}.",
        "[I've|We've] set up {the} {when}{where}. <Hope you can make it!|See you there?>",
        "Come to {the} that [I'm|we're] <hosting|organising> {when}{where}!",
    ),
    ("planned", "sender", "terse"): (
        "[I am|We are] holding {the} {when}{where}.",
        "[I|We] invite you: {title}, {date}{c_time}{c_place}.",
        "[I|We] call {the}: {date}{c_time}{c_place}.",
    ),
    ("planned", "neutral", "formal"): (
        "{The} will <take place|be held> {when}{where}.",
        "Please note that {the} <is scheduled to take place|will take place> {when}{where}.",
        "{When}, {the} will take place{where}.",
        "This is to <inform you|let you know> that {the} will be held {when}{where}.",
        "{The} is scheduled to be held {when}{where}.",
    ),
    ("planned", "neutral", "casual"): (
        "{The} is <on|happening> {when}{where}.",
        "<Just a reminder that|Don't forget:> {the} is {when}{where}.",
        "{When} it's {the}{where}.",
        "<Quick note|Heads up>: {the} is {when}{where}.",
    ),
    ("planned", "neutral", "terse"): (
        "{title}: {date}{c_time}{c_place}.",
        "{date}{c_time}{c_place}: {title}.",
        "Reminder. {title} {when}{where}.",
        "{title} - {date}{c_time}{c_place}.",
    ),
    ("moved", "sender", "formal"): (
        (
            "[I am|We are] sorry to say that [I|we] have to move {the} from {old_date}{old_c_time}. It will now take "
            "place {when}{where}."
        ),
        (
            "[I|We] have {moved} {the}, which [I|we] had planned for {old_date}{old_c_time}. The new date: "
            "{date}{c_time}{c_place}."
        ),
        "[I|We] have rescheduled {the}: instead of {old_date}{old_c_time}, [I|we] now invite you {when}{where}.",
    ),
    ("moved", "sender", "casual"): (
        "Sorry, [I need|we need] to move {the}. Not {old_when} after all, but {when}{where}.",
        "[I've|We've] pushed {the} from {old_date}{old_c_time} {to_when}. <Hope that works|Sorry for the hassle>!",
        "Change of plan: [I'm|we're] now doing {the} {when}{where}, not {old_when}.",
    ),
    ("moved", "sender", "terse"): (
        "[I|We] moved {the}. Was: {old_date}{old_c_time}. Now: {date}{c_time}{c_place}.",
        "[I am|We are] shifting {the} {to_when}. {Old_date} is off.",
    ),
    ("moved", "neutral", "formal"): (
        "{The} has been {moved} from {old_date}{old_c_time} and will now take place {when}{where}.",
        "Please note a change: {the} will take place {when}{where} instead of {old_when}.",
        "{The}, originally planned for {old_date}{old_c_time}, has been moved {to_when}{c_place}.",
        "Contrary to the earlier announcement, {the} will be held {when}{where} and not {old_when}.",
    ),
    ("moved", "neutral", "casual"): (
        "{The} isn't {old_when} any more, it's now {when}{where}.",
        "{The} got moved {to_when}{c_place}. It was going to be {old_when}.",
        "FYI, new date for {the}: {date}{c_time}{c_place}. Forget {old_date}.",
    ),
    ("moved", "neutral", "terse"): (
        "{title} moved. Old: {old_date}{old_c_time}. New: {date}{c_time}{c_place}.",
        "{title}: now {date}{c_time}{c_place}, not {old_date}.",
        "{title} {when}{where} instead of {old_when}.",
    ),
    ("cancelled", "sender", "formal"): (
        "[I|We] regret that [I|we] have to cancel {the}, which was to take place {when}{where}.",
        (
            "Unfortunately [I am|we are] unable to hold {the} planned for {date}{c_time}{c_place}. [I|We] have to "
            "cancel it."
        ),
        "[I am|We are] sorry to <inform you|tell you> that [I|we] have cancelled {the} {when}{where}.",
    ),
    ("cancelled", "sender", "casual"): (
        "Sorry, [I have|we have] to <cancel|call off> {the} {when}{where}.",
        "Bad news: [I'm|we're] calling off {the} {when}{where}.",
        "[I've|We've] had to scrap {the} that was planned for {date}{c_time}{c_place}.",
    ),
    ("cancelled", "sender", "terse"): (
        "[I am|We are] cancelling {the} {when}{where}.",
        "[I|We] have cancelled {the}: {date}{c_time}{c_place}.",
    ),
    ("cancelled", "neutral", "formal"): (
        "{The} planned for {date}{c_time}{c_place} has been cancelled.",
        "Please be informed that {the} {when}{where} will not take place.",
        "Unfortunately, {the} scheduled for {date}{c_time}{c_place} had to be cancelled.",
        "{The} {when}{where} is cancelled <due to illness|for technical reasons|because too few people signed up>.",
    ),
    ("cancelled", "neutral", "casual"): (
        "{The} {when}{where} is off.",
        "Bad luck: {the} {when}{where} has been called off.",
        "{The} {when}{where} isn't happening <after all|any more>.",
    ),
    ("cancelled", "neutral", "terse"): (
        "CANCELLED: {title}, {date}{c_time}{c_place}.",
        "{title} {when}{where}: cancelled.",
        "{title} ({date}{c_time}{c_place}) called off.",
    ),
}

WORDING = Wording(
    sentences=_SENTENCES,
    greetings={
        "formal": (
            "Dear colleagues,",
            "Dear all,",
            "Dear {reader},",
            "Dear members,",
            "Dear Sir or Madam,",
            "Good morning,",
            "Dear neighbours,",
        ),
        "casual": (
            "Hi all,",
            "Hi {reader},",
            "Hello everyone,",
            "Hey {reader},",
            "Hi team,",
            "Hello,",
            "Morning all,",
            "Hi folks,",
        ),
    },
    closings={
        "formal": ("Kind regards,", "Best regards,", "Yours sincerely,", "With kind regards,", "Many thanks,"),
        "casual": ("Cheers,", "See you,", "Best,", "All the best,", "Thanks,", "Bye,"),
        "terse": ("", "", "Regards,", "--"),
    },
    moved=("moved", "rescheduled"),
    postponed=("postponed", "put off"),
    where=("The venue is {place}.", "We meet {at_place}.", "Location: {place}.", "You will find us {at_place}."),
    starts=("It starts {at}.", "Start: {time}.", "We begin {at}.", "Time: {time}."),
    hosts=("It is <organised|hosted> {by}.", "The host is {host}.", "Organiser: {host}.", "It is led {by}."),
    speakers=("{Host} will be speaking.", "The speaker is {host}.", "Speaker: {host}.", "Your host is {host}."),
    terse_hosts=("Host: {host}.", "Organiser: {host}.", "Organizer: {host}."),
    item_hosts=(" (host: {host})", ", hosted {by}", ", organised {by}"),
    passed_on=(
        "Passing this on from the notice board:",
        "I saw this and thought of you.",
        "FYI, in case you have not heard:",
        "Found this on the notice board at work.",
        "Forwarding this for your information.",
    ),
    extras={
        "formal": (
            "Please bring <a pen and paper|your own cup|your staff card|sturdy shoes>.",
            "Light refreshments will be provided.",
            "Admission is free.",
            "There is step-free access to the building.",
            "Parking spaces are limited.",
            "An agenda will follow.",
            "Further details can be found on our website.",
            "The documents are attached.",
            "{other} has kindly prepared the slides.",
            "The lift is working again.",
            "There are {number} seats.",
        ),
        "casual": (
            "There'll be <cake|tea and biscuits|pizza>.",
            "Bring a friend if you like.",
            "The coffee machine is fixed, by the way.",
            "{other} says hello.",
            "Oh, and thanks for the photos!",
            "I still have your umbrella.",
            "Let me know if you need a lift.",
            "My phone number has not changed.",
            "{other} found your keys.",
        ),
        "terse": (
            "Bring laptop.",
            "Agenda follows.",
            "Entry free.",
            "Documents attached.",
            "Parking scarce.",
            "{number} seats.",
        ),
    },
    reply_by=("Please reply by {deadline}.", "Registration is open until {deadline}.", "RSVP by {deadline}, please."),
    labels=(
        Labels("What", "When", "Time", "Where", "Host", "Status", "Previously"),
        Labels("Event", "Date", "Time", "Location", "Organiser", "Status", "Old date"),
        Labels("Title", "Date", "Start", "Place", "Organizer", "State", "Was"),
        Labels("Name", "Day", "Time", "Venue", "Organised by", "Status", "Before"),
    ),
    statuses={
        "planned": ("planned", "confirmed", "scheduled"),
        "moved": ("{moved}",),
        "cancelled": ("cancelled", "called off"),
    },
    fields_intro={
        "sender": (
            "[I|We] would like to invite you:",
            "You are invited by [me|us]. The details:",
            "[I am|We are] looking forward to welcoming you. Details:",
        ),
        "sender_changed": (
            "[I|We] have to make a change to [my|our] event:",
            "[I am|We are] sorry, [my|our] plans have changed:",
        ),
        "neutral": ("Details below:", "Please find the details here:", "For your calendar:", "Please note:", ""),
    },
    bulletin_intro={
        "sender": (
            "We invite you to our next events:",
            "Join us at our coming events:",
            "Our programme, to which we warmly invite you:",
        ),
        "neutral": (
            "What's on:",
            "Coming up:",
            "Dates for your diary:",
            "Upcoming events in brief:",
            "This is what lies ahead:",
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
            "{title} - moved from {old_date} to {date}{c_time}{c_place}{c_host}",
            "NEW DATE {date}{c_time}: {title}{c_place}{c_host} (was {old_date})",
        ),
        "cancelled": (
            "CANCELLED: {title}, {date}{c_time}{c_place}{c_host}",
            "{date}{c_time}: {title}{c_place}{c_host} - cancelled",
        ),
    },
    bulletin_end=(
        "More on our website.",
        "You receive this newsletter because you subscribed.",
        "Changes reserved.",
        "To unsubscribe, reply with STOP.",
        "",
    ),
    notifications={
        "planned": (
            "Reminder: {title}\n{date}{c_time}{c_place}",
            "[Calendar] New entry\n{title}\n{date}{c_time}{c_place}",
            "Scheduled: {title}\nStart: {date}{c_time}{c_place}",
            "This is an automatic notice. {The} is scheduled {when}{where}.",
        ),
        "moved": (
            "Updated: {title}\nOld: {old_date}{old_c_time}\nNew: {date}{c_time}{c_place}",
            "[Calendar] Entry changed\n{title}\nnow {date}{c_time}{c_place} (was {old_date}{old_c_time})",
            "This is an automatic notice. {The} has been moved {to_when}{c_place}. Previous date: {old_date}.",
        ),
        "cancelled": (
            "Cancelled: {title}\n{date}{c_time}{c_place}",
            "[Calendar] Entry cancelled\n{title}\n{date}{c_time}{c_place}",
            "This is an automatic notice. {The} {when}{where} has been cancelled.",
        ),
    },
    notification_end=(
        "Do not reply to this message.",
        "Sent automatically.",
        "You can change your notification settings at any time.",
        "Ticket no. {ticket}",
        "",
    ),
    subjects={
        "planned": (
            "{title}",
            "{title} {on}",
            "Save the date: {title}",
            "Reminder: {title}",
            "For your diary",
            "Upcoming: {title}",
        ),
        "invitation": ("Invitation: {title}", "You're invited", "Invitation", "Please join: {title}"),
        "moved": (
            "New date: {title}",
            "{title} moved",
            "Change of date",
            "Rescheduled: {title}",
            "Update: {title}",
            "Change of plan",
        ),
        "cancelled": (
            "Cancelled: {title}",
            "{title} cancelled",
            "Cancellation",
            "{title} is off",
            "Unfortunately cancelled",
        ),
        "several": (
            "What's on",
            "Coming dates",
            "The programme",
            "Upcoming events",
            "Dates for your diary",
            "Newsletter {town}",
            "News from {town}",
        ),
    },
    quotes=(
        "On {quoted_date}, {other_full} wrote:\n> Could we find a date for this? I had {old_date} in mind.",
        "{other_full} wrote:\n> Would {old_date} suit you?",
        "-----Original Message-----\nFrom: {other_full}\n> When is it? I had noted {old_date}.",
    ),
    footers=(
        "This message is confidential.",
        "Tel. 0{ticket}",
        "Please think before you print.",
        "Sent from my phone",
        "Registered charity no. {ticket}",
    ),
    relays=("{town} Weekly", "{town} Notice Board", "What's On {town}", "{town} Events Calendar", "Staff News"),
    systems=("Calendar", "Status Page", "Notifications", "Booking System", "Reminder Service"),
    roles=(
        "Project Lead",
        "Head of Operations",
        "Secretary",
        "Office Manager",
        "Programme Officer",
        "Administrator",
        "Treasurer",
    ),
)

ENGLISH = Language(
    "en",
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
