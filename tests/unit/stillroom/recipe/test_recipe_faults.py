"""Every fault of a recipe has its own message, at its own line."""

from pathlib import Path

import pytest

from stillroom.errors import UserError
from stillroom.recipe.load import RecipeError, load_recipe

SCHEMA = """\
output_schema:
  type: object
  properties:
    category: {enum: [a, b]}
    note: {type: string, maxLength: 9}
  required: [category, note]
  additionalProperties: false
"""
TOP = "name: tiny\ninstruction: Say it.\n"
DATA = "data:\n  sources:\n    - kind: generated-event-mail\n      sample: 3\n"
SOURCES = "data:\n  sources:\n"


def faults(folder: Path, text: str, profile: str | None = None) -> list[str]:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as raised:
        load_recipe(path, profile)
    lines = str(raised.value).splitlines()
    assert len(lines) == len(raised.value.faults)
    return [line.removeprefix(f"{path}:") for line in lines]


def schema_with(field: str) -> str:
    """A schema whose one property is the field, on line 6 of the recipe."""
    properties = f"properties:\n    x: {field}\n  required: [x]"
    return f"{TOP}output_schema:\n  type: object\n  {properties}\n  additionalProperties: false\ndpo: null\n{DATA}"


CASES = {
    # types, bounds, keys
    f"{TOP}{DATA}sfd: {{}}\n": "7:1: sfd: unknown key; did you mean 'sft'?",
    f"{TOP}{DATA}      langauges: [en]\n": "7:7: data.sources[0].langauges: unknown key; did you mean 'languages'?",
    f"{TOP}{DATA}  cleaning: {{languages: [english]}}\n": (
        "7:26: data.cleaning.languages[0]: must be a code of two or three lower-case letters, such as en, not 'english'"
    ),
    f"{TOP}{DATA}  cleaning: {{repair: true, pii: {{offsets: [start]}}}}\n": (
        "7:22: data.cleaning.repair: moves what stands in a text, and the places in pii.offsets do not follow; "
        "remove one of the two"
    ),
    f"{TOP}{DATA}sft: {{lora: {{ranks: 3}}}}\n": "7:14: sft.lora.ranks: unknown key; did you mean 'rank'?",
    f"name: tiny\n{DATA}": (
        "1:1: instruction: missing; write `instruction: ...` (What the model is told, in the user's own words)"
    ),
    f"{TOP}{SOURCES}    - kind: csv\n": (
        "5:7: data.sources[0].path: missing; write `path: ...` "
        "(The file; a relative path is meant from the recipe's folder)"
    ),
    f"{TOP}{SOURCES}    - path: a.csv\n": (
        "5:7: data.sources[0].kind: missing; write kind: with one of csv, jsonl, parquet, mbox, maildir, eml, "
        "documents, web, chat, sql, distilled, huggingface, spam-assassin, generated-event-mail"
    ),
    f"{TOP}{SOURCES}    - kind: cvs\n": "5:13: data.sources[0].kind: 'cvs' is unknown; did you mean 'csv'?",
    f"{TOP}{DATA}sft: {{epochs: '2'}}\n": "7:15: sft.epochs: must be a number, not '2'; write it without quotes",
    f"{TOP}{DATA}sft: {{epochs: -1}}\n": "7:15: sft.epochs: must be more than 0, not -1",
    f"{TOP}{DATA}sft: {{epochs: .inf}}\n": "7:15: sft.epochs: must be a finite number, not inf",
    f"{TOP}{DATA}sft: {{batch_size: 1.5}}\n": "7:19: sft.batch_size: must be a whole number, not 1.5",
    f"{TOP}{DATA}sft: {{lora: {{rank: 300}}}}\n": "7:20: sft.lora.rank: must be at most 256, not 300",
    f"{TOP}{DATA}sft: {{lora: {{dropout: 1}}}}\n": "7:23: sft.lora.dropout: must be less than 1, not 1",
    f"{TOP}{DATA}gates: {{min_exact_match: -1}}\n": (
        "7:26: gates.min_exact_match: must be at least 0, not -1"  # 0 itself may be reached
    ),
    f"{TOP}{DATA}dpo: {{own_errors: no}}\n": (
        "7:19: dpo.own_errors: must be true or false, not 'no'; write false "
        "(YAML 1.2 reads yes, no, on and off as text)"
    ),
    f"{TOP}{DATA}sft: {{lora: {{target_modules: 3}}}}\n": (
        "7:30: sft.lora.target_modules: must be a text or a list of texts"
    ),
    f"{TOP}{DATA}sft: {{lora: {{target_modules: []}}}}\n": (
        "7:30: sft.lora.target_modules: names no layer; write all-linear, or names such as [q_proj, v_proj]"
    ),
    f"{TOP}{DATA}sft: {{lora: {{target_modules: '*_proj'}}}}\n": (
        "7:30: sft.lora.target_modules: is no regular expression (nothing to repeat at position 0); "
        "write all-linear, or a list of names"
    ),
    f"name: 12\ninstruction: x\n{DATA}": "1:7: name: must be text, not 12; put it in quotes",
    f"name: My Task\ninstruction: x\n{DATA}": (
        "1:7: name: must be lower-case letters, digits and hyphens (not first or last), at most 63, not 'My Task'; "
        "did you mean 'my-task'?"
    ),
    f"name: x\ninstruction: ''\n{DATA}": "2:14: instruction: must not be empty",
    f"{TOP}data: {{sources: []}}\n": "3:17: data.sources: must not be empty",
    f"{TOP}{DATA}export: {{formats: F16}}\n": (
        "7:19: export.formats: must be a list, not 'F16'; begin each item with `- `"
    ),
    f"{TOP}{DATA}export: {{formats: [Q8]}}\n": "7:20: export.formats[0]: 'Q8' is unknown; did you mean 'Q8_0'?",
    f"{TOP}{DATA}serve: 5\n": "7:8: serve: must be a mapping, not 5",
    f"{TOP}{DATA}serve:\n": (
        "7:1: serve: must be a mapping, not null; write a value, or remove the key to take the default"
    ),
    # more than one field
    f"{TOP}{DATA}  split: {{train: 0.9}}\n": (
        "7:3: data.split: train + validation + test is 0.9 + 0.1 + 0.1 = 1.1; the three must add up to 1"
    ),
    f"{TOP}{DATA}export: {{formats: [F16, F16]}}\n": "7:25: export.formats[1]: 'F16' stands twice; remove one",
    f"{TOP}{DATA}  cleaning: {{min_characters: 30, max_characters: 20}}\n": (
        "7:30: data.cleaning.min_characters: min_characters (30) must be less than max_characters (20)"
    ),
    f"{TOP}{DATA}train: {{quantization_aware: F16}}\n": (
        "7:29: train.quantization_aware: 'F16' is unknown; write one of Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q4_0, Q4_1, IQ4_NL"
    ),
    f"{TOP}{DATA}train: {{quantization_aware: IQ4_NL}}\n": (
        "7:29: train.quantization_aware: 'IQ4_NL' is not among export.formats, so its file is never made; add it there"
    ),
    f"{TOP}{DATA}train: {{quantization_aware: Q4_0}}\nexport: {{formats: [BF16, Q4_0]}}\n": (
        "8:19: export.formats: Q4_0 would be made from BF16, but training rounds through F16; add F16 here, or remove "
        "BF16"
    ),
    f"{TOP}{DATA}train: {{quantization_aware: Q4_0}}\nsft: {{lora: {{dropout: 0.1}}}}\n": (
        "8:23: sft.lora.dropout: must be 0, not 0.1: train.quantization_aware rounds the whole merged weight; write 0"
    ),
    f"{TOP}{DATA}train: {{quantization_aware: Q4_0}}\nsft: {{lora: {{use_dora: true}}}}\n": (
        "8:24: sft.lora.use_dora: must be false: train.quantization_aware rounds a sum of weight and adapter, and DoRA "
        "is more than one; write use_rslora, or remove quantization_aware"
    ),
    # classes
    f"{TOP}{SCHEMA}{DATA}  balance: even\n": (
        "14:12: data.balance: 'even' is unknown; write one of none, downsample, upsample"
    ),
    f"{TOP}{DATA}  balance: downsample\n": (
        "7:12: data.balance: the task has no classes: output_schema has no top-level field with an enum; write none"
    ),
    f"{TOP}{DATA}sft: {{class_weights: balanced}}\n": (
        "7:22: sft.class_weights: the task has no classes: output_schema has no top-level field with an enum; "
        "write none"
    ),
    f"{TOP}{SCHEMA}{DATA}sft: {{class_weights: even}}\n": (
        "14:22: sft.class_weights: 'even' is unknown; write one of none, balanced"
    ),
    f"{TOP}{SCHEMA}{DATA}sft: {{class_weights: {{a: -1}}}}\n": (
        "14:26: sft.class_weights.a: must be at least 0, not -1"
    ),
    f"{TOP}{SCHEMA}{DATA}sft: {{class_weights: {{a: 2, other: 1}}}}\n": (
        "14:29: sft.class_weights.other: no class of the task; write one of a, b"
    ),
    f"{TOP}{SCHEMA}{DATA}sft: {{class_weights: {{a: 0, b: 0}}}}\n": (
        "14:22: sft.class_weights: every class weighs 0, so there is nothing to learn from; give one of them more"
    ),
    f"{TOP}{DATA}train: {{workers: 2, min_workers: 3}}\n": (
        "7:34: train.min_workers: 3 is more than train.workers (2)"
    ),
    f"{TOP}{DATA}train: {{workers: 4, max_workers: 3}}\n": (
        "7:34: train.max_workers: 3 is less than train.workers (4)"
    ),
    f"{TOP}{DATA}train: {{deepspeed: zero2}}\n": (
        "7:20: train.deepspeed: there is nothing to cut into parts for one worker; raise train.workers, or write null"
    ),
    f"{TOP}{DATA}train: {{workers: 2, max_workers: 4, deepspeed: zero2}}\n": (
        "7:48: train.deepspeed: a ZeRO checkpoint is one part for each worker, so their number cannot change; remove "
        "train.min_workers and train.max_workers, or write null"
    ),
    f"{TOP}{DATA}train: {{workers: 2, deepspeed: zero3-offload, quantization_aware: Q4_0}}\n": (
        "7:32: train.deepspeed: no worker of ZeRO-3 holds a whole weight, and train.quantization_aware rounds whole "
        "weights; write zero2, or null"
    ),
    f"{TOP}{DATA}train: {{quantization_aware_share: 0}}\n": (
        "7:35: train.quantization_aware_share: must be more than 0, not 0"
    ),
    f"{TOP}{DATA}serve: {{context_tokens: 200}}\n": (
        "7:25: serve.context_tokens: max_answer_tokens (256) must be less than context_tokens (200)"
    ),
    f"{TOP}{DATA}dpo: {{rules: [broken_json]}}\n": (
        "7:15: dpo.rules[0]: 'broken_json' can never apply: the task is free text, so an answer has no fields to "
        "break; remove it"
    ),
    f"{TOP}{DATA}dpo: {{rules: [], own_errors: false}}\n": (
        "7:14: dpo.rules: no rules and no own_errors: no answer is rejected; list rules, or write dpo: null"
    ),
    f"{TOP}{SCHEMA}{DATA}dpo: {{rules: [wrong_date_format]}}\n": (
        "14:15: dpo.rules[0]: 'wrong_date_format' can never apply: output_schema has no text field with a YYYY-MM-DD "
        "pattern; remove it"
    ),
    f"{TOP}{SCHEMA}{DATA}dpo: {{rules: [duplicate_event]}}\n": (
        "14:15: dpo.rules[0]: 'duplicate_event' can never apply: output_schema has no list of objects; remove it"
    ),
    f"{TOP}{DATA}gates: {{schema_valid_unconstrained: 0.5}}\n": (
        "7:9: gates.schema_valid_unconstrained: the task is free text and has no schema to be valid under; remove it, "
        "or write output_schema"
    ),
    f"{TOP}{SCHEMA}{SOURCES}    - kind: spam-assassin\n      spam: {{category: c, note: x}}\n"
    "      no_event: {category: a, note: x}\n": (
        "13:13: data.sources[0].spam: breaks output_schema: category: 'c' is not one of ['a', 'b']"
    ),
    f"{TOP}{SCHEMA}{DATA}  labelling: {{values: {{no: {{category: a}}}}}}\n": (
        "14:28: data.labelling.values.no: breaks output_schema: 'note' is a required property"
    ),
    f"{TOP}{DATA}  labelling: {{values: {{x: {{y: 1}}}}}}\n": (
        "7:27: data.labelling.values.x: the task is free text; write a text, or an output_schema"
    ),
    f"{TOP}base_model: smollm2\n{DATA}": (
        "3:13: base_model: 'smollm2' is neither packaged, nor a folder, nor a Hugging Face id like 'org/name'; "
        "packaged: smollm2-135m-instruct"
    ),
    f"{TOP}base_model: ./model\n{DATA}": "3:13: base_model: no such folder: ./model",
    # the output schema
    f"{TOP}output_schema: 3\n{DATA}": "3:16: output_schema: must be a mapping, not 3",
    schema_with("{type: strng}"): "6:15: output_schema.properties.x.type: 'strng' is not a JSON type; "
    "did you mean 'string'?",
    schema_with("{type: string, maxLenght: 3}"): (
        "6:23: output_schema.properties.x.maxLenght: unknown keyword, which would be ignored; did you mean 'maxLength'?"
    ),
    schema_with("{type: integer, maxLength: 3}"): (
        "6:24: output_schema.properties.x.maxLength: has no effect on type integer; remove it, or write type: string"
    ),
    schema_with("{type: string, nullable: true}"): (
        "6:23: output_schema.properties.x.nullable: constrained decoding does not enforce nullable; "
        "write type: [string, 'null'], with your own type in place of string"
    ),
    schema_with("{}"): (
        "6:8: output_schema.properties.x: any value would do; say what it is with type, enum, anyOf or $ref"
    ),
    schema_with("{type: array}"): (
        "6:8: output_schema.properties.x: items is missing, so any value could stand in the list; write items"
    ),
    schema_with("{type: object, properties: {y: {type: 'null'}}}"): (
        "6:8: output_schema.properties.x: other keys would be allowed; write additionalProperties: false"
    ),
    schema_with("{$ref: 'https://example.org/a'}"): (
        "6:15: output_schema.properties.x.$ref: 'https://example.org/a' lies outside the schema or is the whole of it; "
        "refer to '#/$defs/NAME'"
    ),
    schema_with("{type: string, pattern: '(?=a)a'}"): (
        "6:32: output_schema.properties.x.pattern: constrained decoding cannot enforce this pattern (look-around, "
        "including look-ahead and look-behind, is not supported); write it with plain classes, groups and counts"
    ),
    schema_with("{type: integer, minimum: 5, maximum: 3}"): (
        "6:8: output_schema.properties.x: no value can satisfy this (minimum (5) is greater than maximum (3)); "
        "loosen it"
    ),
    schema_with("{type: number, exclusiveMinimum: 0, maximum: 0.5}"): (
        "6:8: output_schema.properties.x: constrained decoding does not keep 0 out of so small a range; "
        "write minimum and maximum"
    ),
    # YAML
    "": "1:1: the file is empty; `stillroom new NAME` writes a recipe to start from",
    "- a\n": "1:1: a recipe is a mapping of keys; `stillroom new NAME` writes one to start from",
    "name: x\ndata:\n\tseed: 1\n": "3:1: not YAML: a tab; indent with spaces",
    "name: a: b\n": ("1:8: not YAML: a colon where none may stand; put the text in quotes, or check the indentation"),
    "name: @x\n": "1:7: not YAML: found character '@' that cannot start any token; put the text in quotes",
    "name: [x\n": (
        "2:1: not YAML: expected ',' or ']', but got '<stream end>' while parsing a flow sequence; "
        "check the indentation, brackets and quotes"
    ),
    "name: *x\n": "1:7: not YAML: found undefined alias 'x'; put a text that begins with * in quotes",
    "name: x\x01\n": "1:8: a control character (U+0001); remove it",
    f"{TOP}{DATA}name: other\n": "7:1: name: this key is already on line 1; remove one of the two",
    f"{TOP}{DATA}serve: !x {{}}\nexport: !x 1\n": "8:9: export: the tag !x is unknown; remove it",
    f"{TOP}{DATA}sft: &a {{lora: *a}}\n": "7:6: sft.lora: an alias (*) of what it lies in; write the value out",
}


