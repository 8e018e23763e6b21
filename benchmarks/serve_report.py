"""The part of docs/benchmarks.md on serving, from what `make bench-serve` left."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from benchmarks.bars import bars
from benchmarks.serve import RESULTS
from benchmarks.serve_peers import OURS
from benchmarks.serve_work import workloads


def parts(docs: Path, style: Markup) -> list[str]:
    """Paragraphs and tables, and the picture beside them; none without results."""
    if not RESULTS.exists():
        return []
    found = json.loads(RESULTS.read_text())
    lines = found["lines"]
    (docs / "images" / "serve.svg").write_text(_plot(lines, style) + "\n")
    made = [
        "## Serving",
        "`make bench-serve`: each server gets the same GGUF file, threads and requests over HTTP, fresh for every "
        "line, after as many other requests as it has slots; contenders take turns. llama-server and "
        "llama-cpp-python's batching server are of the same source archive as the llama.cpp in our engine; a short "
        "trial picked llama-server's options. *Equal* is the share of answers that are to the letter those of "
        "llama-server with the fewest clients; behind it, how far apart llama.cpp's logits of the two tokens are, at "
        "most, where the others part: sums in another order, as in a batch of another shape, move those of a "
        "quantised model by some tenths. llama-server gets its own grammar for the schema, with no white space between "
        "the parts of JSON, as ours has none: a model that was not tuned likes to indent, and would write three times "
        "as much. *Bound* is what the kernels alone would give: the engine's own batches, computed with nothing "
        "between them.",
        "![Requests a second by contender, work and clients](images/serve.svg)",
    ]
    for work in workloads():
        here = [line for line in lines if line["work"] == work.name]
        if here:
            bounds = {bound["clients"]: bound for bound in found["bounds"] if bound["work"] == work.name}
            options = {line["contender"]: line["setup"] for line in here if line["contender"] != OURS}
            told = "; ".join(
                f"{name}: {' '.join(setup['options']) or 'its defaults'}, {setup['slots']} slots at most"
                for name, setup in options.items()
            )
            texts, rounds = max(line["texts"] for line in here), max(len(line["rounds"]) for line in here)
            asked = f"Different texts: {texts}; runs of each contender: {rounds}."
            made += [f"### {work.title}", f"{asked} Options of the peers: {told}.", found["machines"][work.name]]
            made.append(_table(here, bounds))
    return made


def _table(lines: Sequence[dict[str, Any]], bounds: dict[int, dict[str, Any]]) -> str:
    rows = [
        "| Clients | Contender | Requests/s | Tokens/s | p50 | p95 | p99 | First token p95 | Valid | Equal | Memory "
        "| Stillroom against it | Bound |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |",
    ]
    for line in lines:
        key = (line["clients"], line["rate"])
        ours = next((one for one in lines if one["contender"] == OURS and (one["clients"], one["rate"]) == key), line)
        whole, first = line["whole"], line["first"]
        faster = ours["requests_per_second"] / max(line["requests_per_second"], 1e-9)
        slower = ours["whole"]["p95"] / whole["p95"]
        against = "" if line is ours else f"{faster:.2f}× the requests, p95 {slower:.2f}×"
        at_random, bound = f"{line['rate']:.1f} a second, at random", ""
        parted = f", {max(line['leads']):.2f}" if line["leads"] else ""
        soon = f"{first['p95']:.2f} s" if first else ""
        if line is ours and line["clients"] in bounds:
            most = bounds[line["clients"]]
            share = line["requests_per_second"] / most["requests_per_second"]
            tokens, speed = most["computed_tokens"], most["kernel_tokens_per_second"]
            bound = f"{share:.0%} of {most['requests_per_second']:.2f}: {tokens:.0f} tokens at {speed:.0f}/s"
        rows.append(
            f"| {line['clients'] or at_random} | {line['contender']} "
            f"| {line['requests_per_second']:.2f} | {line['tokens_per_second']:.0f} "
            f"| {whole['p50']:.2f} s | {whole['p95']:.2f} s | {whole['p99']:.2f} s "
            f"| {soon} | {line['valid']:.0%} | {line['equal']:.0%}{parted} "
            f"| {line['peak_mib']:.0f} MiB | {against} | {bound} |"
        )
    return "\n".join(rows)


def _plot(lines: Sequence[dict[str, Any]], style: Markup) -> str:
    titles = {work.name: work.title for work in workloads()}
    groups: dict[str, list[tuple[str, float]]] = {}
    for line in lines:
        if line["clients"]:
            several = "client" if line["clients"] == 1 else "clients"
            head = f"{titles[line['work']]}, {line['clients']} {several}: requests a second"
            groups.setdefault(head, []).append((line["contender"], line["requests_per_second"]))
    told = "requests a second by contender, work and clients"
    return bars("serve", "Serving", told, groups, style, one_scale=False)
