//! From bytes to pixels in the file's own mode.

mod bmp;
mod gif;
mod jpeg;
mod png;
mod tiff;
mod webp;

use super::probe::{Format, Probe};
use super::samples::{Key, Samples};
use super::{Fault, Outcome};

/// Reads pictures of every format, and owns what is needed for that.
pub(super) struct Decoder {
    /// The pixels of the last picture, rows from the top, without padding; behind them may stand anything. (A buffer that shrinks would
    /// have to be filled again when it grows.)
    pub(super) pixels: Vec<u8>,
    /// Its palette: red, green, blue, alpha.
    pub(super) palette: Box<[[u8; 4]; 256]>,
    /// Its transparent colour.
    pub(super) key: Key,
    hunch: jpeg::Hunch,
    png: png::Png,
    gif: gif::Gif,
    tiff: tiff::Tiff,
}

/// What an entry of a palette is that the file does not say: `ImagingPaletteNew`.
const BLACK: [u8; 4] = [0, 0, 0, 255];

impl Decoder {
    pub(super) fn new() -> Self {
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

    /// Decodes the picture that `probe` is the header of.
    pub(super) fn decode(&mut self, bytes: &[u8], probe: &Probe) -> Outcome<Samples> {
        self.palette.fill(BLACK);
        self.key = Key::None;
        match probe.format {
            Format::Jpeg => jpeg::decode(bytes, probe, &mut self.hunch, &mut self.pixels),
            Format::Png => {
                let header = super::probe::png::Header::read(bytes)?;
                same_size(probe, header.width, header.height)?;
                let (samples, key) = self.png.decode(bytes, &header, &mut self.palette, &mut self.pixels)?;
                self.key = key;
                Ok(samples)
            }
            Format::Bmp => {
                let header = super::probe::bmp::Header::read(bytes)?;
                same_size(probe, header.width, header.height)?;
                bmp::decode(bytes, &header, &mut self.palette, &mut self.pixels)
            }
            Format::Gif => {
                let header = super::probe::gif::Header::read(bytes)?;
                same_size(probe, header.width, header.height)?;
                let samples = self.gif.decode(bytes, &header, &mut self.palette, &mut self.pixels)?;
                if let (Samples::Gray, Some(value)) = (samples, header.transparent) {
                    self.key = Key::Gray(value.into());
                }
                Ok(samples)
            }
            Format::Tiff => {
                let header = super::probe::tiff::Header::read(bytes)?;
                let turned = header.probe();
                same_size(probe, turned.width, turned.height)?;
                self.tiff.decode(bytes, &header, &mut self.palette, &mut self.pixels)
            }
            Format::Webp => {
                let header = super::probe::webp::Header::read(bytes)?;
                let own = header.probe();
                same_size(probe, own.width, own.height)?;
                webp::decode(header, &mut self.pixels)
            }
        }
    }
}

/// Refuses bytes that are not those of the probe: everything behind counts on its size.
fn same_size(probe: &Probe, width: u32, height: u32) -> Outcome<()> {
    if (probe.width, probe.height) == (width, height) {
        Ok(())
    } else {
        Err(Fault::corrupt(format!(
            "a picture of {width} x {height} pixels where the header says {} x {}",
            probe.width, probe.height
        )))
    }
}
