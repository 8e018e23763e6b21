"""German mails that announce nothing: everyday mail, mail with dates that are no event's, and junk.

Each kind is (subjects, bodies). `{past}` is a day gone by, `{due}` a day to come that is no happening. The words for
`{thing}` are all masculine, so that one article serves.
"""

from stillroom.data.synthetic.template import words

OTHERS = {
    "chat": (
        ("Hallo", "Re: deine Nachricht", "Fotos", "Kurze Frage", "Wie geht's?", "Der {thing}"),
        (
            (
                "Hallo {reader},\n\n<danke für deine Nachricht|schön, von dir zu hören>. <Hier geht es allen "
                "gut|Hier ist viel los>. {first2} <redet nur noch über|begeistert sich jetzt für> {hobby}, und <der "
                "Garten wuchert|die Katze wird dick>. Was macht der {thing}?\n\n<Liebe|Viele> Grüße\n{first}"
            ),
            (
                "Hi {reader},\n\nich habe das Buch über {hobby} <endlich fertig|angefangen>. <Nicht so meins.|Du "
                "hattest recht, es ist toll.> Hast du den {thing} eigentlich gefunden?\n\n{first}"
            ),
            (
                "{reader}, <hast du|schickst du mir> die neue Adresse von {first2}? Ich möchte den {thing} "
                "zurückschicken.\n\n<Danke|Gruß>\n{first}"
            ),
            (
                "Hallo,\n\nder {thing} ist da und <passt|funktioniert> <bestens|gut>. {first2} <freut sich auch|ist "
                "neidisch>.\n\n{first}"
            ),
        ),
    ),
    "question": (
        ("Frage zum {thing}", "Der {thing}?", "Kannst du helfen?"),
        (
            (
                "Hallo {reader},\n\n<weißt du|kannst du mir sagen>, <was der {thing} kostet|wer den {thing} bestellt "
                "hat|wo der {thing} steht>? {first2} <hat mich gefragt|wusste es nicht>.\n\n<Danke|Gruß>\n{first}"
            ),
            (
                "Guten Tag,\n\nkönnten Sie bitte die Nummer {ticket} auf dem Formular für den {thing} "
                "<prüfen|bestätigen>? Sie <scheint falsch zu sein|passt nicht zu unserer>.\n\nMit freundlichen "
                "Grüßen\n{name}\n{company}"
            ),
            (
                "Hi {reader},\n\nwir sollten mal wieder <telefonieren|essen gehen>. <Wann passt es dir?|Eilt nicht.> "
                "Und bring den {thing} mit.\n\n{first}"
            ),
        ),
    ),
    "thanks": (
        ("Danke", "Vielen Dank", "Danke für den {thing}"),
        (
            (
                "Liebe Familie {last},\n\n<vielen Dank|herzlichen Dank> für den {thing}. {first2} und ich haben uns "
                "<sehr gefreut|riesig gefreut>.\n\nHerzliche Grüße\n{name}"
            ),
            (
                "Hallo {reader},\n\ndanke für deine Hilfe mit dem {thing}. <Du hast mich gerettet.|Du hast etwas gut "
                "bei mir.>\n\n{first}"
            ),
        ),
    ),
    "newsletter": (
        ("Newsletter {company}", "Neues aus {town}", "Tipps zum Thema {hobby}", "Lesetipps"),
        (
            (
                "<Kurz gemeldet|Tipps des Monats>:\n- {hobby}: <fünf Fehler, die man vermeiden kann|warum viele "
                "aufgeben|was man zum Anfang braucht>\n- Der neue {thing} im Test\n- <Gespräch|Porträt>: {name2} "
                "über {hobby}\n\nAbmelden jederzeit möglich."
            ),
            (
                "Liebe Leserinnen und Leser,\n\nin dieser Ausgabe dreht sich alles um {hobby}. {name2} erklärt <die "
                "Grundlagen|den Einstieg>, und auf Seite {number} steht alles über den {thing}.\n\n{company}"
            ),
            (
                "Version {number}.{digit}\n* <schnellerer Start|kleinerer Download>\n* behoben: {thing} fehlte\n\n"
                "Erschienen {on_past}. Dank an {name2} für den Hinweis."
            ),
        ),
    ),
    "receipt": (
        ("Ihre Quittung {ticket}", "Bestellung {ticket}", "Zahlung erhalten", "Danke für Ihre Bestellung"),
        (
            (
                "Danke für Ihre Bestellung {ticket} vom {past}.\n\n1 x {thing}   {amount} EUR\nBezahlt per "
                "<Karte|Überweisung>.\n\n{company}"
            ),
            (
                "Guten Tag,\n\nIhre Zahlung von {amount} EUR für den {thing} ist {on_past} eingegangen. <Sie müssen "
                "nichts weiter tun.|Bitte bewahren Sie den Beleg auf.>\n\n{company}"
            ),
        ),
    ),
    "invoice": (
        ("Rechnung {ticket}", "Ihre Rechnung", "Zahlungserinnerung {ticket}"),
        (
            (
                "Sehr geehrte Damen und Herren,\n\nanbei die Rechnung {ticket} für den {thing}. Der Betrag von "
                "{amount} EUR ist {on_due} fällig.\n\nMit freundlichen Grüßen\n{name}\n{company}"
            ),
            (
                "Rechnung {ticket}\nBetrag: {amount} EUR\nZahlbar bis: {due}\n\n<Bitte geben Sie die Nummer "
                "an.|Falls schon bezahlt, bitte nicht beachten.>\n{company}"
            ),
            (
                "Hallo {reader},\n\ndein Abo der Zeitschrift für {hobby} kostet {amount} EUR und verlängert sich "
                "{on_due}. Du kannst es im Konto beenden.\n\n{company}"
            ),
        ),
    ),
    "deadline": (
        ("Zahlen für den {thing}", "Bericht fehlt", "Formular {ticket}"),
        (
            (
                "Hallo {reader},\n\nbitte schick mir die Zahlen für den {thing} bis {due}. {first2} <braucht sie für "
                "den Bericht|hat schon geliefert>.\n\n<Danke|Gruß>\n{first}"
            ),
            (
                "Liebe Kolleginnen und Kollegen,\n\ndas Formular {ticket} muss bis {due} abgegeben werden. <Später "
                "geht es leider nicht.|Fragen beantwortet {name2}.>\n\n{name}"
            ),
        ),
    ),
    "report": (
        ("Protokoll", "Notizen zum {thing}", "Rückblick", "Zusammenfassung"),
        (
            (
                "Liebe Kolleginnen und Kollegen,\n\n<die Besprechung|das Gespräch> über den {thing} {on_past} "
                "verlief <gut|zügig>. {name2} hat <Protokoll geführt|die Zahlen vorgestellt>, alles liegt bei. "
                "Weiteres ist nicht geplant.\n\n{name}"
            ),
            (
                "Hallo {reader},\n\ndas Konzert {on_past} war <wunderbar|etwas lang>. {first2} schwärmt noch immer. "
                "Schade, dass du nicht da warst!\n\n{first}"
            ),
            (
                "Rückblick: Zum Vortrag über {hobby} {on_past} kamen {number} Gäste. Fotos <stehen auf der "
                "Webseite|hängen im Flur>.\n\n{company}"
            ),
        ),
    ),
    "greeting": (
        ("Alles Gute!", "Herzlichen Glückwunsch", "Glückwünsche"),
        (
            (
                "Hallo {reader},\n\nalles Gute zum Geburtstag {on_due}! Ich denke mit einer Tasse Tee an dich. Der "
                "{thing} ist in der Post.\n\nLiebe Grüße\n{first}"
            ),
            (
                "Hallo {reader},\n\nherzlichen Glückwunsch <zur bestandenen Prüfung|zur neuen Stelle|zum Nachwuchs>! "
                "{first2} hat es mir {on_past} erzählt. Ich freue mich sehr.\n\n{first}"
            ),
        ),
    ),
    "shipping": (
        ("Ihr Paket {ticket}", "Bestellung verschickt", "Lieferstatus"),
        (
            (
                "Ihre Bestellung {ticket} ({thing}) wurde {on_past} <verschickt|versandt>. Sie sollte {on_due} bei "
                "Ihnen eintreffen.\n\n{company}"
            ),
            (
                "Guten Tag,\n\nder {thing}, den Sie {on_past} bestellt haben, ist vergriffen. Nachschub erwarten wir "
                "{on_due}. <Bitte haben Sie Geduld.|Sie können kostenlos stornieren.>\n\n{company}"
            ),
        ),
    ),
}

