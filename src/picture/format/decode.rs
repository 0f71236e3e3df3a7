//! From bytes to pixels in the file's own mode.

use super::header::{Format, Probe};
use super::{bmp, gif, jpeg, png, tiff, webp};
use crate::picture::fault::PictureResult;
use crate::picture::pixels::samples::{Key, Samples};

/// Reads pictures of every format, and owns what is needed for that.
pub(in crate::picture) struct Decoder {
    /// The pixels of the last picture, rows from the top, without padding; behind them may stand anything. (A buffer that shrinks would
    /// have to be filled again when it grows.)
    pub(in crate::picture) pixels: Vec<u8>,
    /// Its palette: red, green, blue, alpha.
    pub(in crate::picture) palette: Box<[[u8; 4]; 256]>,
    /// Its transparent colour.
    pub(in crate::picture) key: Key,
    hunch: jpeg::Hunch,
    png: png::Png,
    gif: gif::Gif,
    tiff: tiff::Tiff,
}

/// What an entry of a palette is that the file does not say: `ImagingPaletteNew`.
const BLACK: [u8; 4] = [0, 0, 0, 255];

impl Decoder {
    pub(in crate::picture) fn new() -> Self {
        Self {
            pixels: Vec::new(),
            palette: Box::new([BLACK; 256]),
            key: Key::None,
            hunch: jpeg::Hunch::default(),
            png: png::Png::default(),
            gif: gif::Gif::default(),
            tiff: tiff::Tiff::default(),
        }
    }

    /// The bytes that its buffers hold.
    pub(in crate::picture) fn held(&self) -> usize {
        self.pixels.capacity() + self.png.held() + self.tiff.held()
    }

    /// Decodes the picture that `probe` is the header of.
    pub(in crate::picture) fn decode(&mut self, bytes: &[u8], probe: &Probe) -> PictureResult<Samples> {
        self.palette.fill(BLACK);
        self.key = Key::None;
        match probe.format {
            Format::Jpeg => jpeg::decode(bytes, probe, &mut self.hunch, &mut self.pixels),
            Format::Png => {
                let header = png::Header::read(bytes)?;
                probe.check_size(header.width, header.height)?;
                let (samples, key) = self.png.decode(bytes, &header, &mut self.palette, &mut self.pixels)?;
                self.key = key;
                Ok(samples)
            }
            Format::Bmp => {
                let header = bmp::Header::read(bytes)?;
                probe.check_size(header.width, header.height)?;
                bmp::decode(bytes, &header, &mut self.palette, &mut self.pixels)
            }
            Format::Gif => {
                let header = gif::Header::read(bytes)?;
                probe.check_size(header.width, header.height)?;
                let samples = self.gif.decode(bytes, &header, &mut self.palette, &mut self.pixels)?;
                if let (Samples::Gray, Some(value)) = (samples, header.transparent) {
                    self.key = Key::Gray(value.into());
                }
                Ok(samples)
            }
            Format::Tiff => {
                let header = tiff::Header::read(bytes)?;
                let turned = header.probe();
                probe.check_size(turned.width, turned.height)?;
                self.tiff.decode(bytes, &header, &mut self.palette, &mut self.pixels)
            }
            Format::Webp => {
                let header = webp::Header::read(bytes)?;
                let own = header.probe();
                probe.check_size(own.width, own.height)?;
                webp::decode(header, &mut self.pixels)
            }
        }
    }
}
