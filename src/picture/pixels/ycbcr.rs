//! Luma and chroma to red, green and blue: `ImagingConvertYCbCr2RGB` of `ConvertYCbCr.c`. (That of JPEG is libjpeg's own.)

/// The bits behind the point.
const SCALE: i32 = 6;

/// What one value of chroma adds to a colour.
type ChromaTable = [i32; 256];

/// A table of Pillow: half is added to the product, and what is behind the point is then left out, towards 0.
fn table(factor: f64) -> ChromaTable {
    std::array::from_fn(|i| (factor * f64::from(1 << SCALE) * (i as f64 - 128.0) + 0.5) as i32)
}

/// Converts every pixel of `from` to one of `to`.
pub(in crate::picture) fn to_rgb(from: &[[u8; 3]], to: &mut [[u8; 3]]) {
    let (red, blue) = (table(1.402), table(1.772));
    let (green_of_blue, green_of_red) = (table(-0.34414), table(-0.71414));
    for (to, [y, cb, cr]) in to.iter_mut().zip(from) {
        let (y, cb, cr) = (i32::from(*y), usize::from(*cb), usize::from(*cr));
        let sums = [red[cr], green_of_blue[cb] + green_of_red[cr], blue[cb]];
        *to = sums.map(|sum| (y + (sum >> SCALE)).clamp(0, 255) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_pillows() {
        let ends = |table: ChromaTable| [table[0], table[127], table[128], table[129], table[255]];
        assert_eq!(ends(table(1.402)), [-11_484, -89, 0, 90, 11_395]);
        assert_eq!(ends(table(-0.34414)), [2819, 22, 0, -21, -2796]);
        assert_eq!(ends(table(-0.71414)), [5850, 46, 0, -45, -5804]);
        assert_eq!(ends(table(1.772)), [-14_515, -112, 0, 113, 14_403]);
    }
}
