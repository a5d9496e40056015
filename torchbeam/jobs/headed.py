"""A backbone with a linear head, put together as one network that a model file can hold."""

from collections import OrderedDict

from torch import nn

from torchbeam.design.complete import complete
from torchbeam.design.nets import Design
from torchbeam.design.notation import parse
from torchbeam.design.stages import CODES, Grid, pooled_head, with_head
from torchbeam.errors import SettingError
from torchbeam.learn.heads import Head
from torchbeam.network.backbone import Backbone
from torchbeam.network.build import build
from torchbeam.network.foreign import without_classifier

# What of a stage's maps a head may read: averages and maxima, over the whole and over its quarters.
POOLINGS: dict[str, tuple[Grid, ...]] = {
    "avg 1x1": (("avg", 1),),
    "avg, max 1x1": (("avg", 1), ("max", 1)),
    "avg 2x2": (("avg", 2),),
    "avg, max 2x2": (("avg", 2), ("max", 2)),
    "avg, max 1x1, 2x2": (("avg", 1), ("max", 1), ("avg", 2), ("max", 2)),
}


def headed(backbone: Backbone, stage: str, pooling: str, head: Head) -> tuple[nn.Module, Design]:
    """The backbone up to a stage with that head on it, and its text: what the head gives for the stage's codes, pooled
    so (of POOLINGS; '' for codes), the network gives for pictures N, C, H, W. Its tensors are its own.

    Of a backbone from another library the text is the head's alone. Raises SettingError where such a one is to be cut.
    """
    if backbone.design is None:
        return _on_foreign(backbone, stage, head)
    text = "FC classes" if stage == CODES else pooled_head(POOLINGS[pooling])
    design = with_head(backbone.design, stage, text, len(head.bias))
    network = build(design, init=None)
    theirs, own = backbone.network.state_dict(), network.state_dict()
    *_, last = [module for module in network.modules() if isinstance(module, nn.Linear)]
    last.weight.data, last.bias.data = head.weight.clone(), head.bias.clone()
    ends = {
        name for name, parameter in network.named_parameters() if parameter is last.weight or parameter is last.bias
    }
    network.load_state_dict({name: theirs[name].clone() for name in own if name not in ends}, strict=False)
    return network.eval(), design


def _on_foreign(backbone: Backbone, stage: str, head: Head) -> tuple[nn.Module, Design]:
    if stage != CODES:
        raise SettingError(
            f"{backbone.name} has no text in the notation, so it cannot be cut behind {stage}",
            expected="a head on the codes, or a backbone of the zoo",
            remedy="say --mode codes",
        )
    codes = backbone.stage(CODES)
    design = complete(parse(f"INPUT 1x1x{codes.volume.channels} -> FC {len(head.bias)}"))
    top = build(design)
    (last,) = [module for module in top.modules() if isinstance(module, nn.Linear)]
    last.weight.data, last.bias.data = head.weight.clone(), head.bias.clone()
    body = without_classifier(backbone.network, codes.layer)
    return nn.Sequential(OrderedDict(backbone=body, head=top)).eval(), design
