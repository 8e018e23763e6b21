"""A line of two gigabytes is passed over in little memory."""

import json
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
    data = {"sources": [{"kind": sys.argv[2], "path": f"a.{sys.argv[2]}"}]}
    report = prepare(Recipe.model_validate({"name": "small", "instruction": "x", "data": data}), folder, folder / "out")
    # Not ru_maxrss, which a process takes over from the one that began it.
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
    print(report["dropped"], report["sources"][0]["kept"], int(peak) // 1024)
"""


def test_a_line_of_two_gigabytes(tmp_path: Path) -> None:
    rows = [json.dumps({"text": f"letter {n} of {n * n}", "label": "a"}) for n in range(30)]
    with (tmp_path / "a.jsonl").open("wb") as stream:
        stream.write("\n".join(rows[:15]).encode() + b"\n")
        stream.seek(2**31, 1)  # a hole: it takes no room on the disk
        stream.write(b"\n" + "\n".join(rows[15:]).encode())
    command = [sys.executable, "-c", PREPARE, str(tmp_path), "jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    dropped, kept, mib = done.stdout.strip().rsplit(" ", 2)
    assert dropped == "{'a line longer than 16 MiB': 1}" and kept == "30"
    assert int(mib) < 500
