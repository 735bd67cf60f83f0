"""Photographs: regions that share nothing, and every kind of file a student has."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from l2o_kit import photodigits
from l2o_kit.lessons.l09_art import photographs
from l2o_kit.lessons.l09_art.photographs import crop, open_picture, resize, square


def encoded(image, format="PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def colours(height=24, width=40, channels=3, seed=0):
    numbers = np.random.default_rng(seed).integers(0, 256, (height, width, channels))
    return numbers.astype(np.uint8)


def as_picture(pixels):
    return torch.tensor(pixels).permute(2, 0, 1) / 255


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_small_png_is_read_pixel_by_pixel(kind):
    pixels = colours()
    picture = open_picture(kind(encoded(Image.fromarray(pixels))))
    torch.testing.assert_close(picture, as_picture(pixels))


def test_a_file_is_read_by_its_name(tmp_path):
    path = tmp_path / "mine.png"
    path.write_bytes(encoded(Image.fromarray(colours())))
    assert open_picture(path).shape == open_picture(str(path)).shape == (3, 24, 40)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_a_large_picture_is_made_smaller_and_keeps_its_shape(format):
    image = Image.new("RGB", (1600, 900), (200, 100, 50))
    picture = open_picture(encoded(image, format), longest=160)
    assert picture.shape == (3, 90, 160)
    expected = torch.tensor([200, 100, 50]).view(3, 1, 1) / 255
    assert (picture - expected).abs().max() < 0.02  # what JPEG does to a flat colour


def test_a_small_picture_is_never_made_larger():
    picture = open_picture(encoded(Image.new("RGB", (20, 30))), longest=500)
    assert picture.shape == (3, 30, 20)


TURNS = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: np.rot90(p, 2).transpose(1, 0, 2),
    8: lambda p: np.rot90(p, 1),
}


@pytest.mark.parametrize("orientation", TURNS)
def test_a_picture_is_turned_upright_as_its_camera_noted(orientation):
    pixels = colours()
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = open_picture(encoded(Image.fromarray(pixels), exif=exif))
    upright = np.ascontiguousarray(TURNS[orientation](pixels))
    torch.testing.assert_close(picture, as_picture(upright))


@pytest.mark.parametrize(
    "mode", ["L", "1", "LA", "I;16", "I", "P", "CMYK", "F", "YCbCr"]
)
def test_every_kind_of_pixel_becomes_colour(mode):
    grey = colours(channels=1)[:, :, 0] // 128 * 255  # black and white survive all
    format = "TIFF" if mode in ("F", "I", "CMYK", "YCbCr") else "PNG"
    if mode in ("I;16", "I"):
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(grey.astype(np.float32) / 255)
    else:
        image = Image.fromarray(grey).convert("RGB").convert(mode)
    picture = open_picture(encoded(image, format))
    expected = torch.tensor(grey / 255).float().expand(3, -1, -1)
    torch.testing.assert_close(picture, expected, atol=0.02, rtol=0)


def test_sixteen_bits_of_grey_are_not_clipped():
    image = Image.fromarray(np.full((20, 20), 0x8000, dtype=np.uint16))
    assert float(open_picture(encoded(image)).mean()) == pytest.approx(0.5, abs=0.01)


def test_what_is_transparent_shows_white():
    pixels = np.zeros((20, 20, 4), dtype=np.uint8)
    pixels[:, :10, 3] = 255  # the left half is opaque black, the right half nothing
    picture = open_picture(encoded(Image.fromarray(pixels)))
    assert picture[:, :, :10].max() == 0 and picture[:, :, 10:].min() == 1
    half = np.full((20, 20, 4), [0, 0, 0, 128], dtype=np.uint8)
    picture = open_picture(encoded(Image.fromarray(half)))
    assert float(picture.mean()) == pytest.approx(127 / 255, abs=0.005)


def test_a_transparent_colour_of_a_palette_shows_white():
    image = Image.new("P", (20, 20), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (0, 0, 10, 20))
    picture = open_picture(encoded(image, transparency=0))
    assert picture[:, :, 10:].min() == 1
    assert picture[:, 0, 0].tolist() == [0, 0, 1]


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_taken(format):
    frames = [Image.new("RGB", (20, 20), c) for c in ("white", "black", "black")]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    assert float(open_picture(data).min()) > 0.98


def header(width, height) -> bytes:
    """A PNG that ends where its pixels would begin: nothing can decode it."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 10**6) + b"IDAT"


@pytest.mark.parametrize(
    "side, says", [(10_000, "10000 x 10000 = 100"), (20_000, "more than 178")]
)
def test_a_hundred_megapixels_are_refused_before_they_are_decoded(side, says):
    expected = rf"This picture has {says} million pixels, and at most 64 .* smaller"
    with pytest.raises(ValueError, match=expected):
        open_picture(header(side, side))


