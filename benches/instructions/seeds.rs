//! The same seeds for hash tables in each run. Where entries lie follows from the seed, and so does how long it takes to find them.
//!
//! Seeds come from the system's random numbers (the standard library, `ahash`) and from the time of day (`foldhash`).

#![expect(
    unsafe_code,
    reason = "functions of the C library are replaced; the program's own definitions come before the library's"
)]

use std::ffi::{c_int, c_uint, c_void};

/// Fills memory with one byte instead of chance.
///
/// # Safety
///
/// `buffer` is valid for writes of `length` bytes: the contract of `getrandom(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, _flags: c_uint) -> isize {
    // Callers ask for no bytes with an invalid pointer, to see whether there is such a function.
    if length > 0 {
        // SAFETY: by the contract.
        unsafe { buffer.cast::<u8>().write_bytes(0x5a, length) };
    }
    length.cast_signed()
}

/// The time of day is always the same; other clocks, which waiting threads need, go on.
///
/// # Safety
///
/// `time` is valid for writes: the contract of `clock_gettime(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    if clock == libc::CLOCK_REALTIME {
        let fixed = libc::timespec {
            tv_sec: 1 << 30,
            tv_nsec: 0,
        };
        // SAFETY: by the contract.
        unsafe { time.write(fixed) };
        return 0;
    }
    // SAFETY: the call that the C library would make, with the same arguments.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as c_int }
}
