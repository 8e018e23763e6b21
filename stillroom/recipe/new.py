"""A first recipe for somebody's own task: complete, commented, with a few examples of the data beside it."""

import re
from pathlib import Path

from stillroom.errors import UserError
from stillroom.files import write_text
from stillroom.recipe.model import PACKAGED_MODELS

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

_RECIPE = """\
# yaml-language-server: $schema=recipe.schema.json
# (Write that file with `stillroom schema > recipe.schema.json`; editors then complete and check the keys.)
#
# This recipe is complete: it sorts customer messages. Put your own task, answer and data in its place, then
#   stillroom check {name}.yaml
#   stillroom run {name}.yaml

name: {name}

# What is trained: the packaged model, a Hugging Face id such as org/name, or the folder of one.
base_model: {model}

# What the model is told before each text. Say what each field means; the format follows from output_schema.
instruction: |
  Read the customer's message.
  topic: what it is about. urgent: whether the customer cannot wait until tomorrow.
  product: the product's name as written in the message, else null.

# The answer, as JSON Schema. It checks the labels, steers decoding and scores the answers. Every object lists its keys
# and closes with additionalProperties: false. Remove output_schema for a free-text task such as a summary.
output_schema:
  type: object
  properties:
    topic:
      enum: [billing, delivery, defect, other]
    urgent:
      type: boolean
    product:
      type: [string, "null"] # null in quotes here: without them it would be YAML's own null
      maxLength: 60
  required: [topic, urgent, product]
  additionalProperties: false

# The examples: a few hundred make a good specialist, and a few dozen show whether the task is clear.
data:
  sources:
    - kind: csv # or jsonl, parquet, mbox, maildir, eml, huggingface
      path: {name}.csv
      text: text # the column with the input
      label: label # the column with the answer, as JSON text
  cleaning:
    max_characters: 2000 # a longer text is cut there
  split: {{ train: 0.8, validation: 0.1, test: 0.1 }}
  seed: 0

# Training. The defaults are good for a few hundred to a few thousand examples.
sft:
  epochs: 3
  learning_rate: 0.001

# Preferences: correct answers against broken ones. `dpo: null` leaves this step out.
dpo:
  pairs: 200

# The files to make; the fastest one that loses no more than this many points of exact match is chosen.
export:
  formats: [F16, Q8_0, Q4_0]
  max_loss_points: 2.5

# What the model must reach to be registered.
gates:
  better_than_base: true
  schema_valid_unconstrained: 0.98

# Named changes, chosen with --profile NAME.
profiles:
  quick:
    sft: {{ epochs: 1 }}
    dpo: null
"""