@pytest.mark.parametrize("size", [(1, 100), (2000, 40), (15, 15)])
def test_a_thin_picture_is_refused(size):
    data = encoded(Image.new("RGB", size))
    with pytest.raises(ValueError, match=f"{size[0]} x {size[1]} pixels: .* below 16"):
        open_picture(data)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_file_that_is_cut_off_is_called_damaged(format):
    data = encoded(Image.fromarray(colours(100, 100)), format)
    for length in (len(data) // 2, len(data) // 3):
        with pytest.raises(ValueError, match=r"This picture is (damaged|no picture)"):
            open_picture(data[:length])


def test_flipped_bytes_give_a_picture_or_a_sentence_never_another_error():
    rng = np.random.default_rng(0)
    for format in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"):
        good = encoded(Image.fromarray(colours(40, 40)), format)
        for _ in range(60):
            data = bytearray(good)
            for k in rng.integers(0, len(data), 4):
                data[k] = rng.integers(256)
            try:
                assert open_picture(data).isfinite().all()
            except ValueError as error:
                assert "This picture" in str(error)


def test_what_is_no_picture_says_so(tmp_path):
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EndComments\n"
    for data in (b"", b"hello", b"%PDF-1.4 ...", postscript):
        with pytest.raises(ValueError, match=r"no picture that can be read .* JPEG"):
            open_picture(data)
    with pytest.raises(FileNotFoundError, match=r"no file 'nowhere.png'. Check"):
        open_picture("nowhere.png")
    with pytest.raises(ValueError, match=r"is a folder. Give the name"):
        open_picture(tmp_path)
    with pytest.raises(ValueError, match="longest=8: give at least 16"):
        open_picture(encoded(Image.new("RGB", (20, 20))), longest=8)


def test_no_pixel_belongs_to_two_regions():
    for name, picture in photodigits.shipped().items():
        count = torch.zeros(picture.shape[1:])
        for split in photographs.REGIONS.values():
            for where, (top, left, bottom, right) in split:
                if where == name:
                    assert 0 <= top < bottom <= len(count)
                    assert 0 <= left < right <= count.shape[1]
                    count[top:bottom, left:right] += 1
        assert count.max() == 1, name


@pytest.mark.parametrize("size", [16, 64, 128, 300])
def test_a_crop_never_leaves_its_split(monkeypatch, size):
    marked = {
        name: torch.full_like(p, 0.9) for name, p in photodigits.shipped().items()
    }
    values = {"train": 0.1, "validation": 0.2, "test": 0.3}
    for split, value in values.items():
        for name, (top, left, bottom, right) in photographs.REGIONS[split]:
            marked[name][:, top:bottom, left:right] = value
    monkeypatch.setattr(photographs, "shipped", lambda: marked)
    generator = torch.Generator().manual_seed(0)
    for split, value in values.items():
        for _ in range(20):
            picture = crop(split, size, generator)
            assert picture.shape == (3, size, size)
            torch.testing.assert_close(picture, torch.full_like(picture, value))


def test_crops_differ_and_depend_on_their_generator_alone():
    def draw(seed):
        generator = torch.Generator().manual_seed(seed)
        return [crop("train", 32, generator) for _ in range(3)]

    before = torch.get_rng_state()
    first, again, other = draw(0), draw(0), draw(1)
    assert torch.equal(before, torch.get_rng_state())
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], other[0])


def test_an_unknown_split_and_an_empty_size_are_named():
    with pytest.raises(ValueError, match=r"split='tset' is not known. Use one of"):
        photographs.regions("tset")
    with pytest.raises(ValueError, match="height=0: a picture has at least 1 pixel"):
        resize(torch.rand(3, 8, 8), 0, 4)


def test_square_is_the_middle_and_halving_is_a_mean():
    picture = torch.rand(3, 40, 60, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(square(picture, 40), picture[:, :, 10:50])
    flat = torch.linspace(0, 1, 40).expand(3, 40, 40)
    halves = (flat[:, :, ::2] + flat[:, :, 1::2])[:, ::2] / 2
    inside = resize(flat, 20, 20)[:, :, 1:-1]
    torch.testing.assert_close(inside, halves[:, :, 1:-1])


def test_what_is_cut_out_is_square_and_shows_most_of_its_region(monkeypatch):
    seen = []
    monkeypatch.setattr(photographs, "resize", lambda p, *size: seen.append(p) or p)
    monkeypatch.setattr(
        photographs, "regions", lambda split: [torch.zeros(3, 20, 30)] * 2
    )
    generator = torch.Generator().manual_seed(0)
    for _ in range(400):
        crop("train", 8, generator)
    assert all(p.shape[1] == p.shape[2] for p in seen)
    assert {p.shape[1] for p in seen} == set(range(12, 21))
