//! Memory for sizes that a picture's header names. It may not be there: then that is a fault of the picture, never the end of the process.

use super::fault::{Fault, PictureResult};

/// Room for `length` bytes at the front of `buffer`, which never shrinks; what stands there is left over from before.
pub(super) fn room(buffer: &mut Vec<u8>, length: usize) -> PictureResult<&mut [u8]> {
    if buffer.len() < length {
        set_length(buffer, length)?;
    }
    Ok(&mut buffer[..length])
}

/// Makes `buffer` that long; what is added is zero.
pub(super) fn set_length(buffer: &mut Vec<u8>, length: usize) -> PictureResult<()> {
    reserve(buffer, length.saturating_sub(buffer.len()))?;
    buffer.resize(length, 0);
    Ok(())
}

/// Room for so many more elements, and for no others: a buffer that doubles when it grows would take memory that nobody counts.
pub(super) fn reserve<T>(buffer: &mut Vec<T>, more: usize) -> PictureResult<()> {
    let bytes = || (more as u64).saturating_mul(size_of::<T>() as u64);
    buffer.try_reserve_exact(more).map_err(|_| Fault::memory(bytes()))
}

/// So many copies of `value`.
pub(super) fn filled<T: Clone>(value: T, count: usize) -> PictureResult<Vec<T>> {
    let mut all = Vec::new();
    reserve(&mut all, count)?;
    all.resize(count, value);
    Ok(all)
}

/// Replaces `buffer` with these bytes.
pub(super) fn copy(bytes: &[u8], buffer: &mut Vec<u8>) -> PictureResult<()> {
    buffer.clear();
    append(bytes, buffer)
}

/// Puts bytes behind those that there are.
pub(super) fn append(bytes: &[u8], buffer: &mut Vec<u8>) -> PictureResult<()> {
    // Amortised, because of many short pieces.
    let refused = |_| Fault::memory(bytes.len() as u64);
    buffer.try_reserve(bytes.len()).map_err(refused)?;
    buffer.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Code;

    /// More than any address space has, and more than can be counted.
    const TOO_MUCH: [usize; 3] = [usize::MAX, isize::MAX as usize, 1 << 60];

    #[test]
    fn memory_that_is_not_there_is_a_fault_that_names_its_size() {
        for length in TOO_MUCH {
            let mut buffer = vec![1, 2];
            let refused = [
                room(&mut buffer, length).map(|_| ()),
                set_length(&mut buffer, length),
                reserve(&mut buffer, length),
                reserve::<u64>(&mut Vec::new(), length),
                filled(0_u64, length).map(|_| ()),
            ];
            for result in refused {
                let fault = result.unwrap_err();
                assert_eq!(fault.code, Code::PictureMemory);
                assert!(fault.message.contains("bytes"), "{}", fault.message);
            }
            assert_eq!(buffer, [1, 2]);
        }
    }

    #[test]
    fn buffers_grow_to_what_is_asked_for_and_no_further() {
        let mut buffer = Vec::new();
        for length in [10, 11, 1000, 1001] {
            assert_eq!(room(&mut buffer, length).unwrap().len(), length);
            assert_eq!(buffer.capacity(), length);
        }
        assert_eq!(room(&mut buffer, 5).unwrap().len(), 5);
        assert_eq!(buffer.len(), 1001);
        copy(b"abc", &mut buffer).unwrap();
        append(b"d", &mut buffer).unwrap();
        assert_eq!(buffer, b"abcd");
        assert_eq!(filled(7_u16, 3).unwrap(), [7; 3]);
    }
}
