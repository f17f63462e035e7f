#!/usr/bin/env python3
"""Turns what a terminal showed into an SVG for the README.

  tools/terminal_svg.py < transcript.txt > docs/terminal.svg

Lines that begin with `$ ` are what was typed. The text in the picture is text, so it can be searched and read aloud.
"""
import sys
from xml.sax.saxutils import escape

WIDE, HIGH, MARGIN = 8.4, 19, 18
BACK, TEXT, TYPED, DIM, LAMP = "#1b1416", "#e8dcd8", "#ffb4a2", "#a48c88", "#ff5a4d"


def main():
    lines = sys.stdin.read().rstrip("\n").split("\n")
    columns = max(len(line) for line in lines)
    width, height = round(columns * WIDE + 2 * MARGIN), round(len(lines) * HIGH + 2 * MARGIN + 22)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="A terminal session with safelight">',
           f'<rect width="{width}" height="{height}" rx="8" fill="{BACK}"/>']
    out += [f'<circle cx="{MARGIN + 18 * i}" cy="16" r="5" fill="{colour}"/>' for i, colour in enumerate((LAMP, "#5c4744", "#5c4744"))]
    out.append(f'<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="14" fill="{TEXT}" xml:space="preserve">')
    for number, line in enumerate(lines):
        y = MARGIN + 32 + number * HIGH
        if line.startswith("$ "):
            out.append(f'<text x="{MARGIN}" y="{y}"><tspan fill="{DIM}">$ </tspan><tspan fill="{TYPED}" font-weight="600">{escape(line[2:])}</tspan></text>')
        elif line:
            out.append(f'<text x="{MARGIN}" y="{y}">{escape(line)}</text>')
    out += ["</g>", "</svg>"]
    print("\n".join(out))


if __name__ == "__main__":
    main()
