//! The resampler: every set of instructions gives the same bits as the portable code, and writes all of its output.

use mmno_fast::picture::fuzzing::resample_every_way;
use mmno_fast::picture::{Filter, Fit, Pixels};

/// The most pixels of a picture here.
const MAX_PIXELS: u32 = 1 << 13;

/// The most pixels that a side may be scaled to before it is cropped: torch looks for the largest of all its weights, here ten times over.
const MAX_SCALED: u64 = 1 << 16;

/// What is to be resampled, and how. Sizes are height and width.
struct Recipe {
    pixels: Vec<u8>,
    from: (u32, u32),
    to: (u32, u32),
    channels: u32,
    fit: Fit,
    filter: Filter,
    arithmetic: Pixels,
}

/// Takes any bytes.
pub fn check(bytes: &[u8]) {
    let recipe = read(bytes);
    let (height, width) = recipe.from;
    let [h, w, to_h, to_w] = [height, width, recipe.to.0, recipe.to.1].map(u64::from);
    if recipe.fit == Fit::Crop && (to_w * h / w).max(to_h * w / h) > MAX_SCALED {
        return;
    }
    let size = (height, width, recipe.channels as usize);
    let Some(made) = resample_every_way(&recipe.pixels, size, recipe.to, recipe.fit, recipe.filter, recipe.arithmetic) else {
        return;
    };
    let (expected, others) = made.split_first().expect("the portable code is everywhere");
    assert_eq!(expected.len(), (recipe.to.0 * recipe.to.1 * recipe.channels) as usize);
    // Each way twice, over two grounds: a byte that is not written shows.
    for (i, found) in others.iter().enumerate() {
        assert!(found == expected, "way {i} differs from the portable code");
    }
    if recipe.from == recipe.to {
        assert!(*expected == recipe.pixels, "the same size gives the same picture");
    }
    let first = recipe.pixels.first().copied().unwrap_or(0);
    if recipe.pixels.iter().all(|value| *value == first) && recipe.fit != Fit::Pad && recipe.filter != Filter::Nearest {
        // torch's weights of 16 bits need not sum to one.
        let most = if recipe.arithmetic == Pixels::Torchvision { 2 } else { 1 };
        assert!(
            expected.iter().all(|value| value.abs_diff(first) <= most),
            "one colour stays that colour"
        );
    }
}

/// The first bytes say sizes and ways, the others are the pixels, over and over.
fn read(bytes: &[u8]) -> Recipe {
    let mut bytes = bytes.iter().copied();
    let mut next = || bytes.next().unwrap_or(0);
    let ways = next();
    let mut side = |most: u32| {
        let [kind, value] = [next(), next()].map(u32::from);
        // Mostly short, so that both ends of a block are near; sometimes long and thin.
        let side = if kind >= 250 { (kind - 250) * 4000 + value * 16 } else { value };
        1 + side % most
    };
    let from_height = side(MAX_PIXELS);
    let from_width = side(MAX_PIXELS / from_height);
    let to_height = side(MAX_PIXELS);
    let to_width = side(MAX_PIXELS / to_height);
    let filters = [
        Filter::Bicubic,
        Filter::Nearest,
        Filter::Box,
        Filter::Bilinear,
        Filter::Hamming,
        Filter::Lanczos,
    ];
    let channels = 1 + 2 * u32::from(ways & 1);
    let length = (from_height * from_width * channels) as usize;
    let style = next();
    let samples: Vec<u8> = bytes.collect();
    let mut state = u32::from(style);
    let pixels = (0..length).map(|i| match style {
        // As given; of one colour; extremes, whose sums leave a byte; noise.
        0..=63 => samples.get(i % samples.len().max(1)).copied().unwrap_or(style),
        64..=95 => style.wrapping_mul(5),
        96..=159 => samples
            .get(i / 8 % samples.len().max(1))
            .map_or(0, |byte| if byte >> (i % 8) & 1 == 1 { 255 } else { 0 }),
        160.. => {
            state = state
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223 + u32::from(samples.get(i % samples.len().max(1)).copied().unwrap_or(0)));
            (state >> 24) as u8
        }
    });
    Recipe {
        pixels: pixels.collect(),
        from: (from_height, from_width),
        to: (to_height, to_width),
        channels,
        fit: [Fit::Stretch, Fit::Pad, Fit::Crop][usize::from(ways >> 1) % 3],
        filter: filters[usize::from(ways >> 3) % filters.len()],
        arithmetic: [Pixels::Pillow13, Pixels::Pillow12, Pixels::Torchvision][usize::from(ways >> 5) % 3],
    }
}
