//! From pixels of 8 bits to the numbers that a model takes: dtype, layout, normalisation, patches.
//!
//! A normalised sample depends on its byte and its channel alone, so that a table of 256 entries a channel holds every result, to the bit
//! of the library that is followed.

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::load::lookup::look_up_planes;
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
}

mod private {
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for u16 {}
    impl Sealed for f32 {}
}

macro_rules! sample {
    ($kind:ty, $tables:ident $(, $own:item)?) => {
        impl Sample for $kind {
            fn tables(writer: &Writer) -> Option<&[[Self; 256]; 3]> {
                match &writer.tables {
                    Tables::$tables(tables) => Some(tables),
                    _ => None,
                }
            }

            $($own)?
        }
    };
}
sample!(u8, Bytes);
sample!(
    u16,
    Halves,
    fn planes<const C: usize>(tables: &[[Self; 256]; 3], pixels: &[u8], out: &mut [Self]) {
        look_up_planes::<C>(tables, pixels, out);
    }
);
sample!(f32, Singles);

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
            (Layout::Patches, 1) => patched_by_side::<T, 1>(tables, pixels, shape, self.patches, out),
            (Layout::Patches, _) => patched_by_side::<T, 3>(tables, pixels, shape, self.patches, out),
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
mod tests {
    use super::*;
    use crate::picture::CLIP;

    fn output(dtype: Dtype, layout: Layout) -> Output {
        let patches = layout == Layout::Patches;
        let float = dtype != Dtype::Uint8;
        Output {
            dtype,
            layout,
            mean: float.then_some(CLIP.mean),
            std: float.then_some(CLIP.std),
            normalisation: Normalisation::Fused,
            patch: patches.then_some(2),
            merge: patches.then_some(2),
            temporal: patches.then_some(2),
        }
    }

