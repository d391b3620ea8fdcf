"""Draws the time of whole runs."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.measure import Cost


def draw(whole: Mapping[str, Mapping[str, Cost]], file: Path) -> None:
    """A group of bars for each distance, a bar for each program: seconds of wall time."""
    import matplotlib as mpl
    from matplotlib import pyplot

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "performance"  # the same picture for the same times
    figure, axes = pyplot.subplots(figsize=(7, 3))
    programs = list(next(iter(whole.values())))
    for number, program in enumerate(programs):
        places = [group + 0.27 * (number - 1) for group, _ in enumerate(whole)]
        bars = axes.bar(places, [costs[program].wall for costs in whole.values()], 0.25, label=program)
        axes.bar_label(bars, fmt="%.1f", fontsize=8)
    axes.set_xticks(range(len(whole)), list(whole))
    axes.set_ylabel("wall time of a whole run, s")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
