from pathlib import Path

import numpy
import pytest
from gguf import GGUFWriter
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.errors import UserError
from stillroom.export.gguf_file import read_gguf


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_name("small – ß")
    writer.add_block_count(2)
    writer.add_rope_freq_base(0.5)
    writer.add_add_bos_token(False)
    writer.add_token_list(["a", "b", "明"])
    writer.add_token_types([1, 3, 1])
    writer.add_tensor("first.weight", numpy.ones((3, 64), numpy.float16))
    writer.add_tensor("second.weight", numpy.ones((5,), numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def header_size(path: Path) -> int:
    return min(tensor.start for tensor in read_gguf(path).tensors.values())


def test_reads_metadata_and_tensors(small: Path) -> None:
    file = read_gguf(small)
    assert file.version == 3
    assert file.metadata["general.name"] == "small – ß"
    assert file.metadata["llama.block_count"] == 2
    assert file.metadata["llama.rope.freq_base"] == 0.5
    assert file.metadata["tokenizer.ggml.add_bos_token"] is False
    assert file.metadata["tokenizer.ggml.tokens"] == ["a", "b", "明"]
    assert file.metadata["tokenizer.ggml.token_type"] == [1, 3, 1]
    first = file.tensors["first.weight"]
    assert (first.shape, first.type, first.bytes) == ((64, 3), "F16", 384)
    assert small.read_bytes()[first.start : first.start + 2] == numpy.float16(1).tobytes()


def test_every_truncation_is_a_user_error(small: Path, tmp_path: Path) -> None:
    content = small.read_bytes()
    last = max(tensor.start + tensor.bytes for tensor in read_gguf(small).tensors.values())
    for length in range(last):
        (cut := tmp_path / "cut.gguf").write_bytes(content[:length])
        with pytest.raises(UserError, match="not a usable GGUF file"):
            read_gguf(cut)


@settings(max_examples=400)
@given(data=st.data())
def test_flipped_bytes_never_raise_anything_else(small: Path, data: st.DataObject) -> None:
    content = bytearray(small.read_bytes())
    for place in data.draw(st.lists(st.integers(0, header_size(small) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    path = small.with_name("flipped.gguf")
    path.write_bytes(content)
    try:
        read_gguf(path)
    except UserError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (0, b"GGML", "begins with b'GGML'"),
        (4, (99).to_bytes(4, "little"), "version is 99"),
        (4, (3).to_bytes(4, "big"), "other byte order"),
        (8, (2**60).to_bytes(8, "little"), "more than it has bytes for"),
        (16, (2**60).to_bytes(8, "little"), "more than it has bytes for"),
        (24, (2**63).to_bytes(8, "little"), "claims 9223372036854775808 bytes"),
    ],
)
def test_says_what_is_wrong(small: Path, tmp_path: Path, place: int, value: bytes, reason: str) -> None:
    content = bytearray(small.read_bytes())
    content[place : place + len(value)] = value
    (path := tmp_path / "damaged.gguf").write_bytes(content)
    with pytest.raises(UserError, match=reason):
        read_gguf(path)


@pytest.mark.parametrize("content", [b"", b"GGUF", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"])
def test_other_files(tmp_path: Path, content: bytes) -> None:
    (path := tmp_path / "other.gguf").write_bytes(content)
    with pytest.raises(UserError, match="not a usable GGUF file"):
        read_gguf(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        read_gguf(tmp_path / "none.gguf")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a usable GGUF file"):
        read_gguf(tmp_path)


def test_no_architecture(tmp_path: Path, small: Path) -> None:
    content = small.read_bytes().replace(b"general.architecture", b"general.architecturf")
    (path := tmp_path / "nameless.gguf").write_bytes(content)
    with pytest.raises(UserError, match=r"no general\.architecture"):
        read_gguf(path)


def test_the_same_key_twice(tmp_path: Path, small: Path) -> None:
    content = (
        small.read_bytes()
        .replace(b"llama.block_count", b"same-length-key-1")
        .replace(b"tokenizer.ggml.tokens", b"x" * 21)
    )
    content = content.replace(b"tokenizer.ggml.token_type", b"y" * 25).replace(b"first.weight", b"other.weight")
    (path := tmp_path / "renamed.gguf").write_bytes(content)
    assert "same-length-key-1" in read_gguf(path).metadata
    path.write_bytes(
        content.replace(b"general.name", b"GENERAL.NAME").replace(b"llama.rope.freq_base", b"general.architecture")
    )
    with pytest.raises(UserError, match=r"'general\.architecture' twice"):
        read_gguf(path)
