"""What NET stands for: a text, a file that holds one, or a named network."""

import pytest

from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.design.zoo import NETWORKS
from torchbeam.errors import DesignError, NotationError, SettingError
from torchbeam.jobs.net import check_fit, design_of, text_of, volume_of


def test_a_design_stands_for_itself_and_a_text_for_what_it_says():
    design = parse("INPUT 8x8x1 -> FC 3")
    assert design_of(design) is design
    assert design_of("INPUT 8x8x1 -> FC 3") == design


@pytest.mark.parametrize("name", list(NETWORKS))
def test_a_named_network_stands_for_its_text(name):
    assert text_of(name) == NETWORKS[name].text
    assert text_of(name.upper().replace("-", "_")) == NETWORKS[name].text
    assert design_of(name) == parse(NETWORKS[name].text)


@pytest.mark.parametrize("text", ["CONV -> FC", "a → b", "CONV\nFC", "input 3x3x1", "  INPUT"])
def test_what_reads_as_notation_is_taken_as_it_is(text):
    assert text_of(text) == text


def test_a_file_stands_for_the_text_it_holds(tmp_path):
    path = tmp_path / "my net.txt"
    path.write_text("INPUT 8x8x1 ->\n  FC 3  # three\n", encoding="utf-8-sig")
    assert design_of(str(path)) == parse("INPUT 8x8x1 -> FC 3")


def test_a_named_network_comes_before_a_file_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alexnet").write_text("INPUT 8x8x1 -> FC 3")
    assert text_of("alexnet") == NETWORKS["alexnet"].text
    assert text_of("./alexnet") == "INPUT 8x8x1 -> FC 3"


def test_a_file_that_does_not_parse_is_refused_as_its_text_is(tmp_path):
    (tmp_path / "net").write_text("a poem")
    with pytest.raises(NotationError):
        design_of(str(tmp_path / "net"))


@pytest.mark.parametrize(
    ("net", "near"), [("alexnett", "alexnet"), ("mobilnet2", "mobilenet-v2"), ("Squeeznet-1.1", "squeezenet-1.1")]
)
def test_a_misspelt_network_is_told_the_nearest_and_all_there_are(net, near):
    with pytest.raises(SettingError) as caught:
        text_of(net)
    told = str(caught.value)
    assert f"no network {net!r}" in told and f"did you mean {near}?" in told
    assert all(name in told for name in NETWORKS)


@pytest.mark.parametrize("net", ["", "x" * 5000, "\0", "no/such/file"])
def test_what_is_nothing_is_refused(net):
    with pytest.raises(SettingError, match="no network"):
        text_of(net)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "net").write_bytes(b"INPUT \xff")
    with pytest.raises(SettingError, match="cannot read the network in"):
        text_of(str(tmp_path / "net"))


def test_an_input_is_width_height_depth():
    assert volume_of("640x480x3") == Volume(channels=3, height=480, width=640)
    assert volume_of("28X28X1") == Volume(1, 28, 28)


@pytest.mark.parametrize("text", ["", "32", "32x32", "32x32x3x1", "-1x2x3", "axbxc", "1.5x2x3", "9" * 60, "1e3x2x3"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(SettingError) as caught:
        volume_of(text)
    assert "is not the size of an input" in str(caught.value) and "width x height x depth" in str(caught.value)


@pytest.mark.parametrize("text", ["0x32x3", "32x0x3", "32x32x0"])
def test_a_size_without_an_inside_is_refused(text):
    with pytest.raises(DesignError, match=f"a volume cannot be {text}"):
        volume_of(text)


def test_a_fit_is_one_of_three_or_left_out():
    assert [check_fit(fit) for fit in (None, "error", "crop", "pad")] == [None] * 4
    with pytest.raises(SettingError) as caught:
        check_fit("stretch")
    assert "fit cannot be stretch" in str(caught.value) and "error or crop or pad" in str(caught.value)
    assert "leave --fit out to be told what does not fit" in str(caught.value)
