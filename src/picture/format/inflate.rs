//! zlib streams, by way of `fdeflate`, which is fast and safe.

use fdeflate::Decompressor;

use crate::picture::fault::PictureResult;
use crate::picture::memory::set_length;

/// The most that deflate can expand: 258 bytes for two bits.
pub(super) const MAX_EXPANSION: usize = 1032;

/// The most bytes that are asked for at once, so that they are still at hand when their sum is taken.
const STEP: usize = 128 * 1024;

/// The data are no zlib stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotZlib;

/// One zlib stream on its way to `out`.
pub(super) struct Inflate<'a> {
    decoder: Box<Decompressor>,
    filled: usize,
    out: &'a mut Vec<u8>,
}

impl<'a> Inflate<'a> {
    /// A stream of at most `limit` bytes. `out` gets that length; what was in it stays where nothing is written.
    pub(super) fn new(out: &'a mut Vec<u8>, limit: usize) -> PictureResult<Self> {
        set_length(out, limit)?;
        Ok(Self {
            decoder: Box::new(Decompressor::new()),
            filled: 0,
            out,
        })
    }

    /// The bytes that have come out so far.
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// What has come out so far.
    pub(super) fn rows(&self) -> &[u8] {
        &self.out[..self.filled]
    }

    /// Whether the stream has ended, with the right sum.
    pub(super) fn has_ended(&self) -> bool {
        self.decoder.is_done()
    }

    /// The next piece of the stream; what comes out beyond the limit is left in it.
    pub(super) fn push(&mut self, mut piece: &[u8]) -> Result<(), NotZlib> {
        loop {
            let end = self.out.len().min(self.filled + STEP);
            let (taken, made) = self
                .decoder
                .read(piece, &mut self.out[..end], self.filled, false)
                .map_err(|_| NotZlib)?;
            piece = &piece[taken..];
            self.filled += made;
            // The last bytes may have been taken, and thousands still to come of them.
            if taken == 0 && made == 0 {
                return Ok(());
            }
        }
    }
}

/// The text of this stream, as far as it can be read; none where it is longer than `limit`. A broken stream is an empty text to Pillow
/// (`PngImagePlugin._safe_zlib_decompress` and its callers), unless it is too long before it breaks.
pub(super) fn inflated(stream: &[u8], limit: usize) -> PictureResult<Option<Vec<u8>>> {
    let mut out = Vec::new();
    let room = limit.min(stream.len().saturating_mul(MAX_EXPANSION)) + 1;
    let mut inflate = Inflate::new(&mut out, room)?;
    let broken = inflate.push(stream).is_err();
    let length = inflate.filled();
    if length > limit {
        return Ok(None);
    }
    out.truncate(if broken { 0 } else { length });
    Ok(Some(out))
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
            let mut inflate = Inflate::new(&mut out, 10).unwrap();
            for piece in STORED.chunks(size) {
                inflate.push(piece).unwrap();
            }
            assert!(inflate.has_ended());
            assert_eq!(out, b"aaaaaaaaaa");
        }
    }

    #[test]
    fn what_a_few_bytes_stand_for_comes_out_to_the_last_byte() {
        for length in (0..2000).chain([STEP - 1, STEP, STEP + 1, STEP + 4000, 1_000_000]) {
            let stream = zeros(length);
            let mut out = Vec::new();
            let mut inflate = Inflate::new(&mut out, length + 1).unwrap();
            inflate.push(&stream).unwrap();
            assert_eq!((inflate.filled(), inflate.has_ended()), (length, true));
        }
    }

    /// So many zeros in a block of fixed codes: one literal, then lengths of 258, each with the distance 1, then literals.
    fn zeros(length: usize) -> Vec<u8> {
        let mut bits = vec![true, true, false];
        let mut code = |value: u32, count: u32| bits.extend((0..count).rev().map(|at| value >> at & 1 == 1));
        let long = length.saturating_sub(1) / 258;
        for _ in 0..length.min(1) {
            code(0x30, 8);
        }
        for _ in 0..long {
            code(0xc5, 8);
            code(0, 5);
        }
        for _ in 0..length.saturating_sub(1) % 258 {
            code(0x30, 8);
        }
        code(0, 7);
        let mut stream = vec![0x78, 0x01];
        stream.extend(
            bits.chunks(8)
                .map(|bits| bits.iter().rev().fold(0, |sum, bit| sum << 1 | u8::from(*bit))),
        );
        // Adler-32 of zeros: 1, and their number.
        stream.extend(((length % 65_521) << 16 | 1).to_be_bytes()[4..].iter());
        stream
    }

    #[test]
    fn short_streams_end_and_broken_ones_are_refused() {
        let mut out = Vec::new();
        let mut inflate = Inflate::new(&mut out, 11).unwrap();
        inflate.push(STORED).unwrap();
        assert!(inflate.has_ended() && inflate.filled() == 10);
        let mut inflate = Inflate::new(&mut out, 11).unwrap();
        inflate.push(&STORED[..12]).unwrap();
        assert!(!inflate.has_ended());
        assert_eq!(Inflate::new(&mut out, 11).unwrap().push(b"\x78\x01\x07\0\0"), Err(NotZlib));
        let mut wrong = STORED.to_vec();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(Inflate::new(&mut out, 10).unwrap().push(&wrong), Err(NotZlib));
    }

    #[test]
    fn lengths_are_bounded() {
        assert_eq!(inflated(STORED, 10).unwrap().as_deref(), Some(&b"aaaaaaaaaa"[..]));
        assert_eq!(inflated(STORED, 9).unwrap(), None);
        assert_eq!(inflated(b"nonsense", 10).unwrap().as_deref(), Some(&[][..]));
    }
}
