//! The nearest pixel: `ImagingScaleAffine` of `Geometry.c`.

use super::coefficients::Axis;
use crate::picture::fault::PictureResult;
use crate::picture::memory::reserve;

/// Fills `out`, the window that the axes say.
pub(super) fn resample(pixels: &[u8], horizontal: Axis, vertical: Axis, channels: usize, out: &mut [u8]) -> PictureResult<()> {
    let (columns, lines) = (places(horizontal)?, places(vertical)?);
    let row = horizontal.input as usize * channels;
    for (to, y) in out.chunks_exact_mut(columns.len() * channels).zip(lines) {
        let Some(y) = y else {
            to.fill(0);
            continue;
        };
        let from = &pixels[y as usize * row..][..row];
        for (pixel, x) in to.chunks_exact_mut(channels).zip(&columns) {
            match x {
                Some(x) => pixel.copy_from_slice(&from[*x as usize * channels..][..channels]),
                None => pixel.fill(0),
            }
        }
    }
    Ok(())
}

/// The pixel of the source for each one of the result; none where rounding has led beyond the end. The place is a running sum, as in C.
fn places(axis: Axis) -> PictureResult<Vec<Option<u32>>> {
    let step = f64::from(axis.input) / f64::from(axis.output);
    let mut place = step * 0.5;
    for _ in 0..axis.first {
        place += step;
    }
    let mut places = Vec::new();
    reserve(&mut places, axis.count as usize)?;
    for _ in 0..axis.count {
        let at = place as u32;
        place += step;
        places.push((at < axis.input).then_some(at));
    }
    Ok(places)
}
