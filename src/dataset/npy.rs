//! `.npy` files whose data start at byte 4096: page-aligned, so that they can be mapped, read directly and pinned.

/// Bytes in front of the data.
pub const DATA_OFFSET: u64 = 4096;

/// Magic, version 1.0, and the length of what follows up to [`DATA_OFFSET`].
const PREFIX: &[u8] = b"\x93NUMPY\x01\x00\xf6\x0f";

/// The header of an array of C order; `descr` is `NumPy`'s, as in `|u1`.
pub fn header(descr: &str, shape: &[u64]) -> Vec<u8> {
    let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let tuple = if let [only] = sizes.as_slice() {
        format!("({only},)")
    } else {
        format!("({})", sizes.join(", "))
    };
    let mut bytes = PREFIX.to_vec();
    bytes.extend(format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {tuple}, }}").bytes());
    bytes.resize(DATA_OFFSET as usize - 1, b' ');
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_end_at_the_page() {
        for shape in [&[3][..], &[2, 448, 448], &[0, 1, 1, 3]] {
            let header = header("|u1", shape);
            assert_eq!(header.len() as u64, DATA_OFFSET);
            assert_eq!(u16::from_le_bytes([header[8], header[9]]), 4086);
            assert_eq!(header.last(), Some(&b'\n'));
        }
        assert!(String::from_utf8_lossy(&header("<u8", &[7])).contains("{'descr': '<u8', 'fortran_order': False, 'shape': (7,), }"));
    }
}
