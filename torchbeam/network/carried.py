"""carried: a network of another library under a head in the notation, as a model file names the two."""

from collections import OrderedDict

from torch import nn

from torchbeam.design.nets import Design
from torchbeam.network.build import build
from torchbeam.network.foreign import foreign, without_classifier


def carried(name: str, size: int, head: Design) -> nn.Sequential:
    """The network of that name without its classifier, 'backbone', and the head on its codes, 'head': pictures N, C,
    H, W of `size` pixels in, the head's scores out. Its numbers are random until tensors are loaded.

    head: of a design whose INPUT is 1x1xD, D being the codes. Raises as `foreign` and `build`.
    """
    found = foreign(name, size)
    body = without_classifier(found.network, found.classifier)
    return nn.Sequential(OrderedDict(backbone=body, head=build(head, init=None))).eval()
