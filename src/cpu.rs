//! Which instructions this machine has. **The only place that asks.**
//!
//! Each set of instructions is a type, and a value of it proves that the machine has them: only `detect` makes one. Code that is compiled for
//! a set takes such a value, so that no caller can reach it on another machine. Asking costs next to nothing: the standard library asks the
//! processor once and keeps the answer in a word.

/// A type for each set of instructions.
macro_rules! instruction_sets {
    ($($(#[doc = $doc:literal])+ $name:ident: $($feature:tt)&&+;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(());

        impl $name {
            /// The proof, if this machine has these instructions.
            #[inline]
            pub fn detect() -> Option<Self> {
                #[cfg(target_arch = "x86_64")]
                let found = $(std::is_x86_feature_detected!($feature))&&+;
                #[cfg(not(target_arch = "x86_64"))]
                let found = false;
                found.then_some(Self(()))
            }
        }
    )+};
}

instruction_sets! {
    /// SSSE3: bytes of a register of 16 go anywhere within it.
    Ssse3: "ssse3";
    /// AVX2: registers of 32 bytes.
    Avx2: "avx2";
    /// AVX-512 for bytes (BW) with its vector neural network instructions (VNNI): registers of 64 bytes, and AVX2.
    Avx512Vnni: "avx2" && "avx512bw" && "avx512vnni";
    /// AVX-512 for bytes (BW) with its vector byte manipulation instructions (VBMI): bytes of a register of 64 go anywhere within it.
    Avx512Vbmi: "avx512bw" && "avx512vbmi";
}

impl Avx512Vnni {
    /// What is in this set as well.
    #[inline]
    pub fn avx2(self) -> Avx2 {
        Avx2(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_there_if_its_instructions_are() {
        #[cfg(target_arch = "x86_64")]
        {
            assert_eq!(Ssse3::detect().is_some(), std::is_x86_feature_detected!("ssse3"));
            assert_eq!(Avx2::detect().is_some(), std::is_x86_feature_detected!("avx2"));
            let byte_wise = std::is_x86_feature_detected!("avx512bw");
            let vnni = byte_wise && std::is_x86_feature_detected!("avx512vnni") && std::is_x86_feature_detected!("avx2");
            assert_eq!(Avx512Vnni::detect().is_some(), vnni);
            let vbmi = byte_wise && std::is_x86_feature_detected!("avx512vbmi");
            assert_eq!(Avx512Vbmi::detect().is_some(), vbmi);
        }
        assert!(Avx512Vnni::detect().is_none_or(|set| Some(set.avx2()) == Avx2::detect()));
    }
}
