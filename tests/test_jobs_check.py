"""The verb: from Python and from the command line."""

import json
import subprocess
import sys

import pytest
from check_makers import CLEAN, boxed, faulty, scenes, untouched

from torchbeam.cli import main
from torchbeam.data.checks.finding import Finding
from torchbeam.data.exclude import read
from torchbeam.errors import DataError, OutputError
from torchbeam.jobs.check import Amounts, Checked, check_data, table


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("job")
    faulty(root / "data")
    scenes(root / "clean", CLEAN)
    return root


@pytest.fixture(scope="module")
def checked(place):
    return check_data(place / "data", html=place / "page.html", exclude=place / "out.csv", cache=place / "cache")


def test_what_is_found_comes_with_the_numbers(checked, place):
    assert checked.verdict == "6 errors and 10 warnings in 114 pictures of 7 classes"
    assert not checked.clean and checked.count("note") == 9
    assert checked.sizes == ((12, 9), (96, 72))
    assert checked.amounts.pictures["train"]["dog"] == 18 and checked.amounts.boxes == {}
    assert (checked.kind, checked.root) == ("folder", place / "data")


def test_the_text_tells_the_verdict_first_and_what_to_do(checked, place):
    lines = str(checked).splitlines()
    assert lines[0] == f"{place / 'data'}: 6 errors and 10 warnings in 114 pictures of 7 classes"
    assert lines.index("errors") < lines.index("warnings") < lines.index("notes")
    at = lines.index("  leak                1 picture is in two parts")
    assert lines[at + 1].strip() == "train/cat/02.jpg  =  test/cat/copy.jpg"
    assert lines[at + 2].strip().startswith("take them out of train")
    assert "  cat          16    14" in lines


def test_json_holds_all_of_it(checked):
    told = json.loads(json.dumps(checked.to_json()))
    assert told["clean"] is False and told["pictures"] == 114
    kinds = {finding["kind"]: finding for finding in told["findings"]}
    assert kinds["leak"]["groups"] == [["train/cat/02.jpg", "test/cat/copy.jpg"]]
    assert told["excluded"]["train/cat/02.jpg"] == "copy of test/cat/copy.jpg"
    assert told["counts"]["test"]["cat"] == 14 and told["sizes"] == [[12, 9], [96, 72]]


def test_the_list_is_the_one_that_train_takes(checked, place):
    assert read(place / "out.csv") == checked.excluded
    assert len(checked.excluded) == 10


def test_the_page_holds_each_finding(checked, place):
    page = (place / "page.html").read_text()
    assert all(f"<h2>{finding.kind}</h2>" in page for finding in checked.findings)


def test_leaving_out_what_is_listed_leaves_no_copy_that_spoils(checked, place, tmp_path):
    root = tmp_path / "data"
    faulty(root)
    for path in checked.excluded:
        (root / path).unlink()
    again = {finding.kind for finding in check_data(root, cache=place / "cache", show=False).findings}
    assert not again & {"cut off", "unreadable", "label conflict", "leak", "copies", "near label conflict", "near leak"}


def test_a_clean_set_is_clean_and_stays_as_it_is(place):
    before = untouched(place / "clean")
    checked = check_data(place / "clean", cache=place / "cache")
    assert checked.clean and checked.findings == ()
    assert checked.verdict == "nothing wrong found in 72 pictures of 3 classes"
    assert str(checked).splitlines()[1] == f"  folder, 96x72 pixels, from {place / 'clean'}"
    assert untouched(place / "clean") == before


def test_boxes_are_counted(tmp_path):
    boxed(tmp_path / "data")
    checked = check_data(tmp_path / "data", cache=tmp_path / "cache", html=tmp_path / "page.html")
    assert checked.amounts.boxes == {"": {"cat": 12, "dog": 13}}
    assert "  boxes  all" in str(checked).splitlines()


def test_a_set_without_files_is_checked_too():
    checked = check_data("digits", show=False)
    assert checked.root is None and checked.clean
    assert checked.to_json()["root"] is None


def test_long_lists_are_cut_in_the_terminal_alone():
    classes = tuple(f"c{number}" for number in range(20))
    amounts = Amounts({"": dict.fromkeys(classes, 2)}, {})
    assert [len(table(classes, amounts, most)) for most in (12, 20)] == [15, 22]
    assert "... 8 more" in table(classes, amounts)[13]
    findings = (
        Finding("grey", "note", "9 pictures", tuple(f"{number}.png" for number in range(9))),
        Finding("copies", "warning", "1 picture", tuple("abcde"), groups=(tuple("abcde"),)),
    )
    text = str(Checked("folder", "x", None, classes, 9, None, amounts, findings, {}, ("a note",)))
    assert "a  =  b  =  c  =  2 more" in text and "and 6 more" in text and text.endswith("note: a note")


def test_names_with_line_breaks_stay_on_their_line():
    finding = Finding("grey", "note", "1 picture", ("new\nline.png",))
    text = str(Checked("folder", "x", None, (), 1, None, Amounts({}, {}), (finding,), {}, ()))
    assert "new\\nline.png" in text


def test_places_that_cannot_be_read_or_written_are_refused(place, tmp_path):
    with pytest.raises(DataError, match="no data at"):
        check_data(tmp_path / "nothing")
    with pytest.raises(OutputError, match="cannot write"):
        check_data(place / "clean", html=tmp_path / "no folder" / "page.html", cache=place / "cache")


# The command line


def test_strict_tells_by_its_exit_code(place, capsys):
    cache = ["--cache", str(place / "cache")]
    assert main(["check", str(place / "data"), *cache]) == 0
    assert main(["check", str(place / "data"), "--strict", *cache]) == 1
    assert main(["check", str(place / "clean"), "--strict", *cache]) == 0
    assert "nothing wrong found" in capsys.readouterr().out
    assert main(["check", str(place / "nothing")]) == 2


def test_json_is_one_document(place, capsys):
    assert main(["check", str(place / "data"), "--json", "--cache", str(place / "cache")]) == 0
    out = capsys.readouterr().out
    assert json.loads(out)["verdict"].startswith("6 errors")


def test_files_are_written_where_they_are_asked_for(place, tmp_path, capsys):
    page, out = tmp_path / "page.html", tmp_path / "out.csv"
    options = ["--html", str(page), "--exclude", str(out), "--cache", str(place / "cache")]
    assert main(["check", str(place / "data"), *options]) == 0
    assert page.read_text().startswith("<!doctype html>") and len(read(out)) == 10


def test_checking_never_loads_torch():
    loaded = "print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    script = f"import sys, torchbeam.cli.check, torchbeam.jobs.check; {loaded}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
