"""Three drawn pictures: what a model file is proven with, so that no user's picture travels in it.

They differ in shape and kind (colour, grey, half transparent), so that resizing, cutting, grey conversion and
the background for transparency are all part of the proof.
"""

from io import BytesIO

from PIL import Image, ImageDraw


def drawn_pictures() -> tuple[bytes, ...]:
    """A colour, a grey and a half transparent picture as PNG bytes; the same on every call."""
    colour = Image.new("RGB", (150, 110), (30, 60, 120))
    pen = ImageDraw.Draw(colour)
    pen.ellipse((20, 15, 95, 90), fill=(230, 180, 40))
    pen.rectangle((80, 50, 140, 100), fill=(200, 40, 60))
    grey = Image.linear_gradient("L").resize((90, 140))
    pen = ImageDraw.Draw(grey)
    pen.line((10, 20, 80, 120), fill=255, width=9)
    pen.line((75, 15, 20, 130), fill=0, width=7)
    clear = Image.new("RGBA", (128, 128), (0, 0, 0, 0))
    pen = ImageDraw.Draw(clear)
    pen.polygon(((64, 8), (120, 116), (8, 116)), fill=(40, 160, 90, 200))
    pen.ellipse((44, 56, 84, 96), fill=(20, 20, 20, 255))
    return tuple(_png(picture) for picture in (colour, grey, clear))


def _png(picture: Image.Image) -> bytes:
    held = BytesIO()
    picture.save(held, "PNG")
    return held.getvalue()
