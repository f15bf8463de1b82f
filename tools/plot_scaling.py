#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws plan time against layers and devices as SVG. usage: plot_scaling.py POINTS.jsonl > OUT.svg

The points are what `partita bench planner DIR --scaling --devices FILE` prints. Both axes are logarithmic; dashed lines show
growth that is linear in layers and n log n in devices, through the largest point of the upper half."""
import json
import math
import sys

WIDTH, HEIGHT, MARGIN, GAP = 380, 300, 52, 60
COLORS = {"layers": "#1f5fa8", "devices": "#a8481f"}
GROWTH = {"layers": ("linear", lambda n: n), "devices": ("n log n", lambda n: n * math.log2(max(n, 2)))}


def panel(sweep, points, left, low, high):
    sizes = [point[sweep] for point in points]
    first, last = math.log2(sizes[0]), math.log2(sizes[-1])

    def x(size):
        return left + (math.log2(size) - first) / (last - first) * WIDTH

    def y(seconds):
        return MARGIN + HEIGHT - (math.log10(seconds) - low) / (high - low) * HEIGHT

    out = [f'<rect x="{left}" y="{MARGIN}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#888"/>',
           f'<text x="{left + WIDTH / 2}" y="{MARGIN + HEIGHT + 38}" text-anchor="middle">{sweep}</text>']
    for size in sizes:
        out.append(f'<text x="{x(size):.1f}" y="{MARGIN + HEIGHT + 18}" text-anchor="middle">{size}</text>')
    for power in range(low, high + 1):
        out.append(f'<line x1="{left}" x2="{left + WIDTH}" y1="{y(10 ** power):.1f}" y2="{y(10 ** power):.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 6}" y="{y(10 ** power) + 4:.1f}" text-anchor="end">{1000 * 10 ** power:g} ms</text>')
    name, growth = GROWTH[sweep]
    anchor = points[-1]
    dashed = [(size, anchor["seconds"] * growth(size) / growth(anchor[sweep])) for size in sizes]
    dashed = [(size, seconds) for size, seconds in dashed if seconds >= 10 ** low]
    path = " ".join(f"{x(size):.1f},{y(seconds):.1f}" for size, seconds in dashed)
    out.append(f'<polyline points="{path}" fill="none" stroke="#555" stroke-dasharray="5 4"/>')
    size, seconds = dashed[0]
    out.append(f'<text x="{x(size) + 20:.1f}" y="{y(seconds) + 2:.1f}" fill="#555">{name}</text>')
    path = " ".join(f'{x(point[sweep]):.1f},{y(point["seconds"]):.1f}' for point in points)
    out.append(f'<polyline points="{path}" fill="none" stroke="{COLORS[sweep]}" stroke-width="2"/>')
    for point in points:
        out.append(f'<circle cx="{x(point[sweep]):.1f}" cy="{y(point["seconds"]):.1f}" r="3.5" fill="{COLORS[sweep]}"/>')
    return out


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        points = [json.loads(line) for line in file if line.strip()]
    seconds = [point["seconds"] for point in points]
    low, high = math.floor(math.log10(min(seconds))), math.ceil(math.log10(max(seconds)))
    width, height = 2 * MARGIN + 2 * WIDTH + GAP + 30, HEIGHT + 2 * MARGIN
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">')
    print(f'<rect width="{width}" height="{height}" fill="white"/>')
    print(f'<text x="{width / 2}" y="28" text-anchor="middle" font-size="15">Time of a plan, config.json to plan</text>')
    for number, sweep in enumerate(("layers", "devices")):
        chosen = sorted((point for point in points if point["sweep"] == sweep), key=lambda point: point[sweep])
        print("\n".join(panel(sweep, chosen, MARGIN + 20 + number * (WIDTH + GAP), low, high)))
    print("</svg>")


if __name__ == "__main__":
    main()
