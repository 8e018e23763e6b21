"""English mails that announce nothing: everyday mail, mail with dates that are no event's, and junk.

Each kind is (subjects, bodies). `{past}` is a day gone by, `{due}` a day to come that is no happening.
"""

from stillroom.data.synthetic.template import words

OTHERS = {
    "chat": (
        ("Hello", "Re: your message", "Photos", "Quick one", "{thing}", "How are you?", "The {thing}"),
        (
            (
                "Hi {reader},\n\n<thanks for your message|good to hear from you>. <We are all well here|Things are "
                "busy as ever>. {First2} <has taken up|keeps talking about> {hobby} and <the garden is a mess|the "
                "cat is fat>. How is the {thing}?\n\n<Love|Best>,\n{first}"
            ),
            (
                "Hey {reader},\n\nI <finally finished|started> that book about {hobby}. <Not my thing, to be "
                "honest.|You were right, it is great.> Did you ever find the {thing}?\n\n{first}"
            ),
            (
                "{reader}, <do you have|could you send me> {first2}'s new address? I want to post the {thing} "
                "back.\n\n<Thanks|Cheers>,\n{first}"
            ),
            (
                "Hi,\n\nthe {thing} arrived and it <works|fits> <perfectly|fine>. {First2} <likes it too|is "
                "jealous>. <More soon.|Speak soon.>\n\n{first}"
            ),
        ),
    ),
    "question": (
        ("Question about the {thing}", "{thing}?", "Could you help?", "Re: {thing}"),
        (
            (
                "Hi {reader},\n\n<do you know|can you tell me> <how much the {thing} costs|who ordered the "
                "{thing}|where the {thing} is kept>? {First2} <asked me|could not say>.\n\n<Thanks|Regards>,\n{first}"
            ),
            (
                "Dear {reader},\n\ncould you <check|confirm> the number {ticket} on the form for the {thing}? It "
                "<looks wrong to me|does not match ours>.\n\nKind regards,\n{name}\n{company}"
            ),
            (
                "Would you rather have the {thing} in <blue|green|grey|black>? <{First2} has no opinion.|We have "
                "{number} left.>\n\n{first}"
            ),
            (
                "Hi {reader},\n\nwe should <catch up|have lunch> some time. <When would suit you?|No rush.> And "
                "bring the {thing}.\n\n{first}"
            ),
        ),
    ),
    "thanks": (
        ("Thank you", "Many thanks", "Thanks for the {thing}"),
        (
            (
                "Dear {reader},\n\n<thank you very much|many thanks> for the {thing}. {First2} and I were "
                "<delighted|very pleased>. <It was most kind of you.|You should not have!>\n\n<Warm regards|Best "
                "wishes>,\n{name}"
            ),
            (
                "Hi {reader},\n\njust a note to say thanks for your help with the {thing}. <You saved the day.|I owe "
                "you one.>\n\n{first}"
            ),
        ),
    ),
    "newsletter": (
        ("{company} newsletter", "News from {town}", "Tips on {hobby}", "This month's reading"),
        (
            (
                "<News in brief|This month's tips>:\n- {Hobby}: <five mistakes to avoid|why beginners give up|what "
                "you need to start>\n- Our new {thing} <tested|explained>\n- <Interview|Portrait>: {name2} on "
                "{hobby}\n\nYou can unsubscribe at any time."
            ),
            (
                "Dear readers,\n\nthis issue is all about {hobby}. {name2} explains <how to begin|the basics>, and "
                "we compare {number} kinds of {thing}. <Enjoy reading!|The full text is on our website.>\n\n{company}"
            ),
            (
                "Release notes {number}.{digit}\n* <faster start|smaller download>\n* fixed: {thing} not shown\n* "
                "<new|better> search\n\nReleased {on_past}. Thanks to {name2} for the report."
            ),
        ),
    ),
    "receipt": (
        ("Your receipt {ticket}", "Order {ticket}", "Payment received", "Thank you for your order"),
        (
            (
                "Thank you for your order {ticket} of {past}.\n\n1 x {thing}   {amount} EUR\nPaid by <card|bank "
                "transfer>.\n\n{company}"
            ),
            (
                "Hello {reader},\n\nwe have received your payment of {amount} EUR for the {thing} {on_past}. <No "
                "further action is needed.|Please keep this receipt.>\n\n{company}"
            ),
        ),
    ),
    "invoice": (
        ("Invoice {ticket}", "Your invoice", "Payment reminder {ticket}"),
        (
            (
                "Dear {reader},\n\nplease find attached invoice {ticket} for the {thing}. The amount of {amount} EUR "
                "is due {on_due}.\n\nKind regards,\n{name}\n{company}"
            ),
            (
                "Invoice {ticket}\nAmount: {amount} EUR\nPayable by: {due}\n\n<Please quote the number.|Please "
                "ignore this if you have paid.>\n{company}"
            ),
            (
                "Hi {reader},\n\nyour subscription to {hobby} Monthly costs {amount} EUR and renews {on_due}. You "
                "can stop it in your account.\n\n{company}"
            ),
        ),
    ),
    "deadline": (
        ("Figures for the {thing}", "Report needed", "Form {ticket}"),
        (
            (
                "Hi {reader},\n\nplease send me the figures for the {thing} by {due}. {First2} <needs them for the "
                "report|has sent hers already>.\n\n<Thanks|Regards>,\n{first}"
            ),
            (
                "Dear all,\n\nform {ticket} must be handed in by {due}. <Late forms cannot be accepted.|Ask {name2} "
                "if anything is unclear.>\n\n{name}"
            ),
        ),
    ),
    "report": (
        ("Minutes", "Notes on the {thing}", "How it went", "Summary"),
        (
            (
                "Dear all,\n\n<the meeting|our discussion> about the {thing} {on_past} <went well|was short>. "
                "{name2} <took the minutes|presented the figures>, which are attached. Nothing else is planned.\n\n"
                "{name}"
            ),
            (
                "Hi {reader},\n\nthe concert {on_past} was <wonderful|rather long>. {First2} loved the {thing}. Pity "
                "you could not be there!\n\n{first}"
            ),
            "{company} reports: the talk on {hobby} {on_past} drew {number} people. Photos are <online|in the hall>.",
        ),
    ),
    "greeting": (
        ("Happy birthday!", "Congratulations", "Best wishes"),
        (
            (
                "Dear {reader},\n\n<happy birthday|many happy returns> {on_due}! I will think of you with a cup of "
                "tea. The {thing} is in the post.\n\n<Love|Best wishes>,\n{first}"
            ),
            (
                "Hi {reader},\n\ncongratulations on <passing your exam|the new job|the baby>! {First2} told me "
                "{on_past}. I am <so happy for you|thrilled>.\n\n{first}"
            ),
        ),
    ),
    "shipping": (
        ("Your parcel {ticket}", "Order shipped", "Delivery update"),
        (
            "Your order {ticket} ({thing}) was <shipped|sent> {on_past}. It should reach you {on_due}.\n\n{company}",
            (
                "Hello {reader},\n\nthe {thing} you ordered {on_past} is out of stock. We expect new stock {on_due}. "
                "<Sorry for the wait.|You may cancel the order free of charge.>\n\n{company}"
            ),
        ),
    ),
}