@pytest.mark.parametrize(("text", "message"), CASES.items(), ids=[str(number) for number in range(len(CASES))])
def test_each_fault_has_its_message(tmp_path: Path, text: str, message: str) -> None:
    assert message in faults(tmp_path, text)


def test_paths_are_looked_up_from_the_recipes_folder(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "mails").mkdir()
    text = (
        f"{TOP}base_model: model\n{SOURCES}    - {{kind: csv, path: no.csv, skip_ids_in: [old.jsonl]}}\n"
        "    - {kind: mbox, path: mails}\n    - {kind: maildir, path: recipe.yaml}\n"
        "    - {kind: huggingface, path: ./set}\n"
    )
    assert faults(tmp_path, text) == [
        f"3:13: base_model: the folder {tmp_path}/model holds no config.json; name the folder of a Hugging Face model",
        f"6:25: data.sources[0].path: no such file: {tmp_path}/no.csv",
        f"6:47: data.sources[0].skip_ids_in[0]: no such file: {tmp_path}/old.jsonl",
        f"7:26: data.sources[1].path: {tmp_path}/mails is a folder; name the mbox file in it",
        f"8:29: data.sources[2].path: {tmp_path}/recipe.yaml is a file; name the maildir folder, or write kind: mbox",
        "9:33: data.sources[3].path: no such folder: ./set",
    ]


