//! From pixels of 8 bits to the numbers that a model takes: dtype, layout, normalisation, patches.
//!
//! A normalised sample depends on its byte and its channel alone, so that a table of 256 entries a channel holds every result, to the bit
//! of the library that is followed.

mod lookup;

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::load::output::lookup::{look_up_patches, look_up_planes};
use crate::picture::{PatchShape, Statistics, widen};

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Bytes, 0 to 255; never normalised.
    Uint8,
    /// Single precision.
    Float32,
    /// Half precision, as its 16 bits.
    Float16,
    /// bfloat16, as its 16 bits.
    Bfloat16,
}

impl Dtype {
    /// The bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            Self::Uint8 => 1,
            Self::Float16 | Self::Bfloat16 => 2,
            Self::Float32 => 4,
        }
    }
}

/// How the numbers of a picture are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Height, width, channel.
    Nhwc,
    /// Channel, height, width.
    Nchw,
    /// One row a patch, as Qwen's processors order them; see [`Writer::shape`].
    Patches,
}

/// In which steps a byte is normalised; the results differ in the last bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalisation {
    /// `(x - 255 mean) / (255 std)`: `_fuse_mean_std_and_rescale_factor` of transformers' `image_processing_backends.py`.
    Fused,
    /// `x / 255` in double precision, rounded, then `(x - mean) / std`: `rescale` and `normalize` of its `image_transforms.py`.
    TwoStep,
}

/// What is wanted of the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// What a number is.
    pub dtype: Dtype,
    /// How they are arranged.
    pub layout: Layout,
    /// What is subtracted, on the scale from 0 to 1; without it the numbers are 0 to 255.
    pub mean: Option<[f64; 3]>,
    /// What is divided by; given with the mean.
    pub std: Option<[f64; 3]>,
    /// In which steps.
    pub normalisation: Normalisation,
    /// The side of a patch, in pixels; given with [`Layout::Patches`].
    pub patch: Option<u32>,
    /// The patches a side of one token.
    pub merge: Option<u32>,
    /// How often each patch is repeated.
    pub temporal: Option<u32>,
}

/// Tables of the dtype, a channel each.
#[derive(Debug)]
enum Tables {
    Bytes(Box<[[u8; 256]; 3]>),
    Halves(Box<[[u16; 256]; 3]>),
    Singles(Box<[[f32; 256]; 3]>),
}

/// A kind of number that can be written.
pub trait Sample: Copy + Send + private::Sealed {
    /// The tables, where they are of this kind.
    #[doc(hidden)]
    fn tables(writer: &Writer) -> Option<&[[Self; 256]; 3]>
    where
        Self: Sized;

    /// Writes a plane for each channel of pixels that have `C` of them.
    #[doc(hidden)]
    fn planes<const C: usize>(tables: &[[Self; 256]; 3], pixels: &[u8], out: &mut [Self])
    where
        Self: Sized,
    {
        planar::<Self, C>(tables, pixels, out);
    }

    /// Writes patches of pixels that have `C` channels.
    #[doc(hidden)]
    fn patches<const C: usize>(tables: &[[Self; 256]; 3], pixels: &[u8], shape: Shape, patches: PatchShape, out: &mut [Self])
    where
        Self: Sized,
    {
        patched_by_side::<Self, C>(tables, pixels, shape, patches, out);
    }
}

mod private {
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for u16 {}
    impl Sealed for f32 {}
}

macro_rules! sample {
    ($kind:ty, $tables:ident { $($own:item)* }) => {
        impl Sample for $kind {
            fn tables(writer: &Writer) -> Option<&[[Self; 256]; 3]> {
                match &writer.tables {
                    Tables::$tables(tables) => Some(tables),
                    _ => None,
                }
            }

            $($own)*
        }
    };
}
sample!(u8, Bytes {});
sample!(f32, Singles {});
sample!(u16, Halves {
    fn planes<const C: usize>(tables: &[[Self; 256]; 3], pixels: &[u8], out: &mut [Self]) {
        look_up_planes::<C>(tables, pixels, out);
    }

    fn patches<const C: usize>(tables: &[[Self; 256]; 3], pixels: &[u8], shape: Shape, patches: PatchShape, out: &mut [Self]) {
        if !look_up_patches::<C>(tables, pixels, shape.width, patches, out) {
            patched_by_side::<Self, C>(tables, pixels, shape, patches, out);
        }
    }
});

/// The shape of a picture's pixels: height, width, and 1 or 3 channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 1 (gray: every channel is the same) or 3.
    pub channels: usize,
}

impl Shape {
    /// The dimensions of pixels as shards hold them: (H, W) of gray, else (H, W, 3).
    pub fn dims(self) -> Vec<usize> {
        let rgb = (self.channels != 1).then_some(3);
        [self.height, self.width].into_iter().chain(rgb).collect()
    }
}

/// Writes pictures as an [`Output`] says. Made once; any thread may use it.
#[derive(Debug)]
pub struct Writer {
    output: Output,
    tables: Tables,
    patches: PatchShape,
}

