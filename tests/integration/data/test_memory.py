"""Memory does not grow with the rows' texts."""

import json
import random
import subprocess
import sys
from pathlib import Path

PREPARE = """
import re, sys
from pathlib import Path
from stillroom.data.prepare import prepare
from stillroom.recipe.model import Recipe
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    cleaning = {"repair": True, "max_characters": 5000, "symbols": {}, "near_duplicates": "drop", "contamination": {}}
    data = {"sources": [{"kind": "jsonl", "path": sys.argv[2]}], "cleaning": cleaning, "mixing": {}}
    report = prepare(Recipe.model_validate({"name": "small", "instruction": "x", "data": data}), folder, folder / "out")
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
    print(report["sources"][0]["kept"], int(peak) // 1024)
"""


def peak(folder: Path, rows: int) -> int:
    """MiB of the process that reads and writes, for so many texts of 4 kB."""
    draw = random.Random(rows)
    words = ["".join(draw.choices("abcdefghij", k=99)) for _ in range(2000)]
    with (folder / f"{rows}.jsonl").open("w") as stream:
        for _ in range(rows):
            stream.write(json.dumps({"text": " ".join(draw.choices(words, k=40)), "label": "a"}) + "\n")
    command = [sys.executable, "-c", PREPARE, str(folder), f"{rows}.jsonl"]
    kept, mib = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert int(kept) > 0.9 * rows
    return int(mib)


def test_eight_times_the_rows_take_hardly_more_memory(tmp_path: Path) -> None:
    few, many = peak(tmp_path, 2500), peak(tmp_path, 20_000)
    # 17,500 more rows are 70 MB of text; what is held of each is some hundred bytes.
    assert many - few < 20