SPAM = {
    "prize": (
        ("Sie haben GEWONNEN!", "Gewinnmitteilung {ticket}", "Ihr Gewinn: {prize}", "Glückwunsch!!"),
        (
            (
                "<HERZLICHEN GLÜCKWUNSCH|Lieber Gewinner>! Ihre Adresse wurde gezogen. Ihr Gewinn: {prize}. Sichern "
                "Sie ihn sich bis {due} unter {link}, sonst verfällt er!"
            ),
            (
                "Sehr geehrter Kunde,\nSie sind Gewinner Nr. {ticket} von {amount}0 Euro. Senden Sie Namen und "
                "Bankdaten bis {due} an {name2}. Bitte <vertraulich|geheim> behandeln!"
            ),
        ),
    ),
    "pills": (
        ("{pill} -80%", "Jetzt abnehmen", "Medikamente günstig", "Wieder jung fühlen"),
        (
            (
                "{pill} <ohne Rezept|zum Tiefstpreis>! <Diskreter Versand|100 % Zufriedenheit>. Nur bis {due}: "
                "{number} Stück für {amount} Euro. {link}"
            ),
            "{number} Kilo weniger in <zwei Wochen|zehn Tagen> mit {pill}. Ärzte staunen! Jetzt bestellen: {link}",
        ),
    ),
    "loan": (
        ("Kredit bewilligt", "Geld gebraucht?", "Schuldenfrei", "Sofortkredit"),
        (
            (
                "<Ohne Schufa|Ohne Bonitätsprüfung>! {amount}0 Euro <noch heute|in einer Stunde> zu {digit} % "
                "Zinsen. Das Angebot endet {on_due}. Antrag: {link}"
            ),
            (
                "Ihr Kredit über {amount}0 Euro ist <bewilligt|freigegeben>. Zahlen Sie {number} Euro Gebühr an "
                "{name2}. {link}"
            ),
        ),
    ),
    "phishing": (
        ("Konto gesperrt", "Sicherheitswarnung {ticket}", "Handlung erforderlich", "Ihr Postfach ist voll"),
        (
            (
                "Sehr geehrter Nutzer,\nwir haben ungewöhnliche Anmeldungen bemerkt. <Bestätigen|Prüfen> Sie Ihr "
                "Passwort bis {due} unter {link}, sonst wird Ihr Konto <gelöscht|geschlossen>.\nIhr Sicherheitsteam"
            ),
            (
                "Ihr Postfach ist zu {number} % voll. Klicken Sie spätestens {on_due} auf {link}, um Ihre "
                "Nachrichten zu behalten."
            ),
        ),
    ),
    "offer": (
        ("Exklusives Angebot", "Geld verdienen von zu Hause", "Platz 1 bei der Suche", "Luxus: {luxury} -70%"),
        (
            (
                "Verdienen Sie {amount} Euro <am Tag|in der Woche> von zu Hause! {name2} hat es geschafft, Sie "
                "können es auch. Nur noch {number} Plätze bis {due}. {link}"
            ),
            (
                "<Beste|Edle> {luxury} ab {number} Euro. <Weltweit gratis Versand|Zwei kaufen, eins geschenkt>. Der "
                "Verkauf endet {on_due}! {link}"
            ),
            (
                "Sehr geehrter Unternehmer, wir bringen Ihre Seite auf Platz eins. {number}.000 Besucher garantiert. "
                "Antworten Sie bis {due} und sparen Sie {digit}0 %."
            ),
        ),
    ),
}

