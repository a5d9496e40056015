import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

import torchbeam
from torchbeam.learn.signs import Finding
from torchbeam.report.page import findings_section

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NASTY = "<script>alert(1)</script>&\"'"


class Outline(HTMLParser):
    """Elements that are open, to find those never closed, and addresses anything would be loaded from."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset")]
        if tag not in ("meta", "img", "br", "path", "use", "rect", "stop", "line"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(run) -> str:
    return (run / "report.html").read_text()


def test_it_tells_all_that_was_promised(page, trained):
    assert f"{trained.test.accuracy:.2%}" in page
    low, high = trained.test.interval
    assert f"{100 * low:.1f} to {100 * high:.1f} %" in page
    assert f"{trained.test.baseline:.1%}" in page
    for title in ("The data", "Learning", "Class by class", "What is taken for what", "The worst mistakes"):
        assert f"<h2>{title}</h2>" in page
    assert "CONV 32 3x3 pad 1 bias no" in page
    assert page.count('width="48"') == 32  # the first layer's filters


def test_it_tells_how_the_rate_was_measured_and_how_it_was_computed(page, run):
    config = json.loads((run / "config.json").read_text())
    assert f"<p>Computed in {html.escape(config['way']['why']['reason'])}.</p>" in page
    assert f"<p>The rate was measured: {html.escape(config['lr']['why']['reason'])}.</p>" in page
    assert f">chosen: {config['lr']['value']:.3g}<" in page
    assert page.count("<svg") == 2


def test_no_name_stands_for_two_things(page):
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names)) > 20
    asked = re.findall(r'(?:href="#|url\(#)([^")]+)', page)
    assert set(asked) <= set(names)


def test_what_the_doctor_found_is_told_and_nothing_where_there_is_nothing(page):
    assert "What the doctor found" not in page
    early = Finding("inputs", "The mean is 3 & more.", "try `torchbeam check DATA`")
    late = Finding("dead-relu", "In <b>, 9 of 9 units are 0.", "try `--lr 0.1`, or BN", epoch=2, step=1300)
    assert findings_section((early, late)) == (
        "<p><b>Before training.</b> The mean is 3 &amp; more.<br>"
        "What to do: try <code>torchbeam check DATA</code>.</p>\n"
        "<p><b>Epoch 2, step 1,300.</b> In &lt;b&gt;, 9 of 9 units are 0.<br>"
        "What to do: try <code>--lr 0.1</code>, or BN.</p>"
    )


def test_the_findings_of_a_run_are_in_its_report_once(tmp_path):
    """Eight sigmoids in a row, which no gradient passes: found before training, and again in it."""
    out = tmp_path / "run"
    told = {"net": "INPUT -> [CONV 8 -> SIGMOID]*8 -> FC", "precision": "fp32", "device": "cpu", "show": False}
    torchbeam.train("digits", epochs=1, lr=0.05, out=out, **told)
    events = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    found = [event for event in events if event["event"] == "finding"]
    page = (out / "report.html").read_text()
    assert found and "<h2>What the doctor found</h2>" in page
    first = {each["kind"]: each["text"] for each in reversed(found)}
    assert "vanishing" in first
    assert all(page.count(html.escape(text)) == 1 for text in first.values())
    assert page.count("What to do: ") == len(first)
    assert "The rate was measured" not in page


def test_the_confusion_table_is_the_evaluations(page, trained):
    rows = re.findall(r"<tr><th>\d</th>(.*?)</tr>", page.split('class="confusion"')[1].split("</table>")[0])
    cells = [[int(cell or 0) for cell in re.findall(r"<td[^>]*>(\d*)</td>", row)] for row in rows]
    assert cells == [list(row) for row in trained.test.confusion]


def test_it_is_well_formed_and_loads_nothing_from_anywhere(page):
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert all(address.startswith(("data:", "#")) for address in outline.addresses)
    assert "default-src 'none'" in page


@pytest.fixture(scope="module")
def nasty(tmp_path_factory) -> torchbeam.train:
    root = tmp_path_factory.mktemp("nasty")
    random = np.random.default_rng(0)
    for number in range(40):  # more classes than a table of all pairs can hold
        folder = root / "data" / f"{NASTY.replace('/', '')} {number}"
        folder.mkdir(parents=True)
        for each in range(4):
            Image.fromarray(random.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / f"{each}.png")
        (folder / "<b>bad.png").write_text("no picture")
    return torchbeam.train(root / "data", epochs=1, out=root / "run", device="cpu", show=False)


def test_names_from_the_data_cannot_become_markup(nasty):
    page = nasty.report.read_text()
    assert "<script>" not in page and "<b>bad" not in page
    assert "&lt;script&gt;" in page
    assert "The most frequent mistakes." in page
    outline = Outline()
    outline.feed(page)
    assert outline.open == []


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium to draw the page, and none is installed")
def test_a_browser_draws_it_without_a_complaint(run, tmp_path):
    shot = tmp_path / "page.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    options += ["--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--hide-scrollbars"]
    done = subprocess.run(
        [str(CHROMIUM), *options, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1100,3000",
         f"--screenshot={shot}", (run / "report.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    drawn = np.asarray(Image.open(shot).convert("RGB"))
    assert drawn.shape[:2] == (3000, 1100)
    assert (drawn == (47, 111, 178)).all(axis=2).sum() > 5_000  # the headline card's blue is there
