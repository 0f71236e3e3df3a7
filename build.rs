//! Compiles the two files of C, and records how this build was made, for `mmno-fast info --build`.

use std::path::{Path, PathBuf};

/// Symbols that only libjpeg-turbo's SIMD code has, and what to call it.
const SIMD: [(&str, &str); 2] = [("jsimd_idct_islow_avx2", "avx2"), ("jsimd_idct_islow_neon", "neon")];

fn main() {
    for (name, variable) in [("MMNO_PROFILE", "PROFILE"), ("MMNO_TARGET", "TARGET")] {
        println!("cargo:rustc-env={name}={}", std::env::var(variable).unwrap_or_default());
    }
    println!("cargo:rustc-env=MMNO_JPEG_SIMD={}", jpeg_simd().unwrap_or("none"));
    println!("cargo:rustc-env=MMNO_JPEG_VERSION={}", jpeg_version().unwrap_or_default());
    println!("cargo:rerun-if-changed=build.rs");
    compile_c();
}

/// Compiles the two files of C, which call libjpeg-turbo themselves.
fn compile_c() {
    let sources = ["src/picture/format/jpeg/gray.c", "src/picture/format/jpeg/rows.c"];
    for source in sources {
        println!("cargo:rerun-if-changed={source}");
    }
    let mut build = cc::Build::new();
    if let Some(root) = jpeg_root() {
        build.include(root.join("include"));
    }
    // Optimised in debug builds, too: it is a loop over every byte.
    build
        .files(sources)
        .opt_level(3)
        .warnings(true)
        .extra_warnings(true)
        .compile("mmno_jpeg");
}

/// The folder that libjpeg-turbo was installed in when it was built.
fn jpeg_root() -> Option<PathBuf> {
    // Where turbojpeg-sys has put its headers; several folders are separated by commas.
    let include = std::env::var("DEP_TURBOJPEG_INCLUDE").ok()?;
    Some(Path::new(include.split(',').next()?).parent()?.to_owned())
}

/// Its version, from its configuration.
fn jpeg_version() -> Option<String> {
    let root = jpeg_root()?;
    let header = ["include/jconfig.h", "build/jconfig.h"]
        .iter()
        .find_map(|path| std::fs::read_to_string(root.join(path)).ok())?;
    let line = header
        .lines()
        .find_map(|line| line.strip_prefix("#define LIBJPEG_TURBO_VERSION "))?;
    Some(line.trim().to_owned())
}

/// Which SIMD code the library that is linked in has: what was found when it was built, not what was hoped for.
fn jpeg_simd() -> Option<&'static str> {
    let root = jpeg_root()?;
    let library = ["lib", "lib64"].map(|folder| root.join(folder).join("libturbojpeg.a"));
    let bytes = library.iter().find_map(|path| std::fs::read(path).ok())?;
    let holds = |symbol: &str| bytes.windows(symbol.len()).any(|window| window == symbol.as_bytes());
    SIMD.iter().find(|(symbol, _)| holds(symbol)).map(|(_, name)| *name)
}
