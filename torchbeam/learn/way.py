"""The way a machine computes a network: precision, memory layout, threads, compiled or not."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from torchbeam.errors import SettingError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Way:
    """precision: of the sums in convolutions and full layers ('fp32', 'bf16', 'fp16'); weights stay fp32.
    threads: of the CPU, 0 for as many as torch has. compiled: by torch.compile.

    Raises SettingError for a precision that is none and for a number of threads below 0.
    """

    precision: str = "fp32"
    channels_last: bool = False
    threads: int = 0
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise SettingError(f"no precision {self.precision}", expected=", ".join(PRECISIONS))
        if self.threads < 0:
            raise SettingError(f"threads cannot be {self.threads}", expected="a number, or 0 for as many as torch has")

    def __str__(self) -> str:
        """As in 'bf16, channels_last on 2 threads'."""
        words = [self.precision, "channels_last" * self.channels_last, "compiled" * self.compiled]
        threads = {0: "", 1: " on 1 thread"}.get(self.threads, f" on {self.threads} threads")
        return ", ".join(filter(None, words)) + threads

    @property
    def exact(self) -> "Way":
        """The same layout and threads in full precision, nothing compiled: what results are measured in."""
        return replace(self, precision="fp32", compiled=False)

    def autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        """The context in which a network computes in this precision."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(device.type, PRECISIONS[self.precision])

    def ready(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network moved to the device and laid out, in place, and what is to be called for it.

        A compiled network has the parameters of the one it was made of; the first call compiles, which takes long.
        The threads are those of the whole process from now on.
        """
        network.to(device)
        network.to(memory_format=self._layout)  # type: ignore[call-overload]
        if self.threads:
            torch.set_num_threads(self.threads)
        return torch.compile(network) if self.compiled else network  # type: ignore[return-value]

    def laid(self, x_NCHW: Tensor) -> Tensor:
        """Pictures in this way's order in memory."""
        return x_NCHW.contiguous(memory_format=self._layout)

    @property
    def _layout(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def to_json(self) -> dict[str, Any]:
        """As config.json keeps it."""
        return asdict(self)


PLAIN = Way()


def from_json(told: dict[str, Any]) -> Way:
    """A Way as config.json keeps it. Raises SettingError where a value is missing or of no use."""
    try:
        values = {field.name: told[field.name] for field in fields(Way)}
        for name, value in values.items():
            kind = type(getattr(PLAIN, name))
            if type(value) is not kind:
                raise TypeError(f"{name} is {value!r}")
        return Way(values["precision"], values["channels_last"], values["threads"], values["compiled"])
    except (KeyError, TypeError) as error:
        raise SettingError("the way the machine computed is not well kept", got=str(error)) from None