impl Writer {
    /// Checks the output, and computes its tables.
    pub fn new(output: Output) -> Result<Self> {
        let patches = output.patch_shape()?;
        let tables = match (output.dtype, output.statistics()?) {
            (Dtype::Uint8, None) => Tables::Bytes(Box::new(table(|_, byte| byte))),
            (Dtype::Uint8, Some(_)) => return Err(Error::usage("uint8 is not normalised: leave out mean and std, or choose a float")),
            (dtype, statistics) => {
                let value = |channel, byte| match statistics {
                    None => f32::from(byte),
                    Some(statistics) => normalised(byte, statistics.mean[channel], statistics.std[channel], output.normalisation),
                };
                match dtype {
                    Dtype::Float32 => Tables::Singles(Box::new(table(value))),
                    Dtype::Float16 => Tables::Halves(Box::new(table(|channel, byte| f16::from_f32(value(channel, byte)).to_bits()))),
                    _ => Tables::Halves(Box::new(table(|channel, byte| bf16::from_f32(value(channel, byte)).to_bits()))),
                }
            }
        };
        Ok(Self { output, tables, patches })
    }

    /// What is wanted.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// The shape of what is written for a picture of this height and width: `[h, w, 3]`, `[3, h, w]`, or
    /// `[patches, 3 * temporal * patch * patch]`. Patches need sides that are multiples of patch times merge.
    pub fn shape(&self, height: usize, width: usize) -> Result<Vec<usize>> {
        match self.output.layout {
            Layout::Nhwc => Ok(vec![height, width, 3]),
            Layout::Nchw => Ok(vec![3, height, width]),
            Layout::Patches => {
                let [_, high, wide] = self.grid(height, width)?;
                let PatchShape { patch, temporal, .. } = self.patches;
                Ok(vec![high * wide, 3 * temporal as usize * patch as usize * patch as usize])
            }
        }
    }

    /// `image_grid_thw` of a picture of this size: 1, and the patches of each side.
    pub fn grid(&self, height: usize, width: usize) -> Result<[usize; 3]> {
        let PatchShape { patch, merge, .. } = self.patches;
        let factor = patch as usize * merge as usize;
        if height == 0 || width == 0 || !height.is_multiple_of(factor) || !width.is_multiple_of(factor) {
            return Err(Error::usage(format!(
                "{width} x {height} pixels cannot be cut into patches: both sides must be multiples of {factor}"
            )));
        }
        Ok([1, height / patch as usize, width / patch as usize])
    }

    /// Writes a picture as bytes, as [`Self::write`] does: of bytes, most is copying.
    ///
    /// # Panics
    ///
    /// Where the dtype is another one, or a length.
    pub fn write_bytes(&self, pixels: &[u8], shape: Shape, out: &mut [u8]) {
        let plain = self.output.dtype == Dtype::Uint8 && pixels.len() == shape.height * shape.width * shape.channels;
        match (self.output.layout, shape.channels) {
            (Layout::Nhwc, 1) if plain => widen(pixels, out),
            (Layout::Nhwc, 3) if plain => out.copy_from_slice(pixels),
            (Layout::Nchw, 1) if plain && !pixels.is_empty() => {
                assert_eq!(out.len(), pixels.len() * 3, "the numbers of the picture");
                out.chunks_exact_mut(pixels.len()).for_each(|plane| plane.copy_from_slice(pixels));
            }
            _ => self.write(pixels, shape, out),
        }
    }

    /// Writes a picture. `out` has as many numbers as [`Self::shape`] says, of the kind of the dtype.
    ///
    /// # Panics
    ///
    /// Where a length or the kind of number is another one.
    pub fn write<T: Sample>(&self, pixels: &[u8], shape: Shape, out: &mut [T]) {
        let Some(tables) = T::tables(self) else {
            panic!("{:?} is not written as this kind of number", self.output.dtype)
        };
        let area = shape.height * shape.width;
        assert_eq!(pixels.len(), area * shape.channels, "the pixels of the picture");
        let repeated = match self.output.layout {
            Layout::Patches => self.patches.temporal as usize,
            _ => 1,
        };
        assert_eq!(out.len(), area * 3 * repeated, "the numbers of the picture");
        if area == 0 {
            return;
        }
        match (self.output.layout, shape.channels) {
            (Layout::Nhwc, 1) => interleaved::<T, 1>(tables, pixels, out),
            (Layout::Nhwc, _) => interleaved::<T, 3>(tables, pixels, out),
            (Layout::Nchw, 1) => T::planes::<1>(tables, pixels, out),
            (Layout::Nchw, _) => T::planes::<3>(tables, pixels, out),
            (Layout::Patches, 1) => T::patches::<1>(tables, pixels, shape, self.patches, out),
            (Layout::Patches, _) => T::patches::<3>(tables, pixels, shape, self.patches, out),
        }
    }
}

