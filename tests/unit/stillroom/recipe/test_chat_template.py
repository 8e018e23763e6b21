"""Templates as model families write them: with a place for instructions and without, dated, annotated, broken."""

from datetime import datetime
from typing import Any

import pytest

from stillroom.errors import UserError
from stillroom.recipe.chat_template import ChatTemplate
from stillroom.recipe.model import Recipe
from stillroom.recipe.prompt import Prompter

RECIPE = Recipe.model_validate(
    {"name": "tiny", "instruction": "Say it.", "data": {"sources": [{"kind": "csv", "path": "a.csv"}]}}
)
SYSTEM = {"role": "system", "content": "Be brief."}
USER, BOT = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}
GEMMA = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for message in messages %}
{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
{%- endif %}
{%- set role = 'model' if message['role'] == 'assistant' else message['role'] %}
{{- '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"""
PHI = (  # knows no instructions, and says nothing of it
    "{% for m in messages %}{% if m['role'] == 'user' %}<|user|>{{ m['content'] }}<|end|>"
    "{% elif m['role'] == 'assistant' %}<|assistant|>{{ m['content'] }}<|end|>{% endif %}{% endfor %}<|assistant|>"
)
DATED = (
    "{{ strftime_now('%d %b %Y') }}{% for m in messages %}|{{ m['content'] }}{% endfor %}"
    "{{ '|' if add_generation_prompt }}"
)
THINKING = (  # as Qwen3's: an answer without a thought has an empty one, and the prompt too where it is told so
    "{% for m in messages %}<{{ m['role'] }}>{% if m['role'] == 'assistant' %}<think></think>{% endif %}"
    "{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}<assistant>"
    "{% if enable_thinking is defined and not enable_thinking %}"
    "<think></think>{% endif %}{% endif %}"
)


def test_instructions_without_a_place_of_their_own_stand_before_the_first_question() -> None:
    gemma = ChatTemplate(GEMMA, "<bos>")
    assert not gemma.takes_system
    assert gemma.render([SYSTEM, USER]) == (
        "<bos><start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\n"
    )
    assert "Be brief." in gemma.render([SYSTEM]) and gemma.render([USER, BOT, USER]).count("Hi") == 2
    assert ChatTemplate(PHI).render([SYSTEM, USER]) == "<|user|>Be brief.\n\nHi<|end|><|assistant|>"
    with pytest.raises(UserError, match="must alternate"):
        gemma.render([USER, USER])


def test_a_recipes_answer_comes_without_a_thought() -> None:
    prompter = Prompter(RECIPE, THINKING)
    assert prompter.prompt("Hi").endswith("Hi<assistant><think></think>") and prompter.completion("Ho") == "Ho"
    assert ChatTemplate(THINKING).render([USER]) == "<user>Hi<assistant>"


@pytest.mark.parametrize("template", [GEMMA, PHI])
def test_a_recipe_has_its_prefix_there_too(template: str) -> None:
    prompter = Prompter(RECIPE, template)
    assert prompter.prefix.endswith("Say it.\n\n") and prompter.prompt("Hi").startswith(prompter.prefix + "Hi")


def test_a_template_that_asks_for_the_day() -> None:
    assert ChatTemplate(DATED).render([USER], day=datetime(2026, 3, 9)) == "09 Mar 2026|Hi|"
    assert str(datetime.now().year) in ChatTemplate(DATED).render([USER])
    assert Prompter(RECIPE, DATED).prompt("Hi") == "26 Jul 2024|Say it.|Hi|"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}", "Hi"),
        ("{{ {'b': 1, 'a': 'ä'} | tojson(sort_keys=true, separators=(',', ':')) }}", '{"a":"ä","b":1}'),
        ("{% for m in messages %}{% break %}{% endfor %}{{ enable_thinking }}{{ bos_token }}", "False"),
    ],
)
def test_what_transformers_gives_its_templates(template: str, text: str) -> None:
    more: dict[str, Any] = {"enable_thinking": False, "bos_token": "other", "messages": []}
    assert ChatTemplate(template).render([USER], more=more) == text


def test_a_template_that_reads_texts_in_parts() -> None:
    """As those of models that also see: a plain text they pass over without a word."""
    template = (
        "{% for m in messages %}{{ m.role }}:{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}"
        "{% endif %}{% endfor %}|{% endfor %}"
    )
    assert ChatTemplate(template).render([SYSTEM, USER]) == "system:Be brief.|user:Hi|"
    assert ChatTemplate("nothing").render([USER]) == "nothing"


def test_a_text_that_is_no_template() -> None:
    with pytest.raises(UserError, match="cannot be read"):
        ChatTemplate("{% for %}")
    with pytest.raises(UserError, match="refuses this conversation"):
        ChatTemplate("{{ messages[0].content + 1 }}").render([USER])
    with pytest.raises(UserError, match="refuses this conversation"):
        ChatTemplate("{{ messages.__class__.__mro__ }}").render([USER])
