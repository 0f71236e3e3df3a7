//! JPEG, by libjpeg-turbo with its default settings, which are Pillow's: accurate integer DCT, fancy upsampling.

#![expect(unsafe_code, reason = "libjpeg-turbo is a C library; this file is its only caller")]

use std::ffi::{CStr, c_int, c_long, c_uint, c_ulong};
use std::ptr::NonNull;

use turbojpeg_sys as tj;

use super::header::{has_end, own_bytes};
use crate::picture::fault::{Fault, PictureResult};
use crate::picture::format::exif::Turns;
use crate::picture::format::header::{Format, Mode, Probe};
use crate::picture::memory::{room, set_length};
use crate::picture::pixels::samples::Samples;

/// The most scans of a progressive file. Real ones have about ten; each costs a pass over the whole picture.
const MAX_SCANS: i32 = 500;

/// As many of one that is a part of a TIFF.
const MAX_SCANS_OF_PART: i32 = 99;

/// The memory that libjpeg-turbo may take besides that for the coefficients of a progressive picture, in MiB.
const SPARE_MIB: u64 = 64;

/// What libjpeg-turbo says when it would read on behind the end (`JWRN_JPEG_EOF`).
const END_OF_DATA: &str = "Premature end of JPEG file";

/// How the texts of warnings begin (`JWRN_*` in `jerror.h`); no error's text does.
const WARNINGS: [&str; 7] = [
    "Corrupt JPEG data:",
    END_OF_DATA,
    "Unknown Adobe color transform code",
    "Inconsistent progression sequence",
    "Invalid SOS parameters for sequential JPEG",
    "Warning:",
    "Application transferred too many scanlines",
];

/// What it says when the system gives it none (`JERR_OUT_OF_MEMORY`).
const NO_MEMORY: &str = "Insufficient memory";

/// What an instance of it takes before it has seen a picture, about.
const INSTANCE_BYTES: u64 = 4096;

unsafe extern "C" {
    /// `gray.c`.
    fn mmno_jpeg_gray(bytes: *const u8, length: c_ulong, width: c_uint, height: c_uint, out: *mut u8) -> c_int;
    /// `rows.c`.
    fn mmno_jpeg_rows(bytes: *const u8, length: c_ulong) -> c_long;
}

/// The picture in one channel, if it is a plain colour JPEG without faults whose colours are all gray: half of the work. Where it is
/// not, that shows at its first coloured row.
fn decode_gray(bytes: &[u8], probe: &Probe, pixels: &mut [u8]) -> bool {
    assert!(
        pixels.len() == probe.width as usize * probe.height as usize,
        "a buffer of another size than the picture's"
    );
    // SAFETY: `bytes` is one slice; the function writes at most width times height bytes, the length of `pixels`, and only if the
    // header in `bytes` says the same size. It keeps no pointer, and its jumps stay within it.
    let found = unsafe { mmno_jpeg_gray(bytes.as_ptr(), bytes.len() as _, probe.width, probe.height, pixels.as_mut_ptr()) };
    found != 0
}

/// Whether every row can be had before the data end.
fn is_complete(bytes: &[u8], probe: &Probe) -> bool {
    // SAFETY: `bytes` is one slice, which the function reads within its length. It keeps no pointer, and its jumps stay within it.
    let rows = unsafe { mmno_jpeg_rows(bytes.as_ptr(), bytes.len() as _) };
    u32::try_from(rows) == Ok(probe.height)
}

/// Whether to look for gray first. That costs a coloured picture its first rows twice, so each one in a row doubles the number of
/// pictures that are spared the look, up to [`Hunch::MOST`]. It decides about time alone: gray that was not looked for comes as RGB,
/// and is found out afterwards (`colour::settle`).
#[derive(Debug, Default)]
pub(in crate::picture) struct Hunch {
    /// Pictures yet to be spared.
    spared: u32,
    /// How many the next coloured picture will spare.
    next: u32,
}

impl Hunch {
    /// The most pictures that go unlooked at.
    const MOST: u32 = 32;

    fn looks(&mut self) -> bool {
        let looks = self.spared == 0;
        self.spared = self.spared.saturating_sub(1);
        looks
    }

    fn found(&mut self, gray: bool) {
        self.next = if gray { 0 } else { (2 * self.next).clamp(1, Self::MOST) };
        self.spared = self.next;
    }
}

