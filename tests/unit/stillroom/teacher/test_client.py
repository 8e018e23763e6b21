"""The client against a server that misbehaves: what is asked again, what is left, what is paid."""

import email.utils
import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from loopback import Answer, Asked, Loopback, error, said

from stillroom.errors import UserError
from stillroom.recipe.teacher import Price, TeacherBudget
from stillroom.teacher.budget import BudgetReached
from stillroom.teacher.client import Client, NoAnswer, TeacherDown
from stillroom.teacher.endpoint import Request, _retry_after
from stillroom.teacher.keys import NoKeyLeft

Connect = Callable[..., Client]
PROMPT = "the secret diary of somebody, page one"


def ask(text: str = PROMPT, **options: object) -> Request:
    return Request("test", "m", (("user", text),), 20, **options)  # type: ignore[arg-type]


def totals(client: Client) -> dict[str, object]:
    return client.ledger.table()[-1]


@pytest.mark.parametrize(
    "bad",
    [
        error(500, "sorry"),
        error(503, "loading"),
        error(429, "slow down", retry_after="0"),
        error(429, "slow down", retry_after="Mon, 23 Nov 2020 10:00:00 GMT"),
        Answer({"choices": []}),
        Answer(b"<html>Bad gateway</html>", 502),
        Answer(b'{"choices": [{"mess'),
        Answer([1]),
        Answer({"choices": [{"message": {"content": "hello"}}]}, cut=9),
        Answer({"choices": [{"message": {"content": "hello"}}]}, cut=9, chunked=True),
        Answer("", reset=True),
        Answer(b" " * 2**20, chunked=True, endless=True),
        Answer({"error": {"message": "Provider returned error", "code": 502}}),
        Answer({"error": "overloaded"}),
        Answer(b'data: {"choices": [{"delta": {"content": "hello"}}]}\n\ndata: [DONE]\n\n'),
    ],
    ids=[
        *("500", "503", "429", "429-date", "no choices", "502 page", "half JSON", "list", "cut", "cut stream"),
        *("reset", "endless", "200 with an error", "200 with a bare error", "event stream"),
    ],
)
def test_what_may_pass_is_asked_again(server: Loopback, connect: Connect, bad: Answer) -> None:
    server.script = [bad, bad]
    client = connect()
    assert client.ask(ask()).text == "yes"
    assert len(server.asked) == 3


def test_a_slow_answer_is_given_up_and_asked_again(server: Loopback, connect: Connect) -> None:
    server.script = [Answer("", slow=0.5)]
    client = connect(timeout_s=0.25)
    assert client.ask(ask()).text == "yes"
    # The slow one may have been worked on, so it counts at its worst.
    assert totals(client)["lost"] == 1 and client.ledger.tokens == ask().worst().total + 15


def test_a_body_that_drips_is_given_up_too(server: Loopback, connect: Connect) -> None:
    # Each half comes within the time of one read, both together do not.
    server.script = [Answer({"padding": "x" * 200}, slow=0.2)]
    assert connect(timeout_s=0.3).ask(ask()).text == "yes"
    assert len(server.asked) == 2


def test_retry_after_is_obeyed(server: Loopback, connect: Connect) -> None:
    server.script = [error(429, "slow", retry_after="0.3")]
    began = time.monotonic()
    connect().ask(ask())
    assert time.monotonic() - began >= 0.3


def test_retry_after_may_be_a_number_or_a_date() -> None:
    import httpx2

    def read(**headers: str) -> float | None:
        return _retry_after(httpx2.Headers({name.replace("_", "-"): value for name, value in headers.items()}))

    later = email.utils.format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    assert read(retry_after="7") == 7 and read(retry_after_ms="1500", retry_after="9") == 1.5
    assert 80_000 < (read(retry_after=later) or 0) <= 86_400
    assert read(retry_after="Mon, 23 Nov 2020 10:00:00 GMT") == 0
    assert [read(retry_after=odd) for odd in ("soon", "", "nan", "1e999")] == [None] * 4
    assert read(retry_after="Wed, 21 Oct 999999999999 07:28:00 GMT") is None


def test_half_a_letter_in_an_answer_can_be_written(server: Loopback, connect: Connect) -> None:
    server.script = [
        Answer(b'{"choices": [{"message": {"content": "a \\ud83d b"}}]}'),
        error(400, "half \ud83d a letter"),
    ]
    client = connect()
    assert client.ask(ask()).text == "a ? b"
    with pytest.raises(NoAnswer, match=r"half \? a letter"):
        client.ask(ask("another"))


