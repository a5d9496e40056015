"""What stands on a unit's sheet."""

import numpy as np
import torch
from test_neuron import NET, PICTURE, PREPROCESSING, data

from torchbeam.design.notation import parse
from torchbeam.design.volume import Volume
from torchbeam.look.fired import fired_by
from torchbeam.look.neuronsheet import Told, neuron_sheet
from torchbeam.look.receptive import fields_of
from torchbeam.look.slid import ran
from torchbeam.look.subject import subject_of
from torchbeam.network.build import build


def told(layer, unit, classes=("a", "b", "a class with a very long name")):
    torch.manual_seed(0)
    subject = subject_of(build(parse(NET)), PICTURE, preprocessing=PREPROCESSING, classes=classes)
    layered, fields = ran(subject.network, subject.x_1CHW, [layer])[layer], fields_of(subject.network, Volume(1, 8, 8))
    place = layered.position(unit, None, None)
    fired = fired_by(subject, layered, unit, fields, data())
    box = fields.box(layer, *place)
    return Told(subject, layered, unit, place, box, None, np.zeros((8, 8, 3), np.uint8), fired)


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]


def test_eight_panels_with_their_numbers():
    seen = told("conv2", 7)
    figure = neuron_sheet(seen)
    found = titles(figure)
    assert figure._suptitle.get_text() == "conv2, unit 7 of 12"
    assert found[0] == "strongest where it sees this" and found[1].startswith("its map, 4 x 4, ")
    assert found[2:4] == ["its filter, by channel", "a picture made for it"]
    most = seen.fired.most
    assert found[4] == f"fires most for: {most[0].value:.2f} to {most[-1].value:.2f}".replace("-", "−")
    assert found[6] == "mean activation by class" and found[7].startswith("accuracy without it: ")
    bars = next(axes for axes in figure.axes if axes.get_title(loc="left") == found[6])
    names = [label.get_text() for label in bars.get_yticklabels()]
    assert "a class with a …" in names
    widths = [patch.get_width() for patch in bars.patches]
    assert np.allclose(widths, np.sort(seen.fired.means)[::-1])


def test_a_filter_of_one_pixel_has_bars_and_a_pool_has_none():
    assert any(title.startswith("its weights; largest: ") for title in titles(neuron_sheet(told("conv3", 0))))
    figure = neuron_sheet(told("pool1", 0))
    assert any("a pool has none: max" in text.get_text() for axes in figure.axes for text in axes.texts)
