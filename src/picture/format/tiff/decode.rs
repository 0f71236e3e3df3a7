//! TIFF: strips or tiles, unpacked by `weezl` and `fdeflate`, put together here.

use super::header::Header;
use super::layout::{Alpha, Meaning, Packing, Part, Predictor};
use super::{fax, jpeg, spread, unpack};
use crate::picture::fault::{Fault, PictureResult};
use crate::picture::format::inflate::Inflate;
use crate::picture::memory::{copy, reserve, room, set_length};
use crate::picture::pixels::samples::Samples;
use crate::picture::pixels::turn::turn;

/// A tile of a fax that has no more bytes than eight times this may be larger than its picture.
const SMALL: usize = 1 << 20;

/// What belongs to a worker.
#[derive(Default)]
pub(in crate::picture) struct Tiff {
    /// One strip or tile, unpacked.
    tile: Vec<u8>,
    fax: fax::Fax,
    jpegs: jpeg::Jpegs,
    /// The packed bytes, with their bits in order.
    packed: Vec<u8>,
    /// A row, or the picture before it was turned.
    spare: Vec<u8>,
}

impl Tiff {
    /// The bytes that it holds.
    pub(in crate::picture) fn held(&self) -> usize {
        let own = self.tile.capacity() + self.packed.capacity() + self.spare.capacity();
        own + self.fax.held() + self.jpegs.held()
    }

    /// Decodes into the front of `pixels`, turned as the file says.
    pub(in crate::picture) fn decode(
        &mut self,
        bytes: &[u8],
        header: &Header,
        palette: &mut [[u8; 4]; 256],
        pixels: &mut Vec<u8>,
    ) -> PictureResult<Samples> {
        let samples = match header.meaning {
            Meaning::Gray { .. } if header.is_wide() => Samples::Gray,
            Meaning::Gray { .. } if header.bits == 16 => Samples::Gray16,
            Meaning::Gray { .. } if header.alpha != Alpha::None => Samples::GrayAlpha,
            Meaning::Gray { .. } => Samples::Gray,
            Meaning::Palette => Samples::Index,
            Meaning::Rgb if header.alpha != Alpha::None => Samples::Rgba,
            Meaning::Ycbcr if header.packing != Packing::Jpeg => Samples::Ycbcr,
            Meaning::Rgb | Meaning::Ycbcr => Samples::Rgb,
            Meaning::Cmyk => Samples::Cmyk,
        };
        for (entry, [r, g, b]) in palette.iter_mut().zip(&header.palette) {
            *entry = [*r, *g, *b, 255];
        }
        let (width, height) = (header.width as usize, header.height as usize);
        room(pixels, width * height * samples.bytes())?;
        let (tile_width, tile_height) = (header.tile_width as usize, header.tile_height as usize);
        let (across, down) = (width.div_ceil(tile_width), height.div_ceil(tile_height));
        let planes = if header.planar { header.samples as usize } else { 1 };
        let parts = across * down * planes;
        let mut offsets = Vec::new();
        reserve(&mut offsets, header.offsets.len())?;
        offsets.extend(header.offsets.iter().copied().enumerate());
        if header.packing == Packing::Raw {
            if header.planar && offsets.len() > parts {
                return Err(Fault::corrupt("TIFF with more planes than samples"));
            }
            // Pillow reads the strips and tiles that there are, in the order of the file (`ImageFile.load`); what none covers is black, and
            // too many begin anew.
            offsets.sort_by_key(|(_, offset)| *offset);
            if offsets.len() < parts {
                pixels[..width * height * samples.bytes()].fill(0);
            }
        } else if offsets.len() < parts {
            return Err(Fault::truncated("TIFF says too few places of its pixels"));
        } else {
            offsets.truncate(parts);
        }
        self.jpegs.start();
        if header.packing.is_fax() {
            self.fax.start(header.packing, tile_width)?;
        }
        for (number, offset) in offsets {
            let number = number % parts;
            let (plane, place) = (number / (across * down), number % (across * down));
            let (x, y) = (place % across * tile_width, place / across * tile_height);
            // A last strip is as high as what is left; a last tile is whole.
            let rows = if header.tiled { tile_height } else { tile_height.min(height - y) };
            let each = if header.planar { 1 } else { header.samples as usize };
            let row = (tile_width * each * header.bits as usize).div_ceil(8);
            let part = Part {
                width: tile_width,
                rows,
                each,
                row,
                is_last_strip: !header.tiled && y + rows == height,
            };
            self.unpack(bytes, header, offset, header.lengths.get(number).copied(), &part)?;
            if header.predictor != Predictor::Itself {
                for line in self.tile.chunks_exact_mut(row) {
                    unpack::undo(line, each, header, &mut self.spare)?;
                }
            }
            let visible = tile_width.min(width - x);
            for (line, from) in self.tile.chunks_exact(row).take(height - y).enumerate() {
                let start = ((y + line) * width + x) * samples.bytes();
                let to = &mut pixels[start..][..visible * samples.bytes()];
                if header.planar {
                    spread::plane(from, to, plane, samples.bytes(), header);
                } else {
                    spread::spread(from, to, samples.bytes(), header);
                }
            }
        }
        if header.planar && header.alpha == Alpha::Premultiplied {
            // As `ImagingLibTiffDecode`, when all planes are there.
            spread::divide(&mut pixels[..width * height * samples.bytes()]);
        }
        turn(pixels, &mut self.spare, width, height, samples.bytes(), header.orientation)?;
        Ok(samples)
    }

