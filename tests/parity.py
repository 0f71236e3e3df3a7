"""What the parity tests compared, and ``docs/parity.md``, the page that says it.

Tests call `compared`; with ``MMNO_PARITY=FILE`` a run writes its counts there (`tests/conftest.py`). A picture that differs fails its test, so
that a count is a count of equal pictures. ``python -m tests.parity FILES…`` puts the runs together into the page; with ``--check`` it
compares instead, and fails where the page says something else than the runs.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "parity.md"
LIBRARIES = ("Pillow", "torch", "torchvision", "transformers", "open_clip_torch", "qwen-vl-utils", "llamafactory", "ms-swift")
COUNTS: Counter[str] = Counter()
TITLES = {
    "test_a_frame_is_laid_on_its_screen": "GIF: frames smaller and larger than the screen, transparency, local palettes",
    "test_cut_and_damaged_files_are_refused_where_pillow_refuses_them": "GIF, TIFF, WebP: cut anywhere",
    "test_damaged_gifs_are_read_as_pillow_reads_them": "GIF: damaged bytes",
    "test_pixels_are_pillows": "GIF, TIFF, WebP: modes, packings, interlace, predictors, strips, planes, byte orders, qualities, odd sizes; alpha over white",
    "test_damaged_packings_are_read_as_pillow_reads_them": "TIFF: damaged fax",
    "test_rare_kinds_are_pillows": "TIFF: JPEG and fax inside, planes of 16 bits, premultiplied alpha, signed samples, 32 bits, fractions, "
    "reversed bits, 64-bit offsets, YCbCr; strips, tiles, predictors, byte orders",
    "test_what_pillow_refuses_is_refused": "TIFF: what Pillow refuses",
    "test_exif_in_texts_of_a_png": "PNG: EXIF and XMP in texts (ImageMagick's raw profile), before and behind the data",
    "test_exif_that_is_junk": "EXIF that is junk, in JPEG, PNG and WebP",
    "test_gifs_whose_codes_do_not_fit": "GIF: codes for the end in the middle, code sizes that do not fit, damaged bytes",
    "test_jpegs_without_their_end": "JPEG: without its end, or with another marker there, with and without a warning before",
    "test_more_and_fewer_strips_than_a_tiff_has_rows": "TIFF: more and fewer strips than rows",
    "test_orientations_of_every_type": "EXIF orientations of every type, several of them, tags that are too long",
    "test_pictures_of_one_colour": "PNG, TIFF: large pictures of one colour",
    "test_run_lengths_in_black_and_white": "BMP: run lengths in black and white",
    "test_tags_of_unusual_types_in_a_tiff": "TIFF: tags of unusual types and counts",
    "test_texts_of_about_a_mebibyte": "PNG: texts and profiles of about 1 MiB",
    "test_transparency_behind_the_data": "PNG: transparency before and behind the data",
    "test_any_gray_can_surround_a_picture": '`fit="pad"` on any gray',
    "test_bitmaps_are_equal": "BMP: modes, masks, top-down, odd sizes",
    "test_cut_files_are_refused_where_pillow_refuses_them": "JPEG, PNG, BMP: cut anywhere",
    "test_every_format_is_equal_in_every_filter_and_fit": "JPEG, PNG, BMP, GIF, TIFF, WebP of every kind: one of all specs each, by chance",
    "test_every_filter_at_odd_sizes": "PNG, RGB and gray: six filters x three fits, odd sizes",
    "test_every_orientation_is_equal": "JPEG, PNG: EXIF orientations",
    "test_jpegs_are_equal_whatever_the_sampling_quality_and_size": "JPEG, decoded: 4:4:4, 4:2:2, 4:2:0, 4:4:0, 4:1:1, 4:1:0, 4:4:1, gray, RGB, CMYK, YCCK x three qualities x progressive x restarts x "
    "eleven sizes",
    "test_pictures_resized_in_their_own_mode_are_equal": "resized in the file's own mode: 1, L, LA, P, RGB, RGBA, CMYK, I;16",
    "test_pngs_of_every_kind_are_equal_with_their_transparency": "PNG: every type and depth, with transparency",
    "test_pngsuite_as_bitmaps_is_equal": "PngSuite as bitmaps, eight specs",
    "test_pngsuite_is_equal_or_refused_by_both": "PngSuite, eight specs",
    "test_rare_jpegs_are_read_right_or_refused": "JPEG: arithmetic coding; frames of other kinds and depths",
    "test_real_pictures_are_equal": "653 brain MRI pictures: each as it is, resized to 448, and to 200 x 310 in every filter and fit",
    "test_sizes_filters_and_fits_are_equal": "six filters at random sizes, noise that makes them overshoot",
    "test_llama_factory": "profiles `llamafactory/*`, each with its own plugin: drawn pictures of seven modes; two of these with five bounds of area",
    "test_real_pictures_by_llama_factory": "profiles `llamafactory/*`: 653 brain MRI pictures, five bounds of area",
    "test_a_transparent_colour_outlives_the_trainers_own_steps": "profiles `llamafactory/*`, `ms_swift/*`, `hf/*`: PNG and GIF with a transparent "
    "colour, of modes 1, L, P, RGB",
    "test_ms_swift": "profile `ms_swift/qwen3_vl`: drawn pictures of seven modes",
    "test_real_pictures_by_ms_swift": "profile `ms_swift/qwen3_vl`: 653 brain MRI pictures, three bounds of area",
    "test_open_clip": "profiles of BiomedCLIP: drawn pictures of seven modes",
    "test_real_pictures_by_open_clip": "profiles of BiomedCLIP: 653 brain MRI pictures",
    "test_processors_of_transformers": "seven profiles `hf/*` x two backends: drawn pictures of seven modes",
    "test_every_format_by_transformers": "seven profiles `hf/*` x two backends: 25 files each of JPEG, PNG, BMP, GIF, TIFF, WebP",
    "test_real_pictures_by_transformers": "seven profiles `hf/*` x two backends: 653 brain MRI pictures",
    "test_sixteen_bits_in_their_own_mode": "BiomedCLIP with 16-bit gray",
    "test_smart_resize_for_every_size": "`smart_resize`, sampled (sizes)",
    "test_gray_is_resized_as_one_channel": "torchvision's resize, one channel",
    "test_all_real_pictures": "torchvision's resize: 653 brain MRI pictures x two filters x three fits, four sizes in turn",
    "test_every_format": "torchvision's resize: PngSuite, and JPEG, PNG, BMP, GIF, TIFF, WebP of every kind; two of all specs each, by chance",
    "test_random_sizes": "torchvision's resize, random sizes",
}

HEAD = """\
# Parity

