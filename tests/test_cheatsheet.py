"""The cheat sheet: its dots read back, its SVG taken apart."""

import json
import re
from xml.etree import ElementTree

import pytest

from torchbeam.design.activations import ACTIVATIONS
from torchbeam.report.cheatsheet import as_json, as_svg, as_text

SVG = "{http://www.w3.org/2000/svg}"
BRAILLE = re.compile("[\u2800-\u28ff]+")
# Columns and rows of dots at a width of 100: 0 stands in the middle column, whatever the function.
RIGHT, BOTTOM, MIDDLE = 38, 18, 19


def block(name, width=100):
    return next(part for part in as_text(width).split("\n\n") if part.split()[0] == name)


def lit(name, which=0, width=100):
    """The dots of a drawing (0 the curve, 1 its derivative) as (column, row), counted from the top left."""
    drawings = [runs[which] for line in block(name, width).splitlines() if (runs := BRAILLE.findall(line))]
    assert len(drawings) == 5 and len({len(line) for line in drawings}) == 1
    order = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]  # as Unicode numbers the dots of a sign
    return {
        (2 * column + across, 4 * row + down)
        for row, line in enumerate(drawings)
        for column, sign in enumerate(line)
        for bit, (across, down) in enumerate(order)
        if (ord(sign) - 0x2800) >> bit & 1
    }


def rows_of(dots, column):
    return sorted(row for at, row in dots if at == column)


# In a terminal.


@pytest.mark.parametrize("width", [200, 100, 80, 72, 71, 60, 40])
def test_the_text_is_as_wide_as_asked_and_no_wider(width):
    text = as_text(width)
    assert max(map(len, text.splitlines())) <= width
    assert not re.search(r" \n", text)
    assert [part.split()[0] for part in text.split("\n\n")[1:]] == list(ACTIVATIONS)


def test_the_text_is_never_narrower_than_its_drawings():
    assert as_text(10) == as_text(40)


@pytest.mark.parametrize("width", [100, 40])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_each_block_says_all_there_is_to_say(name, width):
    curve = ACTIVATIONS[name]
    # Beside the drawings the words have 46 columns; otherwise they end where the drawings' heading stands.
    lines = [line[:46] for line in block(name, width).splitlines()] if width == 100 else []
    words = re.sub(r"\s", "", "".join(lines) or re.split(r"\n +f\(x\) ", block(name, width))[0])
    for text in (curve.title, curve.formula, curve.derivative, curve.source, curve.number[3:]):
        assert re.sub(r"\s", "", text) in words


def test_the_number_when_unsaid_is_told():
    assert "a      the slope below zero; 0.01 unless said" in block("LEAKYRELU")
    assert "unless said" not in block("RELU")