    /// One strip or tile into [`Self::tile`].
    fn unpack(&mut self, bytes: &[u8], header: &Header, offset: u64, packed: Option<u64>, part: &Part) -> PictureResult<()> {
        let cut = || Fault::truncated("TIFF ends before the picture is complete");
        let data = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).ok_or_else(cut)?;
        let length = part.row.checked_mul(part.rows).ok_or_else(cut)?;
        self.tile.clear();
        if header.packing == Packing::Raw {
            // Pillow does not look at the lengths of plain data.
            copy(data.get(..length).ok_or_else(cut)?, &mut self.tile)?;
            if header.reversed {
                unpack::reverse(&mut self.tile);
            }
            return Ok(());
        }
        let packed = packed.and_then(|length| usize::try_from(length).ok()).ok_or_else(cut)?;
        let data = data.get(..packed).ok_or_else(cut)?;
        if !is_borne_out(header, part, length, packed) {
            return Err(cut());
        }
        set_length(&mut self.tile, length)?;
        let filled = match header.packing {
            packing if packing.is_fax() => {
                return self.fax.decode(header.packing, data, header.reversed, part.width, &mut self.tile);
            }
            Packing::Jpeg => return self.jpegs.decode(bytes, data, header, part, &mut self.tile),
            packing => {
                let data = if header.reversed {
                    copy(data, &mut self.packed)?;
                    unpack::reverse(&mut self.packed);
                    &self.packed
                } else {
                    data
                };
                match packing {
                    Packing::PackBits => unpack::pack_bits(data, &mut self.tile),
                    Packing::Lzw if data.starts_with(&[0, 1]) => {
                        return Err(Fault::corrupt("TIFF with the old form of LZW"));
                    }
                    Packing::Lzw => unpack::lzw(data, &mut self.tile)?,
                    _ => {
                        let mut inflate = Inflate::new(&mut self.tile, length)?;
                        inflate.push(data).map_err(|_| Fault::corrupt("TIFF with damaged data"))?;
                        inflate.filled()
                    }
                }
            }
        };
        if filled < length { Err(cut()) } else { Ok(()) }
    }
}

/// Whether `packed` bytes can say so many: a header cannot ask for memory that the file does not bear out.
fn is_borne_out(header: &Header, part: &Part, length: usize, packed: usize) -> bool {
    match header.packing {
        // A row takes a bit at least, however long it is; but a tile is no larger than the picture, or than what is small.
        packing if packing.is_fax() => {
            let area = header.width as usize * header.height as usize;
            part.rows / 8 <= packed && length / 8 <= area.max(SMALL)
        }
        // No packing makes less of it than this.
        _ => length / 2048 <= packed,
    }
}
