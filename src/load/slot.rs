//! Memory that batches are written into, used again and again.
//!
//! A slot has one owner at a time: the pool, then a [`Lease`], first of the batch that is being filled, then of the consumer. It returns
//! to the pool when the lease is dropped, so nobody overwrites a batch that somebody still reads.
//!
//! Several threads fill one slot: [`Lease::split`] cuts it into [`SlotPiece`]s, each of which owns its bytes, and [`SplitLease::join`] gives
//! the lease back once no piece is left.

#![expect(unsafe_code, reason = "memory of a fixed address, of which several threads fill disjoint pieces")]

use std::alloc::{Layout, alloc, dealloc};
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::load::stats::Stats;

/// Slots begin at a page: what copies them to a device wants that.
const ALIGNMENT: usize = 4096;

/// Large ones begin at a large page, and ask for such: with small ones, a quarter of the time goes to finding them.
const LARGE_PAGE: usize = 2 << 20;

/// Memory that the caller brings, page-locked memory for example.
///
/// # Safety
///
/// - `start` is valid for reads and writes of `len` bytes, always the same, for as long as the object lives;
/// - nobody else writes to it meanwhile, or reads from it but through the batches that are handed out;
/// - it may be used from any thread.
pub unsafe trait CallerMemory: Send + Sync {
    /// Its first byte.
    fn start(&self) -> NonNull<u8>;
    /// How many bytes there are.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

enum Memory {
    Own(Layout),
    /// Held so that it stays.
    Caller(#[expect(dead_code, reason = "its drop is what counts")] Box<dyn CallerMemory>),
}

/// One output buffer.
pub struct Slot {
    start: NonNull<u8>,
    length: usize,
    memory: Memory,
}

// SAFETY: a slot owns its memory (or, of `CallerMemory`, the right to it, which holds for any thread), and has no state besides.
unsafe impl Send for Slot {}
// SAFETY: a shared reference reads or writes nothing but through `part`, whose contract forbids overlaps.
unsafe impl Sync for Slot {}

impl Slot {
    fn own(length: usize) -> Result<Self> {
        let refused = || {
            Error::memory(
                length as u64,
                "a batch does not fit; choose a smaller batch_size, or smaller pictures",
            )
        };
        let length = length.max(1).checked_next_multiple_of(ALIGNMENT).ok_or_else(refused)?;
        let alignment = if length < LARGE_PAGE { ALIGNMENT } else { LARGE_PAGE };
        let layout = Layout::from_size_align(length, alignment).map_err(|_| refused())?;
        // SAFETY: the layout has at least a page.
        let start = unsafe { alloc(layout) };
        let start = NonNull::new(start).ok_or_else(refused)?;
        #[cfg(target_os = "linux")]
        if alignment == LARGE_PAGE {
            // SAFETY: pages that were just allocated. A hint: whether it can be followed changes nothing.
            let _ = unsafe { libc::madvise(start.as_ptr().cast(), length, libc::MADV_HUGEPAGE) };
        }
        // SAFETY: memory of this length, which nobody else has yet.
        unsafe { start.write_bytes(0, length) };
        Ok(Self {
            start,
            length,
            memory: Memory::Own(layout),
        })
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The first byte, for whoever exports the memory; it stays where it is for as long as the slot lives.
    pub fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Some of its bytes.
    ///
    /// # Safety
    ///
    /// - The range lies within the slot.
    /// - Until the result is dropped, nobody else reads or writes these bytes.
    #[expect(clippy::mut_from_ref, reason = "the contract says what makes that sound")]
    unsafe fn part(&self, range: Range<usize>) -> &mut [u8] {
        debug_assert!(range.start <= range.end && range.end <= self.length, "{range:?} of {}", self.length);
        // SAFETY: within the memory, which was zeroed or is the caller's; by the contract nobody else has these bytes.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().add(range.start), range.len()) }
    }

    /// All of its bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        let length = self.length;
        // SAFETY: the whole slot, of which this is the only reference.
        unsafe { self.part(0..length) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Memory::Own(layout) = self.memory {
            // SAFETY: allocated with this layout, and nobody has it any more.
            unsafe { dealloc(self.start.as_ptr(), layout) }
        }
    }
}

/// The slots that nobody uses at the moment.
pub struct SlotPool {
    free: Mutex<Vec<Slot>>,
    /// The process that made them: in a forked child another thread may hold the lock for ever.
    process: u32,
    stats: Arc<Stats>,
}

impl SlotPool {
    /// An empty pool, or one of the caller's memory.
    pub fn new(given: Vec<Box<dyn CallerMemory>>, stats: Arc<Stats>) -> Result<Arc<Self>> {
        let mut free = Vec::new();
        for memory in given {
            let (start, length) = (memory.start(), memory.len());
            if !start.as_ptr().addr().is_multiple_of(4) {
                return Err(Error::usage("slots: expected memory that is aligned to 4 bytes"));
            }
            free.push(Slot {
                start,
                length,
                memory: Memory::Caller(memory),
            });
        }
        let pool = Self {
            free: Mutex::new(free),
            process: std::process::id(),
            stats,
        };
        pool.stats.slots.fetch_add(pool.lock().len() as u64, Ordering::Relaxed);
        Ok(Arc::new(pool))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Slot>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot of at least `bytes` bytes. Where none is free a new one is made, so that a consumer that keeps batches never waits for itself.
    pub fn take(&self, bytes: usize) -> Result<Slot> {
        let mut free = self.lock();
        if let Some(at) = free.iter().position(|slot| slot.len() >= bytes) {
            return Ok(free.swap_remove(at));
        }
        if let Some(slot) = free.iter().find(|slot| matches!(slot.memory, Memory::Caller(_))) {
            return Err(Error::usage(format!(
                "slots: a batch needs {bytes} bytes, and a slot that was given has {}; give larger ones",
                slot.len()
            )));
        }
        // One that is too small makes room for a larger one, so that their number does not grow with the sizes.
        let replaced = free.pop().map_or(0, |slot| slot.len());
        drop(free);
        let slot = Slot::own(bytes)?;
        self.stats.slots.fetch_add(u64::from(replaced == 0), Ordering::Relaxed);
        self.stats.slot_bytes.fetch_add(slot.len() as u64, Ordering::Relaxed);
        self.stats.slot_bytes.fetch_sub(replaced as u64, Ordering::Relaxed);
        Ok(slot)
    }

    fn give_back(&self, slot: Slot) {
        if std::process::id() == self.process {
            self.lock().push(slot);
        }
    }
}

/// The right to use a slot; the slot returns to its pool when the lease is dropped.
pub struct Lease {
    /// There until the lease is dropped.
    slot: Option<Slot>,
    pool: Arc<SlotPool>,
}

impl Lease {
    /// Takes over a slot.
    pub fn new(slot: Slot, pool: Arc<SlotPool>) -> Self {
        Self { slot: Some(slot), pool }
    }

