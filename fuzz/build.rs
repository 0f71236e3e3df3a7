//! Compiles the counter of what is reached in C.

fn main() {
    println!("cargo:rerun-if-changed=src/reached.c");
    cc::Build::new().file("src/reached.c").compile("reached");
    // The sanitiser's runtime has a function of that name, which does nothing.
    println!("cargo:rustc-link-arg-bins=-Wl,--wrap=__sanitizer_cov_trace_pc");
}
