import pytest
import torch

from torchbeam.errors import SettingError
from torchbeam.jobs.choosebackbone import Candidate, backbone_for, best, candidates
from torchbeam.jobs.screen import Screen
from torchbeam.network.published import PUBLISHED

CPU = torch.device("cpu")


def rows(**seconds):
    return [Candidate(PUBLISHED[name.replace("_", "-")], taken) for name, taken in seconds.items()]


def test_the_most_accurate_within_a_minute_is_taken_else_the_quickest():
    assert best(rows(resnet_50=90.0, resnet_34=55.0, resnet_18=30.0)).published.name == "resnet-34"
    assert best(rows(resnet_50=900.0, resnet_18=500.0)).published.name == "resnet-18"


def test_a_line_of_the_table_has_what_one_chooses_by():
    assert str(rows(resnet_18=500.0)[0]).split("  ")[0] == "resnet-18"
    for told in ("69.8%", "1.8 G", "11.7 M", "8 min 20 s", "BSD-3-Clause"):
        assert told in str(rows(resnet_18=500.0)[0])


def test_every_published_backbone_is_timed_in_proportion_to_its_arithmetic():
    found = candidates(100, None, CPU)
    assert {each.published.name for each in found} == set(PUBLISHED)
    top1 = [each.published.top1 for each in found]
    assert top1 == sorted(top1, reverse=True)
    by_name = {each.published.name: each.seconds for each in found}
    ratio = by_name["resnet-152"] / by_name["resnet-50"]
    assert ratio == pytest.approx(PUBLISHED["resnet-152"].macs / PUBLISHED["resnet-50"].macs)


def test_weights_of_nobody_and_odd_sizes_are_refused():
    with pytest.raises(SettingError, match="weights of a network that was not named"):
        backbone_for(None, "w.pth", 10, None, None, Screen(False), CPU)
    with pytest.raises(SettingError, match="a backbone cannot take pictures of size 64x48"):
        backbone_for("resnet-18", None, 10, "64x48", None, Screen(False), CPU)
