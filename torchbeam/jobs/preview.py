"""data preview: a few pictures of a place, and what augmentation makes of them, as one PNG sheet to look at."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from torchbeam.data.augment.apply import Augmented, augmented
from torchbeam.data.augment.boxes import MovedBoxes, moved_boxes
from torchbeam.data.augment.choose import default_for
from torchbeam.data.augment.places import part_maps
from torchbeam.data.augment.words import Augmentation, parse_augment
from torchbeam.data.chance import shuffled
from torchbeam.data.find import find
from torchbeam.data.records import IGNORE, NOTHING, UNLABELLED, Record, Skipped, Source
from torchbeam.errors import DataError, PictureError, SettingError
from torchbeam.files import write_whole
from torchbeam.jobs.settings import size_of

MOST = 100  # rows, and variants in a row
MOST_PIXELS = 100_000_000  # of the sheet
# Where no size is named: pictures of one size keep it up to this side, others become squares of the second.
LARGEST, SQUARE = 256, 192
CELL = 192  # small pictures are enlarged by whole numbers up to about this
GAP, LINE = 6, 18  # pixels between cells, and of a line of text
INK, PAPER, DARK = (20, 20, 20), (255, 255, 255), (40, 40, 40)
# Colours that differ for everyone (Okabe & Ito 2008), for classes in turn.
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
GREY = 0.5  # what a square that is cut out shows


@dataclass(frozen=True, slots=True)
class Preview:
    """What was drawn: the file, the augmentation and why it, the pictures' names, their size, those set aside."""

    path: Path
    augment: str
    reason: str
    pictures: tuple[str, ...]
    variants: int
    size: tuple[int, int]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As --json prints it."""
        return {
            "path": str(self.path),
            "augment": self.augment,
            "reason": self.reason,
            "pictures": list(self.pictures),
            "variants": self.variants,
            "size": f"{self.size[0]}x{self.size[1]}",
            "skipped": [bad.to_json() for bad in self.skipped],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """The augmentation, its reason, and where the sheet lies."""
        lines = [f"augment  {self.augment} ({self.reason})", *(f"note     {note}" for note in self.notes)]
        lines += [f"skipped  {bad.reason}" for bad in self.skipped]
        size = f"{self.size[0]}x{self.size[1]}"
        return "\n".join(
            [*lines, f"sheet    {self.path}: {len(self.pictures)} pictures of {size}, {self.variants} each"]
        )


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One picture at the preview's size: bytes (H, W, 3), boxes (N, 4) with their classes, mask (H, W) or None."""

    number: int
    record: Record
    grey: bool
    pixels_HW3: NDArray[np.uint8]
    boxes: MovedBoxes
    labels: NDArray[np.int64]
    mask_HW: NDArray[np.int32] | None


def preview(
    data: str | Path,
    *,
    augment: str | None = None,
    pictures: int = 4,
    variants: int = 6,
    size: str | None = None,
    out: str | Path = "preview.png",
    seed: int = 0,
) -> Preview:
    """Draw what augmentation makes of some pictures at a place, boxes and masks with them, into a PNG file.

    Every row is one picture: as it is, then with the draws of epochs 1 to `variants` under this seed. The
    pictures are taken from the training part, one of each class in turn. augment: as for train; what suits the data
    when not said. size: what the network takes, '64' or '64x48'; words that count in pixels mean these.
    Raises DataError where there are no pictures, SettingError, OutputError.
    """
    chosen = None if augment is None else parse_augment(augment)
    _check(pictures, variants, Path(out))
    told = None if size is None else size_of(size, 3)
    source = find(data, to_learn=False)
    read, skipped = _read(source, pictures, seed)
    network = _size([picture.size for _, picture in read]) if told is None else (told.width, told.height)
    _check_sheet(network, len(read), variants)
    shown = [_shown(source, number, picture, network) for number, picture in read]
    reason = "as told"
    if chosen is None:
        chosen, reason = default_for(source.classes, all(one.grey for one in shown), network, _task(shown))
    notes = []
    if chosen.mixes and any(len(one.boxes.kept_M) or one.mask_HW is not None for one in shown):
        notes.append("boxes and masks are shown only as they are: they cannot be mixed")
    sheet = _sheet(shown, source.classes, chosen, variants, seed)
    held = BytesIO()
    sheet.save(held, "PNG")
    write_whole(Path(out), held.getvalue())
    names = tuple(one.record.path for one in shown)
    return Preview(Path(out), str(chosen), reason, names, variants, network, tuple(skipped), tuple(notes))


