//! Gray of 16 bits: `ImagingResampleHorizontal_16bpc` and `ImagingResampleVertical_16bpc` of `Resample.c`. Rare, so plain.

use super::coefficients::{Axis, ExactWeights};
use crate::picture::choices::Filter;
use crate::picture::fault::PictureResult;
use crate::picture::memory::filled;

/// Where the samples of one line stand: `i` of line `l` at `l * line + i * step`.
struct Layout {
    line: usize,
    step: usize,
}

/// Fills `out` with the window that the axes (horizontal, vertical) say.
pub(super) fn resample(
    pixels: &[u8],
    [horizontal, vertical]: [Axis; 2],
    filter: Filter,
    vertical_first: bool,
    out: &mut [u8],
) -> PictureResult<()> {
    let (width, height) = (horizontal.input as usize, vertical.input as usize);
    let (wide, high) = (horizontal.count as usize, vertical.count as usize);
    let from = pixels.as_chunks::<2>().0;
    let out = out.as_chunks_mut::<2>().0;
    // The rows or columns between the passes are those of the source: a window is cut by the second pass.
    let rows = |row: usize| Layout { line: row, step: 1 };
    let columns = |row: usize| Layout { line: 1, step: row };
    if vertical_first {
        let mut between = filled([0; 2], width * high)?;
        pass(from, &columns(width), vertical, filter, width, &mut between, &columns(width))?;
        pass(&between, &rows(width), horizontal, filter, high, out, &rows(wide))
    } else {
        let mut between = filled([0; 2], wide * height)?;
        pass(from, &rows(width), horizontal, filter, height, &mut between, &rows(wide))?;
        pass(&between, &columns(wide), vertical, filter, wide, out, &columns(wide))
    }
}

/// One pass over `lines` lines, each along the axis; where nothing is scaled, a copy.
fn pass(
    from: &[[u8; 2]],
    source: &Layout,
    axis: Axis,
    filter: Filter,
    lines: usize,
    to: &mut [[u8; 2]],
    result: &Layout,
) -> PictureResult<()> {
    let exact = ExactWeights::new(axis, filter);
    let mut weights = filled(0.0, exact.stride())?;
    for pixel in 0..axis.count {
        let (mut start, mut count) = exact.fill(axis.first + pixel, &mut weights);
        if axis.input == axis.output {
            (start, count) = (axis.first + pixel, 1);
            weights[0] = 1.0;
        }
        for line in 0..lines {
            let mut sum = 0.0;
            for (i, weight) in weights[..count as usize].iter().enumerate() {
                let sample = from[line * source.line + (start as usize + i) * source.step];
                sum += f64::from(u16::from_be_bytes(sample)) * weight;
            }
            to[line * result.line + pixel as usize * result.step] = rounded(sum);
        }
    }
    Ok(())
}

/// `ROUND_UP` and `clip16`: a sum beyond 16 bits is the largest number of 16 bits.
fn rounded(sum: f64) -> [u8; 2] {
    (sum.round() as u16).to_be_bytes()
}
