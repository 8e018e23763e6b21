"""Every answer that was ever paid for, on disk, under the hash of its request.

A request is noted before it is sent, and the note makes way for the answer. If the process is killed in between, the
endpoint may have billed it all the same: the note stays, and counts at its worst. Neither prompts nor keys are stored.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stillroom.errors import UserError
from stillroom.files import full_disk_is_the_users
from stillroom.teacher.budget import Earlier, Tokens
from stillroom.teacher.endpoint import Reply, Request

_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, text TEXT NOT NULL, finish TEXT NOT NULL,
    job TEXT NOT NULL, model TEXT NOT NULL, prompt INTEGER NOT NULL, completion INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS answers_by_job ON answers (job);
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY, job TEXT NOT NULL, model TEXT NOT NULL, prompt INTEGER NOT NULL, completion INTEGER NOT NULL
);
"""


class AnswerCache:
    """One SQLite file, shared by threads and processes; answers of one `job` count towards its budget.

    Raises UserError where the file cannot be written or is no such file.
    """

    def __init__(self, path: Path, job: str) -> None:
        self._path, self._job, self._lock = path, job, threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._faults():
            self._base = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            # A killed process loses nothing that was committed; only a power cut may cost the last few answers.
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.executescript(_TABLES)

    def earlier(self) -> list[Earlier]:
        """What earlier runs of this job paid, by model, and what those may have cost whose answers never came."""
        found = []
        for table in ("answers", "attempts"):
            with self._lock, self._faults():
                rows = self._base.execute(
                    f"SELECT model, count(*), sum(prompt), sum(completion) FROM {table} WHERE job = ? GROUP BY model",
                    (self._job,),
                ).fetchall()
            found += [Earlier(row[0], row[1], Tokens(row[2], row[3]), table == "attempts") for row in rows]
        return found

    def get(self, key: str) -> Reply | None:
        """The kept answer to a request, if any."""
        with self._lock, self._faults():
            row = self._base.execute(
                "SELECT text, finish, prompt, completion FROM answers WHERE key = ?", (key,)
            ).fetchone()
        return Reply(row[0], row[1], Tokens(row[2], row[3])) if row else None

    def begin(self, request: Request, worst: Tokens) -> int:
        """Note that a request is about to be sent; returns the note's number."""
        with self._lock, self._faults():
            cursor = self._base.execute(
                "INSERT INTO attempts (job, model, prompt, completion) VALUES (?, ?, ?, ?)",
                (self._job, request.model, worst.prompt, worst.completion),
            )
            return int(cursor.lastrowid or 0)

    def keep(self, attempt: int, key: str, request: Request, reply: Reply) -> None:
        """Keep an answer in the place of the note."""
        with self._lock, self._faults():
            self._base.execute("BEGIN IMMEDIATE")
            try:
                self._base.execute(
                    "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        key, reply.text, reply.finish, self._job, request.model, reply.tokens.prompt,
                        reply.tokens.completion,
                    ),
                )  # fmt: skip
                self._base.execute("DELETE FROM attempts WHERE id = ?", (attempt,))
                self._base.execute("COMMIT")
            except BaseException:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                raise

    def forget(self, attempt: int) -> None:
        """Remove the note of a request that was refused and cost nothing."""
        with self._lock, self._faults():
            self._base.execute("DELETE FROM attempts WHERE id = ?", (attempt,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._base.close()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_FULL:
                with full_disk_is_the_users(self._path):
                    raise OSError(28, "No space left on device") from error
            if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise UserError(f"{self._path} is not the teacher's cache, or is damaged: move it away.") from error
            raise UserError(f"The teacher's cache {self._path} cannot be used: {error}.") from error
