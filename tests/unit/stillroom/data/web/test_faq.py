import json

from stillroom.data.web.faq import Pair, pairs


def found(body: str) -> list[Pair]:
    return pairs(f"<!doctype html><html><body>{body}</body></html>".encode(), "http://a.example/")


def test_json_ld_of_schema_org() -> None:
    def question(name: str, text: str) -> dict[str, object]:
        return {"@type": "Question", "name": name, "acceptedAnswer": {"@type": "Answer", "text": text}}

    page = {
        "@context": "https://schema.org",
        "@graph": [
            {"@type": "WebSite", "name": "x"},
            {
                "@type": ["WebPage", "FAQPage"],
                "mainEntity": [
                    question("How long does it take?", "<p>Two days &amp; a night.</p><script>x()</script>"),
                    question("Is it free?", "Yes."),
                    {"@type": "Question", "name": "Unanswered?"},
                ],
            },
        ],
    }
    script = json.dumps(page).replace("</", "<\\/")
    assert found(f'<script type="application/ld+json">{script}</script>') == [
        Pair("How long does it take?", "Two days & a night.", "FAQPage"),
        Pair("Is it free?", "Yes.", "FAQPage"),
    ]
    assert found('<script type="application/ld+json">{broken</script>') == []


def test_microdata_of_schema_org() -> None:
    body = """<div itemscope itemtype="https://schema.org/FAQPage">
    <div itemscope itemprop="mainEntity" itemtype="https://schema.org/Question"><h3 itemprop="name">Is it free?</h3>
    <div itemscope itemprop="acceptedAnswer" itemtype="https://schema.org/Answer"><div itemprop="text"><p>Yes.</p></div>
    <a>Was this helpful?</a></div></div></div>"""
    assert found(body) == [Pair("Is it free?", "Yes.", "microdata")]


def test_an_answer_that_a_button_unfolds() -> None:
    body = "<h3><button aria-controls='a1'>Is it free?</button></h3><div id='a1' hidden><p>Yes.</p></div>"
    assert found(body) == [Pair("Is it free?", "Yes.", "button")]
    bare = "<div><button aria-controls='b'>Menu</button><a aria-controls='c'>Why?</a><p id=c>So.</p><p id=b>x</p></div>"
    assert found(bare) == [Pair("Why?", "So.", "button")]


def test_details_and_summary() -> None:
    body = "<details><summary>Can I <b>return</b> it?</summary>Yes,<p>for a month.</p></details><details>none</details>"
    assert found(body) == [Pair("Can I return it?", "Yes,\n\nfor a month.", "details")]


def test_definition_lists_with_and_without_wrappers() -> None:
    body = "<dl><dt>Who?</dt><dd>We.</dd><dt>Why?</dt><dt>What for?</dt><dd>For you.</dd><dd>And us.</dd></dl>"
    wrapped = "<dl><div><dt>Where?</dt><dd>Here.</dd></div><div><dt>Nobody answers?</dt></div></dl>"
    assert [(pair.question, pair.answer.split()) for pair in found(body + wrapped)] == [
        ("Who?", ["We."]),
        ("Why?", ["For", "you.", "And", "us."]),
        ("What for?", ["For", "you.", "And", "us."]),
        ("Where?", ["Here."]),
    ]


def test_headings_that_ask() -> None:
    body = """<main><h1>Help</h1>
    <h2>When do you open?</h2>At nine. <p>On Sundays at ten.</p><ul><li>not in May</li></ul>
    <h2>About us</h2><p>Old.</p><h3>怎么付款？</h3><p>用卡。</p>
    <div class=q><h3>Wrapped?</h3></div><div>Also.</div></main>"""
    assert [(pair.question, " ".join(pair.answer.split())) for pair in found(body)] == [
        ("When do you open?", "At nine. On Sundays at ten. * not in May"),
        ("怎么付款？", "用卡。"),
        ("Wrapped?", "Also."),
    ]


def test_a_question_in_two_ways_is_one() -> None:
    page = {
        "@type": "FAQPage",
        "mainEntity": {
            "@type": "Question",
            "name": "Is it free?",
            "acceptedAnswer": {"@type": "Answer", "text": "Yes."},
        },
    }
    body = f'<script type="application/ld+json">{json.dumps(page)}</script><h2>Is it  FREE?</h2><p>Yes, quite.</p>'
    assert found(body) == [Pair("Is it free?", "Yes.", "FAQPage")]


def test_pages_without_anything() -> None:
    assert found("") == [] and pairs(b"", "x") == [] and found("<h2>No question</h2><p>Text</p>") == []
