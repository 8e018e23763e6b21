"""On the driver's machine: what shows progress, waits no longer than the recipe says, and lets no fault of the user's
be tried a second time."""

import os
import time
from typing import Any

from ray.train.v2._internal.execution.callback import ControllerCallback, WorkerGroupCallback

from stillroom.errors import UserError
from stillroom.progress import FILE_VARIABLE, Progress

WAITING = ("InitializingState", "SchedulingState", "ReschedulingState", "RestartingState")
"""States of Ray Train's controller in which no worker trains and some are awaited."""


class WorkersMissing(Exception):
    """Too few workers have come back in time."""


class Board:
    """An actor beside the driver that draws the workers' progress; they tell it without waiting for it."""

    def __init__(self, task: str, file: str | None) -> None:
        """file: the driver's own progress file, if it has one."""
        if file:
            os.environ[FILE_VARIABLE] = file
        self._task = task
        self._progress: Progress | None = None

    def tell(self, step: int, steps: int, note: str) -> None:
        if self._progress is None:
            self._progress = Progress(self._task, steps, step)
        self._progress.update(step, note)


class Watcher(ControllerCallback, WorkerGroupCallback):
    """Callbacks of one training of `task`; the driver pickles it to the controller.

    It is no `UserCallback`: of such a one Ray calls nothing else, and every fault would be tried again.
    """

    def __init__(self, task: str, timeout_seconds: float) -> None:
        self._task, self._timeout = task, timeout_seconds
        self._user_error: UserError | None = None
        self._down_since: float | None = None

    def after_worker_group_poll_status(self, worker_group_status: Any) -> None:
        for rank, exception in worker_group_status.errors.items():
            self._user_error = self._user_error or user_error(exception)
            if self._user_error is None:
                print(
                    f"{self._task}: worker {rank} is gone: {str(exception).strip().splitlines()[-1][:200]}", flush=True
                )

    def before_controller_execute_failure_decision(self, failure_decision: Any) -> None:
        """Raised here, an error ends the training whatever number of restarts is left."""
        if self._user_error:
            raise self._user_error

    def after_controller_state_update(self, previous_state: Any, current_state: Any) -> None:
        if type(current_state).__name__ not in WAITING:
            self._down_since = None
            return
        self._down_since = self._down_since or time.monotonic()
        if time.monotonic() - self._down_since > self._timeout:
            raise WorkersMissing


def caused_by(error: Any, kind: type[Exception]) -> Any:
    """The error of a kind that another one wraps, in any of Ray's ways; None without one."""
    seen: list[Any] = [error]
    for wrapped in seen:
        if type(wrapped) is kind:
            return wrapped
        inner = [getattr(wrapped, name, None) for name in ("cause", "_base_exc", "controller_failure", "__cause__")]
        seen += [e for e in (*inner, *getattr(wrapped, "worker_failures", {}).values()) if e and e not in seen]
    return None


def user_error(error: Any) -> UserError | None:
    """The user's fault inside an error of Ray's, or None."""
    found: UserError | None = caused_by(error, UserError)
    return found
