"""The keys of an endpoint: which of them may be used now, and which never again.

Requests go round the keys. A key that the endpoint refuses, or whose quota is used up, is left out for the rest of the
run; one that is asked to slow down rests while the others go on.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stillroom.errors import UserError

WINDOW = 60.0
"""Seconds over which requests and tokens are counted: limits are given for a minute."""

MOST_PATIENCE = 600.0
"""Seconds that all keys together may rest; an endpoint that asks for more is better asked again another time."""


class NoKeyLeft(UserError):
    """Every key was refused, has used up its quota, or must rest for long."""


@dataclass
class Key:
    """One key: its name says where it came from, its secret is never shown."""

    name: str
    secret: str | None = field(repr=False)
    refused: str = ""
    rests_until: float = 0.0
    last_used: float = float("-inf")
    recent: deque["Use"] = field(default_factory=deque, repr=False)


@dataclass
class Use:
    """One request in a key's last minute; its tokens are a guess until the answer is there."""

    at: float
    tokens: int


def keys_from_environment(names: Sequence[str]) -> tuple[list[Key], list[str]]:
    """The keys in the named variables, and what is wrong with them. Without names: one key without a secret."""
    if not names:
        return [Key("no key", None)], []
    keys, faults = [], []
    for name in names:
        secrets = [secret for secret in os.environ.get(name, "").replace(",", " ").split() if secret]
        if not secrets:
            faults.append(f"No key: the environment variable {name} is not set; write export {name}=… first.")
        elif not all(secret.isascii() and secret.isprintable() for secret in secrets):
            faults.append(f"The key in {name} holds signs that no key has; copy it again.")
        for number, secret in enumerate(secrets, start=1):
            keys.append(Key(name if len(secrets) == 1 else f"{name}[{number}]", secret))
    return keys, faults


class KeyPool:
    """Hands out keys within the limits of each, the one that has waited longest first."""

    def __init__(
        self,
        keys: Sequence[Key],
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = list(keys)
        self._requests, self._tokens, self._clock = requests_per_minute, tokens_per_minute, clock
        self._changed = threading.Condition()

    @property
    def secrets(self) -> list[str]:
        """All secrets, for whoever must keep them out of a message."""
        return [key.secret for key in self._keys if key.secret]

    def take(self, tokens: int) -> tuple[Key, Use]:
        """A key for a request of about so many tokens; waits until one is free. NoKeyLeft when none will be."""
        with self._changed:
            while True:
                wait = self._wait(tokens)
                if wait <= 0:
                    break
                self._changed.wait(wait)
            now = self._clock()
            key = min((k for k in self._alive() if self._free_at(k, tokens, now) <= now), key=lambda k: k.last_used)
            use = Use(now, tokens)
            key.recent.append(use)
            key.last_used = now
            return key, use

    def rest(self, key: Key, seconds: float) -> None:
        """Leave a key alone for so long."""
        with self._changed:
            key.rests_until = max(key.rests_until, self._clock() + seconds)
            self._changed.notify_all()

    def refuse(self, key: Key, reason: str) -> None:
        """Leave a key out for the rest of the run."""
        with self._changed:
            key.refused = reason
            self._changed.notify_all()

    def settle(self, use: Use, tokens: int) -> None:
        """Say how many tokens a request really took."""
        with self._changed:
            use.tokens = tokens
            self._changed.notify_all()

    def _wait(self, tokens: int) -> float:
        """Seconds until some key may be used. Raises NoKeyLeft."""
        alive, now = self._alive(), self._clock()
        if not alive:
            said = "; ".join(f"{key.name}: {key.refused}" for key in self._keys)
            raise NoKeyLeft(
                f"No key of the teacher can be used ({said}). What was answered so far is kept: put a valid key into "
                "the variables named in teacher.keys_env and run the same command again."
            )
        wait = min(self._free_at(key, tokens, now) for key in alive) - now
        if wait > MOST_PATIENCE:
            raise NoKeyLeft(
                f"The teacher asks for {wait / 60:.0f} minutes of rest for every key. What was answered so far is "
                "kept: run the same command again then, or add a key to teacher.keys_env."
            )
        return wait

    def _alive(self) -> list[Key]:
        return [key for key in self._keys if not key.refused]

    def _free_at(self, key: Key, tokens: int, now: float) -> float:
        """When this key may be used for so many tokens."""
        while key.recent and key.recent[0].at <= now - WINDOW:
            key.recent.popleft()
        free_at = max(now, key.rests_until)
        if self._requests is not None and len(key.recent) >= self._requests:
            free_at = max(free_at, key.recent[len(key.recent) - self._requests].at + WINDOW)
        if self._tokens is not None:
            taken = sum(use.tokens for use in key.recent)
            # A request above the limit itself goes out alone, or it would wait for ever.
            for use in key.recent:
                if taken + tokens <= self._tokens:
                    break
                taken -= use.tokens
                free_at = max(free_at, use.at + WINDOW)
        return free_at
