"""taps: what layers give, and what gradients come back to them, by name. The one place that hooks into modules.

A hook stands as long as its `with` block, and hands on a copy of what the layer gave: a layer behind that writes in
place (torchvision's ReLUs do) then leaves what was tapped as it was. The numbers that come out stay the same bits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from torchbeam.design.arguments import listed, nearest, short
from torchbeam.errors import SettingError


class Taps(Mapping[str, Tensor]):
    """What each tapped layer gave in the last forward, by name; a layer that did not run is missing, one that ran
    several times is there with its last. What was kept stays readable when the taps are off.

    inputs: the first tensor that each layer was given, where they were asked for.
    """

    def __init__(self) -> None:
        self.inputs: dict[str, Tensor] = {}
        self._outputs: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        return self._outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    @property
    def gradients(self) -> dict[str, Tensor]:
        """The gradient of what was last taken the backward of, with respect to each layer's output and in its shape.
        Layers that none has come to are missing; several backwards of one forward add up, as gradients do in torch."""
        return {name: output.grad for name, output in self._outputs.items() if output.grad is not None}


@contextmanager
def tapped(
    network: nn.Module, names: Sequence[str], *, gradients: bool = False, inputs: bool = False
) -> Iterator[Taps]:
    """Taps on the submodules of those names ('stage1.conv2', '' for the network itself) while the block runs.

    Outputs are those of autograd's graph: a loss made of them has gradients. gradients: keep those that come to the
    outputs in a backward; where nothing below learns the outputs become leaves, so that frozen networks have them too.
    inputs: keep each layer's first input as well. Mode, weights and statistics of the network are left alone.

    Raises SettingError for a name that no submodule has, with the nearest; for a network that was compiled; and out of
    the forward, where a tapped layer gives or takes no single tensor, or gradients are asked for under torch.no_grad.

    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    >>> with tapped(network, ["1"]) as taps:
    ...     _ = network(torch.ones(2, 1, 2, 2))
    >>> taps["1"].shape
    torch.Size([2, 3])
    """
    modules = _modules(network, names)
    taps = Taps()
    with ExitStack() as hooks:
        hooks.enter_context(_held(network.register_forward_pre_hook(_forget(taps))))
        for name, module in modules.items():
            if inputs:
                hooks.enter_context(_held(module.register_forward_pre_hook(_keep_input(taps, name), with_kwargs=True)))
            hooks.enter_context(_held(module.register_forward_hook(_keep_output(taps, name, gradients))))
        yield taps


def _modules(network: nn.Module, names: Sequence[str]) -> dict[str, nn.Module]:
    if hasattr(network, "_orig_mod"):
        raise SettingError(
            "a compiled network cannot be tapped: the hooks would be compiled into it",
            expected="the network that was compiled",
            remedy="tap it, and run it, before torch.compile",
        )
    known = dict(network.named_modules(remove_duplicate=False))
    for name in names:
        if name not in known:
            every = [each for each in known if each]
            raise SettingError(f"no layer {short(name)!r} to tap", expected=listed(every), remedy=nearest(name, every))
    return {name: known[name] for name in names}


def _forget(taps: Taps) -> Callable[[nn.Module, Any], None]:
    def forget(_: nn.Module, __: Any) -> None:
        taps.inputs.clear()
        taps._outputs.clear()  # pyright: ignore[reportPrivateUsage]

    return forget


def _keep_input(taps: Taps, name: str) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], Any]:
    def keep(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        first, *others = given or (None,)
        if not isinstance(first, Tensor):
            raise SettingError(f"{name} takes no tensor to keep", got=type(first).__name__)
        taps.inputs[name] = first
        return (first.clone(), *others), named

    return keep


def _keep_output(taps: Taps, name: str, gradients: bool) -> Callable[[nn.Module, Any, Any], Tensor]:
    def keep(_: nn.Module, __: Any, output: Any) -> Tensor:
        if not isinstance(output, Tensor):
            raise SettingError(
                f"{name or 'the network'} gives no single tensor",
                got=type(output).__name__,
                remedy="tap a layer within it",
            )
        if gradients and not torch.is_grad_enabled():
            raise SettingError("no gradients come to taps under torch.no_grad()", remedy="run the network without it")
        if gradients and not output.requires_grad:
            output = output.detach().requires_grad_()
        elif gradients:
            output.retain_grad()
        taps._outputs[name] = output  # pyright: ignore[reportPrivateUsage]
        return output.clone()

    return keep


@contextmanager
def _held(handle: RemovableHandle) -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()