def _check(pictures: int, variants: int, out: Path) -> None:
    for name, count in (("pictures", pictures), ("variants", variants)):
        if not 1 <= count <= MOST:
            raise SettingError(f"a preview cannot have {count} {name}", expected=f"a whole number from 1 to {MOST}")
    if out.suffix.lower() != ".png":
        raise SettingError(
            f"a preview is a PNG file, not {out.name}", expected="a name that ends in .png", remedy="--out preview.png"
        )


def _check_sheet(size: tuple[int, int], pictures: int, variants: int) -> None:
    pixels = size[0] * size[1] * pictures * (1 + variants)
    if pixels > MOST_PIXELS:
        raise SettingError(
            f"the preview would be too large: {pixels / 1e6:,.0f} million pixels",
            expected=f"at most {MOST_PIXELS / 1e6:.0f} million",
            remedy="take fewer pictures or variants, or a smaller size",
        )


def _task(shown: list[Shown]) -> str:
    """What pictures like these are most likely for."""
    if all(one.record.label != UNLABELLED for one in shown):
        return "classify"
    return "segment" if any(one.record.masked for one in shown) else "detect"


def _read(source: Source, count: int, seed: int) -> tuple[list[tuple[int, Image.Image]], list[Skipped]]:
    """Some pictures with their numbers, and those met on the way that cannot be read."""
    read: list[tuple[int, Image.Image]] = []
    skipped: list[Skipped] = []
    for number in _in_turn(source.records, seed):
        try:
            read.append((number, source.pictures.image(number)))
        except PictureError as error:
            skipped.append(Skipped(source.records[number].path, error.reason))
        if len(read) == count:
            break
    if not read:
        raise DataError(
            f"no picture at {source.place} can be shown",
            got="\n".join(bad.reason for bad in skipped[:3]) or "none at all",
            remedy="mend the pictures",
        )
    return read, skipped


def _in_turn(records: tuple[Record, ...], seed: int) -> Iterator[int]:
    """The training pictures' numbers in an order by chance, one of each class in turn."""
    numbers = [number for number, record in enumerate(records) if record.part in ("", "train")]
    order = shuffled(seed, 0, np.array(numbers or range(len(records)), dtype=np.int64)).tolist()
    by_class: dict[int, list[int]] = {}
    for number in order:
        by_class.setdefault(records[number].label, []).append(number)
    while by_class:
        for label, waiting in list(by_class.items()):
            yield waiting.pop(0)
            if not waiting:
                del by_class[label]


def _size(sizes: list[tuple[int, int]]) -> tuple[int, int]:
    """The size they share, scaled down where it is large, or a square."""
    width, height = sizes[0]
    if set(sizes) != {(width, height)}:
        return (SQUARE, SQUARE)
    by = max(1, max(width, height) / LARGEST)
    return max(1, round(width / by)), max(1, round(height / by))


def _shown(source: Source, number: int, picture: Image.Image, size: tuple[int, int]) -> Shown:
    """A picture scaled until it covers `size`, its middle cut out, with its boxes and mask."""
    record = source.records[number]
    scale = min(picture.width / size[0], picture.height / size[1])
    # The products may exceed the picture by a rounding error, which resize would refuse.
    cut = min(size[0] * scale, picture.width), min(size[1] * scale, picture.height)
    left, top = (picture.width - cut[0]) / 2, (picture.height - cut[1]) / 2
    part = (left, top, left + cut[0], top + cut[1])
    pixels = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BILINEAR, box=part))
    by = part_maps(np.array([part]), size)[0]
    told = record.boxes
    boxes = moved_boxes(np.zeros((0, 4)) if told is None else told.xyxy_N4, by, size)
    labels = np.zeros(0, np.int64) if told is None else told.labels_N[boxes.kept_M]
    mask = None
    if record.masked and source.masks is not None:
        whole = Image.fromarray(source.masks.mask(number))
        mask = np.asarray(whole.resize(size, Image.Resampling.NEAREST, box=part), dtype=np.int32)
    return Shown(number, record, picture.mode == "L", pixels, boxes, labels, mask)


