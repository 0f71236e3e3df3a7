//! zlib streams, by way of the `png` crate: its inflater is fast and safe, but not public on its own.
//!
//! Its container rules are not Pillow's (which checks fewer sums, and bears trailing data), so that the chunks are walked by us
//! and handed over one by one, behind a made-up header.

use png::{DecodeOptions, StreamingDecoder, UnfilterRegion};

/// The most that deflate can expand: 258 bytes for two bits.
pub(super) const MAX_EXPANSION: usize = 1032;

/// A signature and the header of a gray picture of one pixel, sums left out.
const PROLOGUE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\0\0\0\0";

/// The data are no zlib stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotZlib;

/// One zlib stream on its way to `out`.
pub(super) struct Inflate<'a> {
    decoder: StreamingDecoder,
    region: UnfilterRegion,
    out: &'a mut Vec<u8>,
}

impl<'a> Inflate<'a> {
    /// A stream of at most `limit` bytes. `out` gets that length; what was in it stays where nothing is written.
    pub(super) fn new(out: &'a mut Vec<u8>, limit: usize) -> Self {
        let mut options = DecodeOptions::default();
        options.set_ignore_adler32(false);
        options.set_ignore_crc(true);
        let mut inflate = Self {
            decoder: StreamingDecoder::new_with_options(options),
            region: UnfilterRegion::default(),
            out,
        };
        inflate.out.resize(limit, 0);
        // Fixed and well-formed: cannot fail.
        let fed = inflate.feed(PROLOGUE);
        debug_assert_eq!(fed, Ok(()));
        inflate
    }

    /// The bytes that have come out so far.
    pub(super) fn filled(&self) -> usize {
        self.region.filled
    }

    /// What has come out so far.
    pub(super) fn rows(&self) -> &[u8] {
        &self.out[..self.region.filled]
    }

    /// Whether nothing more fits.
    pub(super) fn is_full(&self) -> bool {
        self.region.filled == self.out.len()
    }

    /// Whether the stream has ended, as far as that shows: the decoder then gives back its look-back window.
    pub(super) fn has_ended(&self) -> bool {
        self.region.filled > 0 && self.region.available == self.region.filled
    }

    /// The next piece of the stream; what comes out beyond the limit is left in it.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), NotZlib> {
        let mut head = *b"\0\0\0\0IDAT";
        head[..4].copy_from_slice(&u32::try_from(piece.len()).map_err(|_| NotZlib)?.to_be_bytes());
        self.feed(&head)?;
        self.feed(piece)?;
        if self.is_full() { Ok(()) } else { self.feed(&[0; 4]) }
    }

    fn feed(&mut self, mut bytes: &[u8]) -> Result<(), NotZlib> {
        while !bytes.is_empty() {
            let before = self.region.filled;
            let mut buffer = self.region.as_buf(self.out);
            let (taken, _) = self.decoder.update(bytes, Some(&mut buffer)).map_err(|_| NotZlib)?;
            bytes = &bytes[taken..];
            if taken == 0 && self.region.filled == before {
                // Full: the rest of the stream is not wanted.
                break;
            }
        }
        Ok(())
    }
}

/// How long the text of this stream is, as far as it can be read; none where it is longer than `limit`.
pub(super) fn inflated_len(stream: &[u8], limit: usize) -> Option<usize> {
    let mut out = Vec::new();
    let room = limit.min(stream.len().saturating_mul(MAX_EXPANSION)) + 1;
    let mut inflate = Inflate::new(&mut out, room);
    // A broken stream is an empty text to Pillow (`PngImagePlugin._safe_zlib_decompress` and its callers).
    let length = inflate.push(stream).map_or(0, |()| inflate.filled());
    (length <= limit).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "aaaaaaaaaa" as a stored block.
    const STORED: &[u8] = b"\x78\x01\x01\x0a\0\xf5\xffaaaaaaaaaa\x14\xe1\x03\xcb";

    #[test]
    fn streams_come_out_in_pieces_of_any_size() {
        for size in 1..STORED.len() {
            let mut out = Vec::new();
            let mut inflate = Inflate::new(&mut out, 10);
            for piece in STORED.chunks(size) {
                inflate.push(piece).unwrap();
                if inflate.is_full() {
                    break;
                }
            }
            assert!(inflate.is_full());
            assert_eq!(out, b"aaaaaaaaaa");
        }
    }

    #[test]
    fn short_streams_end_and_broken_ones_are_refused() {
        let mut out = Vec::new();
        let mut inflate = Inflate::new(&mut out, 11);
        inflate.push(STORED).unwrap();
        assert!(!inflate.is_full() && inflate.has_ended() && inflate.filled() == 10);
        let mut inflate = Inflate::new(&mut out, 11);
        inflate.push(&STORED[..12]).unwrap();
        assert!(!inflate.has_ended());
        assert_eq!(Inflate::new(&mut out, 11).push(b"\x78\x01\x07\0\0"), Err(NotZlib));
        let mut wrong = STORED.to_vec();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(Inflate::new(&mut out, 10).push(&wrong), Err(NotZlib));
    }

    #[test]
    fn lengths_are_bounded() {
        assert_eq!(inflated_len(STORED, 10), Some(10));
        assert_eq!(inflated_len(STORED, 9), None);
        assert_eq!(inflated_len(b"nonsense", 10), Some(0));
    }
}
