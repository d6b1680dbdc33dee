"""What all figures share: the look of each source, sizes, labels that fit, legends, and how files are written.

Colours are those of Okabe & Ito (2008), with four more of the same kind; a marker and a dash say each again in grey
print. On the page every one of them is a CSS variable of its name, so that a dark page can take a lighter one.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 6.3  # inches: the text width of a page
INK = "#262626"  # of text and lines; the page swaps it for its own text colour
ON_COLOUR = "#161616"  # of text on a coloured ground, which stays dark on a dark page
CHARACTER = 0.068  # inches: a character of the legend's type, on average
LEGEND_ROW = 0.19  # inches
BAND = 0.17  # opacity of a Monte Carlo interval that is an area

PALETTE = {
    "blue": "#0072b2", "vermilion": "#d55e00", "green": "#009e73", "purple": "#cc79a7", "orange": "#e69f00",
    "sky": "#56b4e9", "brown": "#7f4f24", "violet": "#5e3c99", "olive": "#9a8a1f", "grey": "#7d7d7d",
}  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
LINES: tuple[Any, ...] = (
    "-", (0, (4, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)), (0, (2, 1)), (0, (8, 2)), (0, (4, 1, 1, 1, 1, 1)),
    (0, (1, 2.5)), (0, (3, 3)), (0, (10, 1.5, 2, 1.5)), (0, (2, 1, 6, 1)),
)  # fmt: skip

SAMPLES = ("bootstrap", "sample", "complete_cases")  # sources that are no synthesis
LABELS = {
    "bootstrap": "Bootstrap samples", "sample": "Samples", "complete_cases": "Complete cases",
    "synthetic": "Synthetic data",
}  # fmt: skip
RESERVED = {"bootstrap": 0, "sample": 0, "synthetic": 1, "complete_cases": len(PALETTE) - 1}

SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 8, "axes.titlesize": 8.5, "axes.labelsize": 8,
    "xtick.labelsize": 7.5, "ytick.labelsize": 7.5, "legend.fontsize": 8, "legend.frameon": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 3, "ytick.major.size": 3,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
    "text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "mice_sim", "pdf.fonttype": 42,
}  # fmt: skip
# Without dates and versions a figure's file depends on its numbers alone.
METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
}


@dataclass(frozen=True)
class Style:
    """How a source is drawn; each of colour, line and marker is its own."""

    color: str
    line: Any
    marker: str
    label: str


@dataclass(frozen=True)
class Drawing:
    """A figure with its file name, its caption and the words that stand in for it."""

    name: str
    caption: str
    alt: str
    figure: Figure


# ---- sources


def in_order(sources: Iterable[str]) -> list[str]:
    """Return sources once each in their order of appearance, but the original first."""
    found = list(dict.fromkeys(sources))
    return sorted(found, key=lambda source: source != "original")  # stable


def drawn(sources: Iterable[str]) -> list[str]:
    """Return the sources that vary over replicates, in order."""
    return [source for source in in_order(sources) if source != "original"]


def styles(sources: Iterable[str], shown: Iterable[str] | None = None) -> dict[str, Style]:
    """Return the style of each source: samples are blue, complete cases grey, a single method vermilion.

    Ten sources have colours of their own; further ones share a colour but not the marker. With `shown`, return
    these only: a source that a figure has no numbers for does not change the looks of the others.
    """
    wanted = None if shown is None else set(shown)
    sources = drawn(sources)
    taken = {RESERVED[source] for source in sources if source in RESERVED}
    free = [i for i in range(1, len(PALETTE) - 1) if i not in taken]
    methods = [source for source in sources if source not in RESERVED]
    looks = {source: RESERVED[source] for source in sources if source in RESERVED}
    looks |= {method: free[i % len(free)] + len(PALETTE) * (i // len(free)) for i, method in enumerate(methods)}
    return {
        source: Style(
            color=list(PALETTE.values())[looks[source] % len(PALETTE)],
            line=LINES[looks[source] % len(LINES)],
            marker=MARKERS[looks[source] % len(MARKERS)],
            label=LABELS.get(source, source),
        )
        for source in sources
        if wanted is None or source in wanted
    }


# ---- numbers and words


def normal_quantile(level: float) -> float:
    """Return z such that a standard normal lies in ±z with probability `level`: 1.96 for 0.95."""
    return float(ndtri((1 + level) / 2))


def wilson(share: np.ndarray, n: np.ndarray, level: float) -> np.ndarray:
    """Return the limits (2, k) of a proportion (Wilson 1927); unlike p ± z MCSE they have a width at 0 and 1."""
    z = normal_quantile(level)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.stack([centre - half, centre + half])


def percent(level: float) -> str:
    return f"{100 * level:g} %"


def fitted(text: str, width: int, lines: int = 3) -> str:
    """Return a label broken into lines of at most `width` characters, after a space or marks where there are any.

    What needs more lines loses its middle.
    """
    broken = [""]
    for word in re.findall(r"[^\s.,:;_=+/)-]*[.,:;_=+/)-]*\s?", text):
        for piece in [word[i : i + width] for i in range(0, len(word), width)]:
            if len(broken[-1]) + len(piece.rstrip()) > width:
                broken.append("")
            broken[-1] += piece
    if len(broken) <= lines:
        return "\n".join(line.strip() for line in broken)
    keep = width * lines - 1 - 2 * (lines - 1)
    shortened = f"{text[: keep // 2]}…{text[-(keep - keep // 2) :]}"
    size = -(-len(shortened) // lines)
    return "\n".join(shortened[i : i + size] for i in range(0, len(shortened), size))


def listed(words: Sequence[str]) -> str:
    """Return "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