impl Output {
    /// The output that this JSON text says.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| Error::usage(format!("the output cannot be used: {error}")))
    }

    fn statistics(&self) -> Result<Option<Statistics>> {
        match (self.mean, self.std) {
            (None, None) => Ok(None),
            (Some(mean), Some(std)) if mean.iter().all(|v| v.is_finite()) && std.iter().all(|v| v.is_finite() && *v > 0.0) => {
                Ok(Some(Statistics { mean, std }))
            }
            (Some(_), Some(_)) => Err(Error::usage("mean must be finite, and std positive")),
            _ => Err(Error::usage("mean and std go together")),
        }
    }

    fn patch_shape(&self) -> Result<PatchShape> {
        match (self.layout, self.patch, self.merge, self.temporal) {
            (Layout::Patches, Some(patch @ 1..=1024), Some(merge @ 1..=64), Some(temporal @ 1..=64)) => {
                Ok(PatchShape { patch, merge, temporal })
            }
            (Layout::Patches, ..) => Err(Error::usage("patches need patch, merge and temporal, each at least 1")),
            (_, None, None, None) => Ok(PatchShape {
                patch: 1,
                merge: 1,
                temporal: 1,
            }),
            _ => Err(Error::usage("patch, merge and temporal go with the layout `patches`")),
        }
    }
}

/// The value of every byte in every channel.
fn table<T: Copy + Default>(value: impl Fn(usize, u8) -> T) -> [[T; 256]; 3] {
    let mut tables = [[T::default(); 256]; 3];
    for (channel, table) in tables.iter_mut().enumerate() {
        for (byte, entry) in (0..=255).zip(table) {
            *entry = value(channel, byte);
        }
    }
    tables
}

/// One byte, normalised; in single precision but where said.
fn normalised(byte: u8, mean: f64, std: f64, steps: Normalisation) -> f32 {
    let (mean, std) = (mean as f32, std as f32);
    match steps {
        Normalisation::Fused => (f32::from(byte) - mean * 255.0) / (std * 255.0),
        Normalisation::TwoStep => {
            let scaled = (f64::from(byte) * (1.0 / 255.0)) as f32;
            (scaled - mean) / std
        }
    }
}

fn interleaved<T: Copy, const C: usize>(tables: &[[T; 256]; 3], pixels: &[u8], out: &mut [T]) {
    for (to, from) in out.as_chunks_mut::<3>().0.iter_mut().zip(pixels.as_chunks::<C>().0) {
        *to = [0, 1, 2].map(|channel| tables[channel][usize::from(from[channel % C])]);
    }
}

fn planar<T: Copy, const C: usize>(tables: &[[T; 256]; 3], pixels: &[u8], out: &mut [T]) {
    let (red, rest) = out.split_at_mut(out.len() / 3);
    let (green, blue) = rest.split_at_mut(red.len());
    for ((from, red), (green, blue)) in pixels.as_chunks::<C>().0.iter().zip(red).zip(green.iter_mut().zip(blue)) {
        *red = tables[0][usize::from(from[0])];
        *green = tables[1][usize::from(from[1 % C])];
        *blue = tables[2][usize::from(from[2 % C])];
    }
}

/// The sides of Qwen's patches have code of their own: rows of a known length are faster.
fn patched_by_side<T: Copy, const C: usize>(tables: &[[T; 256]; 3], pixels: &[u8], shape: Shape, patches: PatchShape, out: &mut [T]) {
    match patches.patch {
        14 => patched::<T, C, 14>(tables, pixels, shape, patches, out),
        16 => patched::<T, C, 16>(tables, pixels, shape, patches, out),
        _ => patched::<T, C, 0>(tables, pixels, shape, patches, out),
    }
}

/// `patchify` of `models/qwen2_vl/image_processing_qwen2_vl.py`: the patches of a token follow each other; within a patch come channel,
/// repetition, row, column.
/// `SIDE` is the patch's, or 0 for any.
fn patched<T: Copy, const C: usize, const SIDE: usize>(
    tables: &[[T; 256]; 3],
    pixels: &[u8],
    shape: Shape,
    patches: PatchShape,
    out: &mut [T],
) {
    let [any, merge, temporal] = [patches.patch, patches.merge, patches.temporal].map(|n| n as usize);
    let side = if SIDE == 0 { any } else { SIDE };
    let pixels = pixels.as_chunks::<C>().0;
    let plane = side * side;
    let wide = shape.width / side / merge;
    for (number, patch) in out.chunks_exact_mut(3 * temporal * plane).enumerate() {
        let (token, within) = (number / (merge * merge), number % (merge * merge));
        let y = (token / wide * merge + within / merge) * side;
        let x = (token % wide * merge + within % merge) * side;
        for (channel, repeated) in patch.chunks_exact_mut(temporal * plane).enumerate() {
            let (first, others) = repeated.split_at_mut(plane);
            let table = &tables[channel];
            for (row, to) in first.chunks_exact_mut(side).enumerate() {
                let from = &pixels[(y + row) * shape.width + x..][..side];
                for (to, from) in to.iter_mut().zip(from) {
                    *to = table[usize::from(from[channel % C])];
                }
            }
            for other in others.chunks_exact_mut(plane) {
                other.copy_from_slice(first);
            }
        }
    }
}

#[cfg(test)]
mod tests;
