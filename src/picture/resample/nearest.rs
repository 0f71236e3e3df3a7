//! The nearest pixel: `ImagingScaleAffine` of `Geometry.c`.

use super::coefficients::Axis;

/// Fills `out`, the window that the axes say.
pub(super) fn resample(pixels: &[u8], horizontal: Axis, vertical: Axis, channels: usize, out: &mut [u8]) {
    let columns = places(horizontal);
    let row = horizontal.input as usize * channels;
    for (to, y) in out.chunks_exact_mut(columns.len() * channels).zip(places(vertical)) {
        let Some(y) = y else {
            to.fill(0);
            continue;
        };
        let from = &pixels[y * row..][..row];
        for (pixel, x) in to.chunks_exact_mut(channels).zip(&columns) {
            match x {
                Some(x) => pixel.copy_from_slice(&from[x * channels..][..channels]),
                None => pixel.fill(0),
            }
        }
    }
}

/// The pixel of the source for each one of the result; none where rounding has led beyond the end. The place is a running sum, as in C.
fn places(axis: Axis) -> Vec<Option<usize>> {
    let step = f64::from(axis.input) / f64::from(axis.output);
    let mut place = step * 0.5;
    for _ in 0..axis.first {
        place += step;
    }
    (0..axis.count)
        .map(|_| {
            let at = place as usize;
            place += step;
            (at < axis.input as usize).then_some(at)
        })
        .collect()
}
