//! The header of a picture: format by content, mode, size, orientation. No pixels; bounded time and memory for any bytes.
//!
//! A header is refused exactly where `Image.open` of Pillow refuses it: each reader follows that of the format's plugin.

use super::header::{Format, Probe};
use super::{bmp, gif, jpeg, png, tiff, webp};
use crate::finding::Code;
use crate::picture::fault::{Fault, PictureResult};

/// Reads the header of a picture.
///
/// ```
/// use mmno_fast::finding::Code;
/// assert_eq!(mmno_fast::picture::probe(b"").unwrap_err().code, Code::PictureEmpty);
/// assert_eq!(mmno_fast::picture::probe(b"%PDF-1.4").unwrap_err().code, Code::PictureFormat);
/// ```
pub fn probe(bytes: &[u8]) -> PictureResult<Probe> {
    if bytes.is_empty() {
        return Err(Fault::new(Code::PictureEmpty, "the file has no bytes"));
    }
    let Some(format) = Format::from_signature(bytes) else {
        let head: Vec<String> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
        let message = format!(
            "expected JPEG, PNG, BMP, GIF, TIFF or WebP, found a file that begins with {}",
            head.join(" ")
        );
        return Err(Fault::new(Code::PictureFormat, message));
    };
    match format {
        Format::Jpeg => jpeg::Header::read(bytes).map(|header| header.probe()),
        Format::Png => png::Header::read(bytes).map(|header| header.probe()),
        Format::Bmp => bmp::Header::read(bytes).map(|header| header.probe()),
        Format::Gif => gif::Header::read(bytes).map(|header| header.probe()),
        Format::Tiff => tiff::Header::read(bytes).map(|header| header.probe()),
        Format::Webp => webp::Header::read(bytes).map(|header| header.probe()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_alone_is_a_cut_off_file() {
        for signature in [&b"\xff\xd8\xff"[..], b"\x89PNG\r\n\x1a\n", b"BM"] {
            assert_eq!(probe(signature).unwrap_err().code, Code::PictureTruncated, "{signature:?}");
        }
    }
}
