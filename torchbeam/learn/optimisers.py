"""Optimisers: how gradients move weights, and what each must remember from step to step.

A rate is said once for a run; each group of weights takes its own `share` of it, by the plan's `rates` and the kind of
weight. Whoever steps sets `group["lr"] = rate * group["share"]` beforehand.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd

from torchbeam.errors import StateError
from torchbeam.learn.plan import Plan

# Peak rates that suit a network with batch norms at batches of 64 to 128 pictures; without them half as much, and less.
# Tried on 3,000 pictures of CIFAR-10 with three stages of two CONV and BN, 138 steps, one seed: accuracy on 2,000
# others 0.464 by SGD (at 0.02; 0.05 is for longer runs, and 0.390 there), 0.469 by AdamW (0.455 at 0.0007, 0.444 at
# 0.005), 0.539 by Muon (0.495 at 0.02, 0.537 at 0.3). Without batch norms 0.406 by SGD at 0.02, by Muon 0.468 at 0.05
# and 0.356 at 0.1.
RATES: dict[str, float] = {"sgd": 0.05, "adamw": 0.002, "muon": 0.1}
# Beside Muon's filters other weights learn by SGD at 0.02.
_REST = 0.02

# Plan's weight decay is SGD's coupled one: it is added to the gradient, and momentum 0.9 repeats it ten times over, so
# that a step at the peak takes 10 * RATES["sgd"] * decay of a weight. AdamW and Muon rescale their gradients, so their
# decay stands apart from them (Loshchilov & Hutter 2019) and is multiplied until a step at their own peak takes as
# much: 5e-4 becomes AdamW's 0.125.
_AS_SGD = 10 * RATES["sgd"]

# Newton and Schulz's iteration in five powers, its coefficients chosen by Keller Jordan (Muon, 2024) to lift small
# singular values fastest. Three rounds, as his CIFAR-10 speed runs take (airbench94_muon); language models take five.
_A, _B, _C = 3.4445, -4.7750, 2.0315
ROUNDS = 3
_TINY = 1e-7


def optimiser_for(network: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """The plan's optimiser for the weights of a network that already lies where and as it will be trained.

    'sgd': Nesterov's momentum (Sutskever et al. 2013). 'adamw': Loshchilov & Hutter 2019, betas (plan.momentum,
    0.999). 'muon': the filters by Muon, the rest by SGD. Weight decay pulls on weights of two dimensions and more,
    not on biases and norms. Weights that ask for no gradient, or have no share of the rate, are left out. What is
    remembered begins at zero.
    """
    shares = _shares(network, plan)
    if plan.optimiser == "muon":
        return _begun(_muon(network, plan, shares))
    groups = _decayed(shares, plan.weight_decay)
    if plan.optimiser == "adamw":
        for group in groups:
            group["weight_decay"] *= _AS_SGD / RATES["adamw"]
        return _begun(torch.optim.AdamW(groups, plan.lr, betas=(plan.momentum, 0.999), fused=_fused(network)))
    fused = _fused(network)
    return _begun(torch.optim.SGD(groups, plan.lr, plan.momentum, nesterov=plan.momentum > 0, fused=fused))


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024) for banks of filters, SGD with Nesterov's momentum for other weights.

    A group says its kind: 'filters', each weight (out, in / groups, height, width), with its number of channel
    `pieces` (1 unless the convolution is grouped); or 'others'. The momentum of a bank, seen as a matrix of
    out x (in * height * width), is replaced by the nearest one that treats every direction alike, U V' of its
    singular value decomposition, and scaled by sqrt(max(1, rows / columns)), as the author's code and
    torch.optim.Muon do. Its decay is decoupled.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float, momentum: float) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every weight that has a gradient; what `closure`, called first, gives."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            gradients = [weight.grad for weight in weights]
            if not weights:
                continue
            if group["kind"] == "filters":
                self._step_filters(group, weights, gradients)
            else:
                self._step_others(group, weights, gradients)
        return loss

    def _step_filters(self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor]) -> None:
        lr, momentum = group["lr"], group["momentum"]
        momenta = [self.state[weight]["muon_momentum"] for weight in weights]
        torch._foreach_lerp_(momenta, gradients, 1 - momentum)  # type: ignore[attr-defined]
        ahead = torch._foreach_lerp(gradients, momenta, momentum)  # type: ignore[attr-defined]
        torch._foreach_mul_(weights, 1 - lr * group["weight_decay"])  # type: ignore[attr-defined]
        torch._foreach_add_(weights, orthogonal_filters(ahead, group["pieces"]), alpha=-lr)  # type: ignore[attr-defined]

    def _step_others(self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor]) -> None:
        nesterov = group["momentum"] > 0
        sgd(
            weights,
            gradients,
            [self.state[weight]["momentum_buffer"] if nesterov else None for weight in weights],
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            lr=group["lr"],
            dampening=0.0,
            nesterov=nesterov,
            maximize=False,
            fused=group["fused"],
        )


def orthogonal_filters(banks: Sequence[Tensor], pieces: int) -> list[Tensor]:
    """Each bank (out, in, height, width) made orthogonal, every piece of its out channels by itself, and scaled;
    banks of one shape together."""
    made: dict[int, Tensor] = {}
    shapes: dict[torch.Size, list[int]] = {}
    for place, bank in enumerate(banks):
        shapes.setdefault(bank.shape, []).append(place)
    for shape, places in shapes.items():
        rows, columns = shape[0] // pieces, shape[1:].numel()
        matrices = torch.stack([banks[place] for place in places]).reshape(-1, rows, columns)
        if matrices.is_cuda:
            matrices = matrices.bfloat16()  # enough for values that only have to come near 1
        scaled = orthogonal(matrices).to(banks[0].dtype) * math.sqrt(max(1.0, rows / columns))
        made.update(zip(places, scaled.reshape(len(places), *shape), strict=True))
    return [made[place] for place in range(len(banks))]


def orthogonal(matrices: Tensor, rounds: int = ROUNDS) -> Tensor:
    """Matrices (number, rows, columns), each brought near U V' of its singular value decomposition.

    Computed in their own type. A singular value above a fiftieth of the matrix's norm comes between 0.68 and 1.21 in
    three rounds, one above a three-hundredth in five; smaller ones grow, and fall short.
    """
    wide = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    x = wide / torch.linalg.vector_norm(wide, dim=(1, 2), keepdim=True).clamp_min(_TINY)  # no singular value above 1
    for _ in range(rounds):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x if wide is matrices else x.mT


def state_of(optimiser: torch.optim.Optimizer, network: nn.Module) -> dict[str, Tensor]:
    """What an optimiser remembers, as "NAME OF THE WEIGHT/WHAT": copies on the CPU, contiguous, sharing nothing."""
    return {
        f"{name}/{what}": kept.detach().to("cpu", copy=True).contiguous()
        for name, weight in network.named_parameters()
        for what, kept in optimiser.state.get(weight, {}).items()
    }


def restore(optimiser: torch.optim.Optimizer, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser, made by the same plan for the same network, what `state_of` told; the bits are the same.

    Each value goes to its place by index, whatever its order in memory there. Raises StateError where the tensors
    are another optimiser's or another network's.
    """
    places = {
        f"{name}/{what}": place
        for name, weight in network.named_parameters()
        for what, place in optimiser.state.get(weight, {}).items()
    }
    strange = sorted(places.keys() ^ tensors.keys()) or sorted(
        name
        for name, place in places.items()
        if (place.shape, place.dtype) != (tensors[name].shape, tensors[name].dtype)
    )
    if strange:
        raise StateError(
            f"what was kept of the optimiser is another's: {strange[0]} does not fit",
            expected=f"the {len(places)} tensors of this network's {type(optimiser).__name__}",
            got=f"{len(tensors)} tensors",
            remedy="go on with the network and the settings that the run began with",
        )
    for name, place in places.items():
        place.copy_(tensors[name])


