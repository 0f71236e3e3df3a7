//! The bare work behind a picture, for the benchmarks: the libraries' decoders as they are, and the resize kernel by itself.

#![expect(
    unsafe_code,
    reason = "libjpeg-turbo is a C library; it is called here as directly as can be, which is the point"
)]

use std::error::Error;
use std::ffi::c_void;
use std::hint::black_box;
use std::time::{Duration, Instant};

use mmno_fast::picture::{ImageSpec, Prepared, Preparer, probe};
use turbojpeg_sys as tj;

/// What everything here returns.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// An error of this text.
pub(crate) fn refuse<T>(message: impl Into<String>) -> Outcome<T> {
    Err(message.into().into())
}

/// An instance of libjpeg-turbo, kept for all pictures.
pub(crate) struct Jpeg(*mut c_void);

impl Jpeg {
    pub(crate) fn decoder() -> Self {
        // SAFETY: no preconditions; every call below refuses a null handle by itself.
        Self(unsafe { tj::tj3Init(tj::TJINIT_TJINIT_DECOMPRESS.cast_signed()) })
    }

    /// Decodes a JPEG in the file's own mode: gray, or else RGB.
    pub(crate) fn decode(&self, bytes: &[u8], pixels: &mut Vec<u8>) -> Outcome<()> {
        // SAFETY: the pointer and the length are those of one slice.
        if unsafe { tj::tj3DecompressHeader(self.0, bytes.as_ptr(), bytes.len() as _) } != 0 {
            return refuse("no JPEG");
        }
        // SAFETY: the calls check the parameter themselves.
        let get = |parameter: tj::TJPARAM| unsafe { tj::tj3Get(self.0, parameter.cast_signed()) };
        let gray = get(tj::TJPARAM_TJPARAM_COLORSPACE) == tj::TJCS_TJCS_GRAY.cast_signed();
        let (format, channels) = if gray { (tj::TJPF_TJPF_GRAY, 1) } else { (tj::TJPF_TJPF_RGB, 3) };
        let (width, height) = (get(tj::TJPARAM_TJPARAM_JPEGWIDTH), get(tj::TJPARAM_TJPARAM_JPEGHEIGHT));
        pixels.resize(usize::try_from(width)? * usize::try_from(height)? * channels, 0);
        // SAFETY: `pixels` has room for `height` rows of `width * channels` bytes, as the very same header says.
        let code = unsafe { tj::tj3Decompress8(self.0, bytes.as_ptr(), bytes.len() as _, pixels.as_mut_ptr(), 0, format) };
        if code == 0 {
            Ok(())
        } else {
            refuse("a JPEG that cannot be decoded")
        }
    }
}

impl Drop for Jpeg {
    fn drop(&mut self) {
        // SAFETY: the handle came from `tj3Init` or is null, and nobody uses it after this.
        unsafe { tj::tj3Destroy(self.0) }
    }
}

/// Writes a JPEG of quality 90, for pictures to decode.
#[allow(dead_code, reason = "used by one of the two programs that share this file")]
pub(crate) fn encode_jpeg(pixels: &[u8], side: usize, channels: usize) -> Vec<u8> {
    let format = if channels == 1 { tj::TJPF_TJPF_GRAY } else { tj::TJPF_TJPF_RGB };
    let sampling = if channels == 1 {
        tj::TJSAMP_TJSAMP_GRAY
    } else {
        tj::TJSAMP_TJSAMP_420
    };
    assert_eq!(pixels.len(), side * side * channels);
    let (mut buffer, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: `pixels` holds `side` rows of `side * channels` bytes; the library allocates the buffer, which is copied, then freed.
    unsafe {
        let handle = tj::tj3Init(tj::TJINIT_TJINIT_COMPRESS.cast_signed());
        tj::tj3Set(handle, tj::TJPARAM_TJPARAM_QUALITY.cast_signed(), 90);
        tj::tj3Set(handle, tj::TJPARAM_TJPARAM_SUBSAMP.cast_signed(), sampling);
        let code = tj::tj3Compress8(
            handle,
            pixels.as_ptr(),
            side as i32,
            0,
            side as i32,
            format,
            &raw mut buffer,
            &raw mut size,
        );
        assert_eq!(code, 0, "libjpeg-turbo writes no JPEG");
        let bytes = std::slice::from_raw_parts(buffer, size as usize).to_vec();
        tj::tj3Free(buffer.cast());
        tj::tj3Destroy(handle);
        bytes
    }
}

/// Decodes a PNG in the file's own mode.
pub(crate) fn decode_png(bytes: &[u8], pixels: &mut Vec<u8>) -> Outcome<()> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info()?;
    pixels.resize(reader.output_buffer_size().ok_or("a PNG beyond all memory")?, 0);
    reader.next_frame(pixels)?;
    Ok(())
}

/// A Windows bitmap of these pixels, rows from the top: of all formats, what costs next to nothing to decode.
pub(crate) fn bitmap(pixels: &[u8], shape: Prepared) -> Vec<u8> {
    let (width, channels) = (shape.width as usize, shape.channels as usize);
    let colors: u32 = if channels == 1 { 256 } else { 0 };
    let mut bytes = b"BM\0\0\0\0\0\0\0\0".to_vec();
    for number in [
        54 + 4 * colors,
        40,
        shape.width,
        shape.height.wrapping_neg(),
        1 | (8 * shape.channels) << 16,
        0,
        0,
        0,
        0,
        colors,
        0,
    ] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend((0..colors).flat_map(|level| [level as u8, level as u8, level as u8, 0]));
    for row in pixels.chunks_exact(width * channels) {
        match channels {
            1 => bytes.extend_from_slice(row),
            _ => bytes.extend(row.chunks_exact(3).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]])),
        }
        bytes.resize(bytes.len() + (width * channels).wrapping_neg() % 4, 0);
    }
    bytes
}

/// Resizes the pixels of a [`bitmap`] into `out`: how long the kernel alone takes, that is, preparing less decoding.
pub(crate) fn resize(preparer: &mut Preparer, bitmap: &[u8], spec: &ImageSpec, out: &mut Vec<u8>) -> Outcome<Duration> {
    let header = probe(bitmap).map_err(|fault| fault.message)?;
    let began = Instant::now();
    black_box(preparer.decode_only(bitmap, &header, spec)).map_err(|fault| fault.message)?;
    let decoded = Instant::now();
    black_box(preparer.prepare(bitmap, &header, spec, out)).map_err(|fault| fault.message)?;
    Ok(decoded.elapsed().saturating_sub(decoded - began))
}
