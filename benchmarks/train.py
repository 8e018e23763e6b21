"""SFT and DPO against their peers, then the page docs/benchmarks.md; about 40 minutes on two cores.

    python -m benchmarks.train

Options are those of benchmarks.train_sft and benchmarks.train_dpo, and go to both. The last line is the summary of
both; the exit status is 1 when a goal is missed.
"""

import json
import subprocess
import sys

from benchmarks import report
from benchmarks.contest import RESULTS, Line, summary

PARTS = {"SFT": "train_sft", "DPO": "train_dpo"}


def main() -> int:
    """Run both, write the page, and say whether the goals hold."""
    if {"-h", "--help"} & {*sys.argv[1:]}:
        print(__doc__)
        return 0
    for module in PARTS.values():
        if subprocess.run([sys.executable, "-m", f"benchmarks.{module}", *sys.argv[1:]]).returncode > 1:
            return 2
    report.main()
    verdicts, missed = [], False
    for name, module in PARTS.items():
        found = json.loads((RESULTS / f"{module}.json").read_text())
        goals = {int(shared): goal for shared, goal in found["goals"].items()}
        text, failed = summary([Line(**line) for line in found["table"]], goals, found["in_fp32"])
        verdicts.append(f"{name} {text}")
        missed = missed or failed
    print(" | ".join(verdicts))
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
