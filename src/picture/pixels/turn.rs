//! Turning a picture as its EXIF orientation says.

use crate::picture::fault::PictureResult;
use crate::picture::memory::room;

/// Applies an EXIF orientation: `ImageOps.exif_transpose`. Both buffers may be longer than the picture, of `bytes` bytes a pixel; `pixels`
/// gets the turned one, `scratch` what it was.
pub(in crate::picture) fn turn(
    pixels: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    width: usize,
    height: usize,
    bytes: usize,
    orientation: u32,
) -> PictureResult<()> {
    if !(2..=8).contains(&orientation) {
        return Ok(());
    }
    let length = width * height * bytes;
    std::mem::swap(pixels, scratch);
    let (from, to) = (&scratch[..length], room(pixels, length)?);
    match bytes {
        1 => turn_pixels::<1>(from, to, width, height, orientation),
        2 => turn_pixels::<2>(from, to, width, height, orientation),
        3 => turn_pixels::<3>(from, to, width, height, orientation),
        _ => turn_pixels::<4>(from, to, width, height, orientation),
    }
    Ok(())
}

fn turn_pixels<const C: usize>(from: &[u8], to: &mut [u8], width: usize, height: usize, orientation: u32) {
    let from = from.as_chunks::<C>().0;
    let to = to.as_chunks_mut::<C>().0;
    let new_width = if orientation >= 5 { height } else { width };
    for (y, row) in to.chunks_exact_mut(new_width).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            let (last_x, last_y) = (width - 1, height - 1);
            let (from_x, from_y) = match orientation {
                2 => (last_x - x, y),
                3 => (last_x - x, last_y - y),
                4 => (x, last_y - y),
                5 => (y, x),
                6 => (y, last_y - x),
                7 => (last_x - y, last_y - x),
                _ => (last_x - y, x),
            };
            *pixel = from[from_y * width + from_x];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turning_follows_the_table() {
        let original = vec![1, 2, 3, 4, 5, 6];
        let expected: [(u32, [u8; 6]); 7] = [
            (2, [3, 2, 1, 6, 5, 4]),
            (3, [6, 5, 4, 3, 2, 1]),
            (4, [4, 5, 6, 1, 2, 3]),
            (5, [1, 4, 2, 5, 3, 6]),
            (6, [4, 1, 5, 2, 6, 3]),
            (7, [6, 3, 5, 2, 4, 1]),
            (8, [3, 6, 2, 5, 1, 4]),
        ];
        for (orientation, turned) in expected {
            let mut pixels = original.clone();
            turn(&mut pixels, &mut Vec::new(), 3, 2, 1, orientation).unwrap();
            assert_eq!(pixels, turned, "{orientation}");
        }
    }
}
