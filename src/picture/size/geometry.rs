//! Sizes and places: which part of the scaled picture is wanted, and where it goes. Pure functions.

use serde::{Deserialize, Serialize};

/// What becomes of a picture whose aspect ratio differs from the target's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// Height and width are scaled independently.
    Stretch,
    /// The whole picture, centred on a plain ground: `ImageOps.pad`.
    Pad,
    /// The shortest edge is scaled to fit, and the centre is cut out.
    Crop,
}

/// A size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) struct Size2 {
    pub(in crate::picture) width: u32,
    pub(in crate::picture) height: u32,
}

/// How a picture gets to its target: scale it, take a window of the result, put that at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) struct Placement {
    /// The whole picture's size after scaling. May be empty ([`Fit::Pad`] of an extreme aspect ratio): then all is black.
    pub(in crate::picture) scaled: Size2,
    /// The upper left corner of the window in the scaled picture.
    pub(in crate::picture) window_x: u32,
    /// Likewise.
    pub(in crate::picture) window_y: u32,
    /// The size of the window.
    pub(in crate::picture) window: Size2,
    /// Where the window's upper left corner goes in the target.
    pub(in crate::picture) x: u32,
    /// Likewise.
    pub(in crate::picture) y: u32,
    /// What surrounds it there.
    pub(in crate::picture) fill: u8,
}

/// The size of a picture of this size once its EXIF orientation is applied.
pub(in crate::picture) fn turned(size: Size2, orientation: u32) -> Size2 {
    if (5..=8).contains(&orientation) {
        Size2 {
            width: size.height,
            height: size.width,
        }
    } else {
        size
    }
}

/// The way from `source` to `target`.
pub(in crate::picture) fn place(source: Size2, target: Size2, fit: Fit) -> Placement {
    match fit {
        Fit::Stretch => Placement {
            scaled: target,
            window_x: 0,
            window_y: 0,
            window: target,
            x: 0,
            y: 0,
            fill: 0,
        },
        Fit::Pad => pad(source, target),
        Fit::Crop => crop(source, target),
    }
}

/// `PIL.ImageOps.pad`: `contain`, then centred. Both round half to even, as Python does.
fn pad(source: Size2, target: Size2) -> Placement {
    let scaled = contain(source, target);
    let middle = |room: u32| (f64::from(room) * 0.5).round_ties_even() as u32;
    // Pillow moves along one axis only: along the other one the sizes agree.
    let (x, y) = if scaled.width == target.width {
        (0, middle(target.height - scaled.height))
    } else {
        (middle(target.width - scaled.width), 0)
    };
    Placement {
        scaled,
        window_x: 0,
        window_y: 0,
        window: scaled,
        x,
        y,
        fill: 0,
    }
}

/// `PIL.ImageOps.contain`.
fn contain(source: Size2, target: Size2) -> Size2 {
    let (width, height) = (f64::from(source.width), f64::from(source.height));
    let ratio = width / height;
    let wanted = f64::from(target.width) / f64::from(target.height);
    // The results are at most the target's sides: the ratio of the other axis is the smaller one.
    if ratio > wanted {
        let scaled = (height / width * f64::from(target.width)).round_ties_even();
        Size2 {
            width: target.width,
            height: (scaled as u32).min(target.height),
        }
    } else if ratio < wanted {
        let scaled = (width / height * f64::from(target.height)).round_ties_even();
        Size2 {
            width: (scaled as u32).min(target.width),
            height: target.height,
        }
    } else {
        target
    }
}

/// The shortest edge to the target, then the centre.
fn crop(source: Size2, target: Size2) -> Placement {
    let [w, h, tw, th] = [source.width, source.height, target.width, target.height].map(u64::from);
    // At most 65,535 * 2^32: fits u64; a side beyond u32 would need a picture of that many pixels in one row.
    let scaled = if th * w >= tw * h {
        Size2 {
            width: u32::try_from(th * w / h).unwrap_or(u32::MAX),
            height: target.height,
        }
    } else {
        Size2 {
            width: target.width,
            height: u32::try_from(tw * h / w).unwrap_or(u32::MAX),
        }
    };
    Placement {
        scaled,
        window_x: (scaled.width - target.width) / 2,
        window_y: (scaled.height - target.height) / 2,
        window: target,
        x: 0,
        y: 0,
        fill: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width: u32, height: u32) -> Size2 {
        Size2 { width, height }
    }

    #[test]
    fn stretch_takes_everything() {
        let p = place(size(630, 587), size(640, 576), Fit::Stretch);
        assert_eq!((p.scaled, p.window, p.x, p.y), (size(640, 576), size(640, 576), 0, 0));
    }

    #[test]
    fn pad_rounds_half_to_even() {
        // 448 * 100 / 300 = 149.33; (448 - 149) / 2 = 149.5 -> 150. Checked with Pillow 13.
        let p = place(size(300, 100), size(448, 448), Fit::Pad);
        assert_eq!((p.scaled, p.x, p.y), (size(448, 149), 0, 150));
        // (448 - 147) / 2 = 150.5 -> 150.
        let p = place(size(147, 448), size(448, 448), Fit::Pad);
        assert_eq!((p.scaled, p.x, p.y), (size(147, 448), 150, 0));
        assert_eq!(place(size(1, 65_535), size(8, 8), Fit::Pad).scaled, size(0, 8));
    }

    #[test]
    fn crop_cuts_the_centre() {
        let p = place(size(630, 587), size(448, 448), Fit::Crop);
        assert_eq!((p.scaled, p.window_x, p.window_y), (size(480, 448), 16, 0));
        let p = place(size(1, 65_535), size(448, 448), Fit::Crop);
        assert_eq!((p.scaled, p.window_x, p.window_y), (size(448, 29_359_680), 0, 14_679_616));
        for w in 1..40 {
            for h in 1..40 {
                let p = place(size(w, h), size(17, 23), Fit::Crop);
                assert!(p.window_x + 17 <= p.scaled.width && p.window_y + 23 <= p.scaled.height);
                let p = place(size(w, h), size(17, 23), Fit::Pad);
                assert!(p.x + p.scaled.width <= 17 && p.y + p.scaled.height <= 23);
            }
        }
    }
}