# ---- canvas


def panels(
    n: int, across: int, height: float, handles: Sequence[Any] = (), **options: Any
) -> tuple[Figure, list[Axes]]:
    """Return a figure of n panels, at most `across` side by side, each `height` inches high, and its legend on top."""
    from matplotlib.figure import Figure

    columns = min(n, across)
    rows = -(-n // columns)
    across_legend = legend_columns(handles)
    legend_height = LEGEND_ROW * -(-len(handles) // across_legend) + 0.16 if handles else 0.1
    figure = Figure(figsize=(WIDTH, rows * height + legend_height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options).ravel()
    for axis in axes[n:]:
        axis.remove()
    if handles:
        figure.legend(handles=handles, loc="outside upper center", ncols=across_legend)
    return figure, list(axes[:n])


def legend_columns(handles: Sequence[Any]) -> int:
    """Return how many columns of a legend fit the page; matplotlib fills them from top to bottom."""
    lengths = [len(handle.get_label()) for handle in handles]
    for columns in range(len(lengths), 1, -1):
        widths = [CHARACTER * max(part) + 0.62 for part in np.array_split(lengths, columns)]
        if sum(widths) <= WIDTH:
            return columns
    return 1


def handle(style: Style, *, marker: bool = True, solid: bool = False, linewidth: float = 1.1) -> Any:
    """Return what stands for a source in a legend."""
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], color=style.color, linestyle="-" if solid else style.line, linewidth=linewidth,
        marker=style.marker if marker else "none", markersize=3.5, label=fitted(style.label, 38, 1),
    )  # fmt: skip


def rule(label: str, linestyle: Any = "-") -> Any:
    """Return what stands for a target in a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=INK, linewidth=0.7, linestyle=linestyle, label=label)


def offsets(k: int, room: float) -> np.ndarray:
    """Return k places about 0 that share `room`."""
    return (np.arange(k) - (k - 1) / 2) * room / k


# ---- files


def write(directory: Path, draw: Callable[[], list[Drawing]]) -> list[Drawing]:
    """Draw, and write each figure as `<name>.png`, `.pdf` and `.svg`."""
    import matplotlib

    directory.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a person's own matplotlibrc must not show
        matplotlib.rcParams.update(SETTINGS)
        drawings = draw()
        for drawing in drawings:
            for kind, metadata in METADATA.items():
                drawing.figure.savefig(
                    directory / f"{drawing.name}.{kind}", dpi=200, metadata=metadata, transparent=kind == "svg"
                )
    return drawings


def svg(drawing: Drawing) -> str:
    """Return a figure as the text of an SVG file."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        file = io.StringIO()
        drawing.figure.savefig(file, format="svg", metadata=METADATA["svg"], transparent=True)
    return file.getvalue()