def test_identity_rises_from_bottom_left_to_top_right():
    dots = lit("IDENTITY")
    assert {(0, BOTTOM), (MIDDLE, BOTTOM // 2), (RIGHT, 0)} <= dots
    assert not {(0, 0), (RIGHT, BOTTOM)} & dots
    off_axes = [rows_of(dots - {(column, BOTTOM // 2)}, column) for column in range(RIGHT + 1) if column != MIDDLE]
    heights = [row for rows in off_axes for row in reversed(rows)]
    assert heights == sorted(heights, reverse=True) and len(set(heights)) == BOTTOM


def test_relu_is_flat_and_then_rises():
    dots = lit("RELU")
    for column in range(MIDDLE):
        assert rows_of(dots, column) == [BOTTOM]
    tops = [rows_of(dots, column)[0] for column in range(MIDDLE + 1, RIGHT + 1)]
    assert tops == sorted(tops, reverse=True) and tops[-1] == 0


@pytest.mark.parametrize(("name", "which"), [("STEP", 0), ("RELU", 1)])
def test_a_jump_is_no_slope(name, which):
    dots = lit(name, which)
    for column in range(MIDDLE):
        assert rows_of(dots, column) == [BOTTOM]
    for column in range(MIDDLE + 1, RIGHT + 1):
        assert rows_of(dots - {(column, BOTTOM)}, column) == [0]
    unlit = set(range(BOTTOM)) - set(rows_of(dots, MIDDLE))
    assert unlit == set(range(1, BOTTOM, 2))  # the axis alone, and the upper end


def test_the_axes_are_dotted_where_no_curve_is():
    dots = lit("STEP", 1)
    assert {(MIDDLE, row) for row in range(0, BOTTOM, 2)} == {dot for dot in dots if dot[1] < BOTTOM}
    assert rows_of(lit("IDENTITY", 1), 2) == [0, BOTTOM] and rows_of(lit("IDENTITY", 1), 3) == [0]


@pytest.mark.parametrize("width", [100, 80, 40])
def test_symmetric_functions_have_symmetric_drawings(width):
    for name, which in (("GAUSSIAN", 0), ("SIGMOID", 1), ("SINE", 1)):
        dots = lit(name, which, width)
        last = max(column for column, _ in dots)
        assert {(last - column, row) for column, row in dots} == dots
    for name, which in (("SINE", 0), ("TANH", 0), ("GAUSSIAN", 1)):
        dots = lit(name, which, width)
        last = max(column for column, _ in dots)
        assert {(last - column, BOTTOM - row) for column, row in dots} == dots


def test_both_ranges_are_told():
    lines = block("HARDSWISH").splitlines()
    labels = [found for line in lines if (found := re.findall(r"([−.\d]+) [\u2800-\u28ff]", line))]
    assert labels == [["4", "1.5"], ["−0.5", "−0.5"]]
    assert lines[-1].split() == ["−4", "4", "−4", "4"]
    assert block("RELU6").splitlines()[-1].split() == ["−8", "8", "−8", "8"]


# As an SVG file.


@pytest.fixture(scope="module")
def sheet():
    return ElementTree.fromstring(as_svg())


def group(sheet, name):
    return next(each for each in sheet.iter(f"{SVG}g") if each.get("id") == name.lower())


def paths(sheet, name, kind):
    """The lines of one kind, each a list of points."""
    found = [each.get("d") for each in group(sheet, name).iter(f"{SVG}path") if each.get("class") == kind]
    return [[tuple(map(float, point.split(","))) for point in path.removeprefix("M").split("L")] for path in found]


def test_there_is_one_group_for_each_activation_in_order(sheet):
    assert [each.get("id") for each in sheet.iter(f"{SVG}g")] == [name.lower() for name in ACTIVATIONS]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_each_group_says_all_there_is_to_say(sheet, name):
    curve = ACTIVATIONS[name]
    words = " ".join("".join(each.itertext()) for each in group(sheet, name).iter(f"{SVG}text"))
    words = re.sub(r"\s+", " ", words)
    for text in (curve.name, curve.title, curve.formula, curve.derivative, curve.source, curve.number[3:]):
        assert text in words


def test_the_file_needs_nothing_from_anywhere_and_runs_nothing(sheet):
    text = as_svg()
    assert text.count("http") == 1
    assert not re.search(r"script|href|url\(|@import|\bon\w+=|<image|foreignObject", text)


def test_the_sheet_paints_its_own_background(sheet):
    first = next(iter(sheet.iter(f"{SVG}rect")))
    assert (first.get("width"), first.get("height")) == (sheet.get("width"), sheet.get("height"))
    style = next(sheet.iter(f"{SVG}style")).text
    for kind in (first.get("class"), "card"):
        assert re.search(rf"\.{kind} {{ fill: #f", style)


def test_cards_lie_apart_and_within_the_sheet_and_hold_their_words_and_lines(sheet):
    seen = []
    for each in sheet.iter(f"{SVG}g"):
        x, y = map(float, re.findall(r"[\d.]+", each.get("transform")))
        card = next(each.iter(f"{SVG}rect"))
        left, top, wide, high = (float(card.get(key)) for key in ("x", "y", "width", "height"))
        points = [(float(text.get("x")), float(text.get("y"))) for text in each.iter(f"{SVG}text")]
        points += [
            point for kind in ("curve", "slope") for line in paths(sheet, each.get("id"), kind) for point in line
        ]
        assert all(left < px < left + wide and top < py < top + high for px, py in points)
        assert x + left + wide < float(sheet.get("width")) and y + top + high < float(sheet.get("height"))
        box = (x + left, y + top, x + left + wide, y + top + high)
        assert all(a[2] <= box[0] or a[3] <= box[1] or box[2] <= a[0] for a in seen)
        seen.append(box)


def test_steps_jump_is_a_gap_in_the_middle(sheet):
    before, after = paths(sheet, "STEP", "curve")
    assert len({y for _, y in before}) == len({y for _, y in after}) == 1
    assert before[0][1] > after[0][1]
    assert before[-1][0] == after[0][0] == (before[0][0] + after[-1][0]) / 2


@pytest.mark.parametrize(
    ("name", "curves", "slopes"),
    [("SIGMOID", 1, 1), ("RELU", 1, 2), ("HARDSWISH", 1, 3), ("ELU", 1, 1), ("SELU", 1, 2)],
)
def test_lines_are_broken_at_jumps_only(sheet, name, curves, slopes):
    assert (len(paths(sheet, name, "curve")), len(paths(sheet, name, "slope"))) == (curves, slopes)


@pytest.mark.parametrize("name", ["SINE", "BENTIDENTITY", "RELU6"])
def test_a_drawn_point_read_off_the_ticks_is_a_point_of_the_function(sheet, name):
    ticks = [each for each in group(sheet, name).iter(f"{SVG}text") if each.get("class") == "tick"]

    def scale(axis, anchor, shift):
        read = [
            (float(t.get(axis)) + shift, float(t.text.replace("−", "-")))
            for t in ticks
            if t.get("text-anchor") == anchor
        ]
        (a, low), (b, high) = read[0], read[-1]
        return lambda pixel: low + (pixel - a) / (b - a) * (high - low)

    x_of, y_of = scale("x", "middle", 0), scale("y", "end", -4)
    curve = ACTIVATIONS[name]
    for kind, function in (("curve", curve.f), ("slope", curve.df)):
        for line in paths(sheet, name, kind):
            for x, y in line[2:-2]:  # at a jump the nearest tenth of a pixel may be on the other side
                assert y_of(y) == pytest.approx(function(x_of(x), 0.0), abs=0.02)


# As data.


def test_the_data_are_plain_and_whole():
    data = json.loads(json.dumps(as_json()))
    assert [each["name"] for each in data] == list(ACTIVATIONS)
    assert data[list(ACTIVATIONS).index("LEAKYRELU")] == {
        "name": "LEAKYRELU",
        "title": "leaky rectified linear unit",
        "formula": "x if x > 0, a x otherwise",
        "derivative": "1 if x > 0, a otherwise",
        "source": "Maas, Hannun & Ng 2013",
        "number": "a, the slope below zero",
        "default": 0.01,
    }
    assert data[0]["default"] is None
