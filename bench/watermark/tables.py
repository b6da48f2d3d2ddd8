"""The measurements as Markdown tables, for docs/watermark.md."""


def share(x):
    return "–" if x is None else f"{100 * x:.0f} %" if x in (0, 1) or 0.1 <= x < 0.995 else f"{100 * x:.1f} %"


def decades(x):
    return f"{-x:.1f}"


def table(head, rows):
    lines = ["| " + " | ".join(map(str, head)) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, r)) + " |" for r in rows])


def signal(figures):
    rows = []
    for f in figures:
        rows.append(
            [
                f["set"],
                f["answers"],
                f"{f['observed_mean_score']:.3f}",
                f"{f['predicted_mean_score']:.3f}",
                f"{f['ratio']:.3f} ± {f['ratio_standard_error']:.3f}",
                share(f["scored_share"]),
            ]
        )
    return table(["set", "answers", "mean score", "predicted", "ratio", "tokens scored"], rows)


def at_length(figures, n):
    rows = []
    for f in figures:
        r = f["by_length"].get(str(n))
        if not r:
            continue
        w, c, one = r.get("weighted"), r.get("ceiling"), r.get("one_shift")
        rows.append(
            [
                f["set"],
                r["n"],
                *(share(r["found"][k]) + (f" ({share(c[k])})" if c else "") for k in ("0.001", "0.0001", "1e-05")),
                decades(r["median_log10_p"]),
                decades(r["predicted_median_log10_p"]),
                decades(one["median_log10_p"]) if one else "–",
                f"{share(w['found']['0.001'])}, {share(w['found']['1e-05'])}" if w else "–",
                decades(w["median_log10_p"]) if w else "–",
            ]
        )
    head = ["set", "answers", "1e-3 (ceiling)", "1e-4", "1e-5", "median −log10 p", "predicted", "one shift", "weighted: 1e-3, 1e-5", "median"]
    return table(head, rows)


def by_length(figures):
    lengths = sorted({int(n) for f in figures for n in f["by_length"]})
    rows = []
    for f in figures:
        cells = [f["by_length"].get(str(n)) for n in lengths]
        rows.append([f["set"], *(share(c["found"]["0.001"]) if c else "–" for c in cells)])
    return table(["found at 1e-3 by scored tokens", *lengths], rows)


NAMES = {"substitute": "synonyms", "delete": "deleted", "insert": "inserted", "swap": "swapped"}


def short(label):
    return label.replace(" gumbel", "")


def edits(figures):
    rows = []
    for f in figures:
        for edit, name in NAMES.items():
            cells = [share(f["edits"][edit][s]["found_1e-3"]) for s in ("0.05", "0.1", "0.2", "0.3")]
            rows.append([short(f["set"]), f"{f['n']} × {f['mean_tokens']:.0f}", name, *cells])
    return table(["set", "answers × tokens", "found at 1e-3 after", "5 % of the words", "10 %", "20 %", "30 %"], rows)


def disguises(figures):
    def cell(v):
        return f"{share(v['found_1e-3'])}, {decades(v['median'])}"

    rows = [[name, *(cell(f["disguises"][name]) for f in figures)] for name in figures[0]["disguises"]]
    return table(["found at 1e-3, median −log10 p", *(short(f["set"]) for f in figures)], rows)


def cuts(figures):
    rows = [[short(f["set"]), *(share(f["edits"]["cut"][s]["found_1e-3"]) for s in ("0.25", "0.5", "0.75"))] for f in figures]
    return table(["found at 1e-3 with this much cut off", "25 %", "50 %", "75 %"], rows)


def attacks(figures):
    strong = figures["strength"]
    out = [edits(strong), disguises(strong), cuts(strong)] if strong else []
    rows = []
    for f in figures["paste"]:
        m = f["with_model"]
        rows.append(
            [
                f["set"],
                f["n"],
                share(f["pieces_alone"]["found_1e-3"]) + f", {decades(f['pieces_alone']['median'])}",
                f"{share(f['spans_found'])}, {f['mean_iou_of_found'] or 0:.2f}",
                f"{share(m['spans_found'])}, {m['mean_iou_of_found'] or 0:.2f}" + (f" (of {m['n']})" if m["n"] < f["n"] else "") if m else "–",
                share(f["texts_found_1e-3_without_spans"]),
                f["spans_elsewhere"] + (m["spans_elsewhere"] if m else 0),
                share(f["host_alone_called_marked"]),
            ]
        )
    head = [
        "150 tokens in 2,000 words",
        "texts",
        "the span by itself: at 1e-3, median −log10 p",
        "found at 1e-3, mean IoU",
        "with the model",
        "without span search",
        "spans elsewhere",
        "human text alone",
    ]
    out.append(table(head, rows))
    r = figures.get("rewritten")
    if r:
        cells = [r["set"], r["n"], share(r["before"]["found_1e-3"]), share(r["after"]["found_1e-3"]), decades(r["after"]["median"])]
        head = ["paraphrase", "answers", "found before", "found after", "median −log10 p after", "4-grams kept"]
        out.append(table(head, [[*cells, share(r["mean_4_grams_kept"])]]))
    return "\n\n".join(out)


def quality(figures):
    return "\n\n".join(quality_of(f) for f in figures)


def quality_of(f):
    rows = []
    for name, r in f["schemes"].items():
        factor = r.get("perplexity_factor")
        rows.append(
            [
                name,
                r["texts"],
                f"{r['perplexity']:.2f}" if r["perplexity"] else "–",
                f"{factor[0]:.2f} ({factor[1]:.2f}–{factor[2]:.2f})" if factor else "1" if name == "none" else "–",
                *(f"{r[f'distinct_{n}']:.3f}" for n in (1, 2, 3)),
            ]
        )
    return table([f["writer"].replace(" none", ""), "answers", "perplexity", "× unmarked (95 %)", "distinct-1", "distinct-2", "distinct-3"], rows)


def unbiased(f):
    rows = [[r["scheme"], f"{r['least']:.2g}", f"{r['mean_total_variation']:.4f}"] for r in f["results"]]
    return table(["scheme", f"smallest p of {f['contexts']} contexts, corrected", "mean total variation"], rows)


def times(x):
    return f"{x:.1f}" if x < 10 else f"{x:,.0f}"


def speed(f):
    rows = [[r["name"], f"{r['median']:.2f}", ", ".join(f"{s:.2f}" for s in r["samples"])] for r in f["text"]["results"]]
    out = [table(["text", "MB/s", "samples"], rows)]
    peers = f.get("peers", {})
    ours = max((r["tokens_per_s"] for n, r in peers.items() if n == "xoe gumbel, 4 shifts"), default=0)
    rows = [
        [n, r["tokens_of_text"], f"{r['tokens_per_s']:,.0f}", times(ours / r["tokens_per_s"])]
        for n, r in peers.items()
        if r.get("tokens_per_s")
    ]
    rows += [[n, "", "not measured", r["not_measured"]] for n, r in peers.items() if "not_measured" in r]
    if rows:
        out.append(table(["detector", "tokens a text", "tokens/s a core", "xoe with 4 shifts is faster by"], rows))
    return "\n\n".join(out)


def markdown(have):
    out = []
    if "rates" in have:
        figures = have["rates"]["figures"]
        out += [signal(figures), "200 scored tokens:", at_length(figures, 200), "100 scored tokens:", at_length(figures, 100), by_length(figures)]
    for name, make in (("attacks", attacks), ("quality", quality), ("unbiased", unbiased), ("speed", speed)):
        if name in have:
            out.append(make(have[name]["figures"]))
    return "\n\n".join(out)
