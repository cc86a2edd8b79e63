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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, features

from . import file_kinds

try:
    import pi_heif
except ImportError:  # pragma: no cover
    pi_heif = None

if TYPE_CHECKING:
    import torch

# 240 MB once decoded. Under Pillow's own limit, so whatever Pillow would only warn about is refused here.
MAX_PIXELS = 80_000_000

# Pillow warns of a picture that is large and refuses one that is twice as large: here the warning is an error, too.
warnings.simplefilter("error", Image.DecompressionBombWarning)

# Bytes that decoding takes for each pixel, measured; other formats take at most the usual six.
BYTES_A_PIXEL = {"WEBP": 18.75, "AVIF": 9.5, "TIFF": 7.5}
USUAL_BYTES_A_PIXEL = 6.0

# TIFF's tag whose first bit says that a picture is a reduced version of another one in the file.
NEW_SUBFILE_TYPE = 254

# EXIF's tag of how a camera was held, and its values for pictures that lie on their side.
ORIENTATION, SIDEWAYS = 0x0112, {5, 6, 7, 8}

# The level of the grey that stands for "hidden", to a classifier and to people.
GREY = 128

# HEIC is Pillow's HEIF, by a library of its own; AVIF is a part that some builds of Pillow lack.
FORMATS: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
if features.check("avif"):
    FORMATS += ("AVIF",)
if pi_heif:
    pi_heif.register_heif_opener()
    FORMATS += ("HEIF",)
# In words, with the name that files of HEIF have.
FORMAT_NAMES = ", ".join("HEIC" if name == "HEIF" else name for name in FORMATS)
# For files that are not pictures.
_REMEDIES = {file_kinds.ZIP: "unpack it first"}
_EIGHT_BIT_MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"}


class ImageError(ValueError):
    """The bytes are not an image that a study can use. One line, without the file's name: the caller knows it."""


class NotAnImage(ImageError):
    """The bytes are in none of FORMATS, as a text file is."""


@dataclass(frozen=True)
class ImageFacts:
    """What a catalogue keeps about a file.

    sha256: hex digest of the file's bytes. format: one of FORMATS, found from the content, not from a file's ending.
    width, height: in pixels, after the EXIF orientation is applied. note: what of the file is taken, where it holds
    more than one picture; empty for most.
    """

    sha256: str
    format: str
    width: int
    height: int
    note: str = ""


def inspect(data: bytes, *, max_pixels: int | None = None) -> ImageFacts:
    """Decode all of `data` and say what it is.

    max_pixels: a limit below MAX_PIXELS, above which nothing is ever decoded. It is lower in proportion for formats
    that take more memory, so that no photograph takes more than max_pixels times USUAL_BYTES_A_PIXEL.

    Raises ImageError: not an image in one of FORMATS (NotAnImage), damaged or cut short, more than one frame (but for
    a GIF, of which the first is taken), more than 8 bits a channel, or more than that many pixels (read from the
    header, before anything is decoded).
    """
    limit = min(max_pixels or MAX_PIXELS, MAX_PIXELS)
    with _open(data, limit) as (picture, kind, note):
        _check_memory(picture, kind, limit)
        if kind == "HEIF":
            # Not through Pillow, which would hold the picture twice.
            pi_heif.open_heif(data).data  # noqa: B018
        else:
            picture.load()
        width, height = picture.size
        if picture.getexif().get(ORIENTATION, 1) in SIDEWAYS:
            width, height = height, width
        return ImageFacts(hashlib.sha256(data).hexdigest(), kind, width, height, note)


def count_pixels(data: bytes) -> int:
    """How many pixels the header of an image announces, before anything is decoded; 0 where it cannot be read."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            return picture.width * picture.height
    except Exception:  # The decoder says what is wrong with it.
        return 0


def orientation(data: bytes) -> int:
    """How EXIF says the camera was held, 1 to 8, from the header alone: 1 where `load` turns nothing."""
    with _open(data, MAX_PIXELS) as (picture, _, _):
        held = picture.getexif().get(ORIENTATION, 1)
        return held if held in range(1, 9) else 1


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
    with _open(data, MAX_PIXELS) as (picture, _, _):
        picture.load()
        # In place: of a phone's photograph a copy is some hundred megabytes.
        ImageOps.exif_transpose(picture, in_place=True)
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


@contextmanager
def _open(data: bytes, max_pixels: int) -> Iterator[tuple[Image.Image, str, str]]:
    """The picture before it is decoded, its format, and what of the file it is where there is more.

    Whatever is raised while it is decoded comes out as an ImageError.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            kind, note = _check_header(picture, data, max_pixels)
            # Of the formats read here only PNG has checksums; decoding does not compare them, verify() does.
            if kind == "PNG":
                with Image.open(io.BytesIO(data), formats=FORMATS) as second:
                    second.verify()
            yield picture, kind, note
    except ImageError:
        raise
    except Image.UnidentifiedImageError:
        raise NotAnImage(_instead(data)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(f"more than {max_pixels:,} pixels") from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error and others on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"damaged or cut short: {reason}") from None