Every picture in this table has the same samples here and there: the largest difference is 0. The table is what the tests counted
(`make parity`); a picture that differs fails them. Of a profile, every number of `pixel_values` is compared. A file that one refuses, the
other refuses too, but for what stands at the end of this page; damaged files were compared by thousands, not all that there can be.

"""
TAIL = """
## Seen once

- `smart_resize` of `hf/qwen2_vl`, `hf/qwen2_5_vl`, `hf/qwen3_vl` and `ms_swift/qwen3_vl`, with transformers 5.23: every height and width from 1 to 2,000, 16 million
  sizes, no difference (`test_smart_resize_for_all_sizes`, in `make nightly`; 140 s).
- The fuzz targets with the address sanitiser (as `make fuzz FUZZ_SECONDS=3600`), an hour and five minutes each, the five side by side on two CPUs (17 minutes of a CPU each):
  2.0 million pictures of every format, 1.8 million JPEGs, 1.9 million PNGs, 1.9 million headers, 370,000 resizes; nothing open. Before the rare kinds of TIFF, EXIF
  in text and the present inflater were there, an hour each: 5.2 million JPEGs, 5.3 million PNGs, 4.1 million headers, 1.1 million resizes.

## What is not equal, and why

| what | here | there | why |
|---|---|---|---|
| a PNG whose compressed data are damaged in their last bytes, behind the last pixel | read or refused | refused or read | Pillow depends on how many bytes zlib takes at a time |
| a PNG with a palette type, no palette, and a transparent entry | refused | read | there is nothing to look the entries up in |
| a 1-bit BMP with a palette of 256 grays | read by its palette | Pillow reads it as black and white | the palette says more than two colours |
| a PNG with more than 256 transparent entries, `alpha="white"` | read | refused | the entries beyond 256 stand for nothing |
| a PNG whose first data are those of an animation's frame (`fdAT`), or go on with them | refused | read | nobody trains on a part |
| EXIF with a tag, other than the orientation, that Pillow can read and not write again, `exif=True` | read, and turned | refused | Pillow writes EXIF anew when it has turned a picture |
| a BMP with a palette of one gray | as Pillow 13: black and white | Pillow 12.3 takes it for gray, or refuses it | mended in Pillow 13 |
| WebP that is damaged within its data (lossless, lossy, animated) | read or refused, with other pixels | refused or read | the reader is another one than libwebp: the crate `image-webp` |
| RLE bitmaps | as Pillow 13 | Pillow 12.3 stops earlier | mended in Pillow 13 |
| uncompressed YCbCr in a TIFF | as Pillow 13 | Pillow 12.3 takes three bytes for four | mended in Pillow 13 |
| `fit="pad"` where a side vanishes | all ground | Pillow 12 refuses | as Pillow 13 |
| an APNG whose first frame is a part of the picture | refused | read | nobody trains on a part |
| a JPEG of more than 500 scans | refused | read, slowly | it is an attack, not a picture |
| TIFF: 12-bit gray, palette with alpha, CIELAB, packed YCbCr but in JPEG, JPEG of the old kind or of 12 bits or 2 components; LZMA, Zstandard, WebP and the like inside | refused by name | read | not yet |
| TIFF: tags that are fractions or text; tags of types that are not known, of type IFD, or of bytes without a meaning, and data that are compressed | refused by name | read where that tag does not matter | nobody writes them |
| TIFF: uncompressed planes of 16 bits; compressed signed or fractional samples with the high byte first; compressed planes of gray and alpha | refused by name | bytes taken for samples, or the wrong way round; alpha lost | nobody means those pixels |
| TIFF that is damaged: compressed strips without a tag of their lengths; a directory that is cut; a planar configuration that is none | refused | read at times | the reader of libtiff guesses |
| TIFF that is damaged: more rows a strip than there can be, PackBits that run over | read at times | refused | found by fuzzing, in 20 of 34,000 damaged files; not looked into yet |
| TIFF: fax of group 4 that ends before its last row | refused | read; the rows that are missing are left over from elsewhere | there is nothing to be equal to |
| gray of modes I and F (TIFF) | refused unless `pillow` is chosen; not resized in its own mode | cut off at 0 and 255 | see `sixteen_bit` |
| 16-bit gray | refused unless chosen | above 255 is white | see `sixteen_bit` |
| torch on a GPU, and `antialias=False` | - | other pixels | torch's own results differ there |
"""


def compared(pictures: int = 1) -> None:
    """Counts pictures that were equal, under the test that is running."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0]
    COUNTS[test.partition("[")[0].rpartition("/")[2]] += pictures


