"""What the tests of check are made of: scenes no two of which are alike, and sets of them with planted faults."""

import csv
import hashlib
import shutil
from pathlib import Path

import numpy as np
from data_makers import encoded
from PIL import Image, ImageDraw, ImageEnhance

from torchbeam.data.facts import Facts, examine


def scene(number: int, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """A picture with a sky, a ground and things at places of its own; another number, another picture."""
    chance = np.random.default_rng(number)
    width, height = size

    def colour() -> tuple[int, ...]:
        return tuple(int(shade) for shade in chance.integers(20, 236, 3))

    picture = Image.new("RGB", size, colour())
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, int(height * chance.uniform(0.3, 0.8)), width, height), fill=colour())
    for _ in range(9):
        left, top = chance.uniform(-0.1, 0.9) * width, chance.uniform(-0.1, 0.9) * height
        right, bottom = left + chance.uniform(0.1, 0.45) * width, top + chance.uniform(0.1, 0.45) * height
        draw = pen.ellipse if chance.random() < 0.5 else pen.rectangle
        draw((left, top, right, bottom), fill=colour())
    noise = chance.normal(0, 4, (height, width, 3))
    return Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


def cut(picture: Image.Image, share: float) -> Image.Image:
    """The picture without a margin of that share of its sides, all around."""
    across, down = round(picture.width * share), round(picture.height * share)
    return picture.crop((across, down, picture.width - across, picture.height - down))


