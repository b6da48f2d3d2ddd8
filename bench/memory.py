#!/usr/bin/env python3
"""Memory of the server: with 8 answers at work, and over many requests.

Counted are RssAnon and VmSwap (/proc/PID/status: heap, caches, buffers) and the resident pages of the mapped model files
(/proc/PID/smaps): what the machine must really hold. With the default models of this machine; the embedding model and the
detector are used too, so that everything is loaded. Then short requests, 8 at once, in ten parts: the first part warms up, and
from its end to the last anonymous memory may not grow by more than 2 % or 8 MiB. Exit status 1 when over --limit-mib or growing.
"""

import argparse
import concurrent.futures
import random
import re
import sys
import threading

import common

ANSWERS = ["Tell a long story about a ship.", "Describe a forest in every season.", "Write a long letter to a friend."]


def memory(pid):
    """MiB: anonymous memory (swapped out too), resident pages of mapped .gguf files."""
    with open(f"/proc/{pid}/status") as f:
        anon = sum(int(kb) for kb in re.findall(r"^(?:RssAnon|VmSwap):\s+(\d+)", f.read(), re.M)) / 1024
    mapped, in_model = 0, False
    with open(f"/proc/{pid}/smaps") as f:
        for line in f:
            if re.match(r"^[0-9a-f]+-[0-9a-f]+ ", line):
                in_model = line.rstrip().endswith(".gguf")
            elif in_model and line.startswith("Rss:"):
                mapped += int(line.split()[1]) / 1024
    return {"anon_mib": anon, "model_pages_mib": mapped, "total_mib": anon + mapped}


def busy(server, args):
    """The highest of many looks while the slots are full."""
    peak, working, done = None, 0, threading.Event()

    def look():
        nonlocal peak, working
        while not done.wait(0.2):
            now = memory(server.process.pid)
            working = max(working, server.get("/health")[1]["slots"]["processing"])
            if peak is None or now["total_mib"] > peak["total_mib"]:
                peak = now

    watcher = threading.Thread(target=look)
    watcher.start()
    rng = random.Random(3)
    background = "Remember these words: " + " ".join(str(rng.randrange(10000)) for _ in range(args.prompt_words)) + ". "
    streams = []
    for i in range(args.slots):
        messages = [{"role": "user", "content": f"{i}. " + background + ANSWERS[i % len(ANSWERS)]}]
        streams.append(common.Stream(server, {"messages": messages, "max_tokens": args.tokens}, path="/v1/chat/completions"))
    common.run_streams(streams)
    done.set()
    watcher.join()
    if working < args.slots:
        common.die(f"only {working} of {args.slots} slots were at work at once; give more --tokens")
    return {**peak, "slots_at_work": working}


def many(server, args):
    """Short requests of all kinds; memory after each tenth."""

    def one(i):
        if i % 20 == 0:
            server.post("/v1/embeddings", {"input": f"text number {i}"})
        elif i % 20 == 1:
            server.post("/v1/detect-watermark", {"text": f"Text number {i} is a plain text written by a person. " * 5})
        else:
            server.post("/v1/completions", {"prompt": f"{i} and {i * 7} are", "max_tokens": 2, "seed": i})

    samples = [memory(server.process.pid)]
    step = max(1, args.requests // 10)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for start in range(0, args.requests, step):
            list(pool.map(one, range(start, min(args.requests, start + step))))
            samples.append(memory(server.process.pid))
            common.say(f"{min(args.requests, start + step)} requests: {common.rounded(samples[-1])}")
    growth = samples[-1]["anon_mib"] - samples[1]["anon_mib"]
    return {
        "requests": args.requests,
        "samples": samples,
        "growth_mib": growth,
        "flat": growth <= max(8, 0.02 * samples[1]["anon_mib"]),
    }


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", default=common.SMALL, help="[%(default)s]")
    p.add_argument("--slots", type=int, default=8, help="answers at once [%(default)s]")
    p.add_argument("--tokens", type=int, default=96, help="tokens an answer [%(default)s]")
    p.add_argument("--prompt-words", type=int, default=40, help="numbers in each prompt of the busy part [%(default)s]")
    p.add_argument("--requests", type=int, default=2000, help="short requests; 0: none [%(default)s]")
    p.add_argument("--limit-mib", type=float, default=2048, help="[%(default)s]")
    args = p.parse_args()
    figures = {"bench": "memory", "manifest": common.manifest(args.model), "options": vars(args)}
    with common.xoe_server(args.model, "--slots", args.slots) as server:
        figures["idle"] = memory(server.process.pid)
        server.post("/v1/embeddings", {"input": "warm"})
        figures["busy"] = busy(server, args)
        common.say(f"{args.slots} answers at work: {common.rounded(figures['busy'])}")
        if args.requests:
            figures["many"] = many(server, args)
    ok = figures["busy"]["total_mib"] < args.limit_mib and figures.get("many", {}).get("flat", True)
    b, m = figures["busy"], figures.get("many")
    line = f"memory: {b['slots_at_work']} answers at work {b['total_mib']:.0f} MiB ({b['anon_mib']:.0f} anonymous + "
    line += f"{b['model_pages_mib']:.0f} of the model files), limit {args.limit_mib:.0f}"
    if m:
        line += f"; over {m['requests']} requests {m['growth_mib']:+.1f} MiB: {'flat' if m['flat'] else 'GROWING'}"
    common.report({**figures, "ok": ok}, line)
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