    /// The slot; there until the lease is dropped.
    pub fn slot(&self) -> Option<&Slot> {
        self.slot.as_ref()
    }

    /// The slot's bytes, for its only user.
    pub fn bytes(&mut self) -> &mut [u8] {
        self.slot.as_mut().map_or(&mut [], Slot::bytes)
    }

    /// Cuts the slot into pieces that lie one after the other: the first begins at byte 0, and each ends where `ends` says.
    pub fn split(self, ends: &[usize]) -> Result<(SplitLease, Vec<SlotPiece>)> {
        let length = self.slot.as_ref().map_or(0, Slot::len);
        if !ends.is_sorted() || ends.last().is_some_and(|end| *end > length) {
            return Err(Error::internal(format!("pieces that end at {ends:?} of a slot of {length} bytes")));
        }
        let lease = Arc::new(self);
        let begins = std::iter::once(0).chain(ends.iter().copied());
        let pieces = begins.zip(ends).map(|(begin, end)| SlotPiece {
            lease: Arc::clone(&lease),
            range: begin..*end,
        });
        let pieces = pieces.collect();
        Ok((SplitLease { lease }, pieces))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.pool.give_back(slot);
        }
    }
}

/// A lease whose slot is being filled, piece by piece.
pub struct SplitLease {
    lease: Arc<Lease>,
}

impl SplitLease {
    /// The lease, once every piece was dropped; until then `None`, and the slot returns to its pool with the last piece.
    pub fn join(self) -> Option<Lease> {
        Arc::into_inner(self.lease)
    }
}

/// Bytes of a slot that nobody but the owner of this value can reach.
///
/// Invariant: the ranges of all pieces of a lease are disjoint and lie within its slot. [`Lease::split`] alone makes pieces, they cannot be
/// cloned, and while one lives there is no other way to the bytes: `Lease::bytes` needs the lease itself.
pub struct SlotPiece {
    lease: Arc<Lease>,
    range: Range<usize>,
}

impl SlotPiece {
    /// Its bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        let Some(slot) = self.lease.slot() else { return &mut [] };
        // SAFETY: by the invariant the range lies within the slot, and nobody else reaches these bytes: `&mut self` is the only reference
        // to the piece.
        unsafe { slot.part(self.range.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_come_back_when_their_lease_ends_and_not_before() {
        let stats = Arc::new(Stats::default());
        let pool = SlotPool::new(Vec::new(), Arc::clone(&stats)).unwrap();
        let mut first = pool.take(100).unwrap();
        assert!(first.len() >= 100 && first.start().addr().is_multiple_of(ALIGNMENT));
        first.bytes()[99] = 7;
        let place = first.start();
        let lease = Lease::new(first, Arc::clone(&pool));
        let second = pool.take(100).unwrap();
        assert_ne!(second.start(), place);
        drop(lease);
        let third = pool.take(50).unwrap();
        assert_eq!(third.start(), place);
        assert_eq!(stats.slots.load(Ordering::Relaxed), 2);
        pool.give_back(third);
        // Too small: replaced, not added to.
        let larger = pool.take(100_000).unwrap();
        assert!(larger.len() >= 100_000);
        assert_eq!(stats.slots.load(Ordering::Relaxed), 2);
        assert_eq!(stats.slot_bytes.load(Ordering::Relaxed), (second.len() + larger.len()) as u64);
    }

    fn lease(bytes: usize) -> Lease {
        let pool = SlotPool::new(Vec::new(), Arc::default()).unwrap();
        Lease::new(pool.take(bytes).unwrap(), pool)
    }

    #[test]
    fn pieces_of_a_slot_are_filled_by_threads() {
        let ends: Vec<usize> = (1..=10).map(|i| i * 100).collect();
        let (split, pieces) = lease(1000).split(&ends).unwrap();
        std::thread::scope(|scope| {
            for (i, mut piece) in pieces.into_iter().enumerate() {
                scope.spawn(move || {
                    assert_eq!(piece.bytes().len(), 100);
                    piece.bytes().fill(i as u8);
                });
            }
        });
        let mut lease = split.join().unwrap();
        assert!(
            lease.bytes()[..1000]
                .iter()
                .enumerate()
                .all(|(at, byte)| usize::from(*byte) == at / 100)
        );
    }

    #[test]
    fn a_lease_is_whole_again_only_without_pieces() {
        let (split, mut pieces) = lease(100).split(&[0, 60, 60, 100]).unwrap();
        assert_eq!(
            pieces.iter_mut().map(|piece| piece.bytes().len()).collect::<Vec<_>>(),
            [0, 60, 0, 40]
        );
        pieces.truncate(1);
        assert!(split.join().is_none());
        let (split, pieces) = lease(100).split(&[]).unwrap();
        assert!(pieces.is_empty() && split.join().is_some());
    }

    #[test]
    fn pieces_that_overlap_or_lie_outside_are_not_made() {
        assert!(lease(100).split(&[60, 40]).is_err());
        assert!(lease(100).split(&[60, ALIGNMENT + 1]).is_err());
    }
}
