//! Records how this build was made, for `mmno-fast info --build`.
fn main() {
    let profile = std::env::var("PROFILE").unwrap_or_default();
    println!("cargo:rustc-env=MMNO_PROFILE={profile}");
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo:rustc-env=MMNO_TARGET={target}");
    println!("cargo:rerun-if-changed=build.rs");
}
