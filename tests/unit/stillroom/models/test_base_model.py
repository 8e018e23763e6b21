import json
from pathlib import Path

import pytest

from stillroom.errors import UserError
from stillroom.models import base
from stillroom.models.base import resolve_base_model
from stillroom.models.cache import cache_folder, whole_path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The least folder that passes the checks."""
    import numpy
    from safetensors.numpy import save_file

    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"]}))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    save_file({"weight": numpy.ones(8, numpy.float32)}, folder / "model.safetensors")
    return folder


def refusal(name: str | Path) -> str:
    with pytest.raises(UserError) as caught:
        resolve_base_model(str(name))
    return str(caught.value)


def test_a_local_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_base_model(str(folder)) == folder
    monkeypatch.chdir(folder.parent)
    assert resolve_base_model("model") == folder
    (folder / "tokenizer_config.json").unlink()
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert resolve_base_model(str(folder)) == folder


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", None, "it has no config.json"),
        ("config.json", "{", "config.json cannot be read"),
        ("config.json", "[]", "config.json holds no JSON object"),
        ("config.json", "{}", "names no architecture"),
        ("model.safetensors", None, "it has no weights"),
        ("model.safetensors", "version https://git-lfs", "model.safetensors is damaged or cut short"),
        ("model.safetensors.index.json", '{"weight_map": {"a": "two.safetensors"}}', "two.safetensors is missing"),
        ("tokenizer.json", None, "it has no tokenizer"),
        ("tokenizer.json", "", "tokenizer.json cannot be read"),
        ("tokenizer_config.json", None, "it has no chat template"),
        ("tokenizer_config.json", "{}", "it has no chat template"),
    ],
)
def test_what_a_folder_lacks(folder: Path, file: str, content: str | None, message: str) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    assert message in refusal(folder)


def test_cut_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    assert "damaged or cut short" in refusal(folder)


def test_every_fault_at_once(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    assert refusal(folder).count("\n- ") == 4


@pytest.mark.parametrize("name", ["no-such-model", "./no/such/folder", "a/b/c", "", "ow ner/name"])
def test_neither_folder_nor_id(name: str) -> None:
    if name:
        assert "neither a folder here nor a Hugging Face id" in refusal(name)


def test_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    def unreachable(name: str, **options: object) -> str:
        from huggingface_hub.errors import LocalEntryNotFoundError

        raise LocalEntryNotFoundError("Got: ConnectError\nmore")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    message = refusal("owner/no-such-model")
    assert "owner/no-such-model" in message
    assert "(Got: ConnectError)" in message
    assert base.PACKAGED in message


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STILLROOM_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("STILLROOM_CACHE")
    monkeypatch.chdir(tmp_path)
    assert cache_folder() == tmp_path / ".cache" / "stillroom"


def test_packaged_tokenizer_splits_digits() -> None:
    tokenizer = base.packaged_tokenizer()
    assert [tokenizer.decode([token]) for token in tokenizer("a\n\n51").input_ids] == ["a", "\n\n", "5", "1"]


def test_packaged_is_unpacked_once_and_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path) -> None:
    monkeypatch.setenv("STILLROOM_CACHE", str(tmp_path / "cache"))
    calls: list[Path] = []

    def unpack(source: Path, out: Path) -> None:
        calls.append(out)
        out.mkdir()
        if len(calls) == 1:
            raise UserError("stopped half-way")
        for file in folder.iterdir():
            (out / file.name).write_bytes(file.read_bytes())

    monkeypatch.setattr(base, "_unpack", unpack)
    assert refusal(base.PACKAGED) == "stopped half-way"
    assert not list((tmp_path / "cache" / "models").iterdir())
    first = resolve_base_model(base.PACKAGED)
    assert resolve_base_model(base.PACKAGED) == first
    assert len(calls) == 2


def test_whole_path_keeps_a_folder_finished_by_another(tmp_path: Path) -> None:
    with whole_path(tmp_path / "out") as partial:
        partial.mkdir()
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "done").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "done"]
