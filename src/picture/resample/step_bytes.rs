//! How much memory one resize takes.

use super::coefficients::{self, Axis};
use super::portable::MAX_TURNED;
use super::resampler::{Step, vertical_first};
use crate::picture::choices::Filter;
use crate::picture::pixels::samples::Samples;

/// Lanes of the widest register: so many rows are turned at once.
const LANES: u64 = 64;

/// The most bytes that a resize takes: its result, what stands between its passes, and its weights.
pub(in crate::picture) fn step_bytes(step: &Step, samples: Samples) -> u64 {
    let bytes = samples.bytes() as u64;
    let placement = &step.placement;
    let [from, window, target] = [step.from, placement.window, step.target].map(|size| [u64::from(size.width), u64::from(size.height)]);
    let area = |[width, height]: [u64; 2]| width.saturating_mul(height);
    let result = area(target) * bytes + if window == target { 0 } else { area(window) * bytes };
    // With transparency or ink each channel is a picture of its own.
    let (planes, channels) = match samples {
        Samples::GrayAlpha | Samples::Rgba | Samples::Cmyk => ((area(from) + area(target)) * bytes, 1),
        _ => (0, bytes),
    };
    if step.filter == Filter::Nearest {
        let places = coefficients::NEAREST_BYTES * (window[0] + window[1]);
        return result.saturating_add(planes).saturating_add(places);
    }
    let (wide, high) = (
        step.from.width != placement.scaled.width,
        step.from.height != placement.scaled.height,
    );
    let between = match (wide, high) {
        (true, true) if vertical_first(step.arithmetic, step.from, placement.scaled) => [from[0], window[1]],
        (true, true) => [window[0], from[1]],
        (false, true) if window[0] != from[0] => [from[0], window[1]],
        _ => [0, 0],
    };
    let turned = ((from[0] + window[0]) * channels * LANES).min(MAX_TURNED as u64);
    let axes = [
        (
            wide,
            Axis::new(step.from.width, placement.scaled.width, placement.window_x, placement.window.width),
        ),
        (
            high,
            Axis::new(
                step.from.height,
                placement.scaled.height,
                placement.window_y,
                placement.window.height,
            ),
        ),
    ];
    let weights = axes
        .into_iter()
        .filter(|(scaled, _)| *scaled)
        .map(|(_, axis)| coefficients::bytes(axis, step.filter));
    let parts = [planes, area(between).saturating_mul(channels), turned];
    parts.into_iter().chain(weights).fold(result, u64::saturating_add)
}
