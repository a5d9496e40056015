"""finetune: how far each part of a pretrained network may move.

The first layers of networks trained on photographs are much the same whatever the task, the last ones are special to it
(Yosinski et al. 2014, arXiv 1411.1792). So what is near the pictures moves little or not at all, and the head, which is
new, as fast as any new layer.
"""

from collections.abc import Iterator, Sequence

from torch import nn

from torchbeam.design.arguments import listed, nearest
from torchbeam.errors import SettingError
from torchbeam.learn.plan import Plan, Rates
from torchbeam.network.graph import Graph
from torchbeam.network.norms import fix_norms_

# From a stage to the one before it the rate is divided by 2.6 (Howard & Ruder 2018, arXiv 1801.06146, section 3.1). The
# textbooks' rule, a tenth of the head's rate for all the rest, lies between the second and the third stage below it.
FALL = 1 / 2.6
# What leaves one value, or a row of values, where there were maps.
ENDS = (nn.Flatten, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


def stages_of(network: nn.Module) -> tuple[tuple[str, ...], ...]:
    """The names of a network's own layers and brackets that have weights, in stages from the input on.

    A stage is what works at one size: it ends where a stride or a pool makes the maps smaller, or where they become a
    row. The last layer, which gives the scores, is a stage by itself. Side heads are in none.
    """
    stages: list[list[str]] = [[]]
    for name, child in _trunk(network):
        if stages[-1] and _reduces(child):
            stages.append([])
        if any(True for _ in child.parameters()):
            stages[-1].append(name)
    held = [stage for stage in stages if stage]
    if held and len(held[-1]) > 1:
        held[-1:] = [held[-1][:-1], held[-1][-1:]]
    return tuple(tuple(stage) for stage in held)


def rates_for(
    stages: Sequence[str | Sequence[str]], start: str | None = None, fall: float = FALL, head: float = 1.0
) -> Rates:
    """Each layer's share of the rate, for Plan.rates: `head` for the last stage, `fall` times that for the one before
    it, and so on to the input; 0 for every layer before `start`.

    stages: as stages_of tells them; a bare name is a stage of one layer. start: the first layer that is trained, by its
    name there; None for all. Raises SettingError for a start that is not among them, and for a fall or a share that is
    none.
    """
    groups = [(stage,) if isinstance(stage, str) else tuple(stage) for stage in stages]
    names = [name for group in groups for name in group]
    if start is not None and start not in names:
        raise SettingError(
            f"no part {start} to train from", expected=listed(names) or "a network", remedy=nearest(start, names)
        )
    if not (0 < fall <= 1 and head > 0):
        raise SettingError(
            f"rates cannot fall to {fall:g} from stage to stage, from {head:g}",
            expected="a share above 0, at most 1, of a rate above 0",
        )
    depth = {name: len(groups) - place for place, group in enumerate(groups, 1) for name in group}
    frozen = set() if start is None else set(names[: names.index(start)])
    return tuple((name, 0.0 if name in frozen else round(head * fall ** depth[name], 9)) for name in names)


def check_rates(network: nn.Module, rates: Rates) -> None:
    """Raises SettingError where a part that is given a share of the rate has no weights in the network."""
    names = [name for name, _ in network.named_parameters()]
    for part, _ in rates:
        if not any(f"{name}.".startswith(f"{part}.") for name in names):
            tops = list(dict.fromkeys(name.partition(".")[0] for name in names))
            raise SettingError(
                f"the network has no part {part} to give a rate to", expected=listed(tops), remedy=nearest(part, tops)
            )


def prepare_(network: nn.Module, plan: Plan) -> None:
    """Make a network ready to be trained by the plan, in place; doing it again changes nothing.

    Weights without a share of the rate ask for no gradient. Batch norms keep their statistics where plan.norms says so,
    and always in a frozen part, which would else give something new for the same picture at every step. A plan that
    says nothing of rates and norms leaves the network as it is. Raises SettingError where nothing is left to train.
    """
    for name, weight in network.named_parameters():
        if plan.share(name) == 0:
            weight.requires_grad_(False)
    if plan.norms == "fixed":
        fix_norms_(network)
    elif plan.rates:
        fix_norms_(network, lambda name: plan.share(name) == 0)
    if plan.rates and not any(weight.requires_grad for weight in network.parameters()):
        raise SettingError(
            "every part of the network is frozen: nothing is left to train",
            expected="a rate above 0 for the last layer at least",
        )


def _trunk(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The network's own children in the order in which they run, without side heads."""
    if isinstance(network, Graph):
        names = dict.fromkeys(run.name for run in network.runs if run.weight is None)
        return ((name, network.get_submodule(name)) for name in names)
    return network.named_children()


def _reduces(child: nn.Module) -> bool:
    """Whether maps leave it smaller than they came."""
    if isinstance(child, ENDS):
        return True
    strides = (getattr(module, "stride", 1) for module in child.modules())
    return any(max(stride if isinstance(stride, tuple) else (stride,)) > 1 for stride in strides)