def write(path: Path) -> None:
    """What this run compared, and with which versions."""
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"versions": versions, "counts": dict(sorted(COUNTS.items()))}, indent=1) + "\n", "utf-8")


def page(runs: list[dict[str, Any]]) -> str:
    """The page of these runs."""
    lines = []
    for run in runs:
        lines += [
            f"## {', '.join(f'{name} {version}' for name, version in run['versions'].items())}",
            "",
            "| compared | equal |",
            "|---|---|",
        ]
        for test, count in run["counts"].items():
            name = test.rpartition("::")[2]
            lines.append(f"| {TITLES.get(name, name.removeprefix('test_').replace('_', ' '))} | {count:,} |")
        lines.append("")
    return HEAD + "\n".join(lines).rstrip("\n") + "\n" + TAIL


def differences(runs: list[dict[str, Any]], text: str) -> list[str]:
    """What `text` says otherwise than the page of these runs, line by line.

    Versions may be newer than on the page: the packages are not pinned, and that the new ones are equal is what the run has just shown.
    """

    def lines(page: str) -> list[str]:
        return [re.sub(r"(?<=[a-z] )[0-9][0-9.a-z+]*(?=,|$)", "*", line) if line.startswith("## ") else line for line in page.splitlines()]

    compared = difflib.unified_diff(lines(text), lines(page(runs)), "docs/parity.md", "these runs", lineterm="", n=0)
    return list(compared)


if __name__ == "__main__":
    paths = [path for path in sys.argv[1:] if path != "--check"]
    made = [json.loads(Path(path).read_text("utf-8")) for path in paths]
    if "--check" not in sys.argv:
        PAGE.write_text(page(made), "utf-8")
    elif found := differences(made, PAGE.read_text("utf-8")):
        print(*found, sep="\n")
        sys.exit("docs/parity.md is not what was compared: make test test-torch parity")
