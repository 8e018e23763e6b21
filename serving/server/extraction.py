"""A recipe's task on texts: its prompt, its schema, its limits. Behind `/v1/extract` and KServe's protocols."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.engine.request import Request, Sampling, Usage
from serving.server.errors import SERVER, ApiError, bad_request
from serving.server.service import LONGEST_PIECE, Service
from stillroom.recipe.prompt import Prompter, fit_text
from stillroom.recipe.schema import parse_answer

RETRY_SECONDS = 0.1


@dataclass(frozen=True)
class Answer:
    """What the specialist said of one text. truncated: the end of the text found no room and was not read."""

    output: Any
    truncated: bool
    usage: Usage


@dataclass
class Extractor:
    """The served recipe's task. `at_once`: how many texts of one call are in the engine together."""

    service: Service
    at_once: int
    _constraint: Any = field(init=False, default=None)

    def __post_init__(self) -> None:
        recipe, backend = self.service.package.recipe, self.service.backend
        self._recipe = recipe
        if recipe is None:
            return
        self._prompter = Prompter(recipe, backend.chat_template, backend.bos_token, backend.eos_token)
        if recipe.output_schema is not None:
            self._constraint = backend.compile("json_schema", recipe.output_schema)

    async def answers(
        self, texts: Sequence[str], adapter: str | None = None, seconds: float | None = None
    ) -> AsyncGenerator[tuple[int, Answer | ApiError], None]:
        """Each text's number and answer (or why there is none), as they are ready.

        seconds: the client's patience, for all of them together; the server's own deadline is one text's.

        Raises ApiError where nothing can be answered: there is no recipe, or the queue has no room for the first text.
        """
        if self._recipe is None:
            raise bad_request(
                "This model was served without a recipe, so it has no task. Use /v1/chat/completions, or serve a run.",
                code="no_recipe",
            )
        end = None if seconds is None else time.monotonic() + seconds
        waiting = list(range(len(texts)))[::-1]
        tasks: dict[asyncio.Task[Answer], int] = {}
        answered = False
        try:
            while waiting or tasks:
                while waiting and len(tasks) < self.at_once:
                    number = waiting.pop()
                    tasks[asyncio.ensure_future(self._one(texts[number], adapter, end))] = number
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    number, error = tasks.pop(task), task.exception()
                    if error is None:
                        answered = True
                        yield number, task.result()
                    elif not isinstance(error, ApiError):
                        raise error
                    elif error.status == 429 and error.code != "deadline" and (tasks or answered):
                        # Others fill the queue, and some of ours got in: the rest takes its turn.
                        waiting.append(number)
                        await asyncio.sleep(RETRY_SECONDS)
                    elif error.status in (429, 503):
                        raise error
                    else:
                        answered = True
                        yield number, error
        finally:
            for task in tasks:
                task.cancel()

    async def _one(self, text: str, adapter: str | None, end: float | None) -> Answer:
        request, truncated = await self.service.prepare(self._request, text, adapter)
        said, finished = await self.service.whole(request, None if end is None else end - time.monotonic())
        if truncated:
            self.service.metrics.truncated(adapter or self.service.name)
        try:
            return Answer(parse_answer(self._recipe, said), truncated, finished.usage)  # type: ignore[arg-type]
        except ValueError as error:
            raise ApiError(
                500,
                "The answer was cut off. Raise serve.max_answer_tokens in the recipe, or bound its schema's texts.",
                kind=SERVER,
                code="answer_cut_off",
            ) from error

    def _request(self, text: str, adapter: str | None) -> tuple[Request, bool]:
        if not text.strip():
            raise bad_request("The text is empty.", "text", "empty")
        recipe, backend = self._recipe, self.service.backend
        assert recipe is not None
        most = min(recipe.serve.max_answer_tokens, backend.context // 2)
        limit = min(recipe.serve.context_tokens, backend.context) - most
        # No more than this can fit; a text of megabytes is not tokenised again and again to find out.
        given = text[: limit * LONGEST_PIECE]
        prompt = self._prompter.prompt
        fitted = fit_text(given, limit, lambda part: len(backend.tokenize(prompt(part))))
        tokens = tuple(backend.tokenize(prompt(fitted)))
        return Request(tokens, most, self._constraint, Sampling(), (), adapter, stream=False), len(fitted) < len(text)
