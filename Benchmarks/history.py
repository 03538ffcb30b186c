#!/usr/bin/env python3
"""The history of `make bench`: a line of JSON for each run, and a chart of it. Ratios to the ceilings of the same run, because rates
depend on the machine and the minute.

    history.py [FOLDER]      draws FOLDER/history.svg again from FOLDER/history.jsonl
"""
import json
import os
import sys

import chart

COLOURS = ["#2f6fde", "#e0a030", "#3aa76d", "#b5489a", "#666"]


def add(report, folder):
    """Appends a run, and draws the chart."""
    machine = report["machine"]
    ratios = {f"{chart.size(result['bytes'])} {side}": ratio(result, side)
              for result in report["results"].values() for side in ("producer", "consumer") if side in result}
    line = {"time": machine["time"], "revision": machine["revision"], "machine": chart.described(machine), "scale": report["scale"],
            "rounds": report["rounds"], "ratios": ratios}
    with open(os.path.join(folder, "history.jsonl"), "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    draw(folder)


def ratio(result, side):
    """The pipeline's rate by the lower of the ceilings that there are."""
    of = result[side]
    ceilings = [of[name]["images_per_second"]["median"] for name in ("client's ceiling", "disk's ceiling") if name in of]
    return round(of["image-pipeline"]["images_per_second"]["median"] / min(ceilings), 3)


def draw(folder):
    with open(os.path.join(folder, "history.jsonl"), encoding="utf-8") as lines:
        runs = [json.loads(line) for line in lines]
    with open(os.path.join(folder, "history.svg"), "w", encoding="utf-8") as file:
        file.write(svg(runs))


def svg(runs):
    left, width, height, step = 60, max(760, 60 + 46 * len(runs) + 40), 240, 46
    parts, top = [], 30
    for side in ("producer", "consumer"):
        names = sorted({name for run in runs for name in run["ratios"] if name.endswith(side)}, key=lambda name: chart_order(name))
        if not names:
            continue
        most = max(1.0, *(run["ratios"].get(name, 0) for run in runs for name in names))
        parts.append(f'<text x="10" y="{top}" font-weight="bold" font-size="15">{side.capitalize()}: rate by the lower ceiling</text>')

        def place(index, value):
            return left + index * step, top + 20 + height * (1 - value / most)

        for mark in (0.25, 0.5, 0.75, 1.0):
            y = place(0, mark)[1]
            parts.append(f'<line x1="{left}" x2="{width - 20}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/><text x="20" y="{y + 4:.0f}">{mark}</text>')
        for name, colour in zip(names, COLOURS):
            points = [(*place(index, run["ratios"][name]), run) for index, run in enumerate(runs) if name in run["ratios"]]
            line = " ".join(f"{x:.0f},{y:.0f}" for x, y, _ in points)
            parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
            for x, y, run in points:
                parts.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3" fill="{colour}"><title>{run["revision"]} {run["time"]}, {run["machine"]}: '
                             f'{name} {run["ratios"][name]}</title></circle>')
        top += height + 40
        for index, run in enumerate(runs):
            parts.append(f'<text x="{left + index * step - 18}" y="{top}" font-size="9">{run["revision"]}</text>')
        for index, (name, colour) in enumerate(zip(names, COLOURS)):
            x = left + index * 130
            parts.append(f'<rect x="{x}" y="{top + 10}" width="10" height="10" fill="{colour}"/><text x="{x + 15}" y="{top + 19}">'
                         f'{name.rsplit(" ", 1)[0]}</text>')
        top += 60
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}" font-family="sans-serif" font-size="12">'
            f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n')


def chart_order(name):
    number, unit = name.split()[:2]
    return float(number) * (1_000 if unit == "MB" else 1)


if __name__ == "__main__":
    draw(sys.argv[1] if len(sys.argv) > 1 else "bench-results")
