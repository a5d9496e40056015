"""The contact sheet of a check: every finding with its pictures, copies side by side, boxes drawn in."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw

from torchbeam.data.checks.finding import SEVERITIES, Finding
from torchbeam.data.facts import Facts
from torchbeam.data.records import Source
from torchbeam.errors import PictureError
from torchbeam.report.offline import PICTURE_PIXELS, cards, document, inline, section, text

SHOWN = 24  # pictures under one finding
IN_A_GROUP = 6  # of copies of one picture
LISTED = 40  # paths where there are no pictures to show
SOUND, WRONG = (47, 111, 178), (214, 40, 40)
_BOX = re.compile(r"\((-?[\d.e+-]+), (-?[\d.e+-]+), (-?[\d.e+-]+), (-?[\d.e+-]+)\)")  # as sound.py tells them
_STYLE = """
.badge{display:inline-block;border-radius:6px;padding:0 8px;font-size:14px;color:#fff;margin-right:8px}
.error{background:#d62828}.warning{background:#b36b00}.note{background:#52606d}
.groups{display:flex;flex-wrap:wrap;gap:16px 32px}
.group{border-left:4px solid #cbd2d9;padding-left:12px}
figcaption{overflow-wrap:anywhere}
.none{width:160px;height:110px;background:#e4e7eb;border-radius:4px;display:flex;align-items:center;
justify-content:center;color:#52606d}
.remedy{color:#52606d}
"""


def contact(
    source: Source, facts: Mapping[int, Facts], findings: Sequence[Finding], verdict: str, table: Sequence[str]
) -> str:
    """The whole page as HTML; every name from the data is escaped, and nothing is loaded from anywhere.

    verdict: the result in a line. table: lines that tell how many pictures there are of what.
    """
    numbers = {record.path: number for number, record in enumerate(source.records)}
    counts = Counter(finding.severity for finding in findings)
    figures = [(f"{len(source.records):,}", "pictures")]
    figures += [
        (f"{counts[severity]:,}", f"{severity}s" if counts[severity] != 1 else severity) for severity in SEVERITIES
    ]
    where = f"<p>{text(source.kind)}, from <code>{text(str(source.root or source.place))}</code></p>"
    head = f"<header>\n<h1>{text(verdict[:1].upper() + verdict[1:])}</h1>\n{where}\n{cards(figures)}\n</header>"
    parts = [head]
    parts += [section(finding.kind, _finding(source, facts, numbers, finding)) for finding in findings]
    if table:
        parts.append(section("What there is", f'<div class="wide"><pre>{text(chr(10).join(table))}</pre></div>'))
    if source.notes:
        parts.append(section("Notes", "".join(f"<p>{text(note)}</p>" for note in source.notes)))
    return document(verdict, "\n".join(parts), _STYLE)


def _finding(source: Source, facts: Mapping[int, Facts], numbers: Mapping[str, int], finding: Finding) -> str:
    severity = finding.severity
    lines = [f'<p><span class="badge {severity}">{severity}</span>{_sentence(finding.what)}</p>']
    lines += [f'<p class="remedy">{_sentence(finding.remedy)}</p>'] if finding.remedy else []
    details = list(finding.details) or [""] * len(finding.paths)
    told = list(zip(finding.paths, details, strict=True))
    if finding.groups:
        lines.append(_groups(source, facts, numbers, finding, told))
    elif any(path in numbers for path, _ in told):
        lines.append(_strip(source, facts, numbers, told[:SHOWN]) + _more(len(told) - SHOWN))
    elif told:
        rows = "".join(f"<li>{text(path)}{': ' if detail else ''}{text(detail)}</li>" for path, detail in told[:LISTED])
        lines.append(f"<ul>{rows}</ul>{_more(len(told) - LISTED)}")
    return "\n".join(lines)


def _groups(
    source: Source,
    facts: Mapping[int, Facts],
    numbers: Mapping[str, int],
    finding: Finding,
    told: Sequence[tuple[str, str]],
) -> str:
    """Copies side by side, until enough pictures are shown."""
    strips, at, shown, groups = [], 0, 0, 0
    for group in finding.groups:
        few = told[at : at + min(len(group), IN_A_GROUP)]
        if shown and shown + len(few) > SHOWN:
            break
        rest = _more(len(group) - len(few))
        strips.append(f'<div class="group">{_strip(source, facts, numbers, few, False)}{rest}</div>')
        at, shown, groups = at + len(group), shown + len(few), groups + 1
    return f'<div class="groups">{"".join(strips)}</div>{_more(len(finding.groups) - groups)}'


def _strip(
    source: Source,
    facts: Mapping[int, Facts],
    numbers: Mapping[str, int],
    told: Sequence[tuple[str, str]],
    boxed: bool = True,
) -> str:
    """Pictures beside one another, each with its path and detail, and with its boxes where they matter."""
    figures = []
    for path, detail in told:
        picture = _picture(source, facts, numbers.get(path), detail, boxed)
        words = f"<br>{text(detail)}" if detail else ""
        figures.append(f"<figure>{picture}<figcaption><b>{text(path)}</b>{words}</figcaption></figure>")
    return f'<div class="pictures">{"".join(figures)}</div>'


def _sentence(told: str) -> str:
    return text(f"{told[:1].upper()}{told[1:]}.")


def _more(count: int) -> str:
    return f"<p>and {count:,} more</p>" if count > 0 else ""


def _picture(source: Source, facts: Mapping[int, Facts], number: int | None, detail: str, boxed: bool) -> str:
    if number is None or number not in facts:
        return '<div class="none">no picture</div>'
    try:
        picture = source.pictures.image(number, (PICTURE_PIXELS, PICTURE_PIXELS))
    except PictureError:  # it was there when it was looked at
        return '<div class="none">no picture</div>'
    return inline(_boxed(picture, source, number, facts[number].size, detail) if boxed else picture)


def _boxed(picture: Image.Image, source: Source, number: int, size: tuple[int, int], detail: str) -> Image.Image:
    """The picture with its boxes, where it has some, in blue, and in red the one that the detail tells of."""
    boxes = source.records[number].boxes
    wrong = [tuple(map(float, found.groups())) for found in _BOX.finditer(detail)]
    if boxes is None or not (len(boxes) or wrong):
        return picture
    drawn = picture.convert("RGB")
    drawn.thumbnail((PICTURE_PIXELS, PICTURE_PIXELS))
    pen = ImageDraw.Draw(drawn)
    for edges, colour in [*((row, SOUND) for row in boxes.xyxy_N4.tolist()), *((row, WRONG) for row in wrong)]:
        across, down = drawn.width / size[0], drawn.height / size[1]
        left, right = sorted((_kept(edges[0] * across, drawn.width), _kept(edges[2] * across, drawn.width)))
        top, bottom = sorted((_kept(edges[1] * down, drawn.height), _kept(edges[3] * down, drawn.height)))
        seen = 2 if colour == WRONG else 0  # one without area shows, too
        pen.rectangle((left - seen, top - seen, right + seen, bottom + seen), outline=colour, width=1 + seen // 2)
    return drawn


def _kept(value: float, side: int) -> float:
    """Within the picture, so that a box outside shows at its edge."""
    return min(max(value, 0.0), side - 1.0)
