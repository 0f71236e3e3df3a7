//! BLAKE3 of what is too long to be held in memory.

use std::io::{self, ErrorKind, Read};

/// What stays in the second-level cache between being read and being hashed.
const HASHED_AT_ONCE: usize = 128 << 10;

/// Hashes at most the first `length` bytes that `from` gives: how many there were, and their hash. `buffer` is scratch.
///
/// The limit keeps a file that goes on and on from being read for ever.
pub fn hash(mut from: impl Read, length: u64, buffer: &mut Vec<u8>) -> io::Result<(u64, blake3::Hash)> {
    let room = usize::try_from(length).map_or(HASHED_AT_ONCE, |length| length.min(HASHED_AT_ONCE));
    buffer.resize(room.max(buffer.len()), 0);
    let (mut hasher, mut done) = (blake3::Hasher::new(), 0);
    while done < length {
        let most = usize::try_from(length - done).map_or(room, |left| left.min(room));
        let part = buffer.get_mut(..most).unwrap_or_default();
        match from.read(part) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(part.get(..count).unwrap_or_default());
                done += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((done, hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_bytes_are_read() {
        let bytes: Vec<u8> = (0..3 * HASHED_AT_ONCE as u32 / 2).map(|number| number as u8).collect();
        for length in [0, 1, HASHED_AT_ONCE, HASHED_AT_ONCE + 1, bytes.len()] {
            let mut rest = &*bytes;
            let found = hash(&mut rest, length as u64, &mut Vec::new()).unwrap();
            assert_eq!(found, (length as u64, blake3::hash(&bytes[..length])));
            assert_eq!(rest.len(), bytes.len() - length);
        }
        let found = hash(&*bytes, u64::MAX, &mut Vec::new()).unwrap();
        assert_eq!(found, (bytes.len() as u64, blake3::hash(&bytes)));
        assert!(hash(io::repeat(0), 1 << 20, &mut Vec::new()).is_ok());
    }
}