/// Decodes into the front of `pixels`. What a colour JPEG comes to may be [`Samples::Gray`]: then its three channels are equal.
///
/// Each picture gets an instance of its own, which costs some microseconds: an instance remembers tables, and after a broken header
/// where it stood in it, so that a picture that lacks its tables would get those of the one before.
pub(in crate::picture) fn decode(bytes: &[u8], probe: &Probe, hunch: &mut Hunch, pixels: &mut Vec<u8>) -> PictureResult<Samples> {
    let (samples, format, channels) = match probe.mode {
        Mode::L => (Samples::Gray, tj::TJPF_TJPF_GRAY, 1),
        Mode::Cmyk => (Samples::Cmyk, tj::TJPF_TJPF_CMYK, 4),
        _ => (Samples::Rgb, tj::TJPF_TJPF_RGB, 3),
    };
    let gray = probe.width as usize * probe.height as usize;
    if samples == Samples::Rgb && hunch.looks() {
        let found = decode_gray(bytes, probe, room(pixels, gray)?);
        hunch.found(found);
        if found {
            return Ok(Samples::Gray);
        }
    }
    let mut instance = Instance::new()?;
    instance.set_limits(probe, channels)?;
    instance.read_header(bytes, probe)?;
    let pixels = room(pixels, gray * channels)?;
    match instance.decompress(bytes, pixels, format, channels) {
        Verdict::Clean => {}
        // Pillow takes no notice of warnings, but stops where the data do, unless it has all rows by then. What libjpeg-turbo takes for an
        // error may be no more than a last segment that is cut off: all rows are written then.
        Verdict::Warned(_) if has_end(bytes) => {}
        _ if is_complete(bytes, probe) => {}
        Verdict::Warned(_) => return Err(cut()),
        Verdict::Failed(error) => return Err(instance.explain(bytes, probe, pixels, format, channels, &error)),
    }
    if samples == Samples::Cmyk {
        // Pillow reads every CMYK as Adobe writes it, inverted (rawmode `CMYK;I`).
        invert(pixels);
    }
    Ok(samples)
}

/// Decodes a JPEG that is a part of a picture, of this size and so many samples a pixel (1, 3 or 4), into all of `pixels`. Warnings, and
/// data that end early, count for nothing: so it is in libtiff, which alone has such parts (`tif_jpeg.c`).
pub(in crate::picture) fn decode_part(
    bytes: &[u8],
    (width, height): (usize, usize),
    channels: usize,
    pixels: &mut Vec<u8>,
) -> PictureResult<()> {
    let (mode, format) = match channels {
        1 => (Mode::L, tj::TJPF_TJPF_GRAY),
        3 => (Mode::Rgb, tj::TJPF_TJPF_RGB),
        4 => (Mode::Cmyk, tj::TJPF_TJPF_CMYK),
        _ => return Err(Fault::corrupt("JPEG of other than 1, 3 or 4 components")),
    };
    let probe = Probe {
        format: Format::Jpeg,
        mode,
        width: width as u32,
        height: height as u32,
        orientation: 1,
        turns: Turns::default(),
        transparent: false,
        animated: false,
        decoder_bytes: 0,
    };
    let mut instance = Instance::new()?;
    // `TIFFjpeg_progress_monitor`.
    instance.set(tj::TJPARAM_TJPARAM_SCANLIMIT, MAX_SCANS_OF_PART)?;
    instance.set_limits(&probe, channels)?;
    instance.read_header(bytes, &probe)?;
    pixels.clear();
    set_length(pixels, width * height * channels)?;
    match instance.decompress(bytes, pixels, format, channels) {
        Verdict::Clean | Verdict::Warned(_) => Ok(()),
        Verdict::Failed(error) => Err(refused(&error, &probe, channels)),
    }
}

fn invert(samples: &mut [u8]) {
    for sample in samples {
        *sample = !*sample;
    }
}

fn cut() -> Fault {
    Fault::truncated("JPEG ends before the picture is complete")
}

/// What an error of the library is called. It may be that it had no memory: that is none of the data.
fn refused(error: &str, probe: &Probe, channels: usize) -> Fault {
    if error.starts_with(NO_MEMORY) {
        Fault::memory(own_bytes(probe.width, probe.height, channels))
    } else {
        Fault::corrupt(format!("JPEG: {error}"))
    }
}

/// How decompressing ended.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Clean,
    /// With a picture, and this text of the first warning.
    Warned(String),
    /// With this error.
    Failed(String),
}

/// One instance of the library: a plain structure on the heap that nobody else refers to.
struct Instance {
    handle: NonNull<std::ffi::c_void>,
    /// The sides of the last header read.
    size: (usize, usize),
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: the handle came from `tj3Init`, and nobody uses it after this.
        unsafe { tj::tj3Destroy(self.handle.as_ptr()) }
    }
}

impl Instance {
    fn new() -> PictureResult<Self> {
        // SAFETY: no preconditions; the result is null where memory is short.
        let handle = unsafe { tj::tj3Init(tj::TJINIT_TJINIT_DECOMPRESS.cast_signed()) };
        let handle = NonNull::new(handle).ok_or_else(|| Fault::memory(INSTANCE_BYTES))?;
        let mut instance = Self { handle, size: (0, 0) };
        instance.set(tj::TJPARAM_TJPARAM_SCANLIMIT, MAX_SCANS)?;
        Ok(instance)
    }