    fn noise(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i * 97 % 256) as u8).collect()
    }

    /// The definition, number by number.
    fn slow(writer: &Writer, pixels: &[u8], shape: Shape, at: &[usize]) -> f32 {
        let output = writer.output();
        let (channel, y, x) = match output.layout {
            Layout::Nhwc => (at[2], at[0], at[1]),
            Layout::Nchw => (at[0], at[1], at[2]),
            Layout::Patches => {
                let (side, merge, temporal) = (2, 2, 2);
                let wide = shape.width / side / merge;
                let (block, inner) = (at[0] / (merge * merge), at[0] % (merge * merge));
                let (column, plane) = (at[1] % (side * side), at[1] / (side * side));
                (
                    plane / temporal,
                    (block / wide * merge + inner / merge) * side + column / side,
                    (block % wide * merge + inner % merge) * side + column % side,
                )
            }
        };
        let byte = pixels[(y * shape.width + x) * shape.channels + channel % shape.channels];
        normalised(byte, CLIP.mean[channel], CLIP.std[channel], output.normalisation)
    }

    #[test]
    fn sides_with_their_own_code_are_like_any_other() {
        let tables = table(|channel, byte| byte.wrapping_mul(3).wrapping_add(channel as u8));
        for patch in [14, 16] {
            let patches = PatchShape {
                patch,
                merge: 2,
                temporal: 2,
            };
            let [height, width] = [2 * patch as usize, 4 * patch as usize];
            let shape = Shape {
                height,
                width,
                channels: 3,
            };
            let pixels = noise(height * width * 3);
            let [mut own, mut any] = [1, 2].map(|ground| vec![ground; pixels.len() * 2]);
            patched_by_side::<u8, 3>(&tables, &pixels, shape, patches, &mut own);
            patched::<u8, 3, 0>(&tables, &pixels, shape, patches, &mut any);
            assert_eq!(own, any);
        }
    }

    #[test]
    fn every_layout_is_its_definition() {
        for layout in [Layout::Nhwc, Layout::Nchw, Layout::Patches] {
            for channels in [1, 3] {
                let shape = Shape {
                    height: 8,
                    width: 12,
                    channels,
                };
                let pixels = noise(8 * 12 * channels);
                let writer = Writer::new(output(Dtype::Float32, layout)).unwrap();
                let dims = writer.shape(8, 12).unwrap();
                let mut out = vec![0.0_f32; dims.iter().product()];
                writer.write(&pixels, shape, &mut out);
                for (i, value) in out.iter().enumerate() {
                    let at: Vec<usize> = if dims.len() == 2 {
                        vec![i / dims[1], i % dims[1]]
                    } else {
                        vec![i / dims[2] / dims[1], i / dims[2] % dims[1], i % dims[2]]
                    };
                    assert_eq!(
                        value.to_bits(),
                        slow(&writer, &pixels, shape, &at).to_bits(),
                        "{layout:?} {channels} {at:?}"
                    );
                }
                let halves = Writer::new(output(Dtype::Bfloat16, layout)).unwrap();
                let mut rounded = vec![0_u16; out.len()];
                halves.write(&pixels, shape, &mut rounded);
                assert!(
                    rounded
                        .iter()
                        .zip(&out)
                        .all(|(half, single)| *half == bf16::from_f32(*single).to_bits())
                );
            }
        }
    }

    #[test]
    fn bytes_are_copied_to_what_tables_give() {
        for layout in [Layout::Nhwc, Layout::Nchw, Layout::Patches] {
            for channels in [1, 3] {
                let (height, width) = (8, 12);
                let pixels = noise(height * width * channels);
                let shape = Shape { height, width, channels };
                let writer = Writer::new(output(Dtype::Uint8, layout)).unwrap();
                let count = writer.shape(height, width).unwrap().iter().product();
                let (mut fast, mut slow) = (vec![1; count], vec![2; count]);
                writer.write_bytes(&pixels, shape, &mut fast);
                writer.write(&pixels, shape, &mut slow);
                assert_eq!(fast, slow, "{layout:?} {channels}");
            }
        }
    }

    #[test]
    fn bytes_stay_themselves() {
        let pixels = noise(4 * 4 * 3);
        let shape = Shape {
            height: 4,
            width: 4,
            channels: 3,
        };
        let mut out = vec![0_u8; pixels.len()];
        Writer::new(output(Dtype::Uint8, Layout::Nhwc))
            .unwrap()
            .write(&pixels, shape, &mut out);
        assert_eq!(out, pixels);
    }

    #[test]
    fn dividing_by_255_in_single_precision_is_the_two_steps() {
        // torchvision's `to_tensor` divides in single precision; transformers multiplies in double, and rounds.
        for byte in 0..=255_u8 {
            assert_eq!(
                (f32::from(byte) / 255.0).to_bits(),
                ((f64::from(byte) * (1.0 / 255.0)) as f32).to_bits()
            );
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let bad = [
            Output {
                std: None,
                ..output(Dtype::Float32, Layout::Nchw)
            },
            Output {
                std: Some([0.0; 3]),
                ..output(Dtype::Float32, Layout::Nchw)
            },
            Output {
                mean: Some([f64::NAN; 3]),
                ..output(Dtype::Float32, Layout::Nchw)
            },
            Output {
                patch: Some(0),
                ..output(Dtype::Float32, Layout::Patches)
            },
            Output {
                patch: Some(14),
                ..output(Dtype::Float32, Layout::Nchw)
            },
            Output {
                mean: Some([0.5; 3]),
                std: Some([0.5; 3]),
                ..output(Dtype::Uint8, Layout::Nchw)
            },
        ];
        for output in bad {
            assert!(Writer::new(output).is_err(), "{output:?}");
        }
        let writer = Writer::new(output(Dtype::Float32, Layout::Patches)).unwrap();
        assert!(writer.shape(8, 10).is_err() && writer.shape(0, 4).is_err());
        assert_eq!(writer.grid(8, 12).unwrap(), [1, 4, 6]);
    }
}
