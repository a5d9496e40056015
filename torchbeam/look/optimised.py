"""optimised: a picture made for one unit: from noise, uphill.

Gradient ascent on the picture: Erhan, Bengio, Courville & Vincent, 'Visualizing Higher-Layer Features of a Deep
Network' (2009). The picture is moved a little before every step, so that no single pixel counts, and is held as waves
of which the slow ones move fastest, so that neighbours go together, and the three colours of a pixel with them: Olah,
Mordvintsev & Schubert, 'Feature Visualization' (Distill 2017).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from torchbeam.errors import SettingError
from torchbeam.look.slid import as_maps
from torchbeam.look.subject import Subject, looking
from torchbeam.network.taps import tapped

STEPS = 64
RATE = 0.04  # of Adam's steps
NOISE = 0.01  # the deviation of the waves in the beginning: nearly grey
JITTER = 16  # the picture is moved by up to its shorter side over this
PENALTY = 0.05  # of the picture's mean square, in deviations, as a share of what the unit gives
STRENGTH = 1.4  # the root mean square of the waves' sizes: few steps bring no pixel from black to white
TOGETHER = 0.9  # how far red, green and blue are correlated, as in photographs


@dataclass(frozen=True, slots=True, eq=False)
class Optimised:
    """x_CHW: the picture, normalised, on the CPU. before, after: the mean of the unit's map of noise and of it."""

    x_CHW: Tensor
    before: float
    after: float


def optimised(
    subject: Subject, layer: str, unit: int, *, steps: int = STEPS, seed: int = 0, penalty: float = PENALTY
) -> Optimised:
    """A picture of the subject's size that raises the mean of a unit's map: so many steps of Adam. The same seed gives
    the same picture. Its pixels stay between black and white by the subject's normalisation. Where noise moves a unit
    not at all, as a dead one behind a ReLU, there is no way uphill: `before` and `after` tell.

    Raises SettingError for fewer than one step or a unit that is not there.
    """
    if steps < 1:
        raise SettingError(f"a picture cannot be made in {steps} steps", expected="1 or more")
    network, like = subject.network, subject.x_1CHW
    last = isinstance(network.get_submodule(layer), nn.Linear)
    chance = torch.Generator().manual_seed(seed)
    waves = _Waves(subject)
    spectrum = (NOISE * torch.randn(waves.shape, generator=chance)).to(like.device).requires_grad_()
    most = max(1, min(like.shape[2:]) // JITTER)
    climber = torch.optim.Adam([spectrum], lr=RATE, maximize=True)
    with looking(network), torch.enable_grad(), tapped(network, [layer]) as taps:

        def given(x_1CHW: Tensor) -> Tensor:
            network(x_1CHW)
            maps = as_maps(taps[layer], last=last)
            if not 0 <= unit < maps.shape[1]:
                raise SettingError(f"{layer} has no unit {unit}", expected=f"0 to {maps.shape[1] - 1}")
            return maps[:, unit].mean()

        with torch.no_grad():
            before = float(given(waves.picture(spectrum)))
        for _ in range(steps):
            down, across = torch.randint(-most, most + 1, (2,), generator=chance).tolist()
            x_1CHW = waves.picture(spectrum)
            value = given(torch.roll(x_1CHW, (down, across), (2, 3)))
            height = value - penalty * value.detach().abs() * x_1CHW.square().mean()
            (spectrum.grad,) = torch.autograd.grad(height, [spectrum])
            climber.step()
        with torch.no_grad():
            made = waves.picture(spectrum)
            after = float(given(made))
    return Optimised(made[0].detach().float().cpu(), before, after)


class _Waves:
    """Pictures as sums of waves, slow ones the larger by their length: pixels are the sigmoid of the sum."""

    def __init__(self, subject: Subject) -> None:
        _, channels, self.height, self.width = subject.x_1CHW.shape
        self.shape = (1, channels, self.height, self.width // 2 + 1, 2)
        down = torch.fft.fftfreq(self.height)[:, None]
        across = torch.fft.rfftfreq(self.width)[None]
        slowest = 1 / max(self.height, self.width)
        scale = 1 / (down.square() + across.square()).sqrt().clamp(min=slowest)
        scale *= STRENGTH / scale.square().mean().sqrt()
        device = subject.x_1CHW.device
        self.scale = scale.to(device)
        self.mean, self.std = (
            torch.tensor(each, device=device).view(1, -1, 1, 1) for each in (subject.mean, subject.std)
        )

    def picture(self, spectrum: Tensor) -> Tensor:
        """1, C, H, W, normalised."""
        waves = torch.view_as_complex(spectrum) * self.scale
        sums = torch.fft.irfft2(waves, s=(self.height, self.width), norm="ortho")
        if sums.shape[1] == 3:  # the root of a matrix with 1 along its diagonal and TOGETHER beside it
            own, grey = (1 - TOGETHER) ** 0.5, (1 + 2 * TOGETHER) ** 0.5
            sums = own * sums + (grey - own) / 3 * sums.sum(1, keepdim=True)
        return (sums.sigmoid() - self.mean) / self.std
