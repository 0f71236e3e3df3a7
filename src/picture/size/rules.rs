//! The sizes that trainers and models choose for a picture: pure functions, with each library's own rounding.
//!
//! Python's `/` between integers is a division of doubles here: every product stays far below 2^53, so that both round alike.

use super::geometry::{Placement, Size2};

/// The aspect ratio beyond which `smart_resize` gives up.
const MAX_RATIO: f64 = 200.0;

/// Which of its two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) enum SmartResize {
    /// transformers, `models/qwen2_vl/image_processing_qwen2_vl.py`: a rounded side may be 0 until the area is looked at.
    Transformers,
    /// `qwen_vl_utils/vision_process.py`: a rounded side is at least one factor, a side that is shrunk may become 0.
    QwenVlUtils,
}

/// What bounds the area of the result, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) struct Budget {
    pub(in crate::picture) min: u64,
    pub(in crate::picture) max: u64,
}

impl SmartResize {
    /// Both sides multiples of `factor`, the area within the budget, the aspect ratio nearly kept; none where the ratio is too extreme.
    pub(in crate::picture) fn size(self, from: Size2, factor: u32, budget: Budget) -> Option<Size2> {
        let (height, width, step) = (f64::from(from.height), f64::from(from.width), f64::from(factor));
        if height.max(width) / height.min(width) > MAX_RATIO {
            return None;
        }
        let least = match self {
            Self::Transformers => 0,
            Self::QwenVlUtils => u64::from(factor),
        };
        // Python's `round`: half to even.
        let rounded = |side: f64| ((side / step).round_ties_even() as u64 * u64::from(factor)).max(least);
        let (mut high, mut wide) = (rounded(height), rounded(width));
        if high * wide > budget.max {
            let beta = (height * width / budget.max as f64).sqrt();
            let least = match self {
                Self::Transformers => u64::from(factor),
                Self::QwenVlUtils => 0,
            };
            let shrunk = |side: f64| ((side / beta / step).floor() as u64 * u64::from(factor)).max(least);
            (high, wide) = (shrunk(height), shrunk(width));
        } else if high * wide < budget.min {
            let beta = (budget.min as f64 / (height * width)).sqrt();
            let grown = |side: f64| (side * beta / step).ceil() as u64 * u64::from(factor);
            (high, wide) = (grown(height), grown(width));
        }
        checked(high, wide)
    }
}

/// The shortest edge as long as said, the other one in proportion, rounded down: `get_resize_output_image_size` of transformers'
/// `image_transforms.py`, and `_compute_resized_output_size` of torchvision.
pub(in crate::picture) fn shortest_edge(from: Size2, edge: u32) -> Option<Size2> {
    let scaled = |long: u32, short: u32| (f64::from(edge) * f64::from(long) / f64::from(short)) as u64;
    if from.width <= from.height {
        checked(scaled(from.height, from.width), u64::from(edge))
    } else {
        checked(u64::from(edge), scaled(from.width, from.height))
    }
}

/// Whose centre crop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) enum Centre {
    /// transformers: what is over, halved and rounded down.
    Transformers,
    /// torchvision: rounded, half to even.
    Torchvision,
}

impl Centre {
    /// The window of a square of `edge` pixels in the middle of a picture that is scaled to `scaled`, which is at least as large.
    pub(in crate::picture) fn window(self, scaled: Size2, edge: u32) -> Placement {
        let first = |side: u32| {
            let half = f64::from(side.saturating_sub(edge)) / 2.0;
            match self {
                Self::Transformers => half as u32,
                Self::Torchvision => half.round_ties_even() as u32,
            }
        };
        Placement {
            scaled,
            window_x: first(scaled.width),
            window_y: first(scaled.height),
            window: Size2 { width: edge, height: edge },
            x: 0,
            y: 0,
            fill: 0,
        }
    }
}

/// The sizes that LLaMA-Factory's own resizes lead a picture through, before the model's processor sees it: `_preprocess_image` of
/// `MMPluginMixin` and of `Qwen2VLPlugin` (`data/mm_plugin.py`). `in_own_mode` counts those that come before its `convert("RGB")`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) struct LlamaFactory {
    sizes: [Size2; 5],
    count: usize,
    pub(in crate::picture) in_own_mode: usize,
}

