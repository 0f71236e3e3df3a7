//! What the benches read. It is drawn by integer arithmetic, so that it is the same on every machine.

use std::fs;
use std::path::{Path, PathBuf};

use mmno_fast::picture::Prepared;

use crate::bare::{bitmap, encode_jpeg};

/// Rings with some grain, and another phase in each channel: it compresses about as well as a photograph.
pub(crate) fn pixels(side: usize, channels: usize) -> Vec<u8> {
    let mut grain = 1_u32;
    let samples = (0..side * side * channels).map(|i| {
        let (x, y, channel) = (i / channels % side, i / channels / side, i % channels);
        grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let ring = (3 * x * x + 5 * y * y) / (4 * side) + 90 * channel;
        let wave = if ring % 256 < 128 { ring % 128 } else { 127 - ring % 128 };
        (40 + wave + (grain >> 28) as usize) as u8
    });
    samples.collect()
}

/// A JPEG of quality 90.
pub(crate) fn jpeg(side: usize, channels: usize) -> Vec<u8> {
    encode_jpeg(&pixels(side, channels), side, channels)
}

/// A colour JPEG of a gray picture.
pub(crate) fn jpeg_of_gray(side: usize) -> Vec<u8> {
    let levels: Vec<u8> = pixels(side, 1).iter().flat_map(|level| [*level; 3]).collect();
    encode_jpeg(&levels, side, 3)
}

/// A PNG with the usual filters.
pub(crate) fn png(side: usize, channels: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side as u32, side as u32);
    encoder.set_color(if channels == 1 {
        png::ColorType::Grayscale
    } else {
        png::ColorType::Rgb
    });
    encoder.set_filter(png::Filter::Adaptive);
    encoder.write_header().unwrap().write_image_data(&pixels(side, channels)).unwrap();
    bytes
}

/// A bitmap, which costs next to nothing to decode.
pub(crate) fn bmp(side: usize, channels: usize) -> Vec<u8> {
    let side_of = side as u32;
    let shape = Prepared {
        height: side_of,
        width: side_of,
        channels: channels as u32,
    };
    bitmap(&pixels(side, channels), shape)
}

/// Rows and pictures in a folder of their own, which goes with the value.
pub(crate) struct Corpus {
    folder: PathBuf,
}

impl Corpus {
    /// So many rows, which use so many pictures in turn. Each picture is another file: `draw` makes it, and four bytes are added.
    pub(crate) fn new(rows: usize, pictures: usize, draw: &dyn Fn(usize) -> Vec<u8>) -> Self {
        // The length of its path is always the same, and so is the work that paths take.
        let folder = std::env::temp_dir().join(format!("instructions-{:010}", std::process::id()));
        let corpus = Self { folder };
        fs::create_dir_all(corpus.images()).unwrap();
        for number in 0..pictures {
            let mut bytes = draw(number);
            bytes.extend((number as u32).to_le_bytes());
            fs::write(corpus.images().join(format!("{number:04}.img")), bytes).unwrap();
        }
        let text: String = (0..rows).map(|row| line(row, pictures)).collect();
        fs::write(corpus.rows(), text).unwrap();
        corpus
    }

    /// The file of rows.
    pub(crate) fn rows(&self) -> PathBuf {
        self.path().join("rows.jsonl")
    }

    /// The folder of pictures.
    pub(crate) fn images(&self) -> PathBuf {
        self.path().join("images")
    }

    /// Where shards go.
    pub(crate) fn shards(&self) -> PathBuf {
        self.path().join("shards")
    }

    fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Corpus {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// One of three kinds of row: a long answer, a letter, a letter with its reason.
fn line(row: usize, pictures: usize) -> String {
    let options = r"Options:\nA. A bright spot\nB. A dark spot\nC. No lesion\n\nAnswer with the letter only.";
    let (question, answer) = match row % 3 {
        0 => (
            "Describe what this slice shows.".to_owned(),
            "The border between the two tissues is folded, as it should be. ".repeat(8 + row % 5),
        ),
        1 => (format!(r"What does the slice show?\n\n{options}"), "B".to_owned()),
        _ => (
            format!(r"What does the slice show?\n\n{options}"),
            r"Final: A\nExplanation: it is brighter than what surrounds it.".to_owned(),
        ),
    };
    let picture = row % pictures.max(1);
    format!(
        r#"{{"messages": [{{"role": "user", "content": "<image>{question}"}}, {{"role": "assistant", "content": "{answer}"}}], "images": ["{picture:04}.img"]}}"#
    ) + "\n"
}