def test_an_endpoint_that_puts_off_for_no_time_is_not_hammered(server: Loopback, connect: Connect) -> None:
    server.reply = lambda asked: error(429, "slow", retry_after="0")
    with pytest.raises(TeacherDown, match="has asked to slow down"):
        connect(patience=0.3).ask(ask())
    assert len(server.asked) < 12  # the pauses double from 10 ms


def test_an_error_inside_an_answer_of_200_counts_as_what_it_says(
    server: Loopback, connect: Connect, two_keys: list[str]
) -> None:
    server.refused = {"key-aaaaaaaa": Answer({"error": {"message": "No auth credentials found", "code": "401"}})}
    client = connect(keys_env=two_keys)
    assert [client.ask(ask(f"text {number}")).text for number in range(4)] == ["yes"] * 4
    assert [asked.key for asked in server.asked].count("key-aaaaaaaa") == 1
    server.refused = {}
    server.reply = lambda asked: Answer({"error": {"message": "too long", "code": 400}})
    with pytest.raises(NoAnswer, match="refuses this request"):
        client.ask(ask("another"))


def test_the_kind_that_an_answer_declares_does_not_matter(server: Loopback, connect: Connect) -> None:
    answer = said("yes")
    answer.headers["Content-Type"] = "text/html"
    server.script = [answer]
    assert connect().ask(ask()).text == "yes" and len(server.asked) == 1


def test_a_wrong_path_says_what_may_be_missing(server: Loopback, connect: Connect) -> None:
    server.models = server_error = Answer(b"Not Found", 404)
    server.reply = lambda asked: server_error
    with pytest.raises(TeacherDown, match=r"does base_url lack its last part, such as /v1\?"):
        connect().ask(ask())
    assert len(server.asked) == 1


def test_a_refused_tls_handshake_is_told(server: Loopback, connect: Connect) -> None:
    server.url = server.url.replace("http://", "https://")
    with pytest.raises(UserError, match=r"cannot be reached \(.*SSL.*teacher\.base_url"):
        connect()


def test_an_endpoint_that_only_puts_off_is_told(server: Loopback, connect: Connect) -> None:
    server.reply = lambda asked: error(429, "slow", retry_after="0.01")
    with pytest.raises(TeacherDown, match="has asked to slow down"):
        connect(patience=0.05).ask(ask())


def test_an_endpoint_that_asks_for_an_hour_is_told(server: Loopback, connect: Connect) -> None:
    server.reply = lambda asked: error(429, "slow", retry_after="3600")
    with pytest.raises(NoKeyLeft, match="asks for 60 minutes of rest"):
        connect().ask(ask())


def test_one_failing_request_leaves_the_others(server: Loopback, connect: Connect) -> None:
    server.reply = lambda asked: error(500, "no") if "bad" in asked.prompt else said("yes")
    client = connect()
    with pytest.raises(NoAnswer, match="failed 5 times"):
        client.ask(ask("bad"))
    assert client.ask(ask("good")).text == "yes"


def test_an_endpoint_that_fails_every_request_is_down(server: Loopback, connect: Connect) -> None:
    server.reply = lambda asked: error(500, "no")
    client = connect(concurrency=1)

    def work(text: str) -> str:
        try:
            return client.ask(ask(text)).text
        except NoAnswer:
            return "none"

    outcome = client.each(work, [f"text {number}" for number in range(50)], "Asking")
    assert isinstance(outcome.stopped, TeacherDown) and len(server.asked) == 20
    assert outcome.done() == ["none"] * 3


def test_a_refused_request_is_not_asked_again(server: Loopback, connect: Connect) -> None:
    server.reply = lambda asked: error(400, "too long", "context_length_exceeded")
    with pytest.raises(NoAnswer, match="400 context_length_exceeded too long"):
        connect().ask(ask())
    assert len(server.asked) == 1


def test_what_an_endpoint_does_not_know_is_left_out(server: Loopback, connect: Connect) -> None:
    def reply(asked: Asked) -> Answer:
        if "max_tokens" in asked.body:
            return error(400, "Use 'max_completion_tokens' instead.", "unsupported_parameter")
        if "response_format" in asked.body:
            return error(400, "response_format of type json_schema is not supported")
        if "temperature" in asked.body:
            return error(400, "temperature does not support 0.7 with this model")
        return said("yes")

    server.reply = reply
    client = connect()
    assert client.ask(ask(schema={"type": "object"}, temperature=0.7)).text == "yes"
    assert client.ask(ask("second", schema={"type": "object"})).text == "yes"
    assert len(server.asked) == 5  # what was learned once holds


