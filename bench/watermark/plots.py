"""Plots of the measurements as SVG. Grey on nothing, so that they read on light and on dark pages."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

GREY = "#808890"
COLOURS = ["#2f81f7", "#e3702a", "#2da44e", "#bf6ad6", "#c9a227", "#e5534b", "#3fb8af"]
STYLE = {
    "svg.hashsalt": "xoe",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.alpha": 0.35,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.transparent": True,
    "lines.linewidth": 2,
    "lines.markersize": 5,
    "legend.frameon": False,
    **{k: GREY for k in ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "grid.color")},
}


def canvas(n):
    plt.rcParams.update(STYLE)
    fig, axes = plt.subplots(1, n, figsize=(4.9 * n, 3.9), layout="constrained")
    fig.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    for ax in axes:
        ax.grid(True)
    return fig, axes


def save(fig, folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    fig.savefig(folder / f"{name}.svg", metadata={"Date": None})
    plt.close(fig)


def title(label):
    """"0.5B T0.7 gumbel" → "0.5B, T 0.7"."""
    return label.replace(" T", ", T ", 1).replace(" gumbel", "", 1)


def percent(ax):
    ax.set_ylim(-0.03, 1.03)
    ax.set_yticks([0, 0.25, 0.5, 0.75, 0.9, 1], ["0", "25", "50", "75", "90", "100 %"])


def lengths(figures, folder):
    fig, (left, right) = canvas(2)
    chosen = [f for f in figures if " gumbel" in f["set"] and len(f["by_length"]) > 2]
    for colour, f in zip(COLOURS, chosen):
        name = title(f["set"])
        rows = [(int(n), r) for n, r in f["by_length"].items()]
        x = [n for n, _ in rows]
        left.plot(x, [r["found"]["0.001"] for _, r in rows], "o-", color=colour, label=name)
        left.plot(x, [r["weighted"]["found"]["0.001"] for _, r in rows], "--", color=colour, linewidth=1.3)
        right.plot(x, [-r["median_log10_p"] for _, r in rows], "o-", color=colour, label=name)
        right.plot(x, [-r["weighted"]["median_log10_p"] for _, r in rows], "--", color=colour, linewidth=1.3)
    percent(left)
    left.set(title="found at 1e-3", xlabel="scored tokens")
    right.set(title="median −log10 p", xlabel="scored tokens", ylim=(0, None))
    right.plot([], [], "--", color=GREY, linewidth=1.3, label="weighted by 1 − p")
    right.legend(fontsize=9.5)
    save(fig, folder, "watermark-length")


def schemes(figures, folder):
    """Schemes beside each other: one panel for each model and temperature that has three of them or more."""
    groups = {}
    for f in figures:
        where, _, scheme = f["set"].rpartition(" ")
        if "," not in f["set"] and len(f["by_length"]) > 2:
            groups.setdefault(where, {})[scheme] = f["by_length"]
    groups = {where: g for where, g in groups.items() if len(g) > 2}
    if not groups:
        return
    order = sorted({scheme for g in groups.values() for scheme in g})
    fig, axes = canvas(max(2, len(groups)))
    for ax, (where, g) in zip(axes, sorted(groups.items())):
        for colour, scheme in zip(COLOURS, order):
            if scheme in g:
                ax.plot([int(n) for n in g[scheme]], [-r["median_log10_p"] for r in g[scheme].values()], "o-", color=colour, label=scheme)
        ax.axhline(3, color=GREY, linewidth=1, linestyle=":", label="1e-3")
        ax.set(title=title(where), xlabel="scored tokens", ylim=(0, None))
    axes[0].set_ylabel("median −log10 p")
    axes[0].legend(fontsize=9.5)
    save(fig, folder, "watermark-schemes")


def strengths(figures, folder):
    names = {"substitute": "synonyms", "delete": "deleted", "insert": "inserted", "swap": "swapped"}
    fig, axes = canvas(len(figures))
    for ax, f in zip(axes, figures):
        start = f["disguises"]["none"]["found_1e-3"]
        for colour, (edit, name) in zip(COLOURS, names.items()):
            rows = [(0.0, start)] + [(float(s), v["found_1e-3"]) for s, v in f["edits"][edit].items()]
            ax.plot([100 * s for s, _ in rows], [v for _, v in rows], "o-", color=colour, label=name)
        percent(ax)
        ax.set(title=title(f["set"]), xlabel="% of the words")
    axes[0].set_ylabel("found at 1e-3")
    axes[-1].legend(fontsize=9.5)
    save(fig, folder, "watermark-attacks")


def draw(have, folder):
    if "rates" in have:
        lengths(have["rates"]["figures"], folder)
        schemes(have["rates"]["figures"], folder)
    if "attacks" in have:
        strong = have["attacks"]["figures"]["strength"]
        if len(strong) > 1:
            strengths(strong[:3], folder)
