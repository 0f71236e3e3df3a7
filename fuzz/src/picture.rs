//! Every format: what is true of every picture. (JPEG and PNG have targets of their own, with a second reader to compare with.)

use crate::pictures;

/// Takes any bytes.
pub fn check(bytes: &[u8]) {
    pictures::check(bytes);
}
