"""The contact sheet."""

import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from check_makers import boxed, facts_of, faulty, scene
from PIL import Image

import torchbeam
from torchbeam.data.checks.finding import Finding
from torchbeam.data.records import Record, Source, boxes
from torchbeam.errors import PictureError
from torchbeam.report.contact import SOUND, WRONG, _boxed, contact

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NASTY = "<script>alert(1)</script>&\"'"


class Held:
    """Pictures in memory; None cannot be read."""

    def __init__(self, *pictures):
        self.pictures = pictures

    def image(self, index, least=None):
        if self.pictures[index] is None:
            raise PictureError("gone")
        return self.pictures[index]


class Outline(HTMLParser):
    """Elements that are open, and how many pictures there are."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses = [], []

    def handle_starttag(self, tag, attrs):
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def source_of(*pictures, told=None):
    records = tuple(Record(f"{number}.png", 0, boxes=told) for number in range(len(pictures)))
    return Source("folder", NASTY, None, ("a",), records, Held(*pictures), (f"a note {NASTY}",))


def page_of(findings, count=3, told=None):
    pictures = [scene(number, (40, 30)) for number in range(count)]
    facts = dict(enumerate(facts_of(*pictures)))
    page = contact(source_of(*pictures, told=told), facts, findings, "nothing wrong", ["pictures  all"])
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert all(address.startswith("data:image/") for address in outline.addresses)
    return page, len(outline.addresses)


def test_a_set_without_findings_has_a_page_too():
    page, pictures = page_of([])
    assert "<h1>Nothing wrong</h1>" in page and "pictures  all" in page and pictures == 0


def test_names_from_the_data_cannot_become_markup():
    page, _ = page_of([Finding(NASTY, "error", NASTY, (NASTY, "0.png"), NASTY, (NASTY, NASTY))])
    assert "<script" not in page and page.count("&lt;script&gt;") >= 6


def test_every_picture_of_a_finding_is_shown_up_to_a_limit():
    paths = tuple(f"{number}.png" for number in range(30))
    page, pictures = page_of([Finding("grey", "note", "30 pictures", paths)], 30)
    assert pictures == 24 and "and 6 more" in page


def test_copies_are_shown_side_by_side_up_to_a_limit():
    groups = (tuple(f"{number}.png" for number in range(10)), *((f"{n}.png", f"{n + 1}.png") for n in range(10, 40, 2)))
    paths = tuple(path for group in groups for path in group)
    details = tuple(f"in {path}" for path in paths)
    page, pictures = page_of([Finding("leak", "error", "16 pictures", paths, "", details, groups)], 40)
    assert pictures == 6 + 9 * 2
    assert page.count('class="group"') == 10
    assert "and 4 more" in page and "and 6 more" in page
    assert "<b>26.png</b><br>in 26.png" in page  # paths and details stay together


def test_files_that_are_no_pictures_are_listed():
    page, pictures = page_of([Finding("no picture", "note", "50 files", tuple(f"{n}.txt" for n in range(50)))])
    assert pictures == 0 and "<li>39.txt</li>" in page and "and 10 more" in page


def test_pictures_that_cannot_be_read_leave_their_place():
    finding = Finding("cut off", "error", "2 pictures", ("0.png", "1.png"))
    facts = {0: facts_of(scene(0))[0]}  # the first was there when it was looked at
    page = contact(source_of(None, None), facts, [finding], "1 error", [])
    assert page.count("no picture</div>") == 2


def test_boxes_are_drawn_where_they_are():
    picture = Image.new("RGB", (100, 80), "white")
    source = source_of(picture, told=boxes([[10, 20, 60, 70]], [0]))
    drawn = np.asarray(_boxed(picture, source, 0, (200, 160), "box 2 (180, 40, 120, 100) ends before it begins"))
    ys, xs = np.nonzero((drawn == SOUND).all(axis=2))
    assert (xs.min(), ys.min(), xs.max(), ys.max()) == (5, 10, 30, 35)
    ys, xs = np.nonzero((drawn == WRONG).all(axis=2))
    assert (xs.min(), ys.min(), xs.max(), ys.max()) == (58, 18, 92, 52)
    _boxed(picture, source, 0, (200, 160), "box 2 (1e+300, -5, nan, 4) and box 3 (900, 900, 950, 950)")


def test_pictures_without_boxes_are_shown_as_they_are():
    picture = Image.new("RGB", (100, 80), "white")
    assert _boxed(picture, source_of(picture), 0, (100, 80), "orientation 6 (1, 2, 3, 4)") is picture


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium to draw the page, and none is installed")
def test_a_browser_draws_it_without_a_complaint(tmp_path):
    faulty(tmp_path / "data")
    boxed(tmp_path / "boxes")
    for name in ("data", "boxes"):
        torchbeam.check_data(tmp_path / name, html=tmp_path / f"{name}.html", cache=tmp_path / "cache", show=False)
        shot = tmp_path / f"{name}.png"
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        options += ["--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--hide-scrollbars"]
        done = subprocess.run(
            [str(CHROMIUM), *options, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1040,4000",
             f"--screenshot={shot}", (tmp_path / f"{name}.html").as_uri()],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert "CONSOLE" not in done.stderr
        drawn = np.asarray(Image.open(shot).convert("RGB"))
        assert (drawn == (214, 40, 40)).all(axis=2).sum() > 1_000  # the errors' badges