def _muon(network: nn.Module, plan: Plan, shares: Mapping[Tensor, float]) -> Muon:
    filters = {weight: pieces for weight, pieces in _filters(network).items() if weight in shares}
    groups: list[dict[str, Any]] = []
    for pieces, share in sorted({(own, shares[weight]) for weight, own in filters.items()}):
        banks = [weight for weight, own in filters.items() if (own, shares[weight]) == (pieces, share)]
        decay = plan.weight_decay * _AS_SGD / RATES["muon"]
        groups.append({"params": banks, "kind": "filters", "pieces": pieces, "weight_decay": decay, "share": share})
    rest = {weight: share for weight, share in shares.items() if weight not in filters}
    for group in _decayed(rest, plan.weight_decay):
        share = group["share"] * _REST / RATES["muon"]
        groups.append(group | {"kind": "others", "share": share, "fused": _fused(network)})
    return Muon(groups, plan.lr, plan.momentum)


def _filters(network: nn.Module) -> dict[Tensor, int]:
    """The banks of filters that Muon takes, each with its channel groups: not those of a depthwise convolution,
    whose matrices have one row, nor the last layer where that is a convolution, since scores are no features."""
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    return {
        layer.weight: layer.groups
        for layer in layers[:-1]
        if isinstance(layer, nn.Conv2d) and layer.weight.requires_grad and layer.out_channels > layer.groups
    }


