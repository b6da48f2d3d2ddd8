#!/usr/bin/env python3
"""Memory of the server with the default models: RssAnon plus the resident pages of the mapped model files, with 8 answers
being written, and before and after 2,000 requests (is it flat?)."""

import argparse
import concurrent.futures
import re
import time

import common


def memory_mib(pid):
    status = open(f"/proc/{pid}/status").read()
    anon = int(re.search(r"RssAnon:\s+(\d+)", status).group(1))
    swap = int(re.search(r"VmSwap:\s+(\d+)", status).group(1))
    mapped, is_model = 0, False
    for line in open(f"/proc/{pid}/smaps"):
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            is_model = line.rstrip().endswith(".gguf")
        elif is_model and line.startswith("Rss:"):
            mapped += int(line.split()[1])
    return {"rss_anon": anon / 1024, "swap": swap / 1024, "model_pages": mapped / 1024, "total": (anon + swap + mapped) / 1024}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", default=common.SMALL, help="[%(default)s]")
    p.add_argument("--requests", type=int, default=2000, help="[%(default)s]")
    p.add_argument("--tokens", type=int, default=2, help="new tokens of each of them [%(default)s]")
    args = p.parse_args()
    with common.xoe_server(args.model) as server:
        pid = server.process.pid

        def ask(i):
            body = {"messages": [{"role": "user", "content": f"Say {i}."}], "max_tokens": args.tokens}
            server.post("/v1/chat/completions", body)

        idle = memory_mib(pid)
        body = {"prompt": "Once upon a time", "max_tokens": 200, "temperature": 1}
        bias = {str(t): -100 for t in common.control_tokens(common.model_path(args.model))}
        streams = [common.Stream(server, {**body, "prompt": f"Story number {i}: " * 40, "logit_bias": bias}) for i in range(8)]
        for s in streams:
            s.start()
        busy = idle
        while any(s.is_alive() for s in streams):
            now = memory_mib(pid)
            busy = max(busy, now, key=lambda m: m["total"])
            time.sleep(0.5)
        series = []
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for part in range(10):
                list(pool.map(ask, range(part * args.requests // 10, (part + 1) * args.requests // 10)))
                series.append(memory_mib(pid)["total"])
                common.say(f"{(part + 1) * args.requests // 10} requests: {series[-1]:.0f} MiB")
    growth = series[-1] - series[0]
    result = {"idle_mib": idle, "eight_streams_mib": busy, "series_mib": series, "growth_mib": growth, "manifest": common.manifest(args.model)}
    common.report(result, f"{args.model}: {busy['total']:.0f} MiB with 8 answers (anon {busy['rss_anon']:.0f}, model pages "
                  f"{busy['model_pages']:.0f}); {growth:+.1f} MiB from request {args.requests // 10} to {args.requests}")


if __name__ == "__main__":
    main()
