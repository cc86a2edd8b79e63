"""From the bytes of a file to *the image*, and back to a lossless file.

*The image* (docs/reference/methods.md) is what the classifier is asked about and what people see: the file decoded,
upright, over white where it is transparent, its shorter side resized and its centre cropped, on the 8-bit grid. Pixels
are uint8 arrays [height, width, 3], red, green, blue. Colour profiles are not applied, as torchvision applies none.

Importing this module does not import torch: web processes read and check uploads with it. Only `to_tensor` and
`to_pixels` import it, when called.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    import torch

# 240 MB once decoded. Under Pillow's own limit, so whatever Pillow would only warn about is refused here.
MAX_PIXELS = 80_000_000

# Pillow warns of a picture that is large and refuses one that is twice as large: here the warning is an error, too.
warnings.simplefilter("error", Image.DecompressionBombWarning)

# The level of the grey that stands for "hidden", to a classifier and to people.
GREY = 128

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
_EIGHT_BIT_MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"}


class ImageError(ValueError):
    """The bytes are not an image that a study can use. One line, without the file's name: the caller knows it."""


@dataclass(frozen=True)
class ImageFacts:
    """What a catalogue keeps about a file.

    sha256: hex digest of the file's bytes. format: one of FORMATS, found from the content, not from a file's ending.
    width, height: in pixels, after the EXIF orientation is applied.
    """

    sha256: str
    format: str
    width: int
    height: int


def inspect(data: bytes, *, max_pixels: int | None = None) -> ImageFacts:
    """Decode all of `data` and say what it is.

    max_pixels: a limit below MAX_PIXELS, above which nothing is ever decoded.

    Raises ImageError: not an image in one of FORMATS, damaged or cut short, more than one frame, more than 8 bits a
    channel, or more than that many pixels (read from the header, before anything is decoded).
    """
    picture, kind = _decode(data, max_pixels)
    return ImageFacts(hashlib.sha256(data).hexdigest(), kind, *picture.size)


def load(data: bytes, *, resize: int | None = None, crop: int | None = None) -> np.ndarray:
    """The image in `data`: uint8 [height, width, 3].

    resize: length in pixels of the shorter side after bilinear, antialiased resizing; the longer side is
    floor(resize · long / short). crop: side in pixels of the square cut from the centre. Both give the bytes of
    torchvision's `Resize` and `CenterCrop` on the same upright RGB picture; None, or a size that already fits,
    changes nothing.

    Raises ImageError where `inspect` does, and for an image smaller than the crop (torchvision would pad it in black).
    """
    for name, side in (("resize", resize), ("crop", crop)):
        if side is not None and side < 1:
            raise ImageError(f"{name} must be at least 1 pixel, not {side}")
    picture, _ = _decode(data)
    picture = _over_white(picture)
    if resize is not None:
        picture = _resize_shorter_side(picture, resize)
    if crop is not None:
        picture = _crop_centre(picture, crop)
    return np.array(picture)


def encode_png(pixels: np.ndarray) -> bytes:
    """A lossless file of uint8 [height, width, 3] without metadata; `load` reads the same pixels back.

    The same pixels give the same bytes under the same Pillow.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ImageError(f"a picture is uint8 [height, width, 3], not {pixels.dtype} {list(pixels.shape)}")
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, format="PNG", compress_level=6)
    return file.getvalue()


def to_tensor(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """Pictures uint8 [h, w, 3] of one size as float32 [n, 3, h, w] in [0, 1], contiguous, on the CPU."""
    import torch

    if not pictures:
        raise ImageError("no pictures to make a batch of")
    sizes = {picture.shape for picture in pictures}
    if len(sizes) > 1:
        raise ImageError(f"a batch needs pictures of one size, not {sorted(sizes)}")
    if any(picture.dtype != np.uint8 for picture in pictures) or len(shape := sizes.pop()) != 3 or shape[2] != 3:
        raise ImageError("a picture is uint8 [height, width, 3]")
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous().to(torch.float32).div_(255)


def to_pixels(images: torch.Tensor) -> np.ndarray:
    """Images [n, 3, h, w] in [0, 1] rounded to the nearest of 256 levels: uint8 [n, h, w, 3].

    Raises ImageError for values outside [0, 1], NaN among them: clipping is the business of whoever made them.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ImageError(f"images are [n, 3, height, width], not {list(images.shape)}")
    if not bool(((images >= 0) & (images <= 1)).all()):
        raise ImageError("pixel values must lie in [0, 1]")
    return (images.detach().float() * 255).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()


def _decode(data: bytes, max_pixels: int | None = None) -> tuple[Image.Image, str]:
    max_pixels = min(max_pixels or MAX_PIXELS, MAX_PIXELS)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            kind = _check_header(picture, data, max_pixels)
            # Of the formats read here only PNG has checksums; decoding does not compare them, verify() does.
            if kind == "PNG":
                with Image.open(io.BytesIO(data), formats=FORMATS) as second:
                    second.verify()
            picture.load()
            return ImageOps.exif_transpose(picture), kind
    except ImageError:
        raise
    except Image.UnidentifiedImageError:
        raise ImageError(f"not an image in a format that is read here ({', '.join(FORMATS)})") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(f"more than {max_pixels:,} pixels") from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error and others on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"damaged or cut short: {reason}") from None


def _check_header(picture: Image.Image, data: bytes, max_pixels: int) -> str:
    """The format of an opened, not yet decoded picture."""
    width, height = picture.size
    if width * height > max_pixels:
        raise ImageError(f"{width} × {height} is more than {max_pixels:,} pixels")
    # Phones write "multi-picture objects": a JPEG file followed by a preview or depth map. The first is the photograph.
    kind = "JPEG" if picture.format == "MPO" else str(picture.format)
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
        raise ImageError(f"has {picture.n_frames} frames; a study shows still images")  # type: ignore[attr-defined]
    bits = _bits_per_channel(picture, kind, data)
    if picture.mode not in _EIGHT_BIT_MODES or bits > 8:
        depth = f"{bits} bits a channel" if bits > 8 else f"pixel mode {picture.mode}"
        raise ImageError(f"has {depth}; images are on the 8-bit grid, convert it first")
    return kind


def _bits_per_channel(picture: Image.Image, kind: str, data: bytes) -> int:
    """Bits of the widest channel in the file: Pillow reduces 16-bit colour to 8 bits without a word."""
    if kind == "PNG":
        return data[24]
    if kind == "TIFF":
        bits = picture.tag_v2.get(258, 1)  # type: ignore[attr-defined]
        return max(bits) if isinstance(bits, tuple) else bits
    return 8


def _over_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def _resize_shorter_side(picture: Image.Image, short_wanted: int) -> Image.Image:
    width, height = picture.size
    short, long = sorted((width, height))
    if short == short_wanted:
        return picture
    long_wanted = int(short_wanted * long / short)
    if short_wanted * long_wanted > MAX_PIXELS:
        raise ImageError(f"{width} × {height} is too narrow: resized it has more than {MAX_PIXELS:,} pixels")
    size = (short_wanted, long_wanted) if width <= height else (long_wanted, short_wanted)
    return picture.resize(size, Image.Resampling.BILINEAR)


def _crop_centre(picture: Image.Image, side: int) -> Image.Image:
    width, height = picture.size
    if width < side or height < side:
        raise ImageError(f"{width} × {height} is smaller than the {side} × {side} crop")
    left, top = round((width - side) / 2), round((height - side) / 2)
    return picture.crop((left, top, left + side, top + side))