_EXAMPLES = """\
text,label
"My invoice shows the Aria lamp twice. Please correct it.","{""topic"":""billing"",""urgent"":false,""product"":""Aria lamp""}"
"The parcel should have come on Monday and we leave tomorrow morning!","{""topic"":""delivery"",""urgent"":true,""product"":null}"
"The handle of my Brisk kettle broke off on the first day.","{""topic"":""defect"",""urgent"":false,""product"":""Brisk kettle""}"
"Do you have a shop in Leeds?","{""topic"":""other"",""urgent"":false,""product"":null}"
"You charged my card for an order that I cancelled last week.","{""topic"":""billing"",""urgent"":false,""product"":null}"
"The Nordlicht heater smells of burning. What must I do now?","{""topic"":""defect"",""urgent"":true,""product"":""Nordlicht heater""}"
"Where is my order? The tracking page has not changed for six days.","{""topic"":""delivery"",""urgent"":false,""product"":null}"
"Thank you for the quick help yesterday.","{""topic"":""other"",""urgent"":false,""product"":null}"
"Could I have a receipt with our company's VAT number on it?","{""topic"":""billing"",""urgent"":false,""product"":null}"
"Half of my Fjord table arrived; the second box with the legs is missing.","{""topic"":""delivery"",""urgent"":false,""product"":""Fjord table""}"
"Since the last storm the Pico radio gives nothing but a hiss.","{""topic"":""defect"",""urgent"":false,""product"":""Pico radio""}"
"Is the Aria lamp also made in green?","{""topic"":""other"",""urgent"":false,""product"":""Aria lamp""}"
"My account is locked over an unpaid bill, and I need it working within the hour.","{""topic"":""billing"",""urgent"":true,""product"":null}"
"I must have the Hush fan by noon today or I will have to buy one elsewhere.","{""topic"":""delivery"",""urgent"":true,""product"":""Hush fan""}"
"Both zips on the suitcase jammed before I had even packed it.","{""topic"":""defect"",""urgent"":false,""product"":null}"
"I would like to stop getting your newsletter.","{""topic"":""other"",""urgent"":false,""product"":null}"
"The website promised ten per cent off the Brisk kettle, but I paid full price.","{""topic"":""billing"",""urgent"":false,""product"":""Brisk kettle""}"
"The driver left everything at number 14 instead of number 41.","{""topic"":""delivery"",""urgent"":false,""product"":null}"
"Water is pouring out of my Tumble washer across the kitchen floor, please help!","{""topic"":""defect"",""urgent"":true,""product"":""Tumble washer""}"
"Which memory cards fit into the Mira camera?","{""topic"":""other"",""urgent"":false,""product"":""Mira camera""}"
"How long does a refund take to reach my bank?","{""topic"":""billing"",""urgent"":false,""product"":null}"
"Can the Mira camera be sent to my office rather than to my home?","{""topic"":""delivery"",""urgent"":false,""product"":""Mira camera""}"
"One leg of the Fjord table is shorter than the other three.","{""topic"":""defect"",""urgent"":false,""product"":""Fjord table""}"
"The fair opens this afternoon: may I still put your leaflets on my stand?","{""topic"":""other"",""urgent"":true,""product"":null}"
"I sent the Hush fan back in May and still see no money for it.","{""topic"":""billing"",""urgent"":false,""product"":""Hush fan""}"
"Please hold my package until we are back from holiday on the third.","{""topic"":""delivery"",""urgent"":false,""product"":null}"
"However often I press the switch, the Aria lamp stays dark.","{""topic"":""defect"",""urgent"":false,""product"":""Aria lamp""}"
"Are you hiring for the warehouse this summer?","{""topic"":""other"",""urgent"":false,""product"":null}"
"Somebody is using my saved card on your site right now. Block it at once!","{""topic"":""billing"",""urgent"":true,""product"":null}"
"I ordered a Pico radio and found a box of towels in the post.","{""topic"":""delivery"",""urgent"":false,""product"":""Pico radio""}"
"Every photo from the Mira camera has a purple stripe down the left side.","{""topic"":""defect"",""urgent"":false,""product"":""Mira camera""}"
"Where can I download the manual for the Tumble washer?","{""topic"":""other"",""urgent"":false,""product"":""Tumble washer""}"
"Why is there a fee of 4.99 on top of the amount I agreed to?","{""topic"":""billing"",""urgent"":false,""product"":null}"
"The courier is outside at the wrong gate; call him before he drives off.","{""topic"":""delivery"",""urgent"":true,""product"":null}"
"My baby's monitor went silent tonight and we have no other one.","{""topic"":""defect"",""urgent"":true,""product"":null}"
"Your assistant Joan was wonderful, pass on my compliments.","{""topic"":""other"",""urgent"":false,""product"":null}"
"Can I pay for the Nordlicht heater in three instalments?","{""topic"":""billing"",""urgent"":false,""product"":""Nordlicht heater""}"
"Do you ship to the Channel Islands, and what would that cost?","{""topic"":""delivery"",""urgent"":false,""product"":null}"
"My Hush fan rattles so loudly that nobody can sleep.","{""topic"":""defect"",""urgent"":false,""product"":""Hush fan""}"
"What is the best way to remove limescale from a Brisk kettle?","{""topic"":""other"",""urgent"":false,""product"":""Brisk kettle""}"
"""  # noqa: E501 (a row of a CSV file is one line)


def write_new(name: str, folder: Path) -> tuple[Path, Path]:
    """Write NAME.yaml and NAME.csv into the folder; UserError for a bad name or where one of them exists."""
    if not _NAME.fullmatch(name):
        slug = re.sub("[^a-z0-9]+", "-", name.lower())[:63].strip("-")
        advice = f"; did you mean '{slug}'?" if slug else ""
        raise UserError(f"'{name}' is not a recipe's name: lower-case letters, digits and hyphens{advice}")
    recipe, examples = folder / f"{name}.yaml", folder / f"{name}.csv"
    for path in (recipe, examples):
        if path.exists():
            raise UserError(f"{path} exists already, and nothing was written; choose another name or move it away.")
    write_text(examples, _EXAMPLES)
    write_text(recipe, _RECIPE.format(name=name, model=PACKAGED_MODELS[0]))
    return recipe, examples
