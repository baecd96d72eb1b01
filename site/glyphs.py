"""A small drawing for each chapter's card, made from the formula that the chapter is about.

Lines and colors are classes, which the style sheet sets for light and dark.
"""

import math
import random

WIDTH, HEIGHT = 240, 72


def glyph(number: str) -> str:
    """The drawing of a chapter as SVG, or "" where there is none; readers for the blind skip it."""
    draw = DRAWINGS.get(number)
    return (f'<svg class="glyph" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">{draw()}</svg>'
            if draw else "")


def line(points: list[tuple[float, float]], kind: str) -> str:
    """A line through points."""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{kind}" points="{places}"/>'


def curve(height, kind: str, left: float = 8, right: float = 232, steps: int = 56) -> str:
    """A line of `height(share of the way)` pixels above the bottom."""
    shares = [i / steps for i in range(steps + 1)]
    return line([(left + (right - left) * s, HEIGHT - 6 - height(s)) for s in shares], kind)


def dot(x: float, y: float, kind: str, r: float = 2) -> str:
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{r}"/>'


def box(x: float, y: float, width: float, height: float, kind: str) -> str:
    return (f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}"/>')


def grid(left: float, top: float, rows: int, columns: int, size: float,
         filled=lambda i, j: "") -> str:
    """Cells; `filled(row, column)` is the class of one, "" for an empty one."""
    return "".join(box(left + j * size, top + i * size, size, size, filled(i, j) or "cell")
                   for i in range(rows) for j in range(columns))


def bell(x: float, center: float, spread: float) -> float:
    return math.exp(-((x - center) / spread) ** 2 / 2)


def normalizing() -> str:
    """A distribution that is off center and wide becomes the standard one."""
    before = [box(8 + 7 * i, HEIGHT - 6 - h, 6, h, "faint-fill")
              for i in range(14) if (h := 34 * bell(i, 9, 3.6))]
    after = [box(138 + 7 * i, HEIGHT - 6 - h, 6, h, "bn-fill")
             for i in range(14) if (h := 60 * bell(i, 6.5, 1.9))]
    arrow = line([(112, 40), (130, 40)], "ink") + line([(125, 35), (130, 40), (125, 45)], "ink")
    return "".join(before + after) + arrow


def batch_means() -> str:
    """Means of batches of 128, 10, 5 and 1 values: their spread is 1/√m."""
    draws = random.Random(1)
    parts = [line([(8, 36), (232, 36)], "dashed")]
    for column, m in enumerate((128, 10, 5, 1)):
        for _ in range(26):
            off = max(-2.2, min(2.2, draws.gauss(0, m ** -0.5)))
            parts.append(dot(36 + 56 * column + draws.uniform(-18, 18), 36 + 14 * off, "bn-dot"))
    return "".join(parts)


def clipping() -> str:
    """r against σ_B/σ: a line between two bounds."""
    bounds = "".join(line([(8, y), (232, y)], "dashed") for y in (16, 56))
    return bounds + curve(lambda s: min(max(72 * s - 6, 10), 50), "brn-line")


def zero_start() -> str:
    """Raw averages from zero, 1 − αᵗ of the truth, and corrected ones."""
    draws, raw, power, points, corrected = random.Random(5), 0.0, 1.0, [], []
    for t in range(1, 75):
        raw, power = 0.95 * raw + 0.05 * draws.gauss(1, 0.25), power * 0.95
        points.append((8 + 3 * t, 66 - 50 * raw))
        corrected.append((8 + 3 * t, 66 - 50 * raw / (1 - power)))
    return line([(8, 16), (232, 16)], "dashed") + line(points, "faint") + line(
        corrected, "debias-line")


def correction() -> str:
    """Algorithm 1's line 5."""
    return ('<text class="formula" x="120" y="46">μ̂<tspan dy="5" class="index">t</tspan>'
            '<tspan dy="-5"> = μ</tspan><tspan dy="5" class="index">t</tspan>'
            '<tspan dy="-5"> / (1 − α</tspan><tspan dy="-9" class="index">t</tspan>'
            '<tspan dy="9">)</tspan></text>')


def convolution() -> str:
    """A window of 3×3 on a map, and the value that it gives."""
    window = grid(40, 6, 5, 5, 12, lambda i, j: "debias-fill" if i < 3 and 0 < j < 4 else "")
    out = grid(160, 18, 3, 3, 12, lambda i, j: "debias-fill" if (i, j) == (0, 1) else "")
    return window + out + line([(112, 36), (146, 36)], "ink") + line(
        [(141, 31), (146, 36), (141, 41)], "ink")


def learning() -> str:
    """Three noisy curves that learn; none is meant to be the best."""
    draws = random.Random(3)
    return "".join(curve(lambda s: 52 * (1 - math.exp(-3.5 * s)) + draws.gauss(0, 1.8), kind,
                         steps=30) for kind in ("bn-line", "brn-line", "debias-line"))


def layers() -> str:
    """Mean and spread of the channels, layer by layer."""
    parts = [line([(8, 38), (232, 38)], "dashed")]
    for i in range(9):
        x, middle, reach = 24 + 24 * i, 38 - 5 * math.sin(0.9 * i), 8 + 2.1 * i
        parts += [line([(x, middle - reach), (x, middle + reach)], "debias-line"),
                  dot(x, middle, "debias-fill", 3)]
    return "".join(parts)


def other_axes() -> str:
    """Which values share their statistics: a channel, an image, a group of an image."""
    return (grid(22, 10, 4, 4, 13, lambda i, j: "bn-fill" if j == 1 else "")
            + grid(94, 10, 4, 4, 13, lambda i, j: "brn-fill" if i == 1 else "")
            + grid(166, 10, 4, 4, 13, lambda i, j: "debias-fill" if i == 1 and j < 2 else ""))


def chip() -> str:
    """Many cells that work at once."""
    pins = "".join(line([(x, 4), (x, 12)], "ink") + line([(x, 60), (x, 68)], "ink")
                   for x in range(76, 166, 12))
    return pins + box(66, 12, 108, 48, "cell") + grid(
        72, 18, 3, 8, 12, lambda i, j: "bn-fill" if (3 * i + j) % 4 else "debias-fill")


def intervals() -> str:
    """Differences with their intervals, beside zero."""
    parts = [line([(120, 4), (120, 68)], "dashed")]
    for y, middle, reach in ((16, 168, 34), (36, 112, 30), (56, 70, 28)):
        parts += [line([(middle - reach, y), (middle + reach, y)], "bn-line"),
                  *(line([(x, y - 5), (x, y + 5)], "bn-line")
                    for x in (middle - reach, middle + reach)),
                  dot(middle, y, "bn-fill", 4)]
    return "".join(parts)


DRAWINGS = {"01": normalizing, "02": batch_means, "03": clipping, "04": zero_start,
            "05": correction, "06": convolution, "07": learning, "08": layers,
            "09": other_axes, "10": chip, "11": intervals}
