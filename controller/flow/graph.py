"""Flows as pictures: Mermaid text, and SVG with a small layered layout of our own.

The layout needs no more than a flow has: a start, layers by distance from it, and few crossings.
"""

from __future__ import annotations

from html import escape

import msgspec

from controller.flow.findings import clipped, printable
from controller.flow.release import Flow

_WIDTH, _HEIGHT = 150, 44
_GAP_X, _GAP_Y = 40, 76
_MARGIN = 30
_SWEEPS = 4
_LABEL = 22
_STYLE = (
    "text{font:12px sans-serif;fill:#1c2733}.type{font-size:10px;fill:#5b6b7b}.exit{font-size:10px;fill:#35506b}"
    "rect{fill:#f4f7fa;stroke:#5b7a99}.start{stroke-width:3}.human{fill:#e3f3e6}.end{fill:#f3e6e3}"
    "path{fill:none;stroke:#7d93a8}.back{stroke-dasharray:4 3}"
)
_ARROW_HEAD = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0L8 4L0 8z" style="fill:#7d93a8;stroke:none"/></marker></defs>'
)


def mermaid(flow: Flow) -> str:
    """Return the flow as a Mermaid flowchart; names of steps are names, so nothing needs quoting but labels."""
    lines = ["flowchart TD", f"  begin(({_mermaid_text(flow.name)})) --> s_{flow.start}"]
    for name, step in flow.steps.items():
        left, right = ("{{", "}}") if step.asks else ("([", "])") if step.ends or step.human else ("[", "]")
        lines.append(f'  s_{name}{left}"{name}<br/><small>{step.type}</small>"{right}')
    for (source, target), exits in _bundled(flow).items():
        lines.append(f'  s_{source} -->|"{_mermaid_text(", ".join(exits))}"| s_{target}')
    lines += [f"  {key}([{key}]) -.-> s_{step}" for key, step in _side_doors(flow)]
    return "\n".join(lines) + "\n"


def svg(flow: Flow) -> str:
    """Return the flow as an SVG document."""
    boxes = _lay_out(flow)
    width = max(box.x for box in boxes.values()) + _WIDTH + _MARGIN
    height = max(box.y for box in boxes.values()) + _HEIGHT + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>{escape(printable(flow.title or flow.name))}</title><style>{_STYLE}</style>",
        _ARROW_HEAD,
    ]
    for (source, target), exits in _bundled(flow).items():
        parts.append(_arrow(boxes[source], boxes[target], ", ".join(exits)))
    parts += [_box(name, flow, box) for name, box in boxes.items()]
    return "\n".join([*parts, "</svg>"]) + "\n"


class _Box(msgspec.Struct):
    layer: int
    place: float
    x: int = 0
    y: int = 0


def _bundled(flow: Flow) -> dict[tuple[str, str], list[str]]:
    """Return the exits between each two steps, in order, as one arrow."""
    bundles: dict[tuple[str, str], list[str]] = {}
    for edge in flow.edges:
        bundles.setdefault((edge.step, edge.target), []).append(edge.exit)
    return bundles


def _side_doors(flow: Flow) -> list[tuple[str, str]]:
    doors = (("on_hangup", flow.on_hangup), ("on_failure", flow.on_failure))
    return [(key, step) for key, step in doors if step]


def _lay_out(flow: Flow) -> dict[str, _Box]:
    """Give every step its place: layers by distance from the start, ordered by the mean place of their neighbours."""
    boxes: dict[str, _Box] = {}
    targets: dict[str, list[str]] = {}
    neighbours: dict[str, list[str]] = {name: [] for name in flow.steps}
    for source, target in _bundled(flow):
        targets.setdefault(source, []).append(target)
        neighbours[source].append(target)
        neighbours[target].append(source)
    layer = list(dict.fromkeys([flow.start, *(step for _, step in _side_doors(flow))]))
    number = 0
    while layer:
        boxes |= {name: _Box(number, place) for place, name in enumerate(layer)}
        onward = (target for name in layer for target in targets.get(name, ()))
        layer = [name for name in dict.fromkeys(onward) if name not in boxes]
        number += 1
    for _ in range(_SWEEPS):
        for depth in range(number):
            row = [name for name in boxes if boxes[name].layer == depth]
            means = {name: _mean_place(name, neighbours[name], boxes) for name in row}
            for place, name in enumerate(sorted(row, key=means.__getitem__)):
                boxes[name].place = place - (len(row) - 1) / 2
    leftmost = min(box.place for box in boxes.values())
    for box in boxes.values():
        box.x = round(_MARGIN + (box.place - leftmost) * (_WIDTH + _GAP_X))
        box.y = _MARGIN + box.layer * (_HEIGHT + _GAP_Y)
    return boxes


def _mean_place(name: str, neighbours: list[str], boxes: dict[str, _Box]) -> float:
    places = [boxes[other].place for other in neighbours if boxes[other].layer != boxes[name].layer]
    return sum(places) / len(places) if places else boxes[name].place


def _arrow(source: _Box, target: _Box, label: str) -> str:
    text = escape(clipped(printable(label), _LABEL))
    if target.layer > source.layer:
        x1, y1 = source.x + _WIDTH // 2, source.y + _HEIGHT
        x2, y2 = target.x + _WIDTH // 2, target.y
        bend = (y2 - y1) // 2
        path = f"M{x1} {y1}C{x1} {y1 + bend} {x2} {y2 - bend} {x2} {y2}"
        css = ""
    else:
        x1, y1 = source.x + _WIDTH, source.y + _HEIGHT // 2
        x2, y2 = target.x + _WIDTH, target.y + _HEIGHT // 2
        if source is target:
            y1, y2 = y1 - 8, y2 + 8
        out = max(x1, x2) + _GAP_X
        path = f"M{x1} {y1}C{out} {y1} {out} {y2} {x2} {y2}"
        css = ' class="back"'
    middle = f'x="{(x1 + x2) // 2 + 4}" y="{(y1 + y2) // 2}"'
    return f'<path{css} d="{path}" marker-end="url(#tip)"/><text class="exit" {middle}>{text}</text>'


def _box(name: str, flow: Flow, box: _Box) -> str:
    step = flow.steps[name]
    classes = ["start"] if name == flow.start else []
    classes += ["human"] if step.human else ["end"] if step.ends else []
    css = f' class="{" ".join(classes)}"' if classes else ""
    x, y = box.x + _WIDTH // 2, box.y + _HEIGHT // 2
    return (
        f'<rect{css} x="{box.x}" y="{box.y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
        f'<text x="{x}" y="{y - 2}" text-anchor="middle">{escape(clipped(name, _LABEL))}</text>'
        f'<text class="type" x="{x}" y="{y + 13}" text-anchor="middle">{escape(step.type)}</text>'
    )


def _mermaid_text(text: str) -> str:
    """Return `text` for a quoted label of Mermaid, where # begins an entity and quotes end the label."""
    return printable(text).replace("#", "#35;").replace('"', "#quot;").replace("|", "#124;")
