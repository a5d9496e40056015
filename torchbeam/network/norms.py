"""norms: the batch norms of a network that was trained on other pictures than those it is to learn from.

A batch norm remembers the mean and spread of what it was trained on, and the layers behind it lean on them. In training
it normalises by the batch instead, which few pictures tell badly (Ioffe & Szegedy 2015, section 3.1); so the statistics
are held still, or, where they were folded away and are no statistics at all, taken anew.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchbeam.errors import SettingError

# How far from 0 and 1 the numbers of a folded identity may lie, which half precision or eps has moved.
NEAR = 1e-3


class FixedNorm(nn.Module):
    """A batch norm that normalises by its running statistics and never changes them, in training too.

    It is made of an nn.BatchNorm1d or 2d, whose tensors it shares under the same names, so that the state dict of
    either fits the other: N, C or N, C, H, W in, the same shape out, as an nn.BatchNorm in evaluation. weight and bias
    are trained. Raises TypeError for a norm without running statistics.
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor | None

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        super().__init__()
        if norm.running_mean is None or norm.running_var is None:
            raise TypeError("a batch norm without running statistics")
        self.num_features, self.eps, self.momentum = norm.num_features, norm.eps, norm.momentum
        self.register_parameter("weight", norm.weight)
        self.register_parameter("bias", norm.bias)
        self.register_buffer("running_mean", norm.running_mean)
        self.register_buffer("running_var", norm.running_var)
        self.register_buffer("num_batches_tracked", norm.num_batches_tracked)
        self.train(norm.training)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(x - running_mean) / sqrt(running_var + eps) * weight + bias of each channel."""
        # The momentum does nothing here; whoever reads the network's layers finds it where a batch norm has it.
        momentum = self.momentum or 0.0
        return F.batch_norm(
            x_NCHW, self.running_mean, self.running_var, self.weight, self.bias, False, momentum, self.eps
        )


Norm = nn.BatchNorm1d | nn.BatchNorm2d | FixedNorm


def fix_norms_(network: nn.Module, where: Callable[[str], bool] | None = None) -> int:
    """Put a FixedNorm in the place of every batch norm inside the network that has running statistics; how many.

    where: which, by their names ('stage1.bn2'); None for all. nn.BatchNorm1d and 2d are found however nested; one that
    stands in several places is one in all of them. Weights and statistics stay in their memory.
    """
    made: dict[int, FixedNorm] = {}
    for path, holder in list(network.named_modules()):
        for name, child in list(holder._modules.items()):
            if type(child) not in (nn.BatchNorm1d, nn.BatchNorm2d) or child.running_mean is None:  # type: ignore[union-attr]
                continue
            if where is None or where(f"{path}.{name}".removeprefix(".")):
                made[id(child)] = made.get(id(child)) or FixedNorm(child)  # type: ignore[arg-type]
                holder.add_module(name, made[id(child)])
    return len(made)


def identity_norms(network: nn.Module) -> bool:
    """Whether the network's batch norms normalise nothing: all means 0, variances 1 and weights 1.

    So it is where weights were published with their norms folded into the convolutions; what is left in the biases is
    the shift. As published such a network is as good as any; in training it would normalise by the batch, which it
    never learnt to bear. True of a network just built too, False of one without batch norms.
    """
    norms = [norm for norm in network.modules() if isinstance(norm, Norm) and norm.running_mean is not None]
    return bool(norms) and all(_is_identity(norm) for norm in norms)


@torch.no_grad()
def re_estimate_(network: nn.Module, pictures: Iterable[Tensor]) -> int:
    """Take the statistics of all batch norms anew from what they are given for these pictures, in place; how many.

    pictures: batches N, C, H, W, normalised, on the network's device. Each norm gets the mean and variance, over all
    pictures and positions, of its input, and a weight and bias by which it gives what it gave before:
    weight * sqrt(new variance + eps) / sqrt(variance + eps), and the bias to match. So the network computes in
    evaluation what it did, within rounding, and in training, by batches of such pictures, nearly the same.

    The network runs in evaluation throughout and is then in the mode it was in. Norms that do not run (those of side
    heads) and norms without weights or statistics stay as they are. Raises SettingError where there is no picture.
    """
    heard: dict[nn.BatchNorm1d | nn.BatchNorm2d | FixedNorm, _Moments] = {}
    ran = False
    with _evaluating(network), _listening(network, heard):
        for pictures_NCHW in pictures:
            network(pictures_NCHW)
            ran = ran or len(pictures_NCHW) > 0
    if not ran:
        raise SettingError("no pictures to take the statistics of batch norms from", expected="one batch or more")
    for norm, moments in heard.items():
        _move(norm, moments)
    return len(heard)


class _Moments:
    """Mean and variance of each channel over all that was added, in double precision on the CPU: batches are merged as
    Chan et al. 1979 do, so that nothing large is taken from something large."""

    def __init__(self) -> None:
        self.count, self.mean_C, self.squares_C = 0, torch.zeros((), dtype=torch.float64), torch.zeros(())

    def add(self, x_NCHW: Tensor) -> None:
        """Take in a batch N, C or N, C, H, W."""
        count = x_NCHW.numel() // x_NCHW.shape[1]
        beside = [axis for axis in range(x_NCHW.ndim) if axis != 1]
        found = torch.var_mean(x_NCHW.float(), beside, correction=0)
        variance_C, mean_C = (moment.cpu().double() for moment in found)
        share, step_C = count / (self.count + count), mean_C - self.mean_C
        self.squares_C = self.squares_C + count * variance_C + step_C.square() * self.count * share
        self.mean_C = self.mean_C + step_C * share
        self.count += count

    @property
    def variance_C(self) -> Tensor:
        """Over the count, not the count less one: what training divides by."""
        return self.squares_C / self.count


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def _listening(
    network: nn.Module, heard: dict[nn.BatchNorm1d | nn.BatchNorm2d | FixedNorm, _Moments]
) -> Iterator[None]:
    """While it is on, what the norms are given is added to `heard`."""

    def hear(norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        if isinstance(norm, Norm) and given[0].numel():
            heard.setdefault(norm, _Moments()).add(given[0])

    hooks = [
        norm.register_forward_pre_hook(hear)
        for norm in network.modules()
        if isinstance(norm, Norm) and not any(part is None for part in (norm.running_mean, norm.weight, norm.bias))
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _move(norm: nn.BatchNorm1d | nn.BatchNorm2d | FixedNorm, moments: _Moments) -> None:
    """Give a norm other statistics, and the weight and bias by which it stays the same function."""
    if norm.running_mean is None or norm.running_var is None or norm.weight is None or norm.bias is None:
        raise TypeError("a batch norm without weights or statistics")  # which is not listened to
    mean_C, variance_C, weight_C, bias_C = (
        tensor.detach().cpu().double() for tensor in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    scale_C = weight_C / torch.sqrt(variance_C + norm.eps)
    norm.weight.copy_(scale_C * torch.sqrt(moments.variance_C + norm.eps))
    norm.bias.copy_(bias_C + scale_C * (moments.mean_C - mean_C))
    norm.running_mean.copy_(moments.mean_C)
    norm.running_var.copy_(moments.variance_C)


def _is_identity(norm: nn.BatchNorm1d | nn.BatchNorm2d | FixedNorm) -> bool:
    """Means 0, variances 1, weights 1."""
    numbers = ((norm.running_mean, 0.0), (norm.running_var, 1.0), (norm.weight, 1.0))
    return all(bool(((held - right).abs() <= NEAR).all()) for held, right in numbers if held is not None)
