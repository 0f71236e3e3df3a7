//! The choice between the codes for different instructions: all give the same bits.

use super::cache::CachedWeights;
use super::coefficients::Weights;
use super::portable::{self, TurnBuffers};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512, vbmi};
#[cfg(target_arch = "x86_64")]
use crate::cpu::{Avx2, Avx512Vbmi, Avx512Vnni};
use crate::picture::fault::PictureResult;

/// Which code does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) enum CodePath {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512Vnni),
    #[cfg(target_arch = "x86_64")]
    Vbmi(Avx512Vnni, Avx512Vbmi),
}

impl CodePath {
    /// The best one of this machine.
    pub(in crate::picture) fn best() -> Self {
        Self::all().last().unwrap_or(Self::Portable)
    }

    pub(in crate::picture) fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Vbmi(..) => "vbmi",
        }
    }

    /// All that this machine has, better ones last.
    pub(in crate::picture) fn all() -> impl Iterator<Item = Self> {
        let portable = std::iter::once(Self::Portable);
        #[cfg(target_arch = "x86_64")]
        let vectors = {
            let vnni = Avx512Vnni::detect();
            let both = vnni.zip(Avx512Vbmi::detect());
            [
                Avx2::detect().map(Self::Avx2),
                vnni.map(Self::Avx512),
                both.map(|(vnni, vbmi)| Self::Vbmi(vnni, vbmi)),
            ]
        };
        #[cfg(not(target_arch = "x86_64"))]
        let vectors: [Option<Self>; 0] = [];
        portable.chain(vectors.into_iter().flatten())
    }

    /// Each row of `to` from rows of `from`; both have rows of `row` bytes, and the first row in `from` is number `first` of the picture.
    pub(super) fn vertical(self, from: &[u8], first: usize, row: usize, table: &Weights, to: &mut [u8]) {
        match self {
            Self::Portable => portable::vertical(from, first, row, table, to),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(set) => avx2::vertical(set, from, first, row, table, to),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(set) | Self::Vbmi(set, _) => avx512::vertical(set, from, first, row, table, to),
        }
    }

    /// Each row of `to` from the row of `from` at the same place.
    pub(super) fn horizontal(
        self,
        from: &[u8],
        row: usize,
        columns: &CachedWeights,
        channels: usize,
        to: &mut [u8],
        turned: &mut TurnBuffers,
    ) -> PictureResult<()> {
        let table = &columns.weights;
        if portable::is_too_long_to_turn(row, table.len() * channels) {
            portable::horizontal_in_place(from, row, table, channels, to);
            return Ok(());
        }
        match (self, channels) {
            (Self::Portable, 1) => portable::horizontal::<1>(from, row, table, to, turned),
            (Self::Portable, _) => portable::horizontal::<3>(from, row, table, to, turned),
            #[cfg(target_arch = "x86_64")]
            (Self::Avx2(set), 1) => avx2::horizontal::<1>(set, from, row, table, to, turned),
            #[cfg(target_arch = "x86_64")]
            (Self::Avx2(set), _) => avx2::horizontal::<3>(set, from, row, table, to, turned),
            #[cfg(target_arch = "x86_64")]
            (Self::Avx512(set), 1) => avx512::horizontal::<1>(set, from, row, table, to, turned),
            #[cfg(target_arch = "x86_64")]
            (Self::Avx512(set), _) => avx512::horizontal::<3>(set, from, row, table, to, turned),
            #[cfg(target_arch = "x86_64")]
            (Self::Vbmi(vnni, vbmi), 1) => vbmi::horizontal::<1>((vnni, vbmi), from, row, table, columns.blocks::<1>(), to, turned),
            #[cfg(target_arch = "x86_64")]
            (Self::Vbmi(vnni, vbmi), _) => vbmi::horizontal::<3>((vnni, vbmi), from, row, table, columns.blocks::<3>(), to, turned),
        }
    }
}

/// The name of the code that resamples on this machine: `vbmi` (of AVX-512, as is the next), `avx512`, `avx2` or `portable`.
pub fn name_of_path() -> &'static str {
    CodePath::best().name()
}