VOCABULARY = {
    "thing": words(
        "Drucker|Mantel|Wasserkocher|Koffer|Schreibtisch|Spiegel|Beamer|Bohrer|Mixer|Gartenstuhl|Rasenmäher|Teppi"
        "ch|Rucksack|Schlitten|Kühlschrank|Sessel|Ofen|Monitor"
    ),
    "hobby": words(
        "Segeln|Schach|Imkerei|Aquarellmalerei|Fotografie|Gartenbau|Astronomie|Radfahren|Töpfern|Brotbacken"
    ),
    "prize": words("ein Smartphone|eine Reise nach Bali|ein Sportwagen|ein Gutschein|ein Laptop|eine Kreuzfahrt"),
    "pill": words("SlimFit Max|VitaBoost|KräuterKraft|KetoPower|SchlafGut Gold"),
    "luxury": words("Uhren|Handtaschen|Sonnenbrillen|Parfüms|Turnschuhe"),
    "company": words(
        "Harder Bürobedarf|Lichtwerk GmbH|Buchladen am Tor|Werkzeug Peters|Meridian Service|Kupferdraht AG|Farn "
        "& Söhne|Reisebüro Nordwind"
    ),
    "spammer": words("Gewinnzentrale|Kundendienst|Dr. Gesund|Sofortgeld|Sicherheitsteam|Top Angebote|Online Shop"),
}
