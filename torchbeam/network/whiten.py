"""whiten: a first layer that takes from patches of the pictures what their pixels have in common.

Neighbouring pixels are nearly the same, so most of what a first layer hears is brightness. Filters along the axes of
the patches' covariance, each divided by the spread along it, hear every direction equally strongly (Page 2019, 'How to
train your ResNet', part 8; Jordan 2024, arXiv 2404.00498, section 3.2).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchbeam.errors import SettingError

# Added to each eigenvalue: directions in which patches hardly differ are mostly noise. Jordan's for normalised pixels.
EPS = 5e-4
PICTURES_AT_A_TIME = 256


@torch.no_grad()
def whiten_(network: nn.Module, pictures_NCHW: Tensor, eps: float = EPS) -> Tensor:
    """Give the network's first convolution the filters that whiten the patches of these pictures, in place.

    pictures_NCHW: training pictures, normalised, floats; a few thousand tell enough. With P numbers in a patch, the
    filters are P eigenvectors of the patches' covariance over sqrt(eigenvalue + eps), of the largest first, and then
    their negatives; a layer of fewer filters has those of the largest eigenvalues, of more the rest as they were. The
    whitened filters' bias, where there is one, takes away the mean. Over the patches the first P answers then have
    covariance 1 each and 0 with one another (but for eps). Returns the layer's weights: whether they are trained is the
    caller's to say, by requires_grad_.
    Raises SettingError where there is no such layer, or no patch of its size.
    """
    conv = _first(network, pictures_NCHW)
    mean_P, covariance_PP = patch_statistics(pictures_NCHW, conv)
    # On the CPU, and the largest number of each eigenvector above 0, so that every device starts alike.
    values, vectors = torch.linalg.eigh(covariance_PP.cpu())
    rows = vectors.T.flip(0)
    rows = rows * rows.gather(1, rows.abs().argmax(1, keepdim=True)).sign()
    rows = rows / (values.flip(0).clamp_min(0) + eps).sqrt()[:, None]
    half = rows[: (conv.out_channels + 1) // 2]
    filters_FP = torch.cat((half, -half))[: conv.out_channels]
    count = len(filters_FP)
    conv.weight[:count] = filters_FP.view(count, *conv.weight.shape[1:]).to(conv.weight)
    if conv.bias is not None:
        conv.bias[:count] = -(filters_FP @ mean_P.cpu()).to(conv.bias)
    return conv.weight


def patch_statistics(pictures_NCHW: Tensor, conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """(mean P, covariance P x P) of all patches a convolution's filters may lie on, P = C x kernel height x width."""
    # Millions of squares are added: in double precision where the device has it.
    kind = torch.float32 if pictures_NCHW.device.type == "mps" else torch.float64
    size = conv.weight[0].numel()
    total = torch.zeros(size, dtype=kind, device=pictures_NCHW.device)
    squares = torch.zeros(size, size, dtype=kind, device=pictures_NCHW.device)
    count = 0
    for some in pictures_NCHW.split(PICTURES_AT_A_TIME):
        patches_NPL = F.unfold(some.to(kind), _pair(conv.kernel_size), _pair(conv.dilation))
        patches = patches_NPL.transpose(0, 1).reshape(size, -1)
        total += patches.sum(1)
        squares += patches @ patches.T
        count += patches.shape[1]
    mean = total / count
    return mean, squares / count - mean[:, None] * mean


def _pair(sizes: tuple[int, ...]) -> tuple[int, int]:
    return sizes[0], sizes[1]


def _first(network: nn.Module, pictures_NCHW: Tensor) -> nn.Conv2d:
    """The convolution that stands first, where it can lie on these pictures."""
    conv = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    if conv is None:
        raise SettingError("the network has no convolution to whiten", remedy="begin with a CONV, or do not whiten")
    if conv.groups != 1:
        raise SettingError(
            f"a first convolution in {conv.groups} groups cannot be whitened",
            expected="filters that see every channel",
            remedy="leave its groups out, or do not whiten",
        )
    least = [step * (side - 1) + 1 for step, side in zip(conv.dilation, conv.kernel_size, strict=True)]
    count, channels, height, width = pictures_NCHW.shape
    if channels != conv.in_channels or count == 0 or height < least[0] or width < least[1]:
        raise SettingError(
            "the pictures cannot whiten the first convolution",
            expected=f"pictures of {conv.in_channels} channels and {least[1]}x{least[0]} pixels or more",
            got=f"{count} of {channels} channels and {width}x{height} pixels",
        )
    return conv