def _trainable(network: nn.Module) -> list[nn.Parameter]:
    return [weight for weight in network.parameters() if weight.requires_grad]


def _shares(network: nn.Module, plan: Plan) -> dict[Tensor, float]:
    """The weights that are trained, each with its share of the rate."""
    shares = {weight: plan.share(name) for name, weight in network.named_parameters() if weight.requires_grad}
    return {weight: share for weight, share in shares.items() if share}


def _decayed(shares: Mapping[Tensor, float], decay: float) -> list[dict[str, Any]]:
    """Two groups for each share of the rate: weights that decay, and biases and norms, which do not."""
    groups: list[dict[str, Any]] = []
    for share in sorted(set(shares.values()), reverse=True):
        held = [weight for weight, own in shares.items() if own == share]
        for pulled in (True, False):
            weights = [weight for weight in held if (weight.ndim > 1) == pulled]
            groups.append({"params": weights, "weight_decay": decay if pulled else 0.0, "share": share})
    return [group for group in groups if group["params"]]


def _fused(network: nn.Module) -> bool:
    """Whether torch has one kernel for the whole update there."""
    return all(w.device.type in ("cpu", "cuda", "mps") and w.dtype == torch.float32 for w in _trainable(network))


def _begun(optimiser: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """The optimiser with all that it remembers at zero, as torch's own would make it at the first step.

    Made here, it has its place and its order in memory before anything is restored; and a first step that fp16
    skips for its overflow leaves zeros, where torch's fused SGD would leave memory that nobody wrote.
    """
    for group in optimiser.param_groups:
        for weight in group["params"]:
            optimiser.state[weight] = {what: torch.zeros_like(weight) for what in _remembered(optimiser, group)}
            if isinstance(optimiser, torch.optim.AdamW):
                device = weight.device if group["fused"] else "cpu"
                optimiser.state[weight]["step"] = torch.zeros((), dtype=torch.float32, device=device)
    return optimiser


def _remembered(optimiser: torch.optim.Optimizer, group: dict[str, Any]) -> tuple[str, ...]:
    if isinstance(optimiser, torch.optim.AdamW):
        return ("exp_avg", "exp_avg_sq")
    if group.get("kind") == "filters":
        return ("muon_momentum",)
    return ("momentum_buffer",) if group["momentum"] > 0 else ()