def test_all_faults_come_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    text = (
        f"name: A\nbase_model: x\n{DATA}  split: {{test: 0.3}}\nsft: {{epochs: no}}\n"
        "gates: {schema_valid_constrained: 2}\nserve: {}\nserve: {}\n"
    )
    found = faults(tmp_path, text)
    assert [line.split(" ")[1] for line in found] == [
        "instruction:",
        "name:",
        "base_model:",
        "data.split:",
        "sft.epochs:",
        "gates.schema_valid_constrained:",
        "serve:",
    ]


def test_a_profiles_fault_is_at_the_profiles_own_line(tmp_path: Path) -> None:
    text = f"{TOP}{SCHEMA}{DATA}profiles:\n  long: {{sft: {{epochs: -1, epoch: 1}}}}\n  odd: 3\n"
    assert faults(tmp_path, text) == [
        "15:24: profiles.long.sft.epochs: must be more than 0, not -1",
        "15:28: profiles.long.sft.epoch: unknown key; did you mean 'epochs'?",
        "16:8: profiles.odd: must be a mapping, not 3",
    ]


def test_what_a_profile_makes_wrong_elsewhere_is_said_there(tmp_path: Path) -> None:
    text = f"{TOP}{SCHEMA}{DATA}dpo:\n  rules: [missing_field]\nprofiles:\n  text: {{output_schema: null}}\n"
    assert faults(tmp_path, text) == [
        "15:11: dpo.rules[0]: with profile 'text': 'missing_field' can never apply: the task is free text, so an "
        "answer has no fields to break; remove it"
    ]


def test_an_unknown_profile_names_the_known_ones(tmp_path: Path) -> None:
    text = f"{TOP}{DATA}profiles:\n  full: {{}}\n"
    assert faults(tmp_path, text, "ful") == ["7:1: profiles: no 'ful'; the profiles are full"]


def test_a_missing_recipe_and_a_folder_are_user_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^No such file: .*none\.yaml$"):
        load_recipe(tmp_path / "none.yaml")
    with pytest.raises(UserError, match="is a folder; name the recipe's YAML file"):
        load_recipe(tmp_path)


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_bytes(b"name: x\ninstruction: caf\xe9\n")
    with pytest.raises(RecipeError, match="2:1: a byte that is not UTF-8; save the file as UTF-8"):
        load_recipe(tmp_path / "recipe.yaml")