def _check_memory(picture: Image.Image, kind: str, max_pixels: int) -> None:
    """ImageError where decoding the picture would take more than that many pixels of a usual format."""
    most = int(max_pixels * USUAL_BYTES_A_PIXEL / _bytes_a_pixel(picture, kind))
    if picture.width * picture.height > most:
        named = "progressive JPEG" if kind == "JPEG" else kind
        size = f"{picture.width} × {picture.height}"
        raise ImageError(f"{size} is more than {most:,} pixels, the most of {named}: save it as PNG or baseline JPEG")


def _bytes_a_pixel(picture: Image.Image, kind: str) -> float:
    if kind != "JPEG" or "progressive" not in picture.info:
        return BYTES_A_PIXEL.get(kind, USUAL_BYTES_A_PIXEL)
    # All of its coefficients, two bytes each, are in memory before there is a pixel.
    sampling = [(across, down) for _, across, down, _ in picture.layer]  # type: ignore[attr-defined]
    largest = max((across * down for across, down in sampling), default=1)
    coefficients = sum(across * down for across, down in sampling) / largest
    return max(USUAL_BYTES_A_PIXEL, 4.5 + 2 * coefficients)


def _check_header(picture: Image.Image, data: bytes, max_pixels: int) -> tuple[str, str]:
    """The format of an opened, not yet decoded picture, and what of the file it is."""
    width, height = picture.size
    if width * height > max_pixels:
        raise ImageError(f"{width} × {height} is more than {max_pixels:,} pixels")
    # Phones write "multi-picture objects": a JPEG file followed by a preview or depth map. The first is the photograph.
    kind, note = "JPEG" if picture.format == "MPO" else str(picture.format), ""
    if kind == "GIF":
        # Not how many frames: for that all of them would have to be read.
        note = "an animation, of which the first frame is taken" if picture.is_animated else ""  # type: ignore[attr-defined]
    elif kind == "HEIF":
        note = "several pictures, of which the main one is taken" if getattr(picture, "n_frames", 1) > 1 else ""
    elif picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
        raise ImageError(f"has {picture.n_frames} frames; a study shows still images")  # type: ignore[attr-defined]
    if kind == "TIFF" and picture.tag_v2.get(NEW_SUBFILE_TYPE, 0) & 1:  # type: ignore[attr-defined]
        raise ImageError("begins with a small preview, as raw photographs do; develop it to JPEG or PNG first")
    bits = _bits_per_channel(picture, kind, data)
    if picture.mode not in _EIGHT_BIT_MODES or bits > 8:
        depth = f"{bits} bits a channel" if bits > 8 else f"pixel mode {picture.mode}"
        raise ImageError(f"has {depth}; images are on the 8-bit grid, convert it first")
    return kind, note


def _bits_per_channel(picture: Image.Image, kind: str, data: bytes) -> int:
    """Bits of the widest channel in the file: Pillow reduces more than 8 to 8 bits without a word."""
    if kind == "PNG":
        return data[24]
    if kind == "TIFF":
        bits = picture.tag_v2.get(258, 1)  # type: ignore[attr-defined]
        return max(bits) if isinstance(bits, tuple) else bits
    if kind == "HEIF":
        return int(picture.info.get("bit_depth", 8))
    if kind == "AVIF":
        return _bits_of_av1(data)
    return 8


def _bits_of_av1(data: bytes) -> int:
    """Bits a channel by the first AV1 configuration record (AV1-ISOBMFF, 2.3.3): its third byte says 8, 10 or 12."""
    at = data.find(b"av1C")
    flags = data[at + 6] if at >= 0 and at + 6 < len(data) else 0
    return 8 if not flags & 0x40 else 12 if flags & 0x20 else 10


def _instead(data: bytes) -> str:
    """What the bytes are instead of a picture, with the remedy where one is known."""
    unread = f"not an image in a format that is read here ({FORMAT_NAMES})"
    brand = data[8:12] if data[4:8] == b"ftyp" else b""
    if brand in (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc"):
        missing = "which needs the package pi-heif"
        return f"{unread}: it is HEIC, {missing if 'HEIF' not in FORMATS else 'damaged or of an unusual kind'}"
    if brand in (b"avif", b"avis"):
        missing = "which this Pillow was built without"
        return f"{unread}: it is AVIF, {missing if 'AVIF' not in FORMATS else 'damaged or of an unusual kind'}"
    if brand == b"crx ":
        return f"{unread}: it is a raw photograph; develop it to JPEG or PNG first"
    if brand:
        return f"{unread}: it is a video"
    kind = file_kinds.recognise(data)
    if kind in (file_kinds.JPEG, file_kinds.PNG):
        return f"damaged or cut short: only the beginning of {kind.name} is there"
    if kind is None or kind.picture:
        return unread + (f": it is {kind.name}; {kind.remedy}" if kind else "")
    return file_kinds.instead(data, "the picture", _REMEDIES)


def _over_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture if picture.mode == "RGB" else picture.convert("RGB")
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
