"""What is found to be served in a run folder, a model directory or a file, and whether it is what was released."""

import json
from pathlib import Path

import pytest

from serving.server.package import open_package
from stillroom.errors import UserError
from stillroom.files import sha256
from stillroom.recipe.faults import RecipeError

RECIPE = """\
name: kinds
base_model: /gone/with/the/machine/that/trained
instruction: Which kind?
data: {sources: [{kind: csv, path: gone.csv}]}
"""


def gguf(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"GGUF" + path.name.encode())
    return path


def lineage(folder: Path, **outputs: str) -> None:
    steps = [{"step": "prepare", "outputs": {"x": "0"}}, {"step": "export", "outputs": outputs}]
    (folder / "lineage.json").write_text(json.dumps({"steps": steps}))


def test_a_file_alone(tmp_path: Path) -> None:
    package = open_package(gguf(tmp_path / "some-Q8_0.gguf"))
    assert (package.name, package.recipe, package.digest()) == ("some-Q8_0", None, None)
    assert open_package(package.gguf, "mine").name == "mine"


@pytest.mark.parametrize("place", [".", "model", "models"])
def test_a_model_directory(tmp_path: Path, place: str) -> None:
    file = gguf(tmp_path / place / "kinds-Q4_0.gguf")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    lineage(tmp_path, **{file.name: sha256(file), "kinds-F16.gguf": "0" * 64})
    for path in (tmp_path, file):
        package = open_package(path)
        assert package.gguf == file and package.name == "kinds" and package.recipe is not None
        assert package.digest() == sha256(file)


def test_a_file_that_was_renamed_is_known_by_its_content(tmp_path: Path) -> None:
    file = gguf(tmp_path / "model.gguf")
    lineage(tmp_path, **{"kinds-Q4_0.gguf": sha256(file), "kinds-F16.gguf": "0" * 64})
    assert open_package(tmp_path).digest() == sha256(file)
    for other in (b"other", b""):
        file.write_bytes(other)
        with pytest.raises(UserError, match="its sha256 is"):
            open_package(tmp_path).digest()


def test_a_model_in_parts_and_its_eyes(tmp_path: Path) -> None:
    """As they lie in a repository that was fetched whole: llama.cpp finds the further parts by the first."""
    first = gguf(tmp_path / "big-00001-of-00002.gguf")
    gguf(tmp_path / "big-00002-of-00002.gguf"), gguf(tmp_path / "mmproj-big-F16.gguf")
    assert open_package(tmp_path).gguf == first


def test_what_cannot_be_served(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file or folder"):
        open_package(tmp_path / "none")
    with pytest.raises(UserError, match="There is no GGUF file in"):
        open_package(tmp_path)
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(UserError, match=r"must end in \.gguf"):
        open_package(tmp_path / "model.bin")
    gguf(tmp_path / "a.gguf"), gguf(tmp_path / "b.gguf")
    with pytest.raises(
        UserError, match=r"several GGUF files: a\.gguf, b\.gguf\. Name the one to serve, as in .*/a\.gguf"
    ):
        open_package(tmp_path)
    (tmp_path / "recipe.yaml").write_text("name: Kinds!\ninstruction: 1\n")
    with pytest.raises(RecipeError, match="name"):
        open_package(tmp_path / "a.gguf")
    (tmp_path / "recipe.yaml").unlink()
    (tmp_path / "lineage.json").write_text('{"steps": 1}')
    with pytest.raises(UserError, match="is not the lineage of a run"):
        open_package(tmp_path / "a.gguf")
