"""The rooms and arrows of docs/architecture.md, its table and its figure, are the imports of the code.

python tests/test_architecture.py    draws docs/figures/rooms.svg anew
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE, FIGURE = ROOT / "docs" / "architecture.md", ROOT / "docs" / "figures" / "rooms.svg"
DOORS = ("api", "synthesizer", "people", "release", "studies", "mids", "sklearn")
COMMANDS = ("cli", "benchmark")  # the beginnings of their names
EVERYWHERE = {"errors", "registry", "resources", "streams", "__init__"}  # which any room may import

# Where the middle of a room's box is in the figure.
PLACES = {
    "command line": (400, 30), "front doors": (400, 100), "report": (400, 170), "study": (400, 240),
    "assessment": (400, 310), "synthesis": (170, 380), "fits": (620, 380), "pooling": (530, 460),
    "analysis": (710, 460), "origin": (170, 580), "data": (430, 580), "kernels": (710, 580),
}  # fmt: skip
WIDTH, HEIGHT = 150, 36


def room(part: str) -> str:
    return "front doors" if part in DOORS else "command line" if part.startswith(COMMANDS) else part


@cache
def imports() -> dict[tuple[str, str], bool]:
    """Return which room imports which, and whether it does so when it is loaded or only when it must."""
    found: dict[tuple[str, str], bool] = {}
    for path in sorted((ROOT / "mice_sim").rglob("*.py")):
        user = room(path.relative_to(ROOT / "mice_sim").parts[0].removesuffix(".py"))
        if user not in EVERYWHERE:
            for part, early in imported(ast.parse(path.read_text(encoding="utf-8"))):
                if part not in EVERYWHERE and room(part) != user:
                    found[user, room(part)] = found.get((user, room(part)), False) or early
    return found


def imported(tree: ast.AST, early: bool = True) -> list[tuple[str, bool]]:
    """Return the parts of the package that a module imports, but for those that only type checkers see."""
    found = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "mice_sim":
            inner = node.module.split(".")[1:2] or [name.name for name in node.names]  # type: ignore[union-attr]
            found += [(part, early) for part in inner if not part.startswith("__")]
        elif isinstance(node, ast.Import):
            found += [(name.name.split(".")[1], early) for name in node.names if name.name.startswith("mice_sim.")]
        else:
            found += imported(node, early and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return found


def reachable(start: str, arrows: set[tuple[str, str]]) -> set[str]:
    known: set[str] = set()
    waiting = [start]
    while waiting:
        nearer = {used for user, used in arrows if user == waiting[0]} - known
        known |= nearer
        waiting = waiting[1:] + sorted(nearer)
    return known


def drawn() -> dict[tuple[str, str], bool]:
    """Return the arrows of the figure: the imports, but for those that follow from others."""
    early = {arrow for arrow, at_once in imports().items() if at_once}
    needed = {arrow for arrow in early if arrow[1] not in reachable(arrow[0], early - {arrow})}
    late = {arrow for arrow in set(imports()) - early if arrow[1] not in reachable(arrow[0], needed)}
    return dict.fromkeys(sorted(needed), True) | dict.fromkeys(sorted(late), False)


def figure() -> str:
    """Return the figure as SVG."""
    arrows = "\n".join(arrow(*ends, early) for ends, early in drawn().items())
    boxes = "\n".join(box(name, *place) for name, place in PLACES.items())
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 620" font-family="sans-serif" font-size="15">
<title>Rooms of mice_sim; an arrow leads from a room to one that it imports</title>
<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 1 L9 5 L0 9 z" fill="#444"/></marker></defs>
<rect width="800" height="620" fill="#fff"/>
{arrows}
{boxes}
</svg>
"""


def box(name: str, x: int, y: int) -> str:
    fill = {"command line": "#e8eaf6", "front doors": "#e8eaf6"}.get(name, "#f5f5f5")
    return (
        f'<rect x="{x - WIDTH // 2}" y="{y - HEIGHT // 2}" width="{WIDTH}" height="{HEIGHT}" rx="4" fill="{fill}" '
        f'stroke="#444"/><text x="{x}" y="{y + 5}" text-anchor="middle" fill="#222">{name}</text>'
    )


def arrow(user: str, used: str, early: bool) -> str:
    (x1, y1), (x2, y2) = PLACES[user], PLACES[used]
    if early:
        shift = max(-50, min(50, (x2 - x1) // 4))
        start, end = (x1 + shift, y1 + HEIGHT // 2), (x2 - shift, y2 - HEIGHT // 2)
        bend = round(0.7 * (end[1] - start[1]))
        curve = f"C{start[0]} {start[1] + bend} {end[0]} {end[1] - bend} {end[0]} {end[1]}"
    else:  # upwards, into the side
        start, end = (x1 - 40, y1 - HEIGHT // 2), (x2 - WIDTH // 2, y2)
        curve = f"Q{start[0]} {end[1]} {end[0]} {end[1]}"
    dashes = "" if early else ' stroke-dasharray="5 4"'
    return (
        f'<path d="M{start[0]} {start[1]} {curve}" fill="none" stroke="#444" marker-end="url(#tip)"{dashes}>'
        f"<title>{user} imports {used}</title></path>"
    )


def test_the_figure_shows_the_imports_of_the_code():
    assert {name for ends in imports() for name in ends} == set(PLACES)
    assert FIGURE.read_text(encoding="utf-8") == figure(), "run python tests/test_architecture.py, look at it"


def test_no_room_needs_itself_to_be_loaded():
    early = {arrow for arrow, at_once in imports().items() if at_once}
    assert [name for name in PLACES if name in reachable(name, early)] == []


def test_the_table_of_rooms_has_the_imports_of_the_code():
    rows = re.findall(r"^\| (`.+?) \| .+ \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    told = {}
    for names, needs in rows:
        user = room(re.findall(r"`(\w+)", names)[0])
        told[user] = {name for name in PLACES if re.search(rf"\b{name}\b", needs)}
    assert told == {user: {used for other, used in imports() if other == user} for user in PLACES}


if __name__ == "__main__":
    FIGURE.write_text(figure(), encoding="utf-8")
