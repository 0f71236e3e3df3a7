//! JPEG: what is true of every picture, and the same pixels as libjpeg-turbo called plainly.

#![allow(unsafe_code, reason = "libjpeg-turbo is a C library")]

use mmno_fast::picture::{Format, Mode, probe};
use turbojpeg_sys as tj;

use crate::pictures::{self, Picture};

/// As in the crate: where a file of more scans is refused.
const MAX_SCANS: i32 = 500;

/// Takes any bytes.
pub fn check(bytes: &[u8]) {
    let picture = pictures::check(bytes);
    match probe(bytes) {
        Ok(header) if header.format == Format::Jpeg && u64::from(header.width) * u64::from(header.height) <= 1 << 16 => {
            compare(bytes, header.mode, (header.width, header.height), picture.as_ref());
        }
        _ => {}
    }
}

/// What libjpeg-turbo gives without any of our ways.
fn compare(bytes: &[u8], mode: Mode, size: (u32, u32), picture: Option<&Picture>) {
    let (pixels, verdict) = decode(bytes, mode, size);
    let Some(picture) = picture else {
        assert!(verdict != Verdict::Clean, "a picture without fault is accepted");
        return;
    };
    assert!(verdict != Verdict::Failed, "a picture that cannot be decoded is refused");
    let expected: Vec<u8> = match mode {
        Mode::L => pixels.iter().flat_map(|v| [*v; 3]).collect(),
        // `convert("RGB")` of inverted CMYK: (255 - k) minus the ink laid under it, `MULDIV255`.
        Mode::Cmyk => pixels.as_chunks::<4>().0.iter().flat_map(|inks| from_inks(*inks)).collect(),
        _ => pixels,
    };
    assert!(picture.rgb == expected, "the pixels of libjpeg-turbo");
}

fn from_inks([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    // Stored inverted: k is the light that the black lets through.
    let light = i32::from(k);
    [c, m, y].map(|ink| {
        let product = i32::from(255 - ink) * light + 128;
        (light - ((product + (product >> 8)) >> 8)).max(0) as u8
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Clean,
    /// Perhaps with a picture.
    Unsure,
    /// Without one.
    Failed,
}

fn decode(bytes: &[u8], mode: Mode, (width, height): (u32, u32)) -> (Vec<u8>, Verdict) {
    let (format, channels) = match mode {
        Mode::L => (tj::TJPF_TJPF_GRAY, 1),
        Mode::Cmyk => (tj::TJPF_TJPF_CMYK, 4),
        _ => (tj::TJPF_TJPF_RGB, 3),
    };
    let mut pixels = vec![0; width as usize * height as usize * channels];
    // SAFETY: the handle is used between its making and its end only; the pointers are those of whole slices; and the size is
    // compared with the buffer's before the library writes there.
    unsafe {
        let handle = tj::tj3Init(tj::TJINIT_TJINIT_DECOMPRESS as i32);
        assert!(!handle.is_null(), "memory for a handle");
        tj::tj3Set(handle, tj::TJPARAM_TJPARAM_SCANLIMIT as i32, MAX_SCANS);
        let get = |parameter| tj::tj3Get(handle, parameter as i32);
        let read = tj::tj3DecompressHeader(handle, bytes.as_ptr(), bytes.len() as _);
        let found = (get(tj::TJPARAM_TJPARAM_JPEGWIDTH), get(tj::TJPARAM_TJPARAM_JPEGHEIGHT));
        let same = found == (width as i32, height as i32) && get(tj::TJPARAM_TJPARAM_PRECISION) == 8;
        let mut decompress = || tj::tj3Decompress8(handle, bytes.as_ptr(), bytes.len() as _, pixels.as_mut_ptr(), 0, format);
        let verdict = match (same, read) {
            (false, _) => Verdict::Failed,
            (true, read) if decompress() == 0 && read == 0 => Verdict::Clean,
            (true, _) => Verdict::Unsure,
        };
        tj::tj3Destroy(handle);
        (pixels, verdict)
    }
}
