"""A bar chart as SVG, readable on light and dark ground."""

from collections.abc import Sequence
from html import escape

_ROW, _TOP, _LEFT, _WIDTH, _BAR = 30, 46, 300, 760, 360
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600 } .note { fill: #59636e }
  .bar { fill: #0969da } .goal { stroke: #bc4c00; stroke-width: 2; stroke-dasharray: 4 3 } .goal-text { fill: #bc4c00 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note { fill: #9198a1 } .bar { fill: #4493f8 } .goal { stroke: #f0883e }
    .goal-text { fill: #f0883e } }
"""


def draw(title: str, bars: Sequence[tuple[str, float, str]], goal: float, goal_text: str) -> str:
    """Bars as name, value and what to write beside it; the goal is a line across them."""
    height = _TOP + _ROW * len(bars) + 24
    scale = _BAR / max(goal * 1.1, *(value for _, value, _ in bars))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="0" y="18">{escape(title)}</text>',
    ]
    for number, (name, value, told) in enumerate(bars):
        y = _TOP + _ROW * number
        width = max(1.0, value * scale)
        parts += [
            f'<text x="{_LEFT - 10}" y="{y + 15}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="bar" x="{_LEFT}" y="{y}" width="{width:.1f}" height="20" rx="2"/>',
            f'<text class="note" x="{_LEFT + width + 8:.1f}" y="{y + 15}">{escape(told)}</text>',
        ]
    x, bottom = _LEFT + goal * scale, _TOP + _ROW * len(bars)
    parts += [
        f'<line class="goal" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 8}" y2="{bottom}"/>',
        f'<text class="goal-text" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{escape(goal_text)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"
