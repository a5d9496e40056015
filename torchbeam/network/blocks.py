"""The few modules torch lacks. Tensors are N, C, H, W; pads are (left, right, top, bottom) in pixels."""

from torch import Tensor, nn
from torch.nn import functional as F

Pads4 = tuple[int, int, int, int]


class MaxPool(nn.Module):
    """Max pooling whose padding (minus infinity) may differ from side to side."""

    def __init__(self, kernel_size: tuple[int, int], stride: tuple[int, int], pads: Pads4) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.pads = kernel_size, stride, pads

    def forward(self, x_NCHW: Tensor) -> Tensor:
        padded = F.pad(x_NCHW, self.pads, value=float("-inf"))
        return F.max_pool2d(padded, self.kernel_size, self.stride)


class AvgPool(nn.Module):
    """Average pooling whose padding may differ from side to side.

    Of the padded zeros only those in `counted` enter the average's count.
    """

    def __init__(self, kernel_size: tuple[int, int], stride: tuple[int, int], pads: Pads4, counted: Pads4) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.pads, self.counted = kernel_size, stride, pads, counted

    def forward(self, x_NCHW: Tensor) -> Tensor:
        ones_11HW = F.pad(x_NCHW.new_ones(1, 1, *x_NCHW.shape[-2:]), self.counted, value=1.0)
        beyond = [pad - counted for pad, counted in zip(self.pads, self.counted, strict=True)]
        # Averages over all of the window, then over the counted share of it: sums would overflow in half precision.
        return self._mean(F.pad(x_NCHW, self.pads)) / self._mean(F.pad(ones_11HW, beyond))

    def _mean(self, x_NCHW: Tensor) -> Tensor:
        return F.avg_pool2d(x_NCHW, self.kernel_size, self.stride)


class L2Pool(nn.Module):
    """The square root of the sum of squares of each window; its gradient at an all-zero window is zero."""

    def __init__(self, kernel_size: tuple[int, int], stride: tuple[int, int], pads: Pads4) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.pads = kernel_size, stride, pads

    def forward(self, x_NCHW: Tensor) -> Tensor:
        squares = F.avg_pool2d(F.pad(x_NCHW, self.pads).square(), self.kernel_size, self.stride, divisor_override=1)
        # The root's slope is infinite at 0: taking the root of 1 there keeps NaN out of the gradient.
        empty = squares == 0
        return squares.masked_fill(empty, 1.0).sqrt().masked_fill(empty, 0.0)


class ZeroShortcut(nn.Module):
    """Every stride-th pixel, and `channels` more channels of zeros, half of them before and half behind; an odd one
    goes behind. He et al. 2015, section 3.3, option A."""

    def __init__(self, stride: tuple[int, int], channels: int) -> None:
        super().__init__()
        self.stride, self.channels = stride, channels

    def forward(self, x_NCHW: Tensor) -> Tensor:
        before = self.channels // 2
        return F.pad(x_NCHW[:, :, :: self.stride[0], :: self.stride[1]], (0, 0, 0, 0, before, self.channels - before))