# Keys


@pytest.fixture
def two_keys(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("TEACHER_A", "key-aaaaaaaa")
    monkeypatch.setenv("TEACHER_B", "key-bbbbbbbb, key-cccccccc")
    return ["TEACHER_A", "TEACHER_B"]


@pytest.mark.parametrize(
    "refusal",
    [error(401, "bad key-aaaaaaaa"), error(429, "You exceeded your current quota", "insufficient_quota"), error(402)],
)
def test_a_refused_key_gives_way_to_the_next(
    server: Loopback, connect: Connect, two_keys: list[str], refusal: Answer
) -> None:
    client = connect(keys_env=two_keys)
    server.refused = {"key-aaaaaaaa": refusal}
    for number in range(6):
        assert client.ask(ask(f"text {number}")).text == "yes"
    keys = [asked.key for asked in server.asked]
    assert keys.count("key-aaaaaaaa") == 1  # never asked again
    assert keys.count("key-bbbbbbbb") == keys.count("key-cccccccc") == 3  # they take turns


def test_a_key_that_must_rest_lets_the_others_go_on(server: Loopback, connect: Connect, two_keys: list[str]) -> None:
    server.refused = {"key-aaaaaaaa": error(429, "slow", retry_after="60")}
    server.models = Answer({"data": []}, 404)
    client = connect(keys_env=two_keys)
    assert [client.ask(ask(f"text {number}")).text for number in range(4)] == ["yes"] * 4
    assert [asked.key for asked in server.asked].count("key-aaaaaaaa") == 1


def test_all_keys_refused_is_told_with_each_reason(server: Loopback, connect: Connect, two_keys: list[str]) -> None:
    client = connect(keys_env=two_keys)
    server.refused = {key: error(401, f"no {key}") for key in ("key-aaaaaaaa", "key-bbbbbbbb")}
    server.refused["key-cccccccc"] = error(429, "", "insufficient_quota")
    with pytest.raises(NoKeyLeft) as raised:
        client.ask(ask())
    message = str(raised.value)
    assert "TEACHER_A: refused (401); TEACHER_B[1]: refused (401); TEACHER_B[2]: its quota is used up (429)" in message
    assert "key-" not in message


def test_all_keys_refused_is_told_before_anything_is_asked(
    server: Loopback, connect: Connect, two_keys: list[str]
) -> None:
    server.refused = {key: error(401) for key in ("key-aaaaaaaa", "key-bbbbbbbb", "key-cccccccc")}
    with pytest.raises(UserError, match=r"Every key of the teacher is refused \(TEACHER_A: refused \(401\)"):
        connect(keys_env=two_keys)
    assert server.asked == []


def test_a_key_that_may_not_list_models_may_still_ask(server: Loopback, connect: Connect, two_keys: list[str]) -> None:
    server.models = error(403, "missing scope models.read")
    client = connect(keys_env=two_keys)
    assert client.ask(ask()).text == "yes" and server.asked[0].key == "key-aaaaaaaa"


def test_everything_wrong_is_told_at_once(server: Loopback, connect: Connect) -> None:
    server.models = Answer({"data": [{"id": "gpt-big"}]})
    with pytest.raises(UserError) as raised:
        connect(keys_env=["NO_SUCH_KEY", "NOR_THIS"], judge_model="gpt-bag")
    lines = str(raised.value).splitlines()
    assert lines[0] == "No key: the environment variable NO_SUCH_KEY is not set; write export NO_SUCH_KEY=… first."
    assert lines[1].startswith("No key: the environment variable NOR_THIS")
    assert lines[2] == "The teacher's endpoint has no model 'm'; write one of gpt-big"
    assert lines[3] == "The teacher's endpoint has no model 'gpt-bag'; did you mean 'gpt-big'?"


def test_an_endpoint_that_wants_a_key_is_told(server: Loopback, connect: Connect) -> None:
    server.models = error(401, "who are you?")
    with pytest.raises(UserError, match=r"wants a key: name its environment variable in teacher\.keys_env"):
        connect()


def test_an_unreachable_endpoint_is_told(server: Loopback, connect: Connect) -> None:
    server.url = "http://127.0.0.1:9/v1"
    with pytest.raises(UserError, match=r"127.0.0.1:9/v1 cannot be reached .*teacher.base_url"):
        connect()


def test_keys_and_prompts_stay_out_of_messages_and_files(
    server: Loopback, connect: Connect, two_keys: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    client = connect(keys_env=two_keys)
    server.reply = lambda asked: error(400, f"your text '{asked.prompt}' with {asked.key} is bad")
    with pytest.raises(NoAnswer) as raised:
        client.ask(ask())
    server.reply = lambda asked: error(400, f"with {asked.key} it is bad")
    with pytest.raises(NoAnswer) as other:
        client.ask(ask("another text"))
    server.reply = lambda asked: said("kept")
    client.ask(ask("a third text"))
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for shown in (str(raised.value), str(other.value), *capfd.readouterr(), repr(client._pool._keys)):
        assert "key-" not in shown and "diary" not in shown
    assert b"key-" not in kept and b"diary" not in kept and b"third text" not in kept and b"kept" in kept


# Limits


def test_the_limit_of_each_key_is_kept() -> None:
    from stillroom.teacher.keys import Key, KeyPool

    now = [0.0]
    pool = KeyPool([Key("a", "a"), Key("b", "b")], requests_per_minute=2, tokens_per_minute=1000, clock=lambda: now[0])
    taken = []
    for moment in (0.0, 1.0, 2.0, 3.0):
        now[0] = moment
        taken.append(pool.take(100)[0].name)
    assert taken == ["a", "b", "a", "b"]
    assert pool._wait(100) == 57.0  # until a's first use is a minute old
    now[0] = 61.5
    key, use = pool.take(900)  # beside the hundred of its last minute
    assert (key.name, pool._wait(901)) == ("a", 1.5)  # until b's last hundred are a minute old
    pool.settle(use, 50)
    assert pool._wait(850) == 0.0


def test_a_request_above_the_limit_goes_out_alone() -> None:
    from stillroom.teacher.keys import Key, KeyPool

    now = [0.0]
    pool = KeyPool([Key("a", "a")], tokens_per_minute=100, clock=lambda: now[0])
    pool.take(500)
    assert pool._wait(500) == 60.0


def test_no_more_than_the_recipe_allows_are_under_way(server: Loopback, connect: Connect) -> None:
    under_way, most = [], [0]

    def reply(asked: Asked) -> Answer:
        under_way.append(1)
        most[0] = max(most[0], len(under_way))
        time.sleep(0.02)
        under_way.pop()
        return said("yes")

    server.reply = reply
    client = connect(concurrency=3)
    outcome = client.each(lambda text: client.ask(ask(text)).text, [str(n) for n in range(12)], "Asking")
    assert outcome.done() == ["yes"] * 12 and most[0] == 3


# Cost


def test_the_same_request_is_paid_once(server: Loopback, connect: Connect) -> None:
    client = connect(concurrency=4, prices={"m": Price(prompt=1.0, completion=2.0)})
    outcome = client.each(lambda text: client.ask(ask(text)).text, ["same"] * 8, "Asking")
    assert outcome.done() == ["yes"] * 8 and len(server.asked) == 1
    assert client.ask(ask("same", sample=1)).text == "yes" and len(server.asked) == 1  # no chance at temperature 0
    assert client.ask(ask("same", sample=1, temperature=0.5)).text == "yes" and len(server.asked) == 2
    again = connect(prices={"m": Price(prompt=1.0, completion=2.0)})
    again.ask(ask("same"))
    assert len(server.asked) == 2
    assert [row["purpose"] for row in again.ledger.table()] == ["earlier runs", "test", "all"]
    assert totals(again) == {
        "purpose": "all", "model": "", "paid": 2, "cached": 1, "lost": 0, "prompt_tokens": 20, "completion_tokens": 10,
        "money": "0.00004",
    }  # fmt: skip
    other = connect(job="another")  # it may use the answer, and never paid for it
    assert other.ask(ask("same")).text == "yes" and other.ledger.tokens == 0 and len(server.asked) == 2


@pytest.mark.parametrize("budget", [TeacherBudget(tokens=1000), TeacherBudget(money=0.001)])
def test_the_budget_is_never_passed(server: Loopback, connect: Connect, budget: TeacherBudget) -> None:
    server.reply = lambda asked: said("x", prompt=40, completion=20)
    options = {"concurrency": 8, "prices": {"m": Price(prompt=1.0, completion=1.0)}}
    client = connect(budget=budget, **options)
    outcome = client.each(lambda text: client.ask(ask(text)).text, [f"{n:03}" for n in range(40)], "Asking")
    assert isinstance(outcome.stopped, BudgetReached)
    assert "What was paid for is kept" in str(outcome.stopped)
    # 60 tokens each and 87 at worst: after sixteen of them another could pass 1,000.
    assert client.ledger.tokens == 960 and len(outcome.done()) == len(server.asked) == 16
    # The same command goes on under a larger budget; what was paid before counts, and is not paid again.
    richer = connect(budget=TeacherBudget(tokens=1200), **options)
    assert len(richer.each(lambda text: richer.ask(ask(text)).text, [f"{n:03}" for n in range(40)], "A").done()) == 19
    assert len(server.asked) == 19 and richer.ledger.tokens == 1140


def test_an_endpoint_that_counts_more_than_it_could_is_learned(server: Loopback, connect: Connect) -> None:
    server.reply = lambda asked: said("x", prompt=500, completion=20)
    client = connect(budget=TeacherBudget(tokens=1500), concurrency=1)
    outcome = client.each(lambda text: client.ask(ask(text)).text, ["a", "b", "c"], "Asking")
    assert isinstance(outcome.stopped, BudgetReached) and client.ledger.tokens == 1040


def test_an_answer_without_usage_counts_at_its_worst(server: Loopback, connect: Connect) -> None:
    usage = {"prompt_tokens": -3, "completion_tokens": None}
    server.script = [Answer({"choices": [{"message": {"content": "yes"}}], "usage": usage})]
    client = connect()
    client.ask(ask())
    assert client.ledger.tokens == ask().worst().total


KILLED = """
    import sys
    from pathlib import Path
    from stillroom.recipe.teacher import Teacher
    from stillroom.teacher.cache import AnswerCache
    from stillroom.teacher.client import Client
    from stillroom.teacher.endpoint import Request, _retry_after
    teacher = Teacher(base_url=sys.argv[1], model="m", concurrency=1)
    client = Client(teacher, AnswerCache(Path(sys.argv[2]), "job"))
    client.each(lambda n: client.ask(Request("test", "m", (("user", f"text {n}"),), 20)), range(8), "Asking")
"""


def test_a_killed_run_pays_for_nothing_twice(server: Loopback, connect: Connect, tmp_path: Path) -> None:
    cache = tmp_path / "killed.sqlite"

    def reply(asked: Asked) -> Answer:
        if len(server.asked) == 4:  # three are answered and kept, the fourth is under way
            os.kill(process.pid, 9)
            return said("too late")
        return said("yes")

    server.reply = reply
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(KILLED), server.url, str(cache)])
    assert process.wait() == -9
    client = connect(cache=cache)
    prompts = [Request("test", "m", (("user", f"text {n}"),), 20) for n in range(8)]
    assert len(client.each(client.ask, prompts, "Asking").done()) == 8
    assert len(server.asked) == 4 + 5
    asked = [item.prompt for item in server.asked]
    assert [asked.count(f"text {n}") for n in range(8)] == [1, 1, 1, 2, 1, 1, 1, 1]
    # The one under way may have been billed: it counts at its worst beside its second, real answer.
    assert totals(client)["lost"] == 1 and totals(client)["cached"] == 3 and totals(client)["paid"] == 8
    assert client.ledger.tokens == 8 * 15 + prompts[3].worst().total