SPAM = {
    "prize": (
        ("You have WON!", "Winner notification {ticket}", "Claim your {prize}", "Congratulations {reader}!!"),
        (
            (
                "<CONGRATULATIONS|Dear lucky winner>! Your address was drawn and you have won <a|a brand new> "
                "{prize}. <Claim|Collect> it before {due} at {link} or it <goes to someone else|is lost>!"
            ),
            (
                "Dear customer,\nyou are winner no. {ticket} of {amount}0 USD. Send your name and bank details to "
                "{name2} by {due}. Keep this <secret|confidential>!"
            ),
        ),
    ),
    "pills": (
        ("{pill} -80%", "Lose weight now", "Cheap meds online", "Feel young again"),
        (
            (
                "<Buy|Order> {pill} <without prescription|at the lowest price>! <Discreet shipping|100% "
                "satisfaction>. Only until {due}: {amount} USD for {number} pills. {link}"
            ),
            "Lose {number} pounds in <two weeks|ten days> with {pill}. Doctors hate it! Order now {link}",
        ),
    ),
    "loan": (
        ("Loan approved", "Need cash?", "Your debt is history", "Refinance today"),
        (
            (
                "<No credit check|Bad credit OK>! Borrow {amount}0 USD <today|within an hour> at {digit}%. The offer "
                "ends {on_due}. Apply: {link}"
            ),
            (
                "Dear {reader}, your loan of {amount}0 USD was <approved|pre-approved>. Pay a small fee of {number} "
                "USD to {name2} to release it. {link}"
            ),
        ),
    ),
    "phishing": (
        ("Account suspended", "Security alert {ticket}", "Action required", "Your mailbox is full"),
        (
            (
                "Dear user,\nwe noticed unusual sign-ins. <Verify|Confirm> your password at {link} before {due} or "
                "your account will be <closed|deleted>.\nSecurity Team"
            ),
            (
                "Your mailbox has reached {number}% of its limit. Click {link} {on_due} at the latest to keep your "
                "messages."
            ),
        ),
    ),
    "offer": (
        ("Exclusive offer", "Make money from home", "Rank #1 in search", "Luxury {luxury} -70%"),
        (
            (
                "Earn {amount} USD a <day|week> from home! No experience needed. {name2} did it and so can you. Only "
                "{number} places left until {due}. {link}"
            ),
            (
                "<Best|Genuine-looking> {luxury} from {number} USD. <Free shipping worldwide|Buy two, get one free>. "
                "Sale ends {on_due}! {link}"
            ),
            (
                "Dear business owner, we <can put|will put> your site on page one. {number},000 visitors guaranteed. "
                "Reply before {due} for {digit}0% off."
            ),
        ),
    ),
}

VOCABULARY = {
    "thing": words(
        "ladder|printer|coat|kettle|bicycle pump|tent|toolbox|lamp|camera|garden "
        "chair|suitcase|drill|radio|blender|bookcase|guitar|raincoat|desk|mirror|projector"
    ),
    "hobby": words(
        "sourdough|sailing|chess|beekeeping|watercolours|running|photography|knitting|gardening|astronomy|cycling"
        "|pottery"
    ),
    "prize": words("smartphone|holiday in Bali|sports car|gift card|laptop|cruise for two"),
    "pill": words("SlimFast Max|VitaBoost|HerbalMan|KetoPower|SleepWell Gold"),
    "luxury": words("watches|handbags|sunglasses|perfumes|trainers"),
    "company": words(
        "Harper Supplies|Brightwell Ltd|Oakfield Books|Castle Tools|Meridian Services|Copperline|Fern & "
        "Co|Seagate Travel"
    ),
    "spammer": words(
        "Prize Team|Customer Care|Dr Health|Fast Cash|Security Team|Best Deals|Global Lottery|Online Shop"
    ),
}
