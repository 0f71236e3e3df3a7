//! The pixel files of a shard under construction: pictures are appended in order, headers are written last.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::dataset::npy::{DATA_OFFSET, header};
use crate::dataset::pictures::PixelPlace;
use crate::error::{Error, Result};

/// The files that hold pixels, each named by its store, in the order of a shard's counts in the manifest.
pub const PIXEL_FILES: [&str; 3] = ["gray.npy", "rgb.npy", "pixels.npy"];

/// The pixels of one shard, being written.
pub struct PixelWriter {
    folder: PathBuf,
    /// The one size of every picture (H, W); `None`: sizes differ, and everything goes to `pixels.npy`.
    target: Option<(u32, u32)>,
    stores: [Option<Store>; 3],
}

struct Store {
    file: File,
    count: u64,
    bytes: u64,
    /// Bytes whose way to the disk has begun.
    begun: u64,
}

/// How much is gathered before the disk is told to begin.
const BEGIN_BYTES: u64 = 8 << 20;

/// Has the system begin to write these bytes of `file`, so that sealing does not wait for all of them. It is a hint: nothing depends on it.
fn begin_writing(file: &File, start: u64, length: u64) {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        // SAFETY: the descriptor is open, and the call touches no memory of ours.
        #[expect(unsafe_code, reason = "a system call that std does not offer")]
        unsafe {
            libc::sync_file_range(
                file.as_raw_fd(),
                start.cast_signed(),
                length.cast_signed(),
                libc::SYNC_FILE_RANGE_WRITE,
            );
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, start, length);
}

impl PixelWriter {
    /// Begins in an empty folder.
    pub fn new(folder: &Path, target: Option<(u32, u32)>) -> Self {
        Self {
            folder: folder.to_owned(),
            target,
            stores: [None, None, None],
        }
    }

    /// Appends one picture of `channels` (1 or 3), H·W·channels bytes; says where it lies.
    pub fn push(&mut self, pixels: &[u8], channels: u32) -> Result<PixelPlace> {
        let number = match (self.target, channels) {
            (None, _) => 2,
            (Some(_), 1) => 0,
            (Some(_), _) => 1,
        };
        let path = self.folder.join(PIXEL_FILES[number]);
        let refuse = |error| Error::io("write", &path, error);
        if self.stores[number].is_none() {
            let mut file = File::create(&path).map_err(refuse)?;
            file.seek(SeekFrom::Start(DATA_OFFSET)).map_err(refuse)?;
            self.stores[number] = Some(Store {
                file,
                count: 0,
                bytes: 0,
                begun: 0,
            });
        }
        let Some(store) = &mut self.stores[number] else {
            return Err(Error::internal("a store that was just opened is gone"));
        };
        store.file.write_all(pixels).map_err(refuse)?;
        let place = match number {
            0 => PixelPlace::Gray(store.count),
            1 => PixelPlace::Rgb(store.count),
            _ => PixelPlace::Pixels(store.bytes, pixels.len() as u64),
        };
        store.count += 1;
        store.bytes += pixels.len() as u64;
        if store.bytes - store.begun >= BEGIN_BYTES {
            begin_writing(&store.file, DATA_OFFSET + store.begun, store.bytes - store.begun);
            store.begun = store.bytes;
        }
        Ok(place)
    }

    /// Writes the headers and makes everything last. The pictures in each store: gray, rgb, pixels.
    pub fn finish(self) -> Result<[u64; 3]> {
        let mut counts = [0; 3];
        let (height, width) = self.target.map_or((0, 0), |(h, w)| (u64::from(h), u64::from(w)));
        for (number, store) in self.stores.into_iter().enumerate() {
            let Some(mut store) = store else { continue };
            counts[number] = store.count;
            let shape = match number {
                0 => vec![store.count, height, width],
                1 => vec![store.count, height, width, 3],
                _ => vec![store.bytes],
            };
            let path = self.folder.join(PIXEL_FILES[number]);
            let refuse = |error| Error::io("write", &path, error);
            store.file.seek(SeekFrom::Start(0)).map_err(refuse)?;
            store.file.write_all(&header("|u1", &shape)).map_err(refuse)?;
            store.file.sync_all().map_err(refuse)?;
        }
        Ok(counts)
    }
}
