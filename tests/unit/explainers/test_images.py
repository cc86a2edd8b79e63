"""Reading files into the image, and writing pictures."""

import base64
import hashlib
import io
import pickle
import subprocess
import sys

import numpy as np
import pillow_heif
import pytest
import torch
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo
from torchvision import transforms

from explainers import images
from explainers.images import ImageError, NotAnImage, encode_png, inspect, load, to_pixels, to_tensor

ORIENTATION = 0x0112


def drawn(width, height, mode="RGB"):
    """A picture with gradients and edges, so that a shift by one pixel or another filter shows."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 255 // width, y * 255 // height, (x // 7 + y // 5) % 2 * 255], axis=2).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def bytes_of(picture, kind, **options):
    file = io.BytesIO()
    if kind == "HEIF":
        # What reads it in production writes none.
        pillow_heif.from_pillow(picture).save(file, **options)
    else:
        picture.save(file, kind, **options)
    return file.getvalue()


def error_of(data, **options):
    with pytest.raises(ImageError) as caught:
        load(data, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Portrait, landscape, square; enlarged and reduced; odd differences, where the crop's offset is rounded to even.
SIZES = [(37, 53), (53, 37), (64, 64), (301, 257), (1000, 333), (41, 40), (43, 40), (40, 45)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("resize", "crop"), [(40, 31), (40, 32), (96, 64), (40, None), (None, 30), (None, None)])
def test_load_gives_the_bytes_of_torchvision(size, resize, crop):
    picture = drawn(*size)
    steps = [transforms.Resize(resize)] if resize else []
    steps += [transforms.CenterCrop(crop)] if crop else []
    expected = np.array(transforms.Compose(steps)(picture))
    assert np.array_equal(load(bytes_of(picture, "PNG"), resize=resize, crop=crop), expected)


@pytest.mark.parametrize("kind", images.FORMATS)
def test_every_format_is_read_and_named_from_its_content(kind):
    picture = drawn(40, 30)
    data = bytes_of(picture, kind)
    assert inspect(data) == images.ImageFacts(hashlib.sha256(data).hexdigest(), kind, 40, 30)
    assert np.array_equal(load(data), np.array(Image.open(io.BytesIO(data)).convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied_first(orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = bytes_of(drawn(60, 40), "JPEG", exif=exif, quality=95)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    facts = inspect(data)
    assert (facts.width, facts.height) == ((40, 60) if orientation >= 5 else (60, 40))
    expected = transforms.Compose([transforms.Resize(24), transforms.CenterCrop(20)])(upright)
    assert np.array_equal(load(data, resize=24, crop=20), np.array(expected))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_eight_bit_mode_becomes_rgb(mode):
    picture = drawn(20, 10, "L").convert(mode) if mode == "LA" else drawn(20, 10, mode)
    assert np.array_equal(load(bytes_of(picture, "PNG")), np.array(picture.convert("RGB")))


def test_a_cmyk_photograph_becomes_rgb():
    data = bytes_of(drawn(20, 10, "CMYK"), "JPEG", quality=100)
    assert np.abs(load(data).astype(int) - np.array(drawn(20, 10))).mean() < 10


@pytest.mark.parametrize(("alpha", "expected"), [(0, 255), (255, 51), (51, 214)])
def test_transparent_pixels_lie_over_white(alpha, expected):
    data = bytes_of(Image.new("RGBA", (4, 4), (51, 51, 51, alpha)), "PNG")
    assert np.all(load(data) == expected)


def test_a_transparent_palette_colour_lies_over_white():
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    picture.putpixel((0, 0), 0)
    pixels = load(bytes_of(picture, "PNG", transparency=0))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[1, 1].tolist() == [10, 20, 30]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_animations_are_refused(kind):
    frames = [drawn(16, 16), drawn(16, 16).transpose(Image.Transpose.ROTATE_90)]
    data = bytes_of(frames[0], kind, save_all=True, append_images=frames[1:])
    assert error_of(data) == "has 2 frames; a study shows still images"


def test_the_first_picture_of_a_multi_picture_object_is_the_photograph():
    first, preview = drawn(32, 24), drawn(8, 6)
    data = bytes_of(first, "MPO", save_all=True, append_images=[preview])
    assert inspect(data).format == "JPEG"
    assert load(data).shape == (24, 32, 3)


#: One red colour, 8 × 8, written by libavif's `avifenc -d 10`: Pillow writes 8 bits only.
TEN_BIT_AVIF = (
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAADybWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAGxpYmF2"
    "aWYAAAAADnBpdG0AAAAAAAEAAAAeaWxvYwAAAABEAAABAAEAAAABAAABGgAAAB8AAAAoaWluZgAAAAAAAQAAABppbmZlAgAAAAABAABhdjAx"
    "Q29sb3IAAAAAamlwcnAAAABLaXBjbwAAABRpc3BlAAAAAAAAAAgAAAAIAAAAEHBpeGkAAAAAAwoKCgAAAAxhdjFDgSBAAAAAABNjb2xybmNs"
    "eAABAA0ABoAAAAAXaXBtYQAAAAAAAAABAAEEAQKDBAAAACdtZGF0EgAKCDgIv2MBDQaQMhEWQAkkkkQAAHlM2Kcefr4vIA=="
)


def deep_files():
    levels = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    yield "16-bit grey PNG", bytes_of(Image.fromarray(levels), "PNG"), "16 bits"
    yield "16-bit grey TIFF", bytes_of(Image.fromarray(levels), "TIFF"), "16 bits"
    yield "float TIFF", bytes_of(Image.fromarray(levels.astype(np.float32)), "TIFF"), "32 bits"
    yield "32-bit integer TIFF", bytes_of(Image.fromarray(levels.astype(np.int32)), "TIFF"), "32 bits"
    yield "16-bit colour PNG", sixteen_bit_colour_png(), "16 bits"
    ten = pillow_heif.from_bytes("RGB;16", (8, 8), np.repeat(levels, 3).tobytes())
    file = io.BytesIO()
    ten.save(file)
    yield "10-bit HEIC", file.getvalue(), "10 bits"
    yield "10-bit AVIF", base64.b64decode(TEN_BIT_AVIF), "10 bits"


def sixteen_bit_colour_png():
    """Pillow does not write this kind, and reads it as 8 bits without a word."""
    import struct
    import zlib

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + bytes(range(12)) for _ in range(2))
    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "data", "said"), deep_files(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_more_than_eight_bits_a_channel_is_refused(name, data, said):
    assert said in error_of(data)
    with pytest.raises(ImageError):
        inspect(data)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_what_is_no_image_is_refused(data):
    assert error_of(data)


def test_formats_outside_the_list_are_refused():
    data = bytes_of(drawn(8, 8), "PPM")
    assert "(JPEG, PNG, WEBP, BMP, TIFF, GIF, AVIF, HEIC)" in error_of(data)
    with pytest.raises(NotAnImage):
        inspect(data)


OTHERS = {
    "a video": b"\0\0\0\x18ftypmp42" + bytes(20),
    "a JPEG XL picture; save it as PNG or JPEG": b"\xff\x0a" + bytes(20),
    "a JPEG 2000 picture; save it as PNG": bytes_of(drawn(8, 8), "JPEG2000"),
    "an SVG drawing; export it as PNG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "an SVG drawing; export it as PNG ": b"<?xml version='1.0'?>\n<!-- drawn -->\n<svg></svg>",
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_people_take_for_a_photograph_is_called_by_its_name(name):
    assert error_of(OTHERS[name]).endswith(f": it is {name.strip()}")


NOT_PICTURES = {
    "is a Git LFS pointer, not the picture: run git lfs pull": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4665a5\nsize 12345\n"
    ),
    "is a git-annex pointer, not the picture: run git annex get": b"/annex/objects/SHA256E-s31390--f50d7.jpg\n",
    "is an HTML page, not the picture: download the file itself, which may need a login": (
        b"\xef\xbb\xbf \n<!DOCTYPE HTML PUBLIC><html><title>404</title></html>"
    ),
    "is empty: copy or download it again": b"",
    "is filled with zero bytes where it should begin: copy or download it again": bytes(5000),
    "is a text file, not the picture": "Fotos vom Reiher und vom Storch, im März".encode(),
    "is a JSON file, not the picture": b'{"error": "not found"}',
    "is an XML file, not the picture": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    "is a zip archive, not the picture: unpack it first": b"PK\x03\x04" + bytes(22) + b"\x05\0\0\0a.png",
    "is a PDF file, not the picture": bytes_of(drawn(8, 8), "PDF"),
    "is a pickle, not the picture": pickle.dumps(np.zeros(3)),
}


@pytest.mark.parametrize("said", NOT_PICTURES)
def test_a_file_that_is_not_a_picture_is_named_for_what_it_is(said):
    assert error_of(NOT_PICTURES[said]) == said
    with pytest.raises(NotAnImage):
        inspect(NOT_PICTURES[said])


def test_a_page_in_an_old_encoding_or_in_utf_16_is_a_page():
    page = "<html><body>Zugriff nicht möglich</body></html>"
    for data in (page.encode("cp1252"), page.encode("utf-16")):
        assert error_of(data).startswith("is an HTML page")


@pytest.mark.parametrize("kind", images.FORMATS)
def test_a_picture_of_which_little_is_there_is_not_called_something_else(kind):
    """The negative control: what is cut short is damaged, and never a text, a page or an archive."""
    data = bytes_of(drawn(40, 30), kind)
    assert not [said for n in range(16, len(data), 7) if (said := said_of(data[:n])).startswith("is ")]


def said_of(data):
    """What is said of these bytes, or nothing."""
    try:
        load(data)
    except ImageError as error:
        return str(error)
    return ""


def test_what_a_picture_says_of_itself_makes_it_no_text():
    """The negative control: bytes of a page or a pointer within a picture are part of it."""
    note = PngInfo()
    note.add_text("Comment", "version https://git-lfs.github.com/spec/v1 <html>")
    assert inspect(bytes_of(drawn(8, 8), "PNG", pnginfo=note)).format == "PNG"


def test_a_format_whose_library_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(images, "FORMATS", ("JPEG", "PNG"))
    assert "it is HEIC, which needs the package pi-heif" in error_of(bytes_of(drawn(8, 8), "HEIF"))
    assert "it is AVIF, which this Pillow was built without" in error_of(bytes_of(drawn(8, 8), "AVIF"))


def test_of_a_gif_the_first_frame_is_taken_and_that_is_said():
    frames = [drawn(16, 16), drawn(16, 16).transpose(Image.Transpose.ROTATE_90)]
    data = bytes_of(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert inspect(data).note == "an animation, of which the first frame is taken"
    assert np.array_equal(load(data), load(bytes_of(frames[0], "GIF")))
    assert inspect(bytes_of(frames[0], "GIF")).note == ""


def test_of_several_pictures_in_a_heic_file_the_main_one_is_taken_and_that_is_said():
    pictures = pillow_heif.from_pillow(drawn(32, 16))
    pictures.add_from_pillow(drawn(16, 16))
    file = io.BytesIO()
    pictures.save(file)
    facts = inspect(file.getvalue())
    assert (facts.width, facts.height) == (32, 16)
    assert facts.note == "several pictures, of which the main one is taken"


def test_a_raw_photograph_that_begins_with_its_preview_is_refused():
    data = bytes_of(drawn(16, 12), "TIFF", tiffinfo={images.NEW_SUBFILE_TYPE: 1})
    assert "a small preview" in error_of(data)


@pytest.mark.parametrize("kind", ["JPEG", "AVIF"])
def test_a_photograph_of_48_megapixels_is_turned_upright_and_read(kind):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    options = {"speed": 10} if kind == "AVIF" else {}
    small = drawn(126, 94)
    data = bytes_of(small if kind == "AVIF" else small.resize((8064, 6048)), kind, exif=exif, **options)
    upright = load(data, resize=64, crop=64)
    assert upright.shape == (64, 64, 3)
    # The picture's left, where red begins, is its top once it is upright.
    assert upright[0, :, 0].mean() < 60 < 150 < upright[-1, :, 0].mean()


@pytest.mark.filterwarnings("ignore:.*(Corrupt EXIF|Truncated File)")
@pytest.mark.parametrize("kind", images.FORMATS)
def test_a_file_cut_anywhere_is_refused_or_still_whole(kind):
    whole_data = bytes_of(drawn(24, 16), kind)
    whole = load(whole_data)
    refused = 0
    for length in range(len(whole_data)):
        try:
            cut = load(whole_data[:length])
        except ImageError:
            refused += 1
        else:
            assert np.array_equal(cut, whole), f"{length} of {len(whole_data)} bytes give another picture"
    assert refused > 0.9 * len(whole_data)


def test_a_flipped_bit_in_a_png_is_found():
    data = bytearray(bytes_of(drawn(24, 16), "PNG"))
    for position in range(8, len(data) - 12):  # the signature aside, and the empty chunk at the end
        data[position] ^= 1
        with pytest.raises(ImageError):
            inspect(bytes(data))
        data[position] ^= 1


def test_a_file_with_too_many_pixels_is_refused_from_its_header(monkeypatch):
    assert Image.MAX_IMAGE_PIXELS >= images.MAX_PIXELS
    data = bytes_of(drawn(40, 30), "PNG")
    monkeypatch.setattr(images, "MAX_PIXELS", 1199)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded before its size was checked"))
    assert error_of(data) == "40 × 30 is more than 1,199 pixels"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("limit", [700, 300])  # Pillow warns above its limit and raises above twice that
def test_what_pillow_calls_a_decompression_bomb_is_refused(monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert "pixels" in error_of(bytes_of(drawn(40, 30), "PNG"))


def test_a_sliver_that_resizing_would_blow_up_is_refused():
    assert "too narrow" in error_of(bytes_of(Image.new("RGB", (60_000, 1)), "PNG"), resize=224)


def test_an_image_smaller_than_the_crop_is_refused():
    assert error_of(bytes_of(drawn(40, 30), "PNG"), crop=31) == "40 × 30 is smaller than the 31 × 31 crop"


@pytest.mark.parametrize("options", [{"resize": 0}, {"crop": -1}])
def test_sizes_under_one_pixel_are_refused(options):
    assert "at least 1 pixel" in error_of(bytes_of(drawn(8, 8), "PNG"), **options)


def test_a_written_picture_reads_back_and_carries_nothing_else():
    pixels = np.array(drawn(30, 20))
    data = encode_png(pixels)
    assert np.array_equal(load(data), pixels)
    assert data == encode_png(pixels[:, ::-1][:, ::-1])
    chunks, position = [], 8
    while position < len(data):
        chunks.append(data[position + 4 : position + 8])
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    assert set(chunks) == {b"IHDR", b"IDAT", b"IEND"}


@pytest.mark.parametrize("pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8)])
def test_only_rgb_bytes_are_written(pixels):
    with pytest.raises(ImageError):
        encode_png(pixels)


def test_every_level_survives_the_way_to_a_tensor_and_back():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    picture = np.stack([levels, levels.T, levels[::-1]], axis=2)
    tensor = to_tensor([picture, picture[::-1]])
    assert tensor.shape == (2, 3, 16, 16)
    assert tensor.dtype == torch.float32
    assert torch.equal(tensor[0], transforms.ToTensor()(Image.fromarray(picture)))
    assert np.array_equal(to_pixels(tensor), np.stack([picture, picture[::-1]]))


def test_pixels_are_rounded_not_cut_off():
    value = torch.full((1, 3, 1, 1), 100.4 / 255)
    assert np.all(to_pixels(value) == 100)
    assert np.all(to_pixels(value + 0.2 / 255) == 101)


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan"), float("inf")])
def test_values_outside_the_unit_interval_are_no_pixels(value):
    with pytest.raises(ImageError):
        to_pixels(torch.full((1, 3, 2, 2), value))


@pytest.mark.parametrize(
    "batch", [[], [np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3, 3), np.uint8)], [np.zeros((2, 2, 3))]]
)
def test_a_batch_needs_pictures_of_one_size(batch):
    with pytest.raises(ImageError):
        to_tensor(batch)


def test_reading_images_does_not_load_torch():
    code = "import sys, explainers.images, explainers.base; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
