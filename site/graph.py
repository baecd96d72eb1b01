"""A graph typed for Mermaid, which needs a large script to draw it, as a small picture (SVG)."""

import re

EDGE = re.compile(r"^\s*(\w+)(?:\[([^\]]*)\])?\s*-->\s*(\w+)(?:\[([^\]]*)\])?\s*$")
FENCE = re.compile(r"^```mermaid\n(graph LR\n.*?)^```$", re.DOTALL | re.MULTILINE)
WIDE, HIGH, STEP_X, STEP_Y = 44, 28, 92, 48


def replace(text: str) -> str:
    """Markdown with each `graph LR` of arrows drawn; what is more than arrows is left alone."""
    def draw(fence: re.Match) -> str:
        lines = fence[1].splitlines()[1:]
        edges = [EDGE.match(line) for line in lines if line.strip()]
        return picture(edges) if edges and all(edges) else fence[0]

    return FENCE.sub(draw, text)


def picture(edges: list[re.Match]) -> str:
    """The graph from left to right: a node stands right of all that lead to it."""
    labels = {name: label or name for edge in edges
              for name, label in ((edge[1], edge[2]), (edge[3], edge[4]))}
    before: dict[str, set[str]] = {name: set() for name in labels}
    for edge in edges:
        before[edge[3]].add(edge[1])
    columns = depths(before)
    places, taken = {}, [0] * (max(columns.values()) + 1)
    for name in sorted(labels):
        column = columns[name]
        places[name] = (column * STEP_X, taken[column] * STEP_Y)
        taken[column] += 1
    rows = max(taken)
    for name, (x, y) in places.items():                      # each column in the middle
        places[name] = (x, y + (rows - taken[columns[name]]) * STEP_Y / 2)

    parts = [arrow(places[start], places[end]) for end in sorted(labels)
             for start in sorted(before[end]) if not implied(start, end, before)]
    for name, (x, y) in places.items():
        parts.append(f'<rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="5"/>'
                     f'<text x="{x + WIDE / 2}" y="{y + 19}">{labels[name]}</text>')
    width, height = len(taken) * STEP_X - STEP_X + WIDE, rows * STEP_Y - STEP_Y + HIGH
    words = "; ".join(f"{labels[end]} needs " + ", ".join(labels[start] for start
                      in sorted(before[end])) for end in sorted(labels) if before[end])
    return (f'```{{raw}} html\n<svg class="graph" viewBox="-4 -4 {width + 8} {height + 8}" '
            f'style="max-width: {width + 8}px" role="img" aria-label="{words}">'
            f'{"".join(parts)}</svg>\n```')


def depths(before: dict[str, set[str]]) -> dict[str, int]:
    """The number of arrows on the longest way to each node."""
    found: dict[str, int] = {}
    while len(found) < len(before):
        ready = [name for name in before if name not in found and before[name] <= set(found)]
        if not ready:
            raise SystemExit("a graph of what needs what goes round in a circle")
        for name in ready:
            found[name] = max((found[start] + 1 for start in before[name]), default=0)
    return found


def implied(start: str, end: str, before: dict[str, set[str]]) -> bool:
    """Whether a longer way leads from `start` to `end`, so that its arrow says nothing new."""
    todo, seen = [name for name in before[end] if name != start], set()
    while todo:
        name = todo.pop()
        if name == start:
            return True
        if name not in seen:
            seen.add(name)
            todo += before[name]
    return False


def arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    """A curve from the right edge of a node to the left edge of another, with a head."""
    x, y = start[0] + WIDE, start[1] + HIGH / 2
    to_x, to_y = end[0] - 5, end[1] + HIGH / 2
    middle = (x + to_x) / 2
    return (f'<path d="M{x} {y}C{middle} {y} {middle} {to_y} {to_x} {to_y}"/>'
            f'<path class="head" d="M{to_x - 4} {to_y - 4}L{to_x + 4} {to_y}'
            f'L{to_x - 4} {to_y + 4}z"/>')