# How pictures are copied nearly: name -> the bytes of the copy's file.
NEARLY = {
    "saved as JPEG of quality 30": lambda picture: encoded(picture, "JPEG", quality=30),
    "halved": lambda picture: encoded(picture.resize((picture.width // 2, picture.height // 2))),
    "doubled": lambda picture: encoded(picture.resize((picture.width * 2, picture.height * 2))),
    "brightened": lambda picture: encoded(ImageEnhance.Brightness(picture).enhance(1.1)),
    "grey": lambda picture: encoded(picture.convert("L")),
    "cut by 2 %": lambda picture: encoded(cut(picture, 0.02)),
    "cut by 3 %": lambda picture: encoded(cut(picture, 0.03)),
}


def facts_of(*contents: bytes | Image.Image) -> list[Facts]:
    """The facts of pictures, given as files' bytes or as they are."""
    return [examine(one if isinstance(one, bytes) else encoded(one), "picture") for one in contents]


def scenes(root: Path, counts: dict[str, int], first: int = 0) -> Path:
    """Folders of scenes below `root`, each another: {'train/cat': 12, 'test/cat': 12}."""
    number = first
    for name, count in counts.items():
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            (folder / f"{index:02d}.jpg").write_bytes(encoded(scene(number), "JPEG", quality=92))
            number += 1
    return root


CLEAN = {f"{part}/{name}": 12 for part in ("train", "test") for name in ("cat", "dog", "horse")}


def faulty(root: Path) -> set[str]:
    """A set of scenes with one fault of each kind that pictures in class folders can have; the kinds planted."""
    scenes(root, CLEAN)
    train, test = root / "train", root / "test"

    def put(path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    planted = {
        "cut off": lambda: put(train / "cat/a.jpg", encoded(scene(900), "JPEG")[:-900]),
        "unreadable": lambda: put(train / "cat/b.jpg", b"<html>404 not found</html>"),
        "wrong extension": lambda: put(train / "cat/c.jpg", encoded(scene(901), "PNG")),
        "tiny": lambda: put(train / "cat/d.png", encoded(scene(902, (12, 9)))),
        "rotated by EXIF": lambda: put(train / "dog/a.jpg", _turned(scene(903))),
        "deeper than 8 bits": lambda: put(train / "dog/b.png", _deep(scene(904))),
        "grey": lambda: put(train / "dog/c.png", encoded(scene(905).convert("L"))),
        "transparent": lambda: put(train / "dog/d.png", _holed(scene(906))),
        "CMYK": lambda: put(train / "horse/a.jpg", encoded(scene(907).convert("CMYK"), "JPEG")),
        "animated": lambda: put(train / "horse/b.gif", _moving(908)),
        "blank": lambda: put(train / "horse/c.png", encoded(Image.new("RGB", (96, 72), (9, 120, 40)))),
        "copies": lambda: shutil.copy(train / "cat/00.jpg", train / "cat/copy.jpg"),
        "label conflict": lambda: shutil.copy(train / "cat/01.jpg", train / "dog/copy.jpg"),
        "leak": lambda: shutil.copy(train / "cat/02.jpg", test / "cat/copy.jpg"),
        "near copies": lambda: put(train / "cat/near.png", NEARLY["brightened"](scene(3))),
        "near label conflict": lambda: put(train / "dog/near.png", NEARLY["cut by 2 %"](scene(4))),
        "near leak": lambda: put(test / "cat/near.jpg", NEARLY["saved as JPEG of quality 30"](scene(5))),
        "class names alike": lambda: scenes(root, {"train/Horse ": 10}, 1000),
        "class not in train": lambda: scenes(root, {"test/bird": 3}, 1100),
        "class missing in a part": lambda: scenes(root, {"train/fish": 10}, 1200),
        "few pictures": lambda: scenes(root, {"train/cow": 1, "test/cow": 1}, 1300),
        "other format": lambda: put(train / "cat/phone.heic", b"\0\0\0\x18ftypheic"),
        "not labelled": lambda: put(train / "loose.png", encoded(scene(909))),
        "no picture": lambda: put(train / "cat/Thumbs.db", b"thumbnails"),
    }
    for plant in planted.values():
        plant()
    return {*planted, "lopsided"}  # the cow is rare, too


def boxed(root: Path) -> set[str]:
    """Scenes in a list with boxes, one of each kind of fault; the kinds planted."""
    root.mkdir(parents=True)
    rows = []
    for number in range(24):
        (root / f"{number:02d}.jpg").write_bytes(encoded(scene(2000 + number), "JPEG"))
        rows.append((f"{number:02d}.jpg", 10, 10, 50, 40, "cat" if number % 2 else "dog"))
    rows += [
        ("00.jpg", 60, 10, 20, 40, "cat"),
        ("01.jpg", 20, 20, 20, 40, "cat"),
        ("02.jpg", 300, 10, 340, 40, "dog"),
        ("03.jpg", 60, 10, 140, 40, "dog"),
        ("gone.jpg", 10, 10, 40, 40, "dog"),
    ]
    with (root / "annotations.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "xmin", "ymin", "xmax", "ymax", "class"))
        writer.writerows(rows)
    return {"box inverted", "box empty", "box outside", "box reaches out", "picture missing"}


def masked(root: Path) -> set[str]:
    """Scenes with masks, one of each kind of fault; the kinds planted."""
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for number in range(12):
        mask = Image.new("L", (96, 72))
        ImageDraw.Draw(mask).rectangle((10, 10, 60, 50), fill=1)
        (root / "images" / f"{number:02d}.jpg").write_bytes(encoded(scene(3000 + number), "JPEG"))
        mask.save(root / "masks" / f"{number:02d}.png")
    Image.new("L", (48, 36), 1).save(root / "masks/03.png")
    (root / "masks/04.png").write_bytes(b"no mask")
    (root / "masks/05.png").unlink()
    return {"mask size", "mask unreadable", "mask missing"}


def untouched(root: Path) -> dict[str, tuple[str, int]]:
    """SHA-256 and time of change of every file below a folder."""
    return {
        path.relative_to(root).as_posix(): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def _turned(picture: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[274] = 6
    return encoded(picture, "JPEG", exif=exif)


def _deep(picture: Image.Image) -> bytes:
    return encoded(Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257))


def _holed(picture: Image.Image) -> bytes:
    holed = picture.convert("RGBA")
    holed.paste((0, 0, 0, 0), (10, 10, 40, 40))
    return encoded(holed)


def _moving(number: int) -> bytes:
    return encoded(scene(number), "GIF", save_all=True, append_images=[scene(number + 1000)], duration=100)