    /// Bounds what the next picture may take, before the library sees its data.
    fn set_limits(&mut self, probe: &Probe, channels: usize) -> PictureResult<()> {
        let pixels = u64::from(probe.width) * u64::from(probe.height);
        let mib = (own_bytes(probe.width, probe.height, channels) >> 20) + SPARE_MIB;
        self.set(tj::TJPARAM_TJPARAM_MAXPIXELS, i32::try_from(pixels).unwrap_or(i32::MAX))?;
        self.set(tj::TJPARAM_TJPARAM_MAXMEMORY, i32::try_from(mib).unwrap_or(i32::MAX))
    }

    fn set(&mut self, parameter: tj::TJPARAM, value: i32) -> PictureResult<()> {
        // SAFETY: the handle is alive; the call checks the parameter and the value itself.
        let code = unsafe { tj::tj3Set(self.handle.as_ptr(), parameter.cast_signed(), value) };
        if code == 0 { Ok(()) } else { Err(Fault::corrupt(self.message())) }
    }

    fn get(&self, parameter: tj::TJPARAM) -> i32 {
        // SAFETY: the handle is alive; the call checks the parameter itself.
        unsafe { tj::tj3Get(self.handle.as_ptr(), parameter.cast_signed()) }
    }

    /// Reads the header, and refuses one that does not say what the probe says: the buffer is made by the probe.
    fn read_header(&mut self, bytes: &[u8], probe: &Probe) -> PictureResult<()> {
        self.size = (0, 0);
        // SAFETY: the handle is alive, and the pointer and length are those of one slice.
        let code = unsafe { tj::tj3DecompressHeader(self.handle.as_ptr(), bytes.as_ptr(), bytes.len() as _) };
        if code != 0 && self.failed() {
            return Err(refused(&self.message(), probe, 1));
        }
        let side = |n: i32| u32::try_from(n).unwrap_or(0);
        let width = side(self.get(tj::TJPARAM_TJPARAM_JPEGWIDTH));
        let height = side(self.get(tj::TJPARAM_TJPARAM_JPEGHEIGHT));
        probe.check_size(width, height)?;
        if self.get(tj::TJPARAM_TJPARAM_PRECISION) != 8 {
            return Err(Fault::corrupt("JPEG of other than 8 bits a sample"));
        }
        self.size = (width as usize, height as usize);
        Ok(())
    }

    /// Decompresses the picture whose header was read last.
    fn decompress(&mut self, bytes: &[u8], pixels: &mut [u8], format: tj::TJPF, channels: usize) -> Verdict {
        let (width, height) = self.size;
        assert!(
            pixels.len() == width * height * channels,
            "a buffer of another size than the picture's"
        );
        // SAFETY: the handle is alive; `bytes` is one slice; the library writes `height` rows of `width * channels` bytes (pitch 0:
        // without padding), which is the length of `pixels`: the sides are those that it read itself from these very bytes, and
        // `channels` is the pixel size of `format`.
        let code = unsafe {
            tj::tj3Decompress8(
                self.handle.as_ptr(),
                bytes.as_ptr(),
                bytes.len() as _,
                pixels.as_mut_ptr(),
                0,
                format,
            )
        };
        match code {
            0 => Verdict::Clean,
            _ if self.failed() => Verdict::Failed(self.message()),
            _ => Verdict::Warned(self.message()),
        }
    }

    /// What an error is called: what follows from the end of the data is no error in them.
    fn explain(&mut self, bytes: &[u8], probe: &Probe, pixels: &mut [u8], format: tj::TJPF, channels: usize, error: &str) -> Fault {
        let first = match self.set(tj::TJPARAM_TJPARAM_STOPONWARNING, 1) {
            Ok(()) => self.decompress(bytes, pixels, format, channels),
            Err(fault) => return fault,
        };
        if first == Verdict::Warned(END_OF_DATA.to_owned()) {
            cut()
        } else {
            refused(error, probe, channels)
        }
    }

    /// Whether the last call that did not return 0 gave up, rather than just warned. The library's own code does not tell: after a
    /// warning it says "warning" for an error as well. But it keeps the text of the first warning, unless an error comes.
    fn failed(&self) -> bool {
        let message = self.message();
        !WARNINGS.iter().any(|warning| message.starts_with(warning))
    }

    /// What the library says about its last error or warning.
    fn message(&self) -> String {
        // SAFETY: the handle is alive; the text is never null, ends with a zero, and is copied before the next call.
        let text = unsafe { CStr::from_ptr(tj::tj3GetErrorStr(self.handle.as_ptr())) };
        text.to_string_lossy().into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Hunch;

    #[test]
    fn coloured_pictures_are_looked_at_ever_more_rarely_and_gray_ones_always() {
        let mut hunch = Hunch::default();
        let looks: Vec<_> = (0..200)
            .filter(|_| {
                let looks = hunch.looks();
                if looks {
                    hunch.found(false);
                }
                looks
            })
            .collect();
        assert_eq!(looks, [0, 2, 5, 10, 19, 36, 69, 102, 135, 168]);
        let mut hunch = Hunch::default();
        hunch.found(false);
        assert!(!hunch.looks());
        for _ in 0..3 {
            assert!(hunch.looks());
            hunch.found(true);
        }
    }
}