def _sheet(
    shown: list[Shown], classes: tuple[str, ...], augmentation: Augmentation, variants: int, seed: int
) -> Image.Image:
    """Rows of pictures: a line with the row's name, the picture as it is, its variants."""
    height, width = shown[0].pixels_HW3.shape[:2]
    zoom = max(1, CELL // max(width, height))
    across, down = width * zoom + GAP, height * zoom + LINE + GAP
    foot = LINE if augmentation.mixes else 0
    whole = (max(420, GAP + across * (1 + variants)), GAP + 2 * LINE + (down + foot) * len(shown))
    sheet = Image.new("RGB", whole, PAPER)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    pen.text((GAP, GAP), _plain(f"augment {augmentation}", whole[0] // 7), INK, font)
    for column in range(1 + variants):
        name = f"epoch {column}" if column else "as it is"
        pen.text((GAP + column * across, GAP + LINE), name, INK, font)
    for row, one in enumerate(shown):
        pen.text((GAP, GAP + 2 * LINE + row * (down + foot)), _plain(_title(one, classes)), INK, font)
    for column in range(1 + variants):
        seen = _seen(shown, augmentation if column else Augmentation(), seed, column)
        for row, one in enumerate(shown):
            corner = (GAP + column * across, GAP + 3 * LINE + row * (down + foot))
            sheet.paste(_cell(seen, row, one, classes, zoom, font), corner)
            if seen.share_N is not None:
                share = round(100 * float(seen.share_N[row]))
                other = shown[(row + 1) % len(shown)]
                text = f"{share} % + {100 - share} % {_class(other, classes)}"
                pen.text((corner[0], corner[1] + height * zoom + 1), _plain(text, width * zoom // 6), INK, font)
    return sheet


def _seen(shown: list[Shown], augmentation: Augmentation, seed: int, epoch: int) -> Augmented:
    """All pictures as an epoch shows them, less GREY."""
    pixels = torch.from_numpy(np.stack([one.pixels_HW3 for one in shown])).permute(0, 3, 1, 2).contiguous()
    boxes, masks = None, None
    if not augmentation.mixes:
        boxes = [one.boxes.xyxy_M4 for one in shown]
        if any(one.mask_HW is not None for one in shown):
            none = np.full(pixels.shape[2:], NOTHING, dtype=np.int32)
            masks = torch.from_numpy(np.stack([none if one.mask_HW is None else one.mask_HW for one in shown]))
    samples = np.array([one.number for one in shown], dtype=np.int64)
    grey = (GREY,) * 3
    return augmented(augmentation, pixels, samples, seed, epoch, grey, (1.0,) * 3, boxes, masks)


def _cell(seen: Augmented, row: int, one: Shown, classes: tuple[str, ...], zoom: int, font: Any) -> Image.Image:
    """One picture enlarged, its mask laid over it, its boxes outlined and named."""
    values = (seen.pictures_NCHW[row] + GREY).clamp(0, 1).permute(1, 2, 0)
    pixels = (values * 255).round().byte().numpy()
    if seen.masks_NHW is not None and one.mask_HW is not None:
        pixels = _overlaid(pixels, seen.masks_NHW[row].numpy())
    cell = Image.fromarray(pixels)
    cell = cell.resize((cell.width * zoom, cell.height * zoom), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(cell)
    for box, number in () if seen.boxes is None else zip(seen.boxes[row].xyxy_M4, seen.boxes[row].kept_M, strict=True):
        label = int(one.labels[number])
        left, top, right, bottom = (box * zoom).tolist()
        colour = COLOURS[label % len(COLOURS)]
        pen.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline=colour, width=2)
        name = _plain(classes[label], 20)
        pen.rectangle(pen.textbbox((left + 2, top + 1), name, font), fill=colour)
        pen.text((left + 2, top + 1), name, INK, font)
    return cell


def _overlaid(pixels_HW3: NDArray[np.uint8], mask_HW: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Classes as half a coat of their colours, what is ignored nearly black."""
    coats = np.array([COLOURS[label % len(COLOURS)] for label in range(max(1, int(mask_HW.max())))])
    coat = np.where((mask_HW == IGNORE)[..., None], DARK, coats[np.maximum(mask_HW - 1, 0)])
    share = np.where(mask_HW == NOTHING, 0, np.where(mask_HW == IGNORE, 0.8, 0.5))[..., None]
    return np.round(pixels_HW3 * (1 - share) + coat * share).astype(np.uint8)


def _title(one: Shown, classes: tuple[str, ...]) -> str:
    name = _class(one, classes)
    return f"{name}: {one.record.path}" if name else one.record.path


def _class(one: Shown, classes: tuple[str, ...]) -> str:
    return classes[one.record.label] if one.record.label != UNLABELLED else ""


def _plain(text: str, longest: int = 60) -> str:
    """A text as the sheet can show it: on one line, not too long, without half characters."""
    line = " ".join(text.split()).encode("utf-8", "replace").decode()
    return line if len(line) <= longest else f"{line[: longest - 3]}..."