def test_a_full_disk_is_told_before_money_is_spent(server: Loopback, connect: Connect) -> None:
    client = connect()
    client.ask(ask())
    base = client._cache._base
    pages = base.execute("PRAGMA page_count").fetchone()[0]
    base.execute(f"PRAGMA max_page_count={pages}")
    many = [ask("x" * 50 + str(n)) for n in range(200)]
    outcome = client.each(client.ask, many, "Asking")
    assert isinstance(outcome.stopped, UserError) and "The disk is full" in str(outcome.stopped)
    # At most those under way were answered without being kept.
    assert len(server.asked) - len(outcome.done()) - 1 <= client.teacher.concurrency


def test_a_cache_that_is_none_is_told(connect: Connect, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("These are my notes, and no data base at all.\n" * 100)
    with pytest.raises(UserError, match="is not the teacher's cache"):
        connect(cache=path)


def test_progress_shows_the_cost(
    server: Loopback, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STILLROOM_PROGRESS", str(tmp_path / "progress"))
    client = connect(prices={"m": Price(prompt=1000.0, completion=1000.0)})
    client.each(lambda text: client.ask(ask(text)).text, ["a", "b"], "Asking")
    last = json.loads((tmp_path / "progress").read_text().splitlines()[-1])
    assert (last["done"], last["note"]) == (2, "30 tokens, cost 0.03")
