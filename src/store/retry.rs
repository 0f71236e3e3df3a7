//! Which errors say something about a file, and which about the machine; the latter are waited out.

use std::io::{self, ErrorKind};
use std::thread::sleep;
use std::time::Duration;

/// How long is waited before each further try. Together they stay near the 100 ms within which Ctrl-C must work.
const PAUSES: [Duration; 3] = [Duration::from_millis(5), Duration::from_millis(20), Duration::from_millis(80)];

/// Whether an error says something about this very file: it is gone, may not be read, is no regular file, is too long.
///
/// Whatever is not known to be the file's own may be the machine's (`EIO` of a network disk, `EMFILE`, `ENOMEM`, `ESTALE`). To take that for a
/// fault of the file would leave its rows out in silence.
pub(crate) fn is_of_the_file(error: &io::Error) -> bool {
    const OF_THE_FILE: [i32; 11] = [
        libc::ENOENT,
        libc::EACCES,
        libc::EPERM,
        libc::ENOTDIR,
        libc::EISDIR,
        libc::ELOOP,
        libc::ENAMETOOLONG,
        libc::EINVAL,
        libc::EFBIG,
        libc::ENXIO, // a socket, or a device without a driver
        libc::ENODEV,
    ];
    match error.raw_os_error() {
        Some(number) => OF_THE_FILE.contains(&number),
        // What a store says itself.
        None => matches!(
            error.kind(),
            ErrorKind::NotFound
                | ErrorKind::PermissionDenied
                | ErrorKind::InvalidInput
                | ErrorKind::InvalidData
                | ErrorKind::FileTooLarge
                | ErrorKind::UnexpectedEof
        ),
    }
}

/// Does `work` again a few times where the machine is at fault.
pub(crate) fn retried<T>(mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for pause in PAUSES {
        match work() {
            Err(error) if !is_of_the_file(&error) => sleep(pause),
            done => return done,
        }
    }
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_gets_another_try_and_the_file_does_not() {
        let mut tries = 0;
        let mut failing = |number: i32, times: usize| {
            tries = 0;
            let done = retried(|| {
                tries += 1;
                if tries <= times {
                    Err(io::Error::from_raw_os_error(number))
                } else {
                    Ok(())
                }
            });
            (done.is_ok(), tries)
        };
        for number in [
            libc::EIO,
            libc::EMFILE,
            libc::ENFILE,
            libc::ENOMEM,
            libc::ESTALE,
            libc::EINTR,
            libc::EAGAIN,
            libc::ETIMEDOUT,
        ] {
            assert_eq!(failing(number, 1), (true, 2));
            assert_eq!(failing(number, 9), (false, 4));
        }
        for number in [libc::ENOENT, libc::EACCES, libc::ELOOP, libc::EISDIR] {
            assert_eq!(failing(number, 1), (false, 1));
        }
        assert!(is_of_the_file(&io::Error::new(ErrorKind::InvalidInput, "a pipe")));
        assert!(!is_of_the_file(&io::Error::from(ErrorKind::TimedOut)));
        assert!(!is_of_the_file(&io::Error::other("anything")));
    }
}
