"""neuron: everything about one unit on one sheet: its filter, what it makes of a picture, what in one's own pictures
excites it, which classes it fires for, what the network loses without it, and a picture made for it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from torchbeam.data.preprocess import Preprocessing
from torchbeam.design.volume import Volume
from torchbeam.look.arithmetic import came_from, seen_from, uncertain
from torchbeam.look.cells import shown
from torchbeam.look.fired import Fired, fired_by
from torchbeam.look.look import Look, Measured
from torchbeam.look.neuronsheet import Told, neuron_sheet
from torchbeam.look.optimised import STEPS, optimised
from torchbeam.look.patches import Batch
from torchbeam.look.receptive import fields_of
from torchbeam.look.slid import Ran, ran
from torchbeam.look.subject import Given, Modelled, subject_of


def neuron(
    network: nn.Module | Modelled,
    picture: Given,
    layer: str,
    unit: int,
    *,
    data: Iterable[Batch] | None = None,
    steps: int = STEPS,
    seed: int = 0,
    preprocessing: Preprocessing | None = None,
    classes: Sequence[str] = (),
) -> Look:
    """One unit of a convolution, pool or fully connected layer, on one sheet.

    data: batches (samples, normalised pictures N, C, H, W, labels N), gone through once; None leaves out what needs
    them. steps: of the picture made for the unit, from noise drawn by `seed`; 0 makes none. 'Without the unit' is with
    its output set to zero wherever the layer runs. The network is not changed.

    arrays: 'map', 'made' (bytes), 'filter' where it has one; of the data 'samples most', 'samples least', 'values
    most', 'values least', and by class 'counts', 'means', 'right', 'right without'. facts: 'row' and 'column' where the
    unit is strongest on the picture, 'box' (left, top, right, bottom), 'made before', 'made after'. Raises SettingError
    as `arithmetic` does, DataError for data without pictures or with labels that are no classes.
    """
    subject = subject_of(network, picture, preprocessing=preprocessing, classes=classes)
    layered = ran(subject.network, subject.x_1CHW, [layer])[layer]
    row, column = layered.position(unit, None, None)
    fields = fields_of(subject.network, Volume(*subject.x_1CHW.shape[1:]))
    box = seen_from(fields, layer, row, column)
    fired = None if data is None else fired_by(subject, layered, unit, fields, data)
    made = optimised(subject, layer, unit, steps=steps, seed=seed) if steps else None
    seen = "" if fired is None else f"; on {int(fired.counts.sum()):,} pictures of one's own"
    if made is not None:
        seen += f"; a picture made in {steps} steps, seed {seed}, has its map's mean from {made.before:.4g} to "
        seen += f"{made.after:.4g}"
    said = (
        f"{layer}, unit {unit}: strongest at row {row}, column {column}, which sees {box}{seen}"
        f"{uncertain(fields, layer)}. float32; {subject.of}"
    )
    facts: dict[str, Any] = {"layer": layer, "unit": unit, "row": row, "column": column}
    facts |= {"box": (box.left, box.top, box.right, box.bottom)}
    if made is not None:
        facts |= {"made before": made.before, "made after": made.after}
    volume = came_from(fields, subject.network, layer)
    picture_made = None if made is None else shown(made.x_CHW, subject.mean, subject.std)
    told = Told(subject, layered, unit, (row, column), box, volume, picture_made, fired)
    return Look("neuron", _arrays(layered, unit, picture_made, fired), said, lambda: neuron_sheet(told), facts=facts)


def _arrays(layer: Ran, unit: int, made: NDArray[np.uint8] | None, fired: Fired | None) -> Mapping[str, Measured]:
    arrays = {"map": Measured(layer.output_KHW[unit], ("row", "column"), "activation")}
    if layer.weight is not None:
        arrays["filter"] = Measured(layer.weight[unit].float().numpy(), ("channel", "row", "column"), "weight")
    if made is not None:
        arrays["made"] = Measured(made, ("row", "column", "colour"), "byte")
    if fired is not None:
        for end, patches in (("most", fired.most), ("least", fired.least)):
            arrays[f"samples {end}"] = Measured(np.array([patch.sample for patch in patches]), ("rank",), "sample")
            arrays[f"values {end}"] = Measured(np.array([patch.value for patch in patches]), ("rank",), "activation")
        arrays["counts"] = Measured(fired.counts, ("class",), "picture")
        arrays["means"] = Measured(fired.means, ("class",), "activation")
        arrays["right"] = Measured(fired.right, ("class",), "picture")
        arrays["right without"] = Measured(fired.right_without, ("class",), "picture")
    return arrays