impl LlamaFactory {
    /// None where Pillow would be asked for an empty picture.
    pub(in crate::picture) fn new(from: Size2, budget: Budget) -> Option<Self> {
        let mut steps = Self {
            sizes: [from; 5],
            count: 0,
            in_own_mode: 0,
        };
        let area = |size: Size2| u64::from(size.width) * u64::from(size.height);
        let mut size = from;
        let scaled = |size: Size2, bound: u64| {
            let factor = (bound as f64 / area(size) as f64).sqrt();
            let side = |side: u32| (f64::from(side) * factor) as u64;
            checked(side(size.height), side(size.width))
        };
        if area(size) > budget.max {
            size = steps.push(scaled(size, budget.max)?);
        }
        if area(size) < budget.min {
            size = steps.push(scaled(size, budget.min)?);
        }
        steps.in_own_mode = steps.count;
        if size.width.min(size.height) < 28 {
            size = steps.push(Size2 {
                width: size.width.max(28),
                height: size.height.max(28),
            });
        }
        if f64::from(size.width) / f64::from(size.height) > MAX_RATIO {
            size = steps.push(checked(u64::from(size.height), u64::from(size.height) * 180)?);
        }
        if f64::from(size.height) / f64::from(size.width) > MAX_RATIO {
            steps.push(checked(u64::from(size.width) * 180, u64::from(size.width))?);
        }
        Some(steps)
    }

    fn push(&mut self, size: Size2) -> Size2 {
        self.sizes[self.count] = size;
        self.count += 1;
        size
    }

    pub(in crate::picture) fn sizes(&self) -> &[Size2] {
        &self.sizes[..self.count]
    }
}

/// A size that holds something.
fn checked(height: u64, width: u64) -> Option<Size2> {
    let (height, width) = (u32::try_from(height).ok()?, u32::try_from(width).ok()?);
    (height > 0 && width > 0).then_some(Size2 { width, height })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(height: u32, width: u32) -> Size2 {
        Size2 { width, height }
    }

    #[test]
    fn smart_resize_knows_its_two_versions() {
        let budget = Budget { min: 3136, max: 1_003_520 };
        let small = size(10, 200);
        assert_eq!(SmartResize::Transformers.size(small, 28, budget), Some(size(28, 252)));
        assert_eq!(SmartResize::QwenVlUtils.size(small, 28, budget), Some(size(28, 196)));
        // 400 / 32 = 12.5 goes to the even neighbour.
        let wide = Budget { min: 1, max: 1 << 24 };
        assert_eq!(SmartResize::Transformers.size(size(400, 432), 32, wide), Some(size(384, 448)));
        assert_eq!(SmartResize::Transformers.size(size(1, 201), 28, budget), None);
        assert!(SmartResize::Transformers.size(size(1, 200), 28, budget).is_some());
        for (height, width) in [(1, 1), (1, 200), (57, 11_000), (65_535, 65_535)] {
            let made = SmartResize::Transformers.size(size(height, width), 28, budget).unwrap();
            assert!(made.height.is_multiple_of(28) && made.width.is_multiple_of(28));
            assert!(u64::from(made.height) * u64::from(made.width) <= budget.max);
        }
    }

    #[test]
    fn the_shortest_edge_is_exact_and_the_other_rounded_down() {
        assert_eq!(shortest_edge(size(225, 301), 224), Some(size(224, 299)));
        assert_eq!(shortest_edge(size(301, 225), 224), Some(size(299, 224)));
        assert_eq!(shortest_edge(size(7, 7), 224), Some(size(224, 224)));
        assert_eq!(shortest_edge(size(1, 1 << 30), 224), None);
    }

    #[test]
    fn centres_differ_in_halves() {
        let scaled = size(224, 227);
        assert_eq!(Centre::Transformers.window(scaled, 224).window_x, 1);
        assert_eq!(Centre::Torchvision.window(scaled, 224).window_x, 2);
    }

    #[test]
    fn llama_factory_takes_its_steps_in_order() {
        let budget = Budget {
            min: 32 * 32,
            max: 768 * 768,
        };
        let steps = |height, width| LlamaFactory::new(size(height, width), budget).unwrap();
        assert!(steps(512, 512).sizes().is_empty());
        assert_eq!(steps(1375, 1446).sizes(), [size(748, 787)]);
        // Grown to the least area, then to the shortest edge: the second one is done in RGB.
        let thin = steps(2, 100);
        assert_eq!((thin.sizes(), thin.in_own_mode), (&[size(4, 226), size(28, 226)][..], 1));
        assert_eq!(LlamaFactory::new(size(1, 1_000_000), budget), None);
    }
}
