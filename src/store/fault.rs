//! Which errors say something about a file, and which about the machine; the latter end the job.

use std::io::{self, ErrorKind};

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

/// Whether an error says that a file of our own is damaged: it is gone, or no regular one. A refused permission does not: the file may be whole.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    is_of_the_file(error) && error.kind() != ErrorKind::PermissionDenied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_the_machine_s_is_not_the_file_s() {
        let is_of_the_file = |number: i32| is_of_the_file(&io::Error::from_raw_os_error(number));
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
            assert!(!is_of_the_file(number), "{number}");
        }
        for number in [libc::ENOENT, libc::EACCES, libc::ELOOP, libc::EISDIR] {
            assert!(is_of_the_file(number), "{number}");
        }
        assert!(super::is_of_the_file(&io::Error::new(ErrorKind::InvalidInput, "a pipe")));
        assert!(!super::is_of_the_file(&io::Error::from(ErrorKind::TimedOut)));
        assert!(!super::is_of_the_file(&io::Error::other("anything")));
    }
}
