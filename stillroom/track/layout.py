"""The steps of the pipeline in their order, and where each one's folder lies in a run."""

FOLDERS = {
    "prepare": "data",
    "evaluate-base": "evaluations/base",
    "train-sft": "sft",
    "evaluate-sft": "evaluations/sft",
    "build-preferences": "preferences",
    "train-dpo": "dpo",
    "export": "models",
    "measure": "measure",
    "gate": "gate",
    "report": "report",
    "register": "register",
}
"""Step name → folder relative to the run folder, in the order in which they run."""

RUN_VARIABLE = "STILLROOM_RUN"
"""Environment variable with the run folder; unset on a cluster, where every step has its own store."""
