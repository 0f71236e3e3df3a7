//! The view from Python: conversion and registration, no logic. Used by nobody. Whatever may panic runs through `gate`.

#![expect(clippy::needless_pass_by_value, reason = "arguments of Python functions are owned")]

mod gate;
mod arrays;
mod arrow;
mod values;
mod report;
mod jobs;
mod pictures;
mod pixels;
mod samples;
mod rejects;
mod tables;
mod batches;
mod feeds;
mod epochs;

use pyo3::prelude::*;

/// The extension module `mmno_fast._core`.
#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("MmnoError", py.get_type::<gate::MmnoError>())?;
    module.add("DataError", py.get_type::<gate::DataError>())?;
    module.add("ShardError", py.get_type::<gate::ShardError>())?;
    module.add("StateError", py.get_type::<gate::StateError>())?;
    module.add("InternalError", py.get_type::<gate::InternalError>())?;
    module.add("ClosedError", py.get_type::<gate::ClosedError>())?;
    module.add_class::<jobs::Progress>()?;
    module.add_class::<report::CheckReport>()?;
    module.add_class::<arrow::Rows>()?;
    module.add_class::<tables::Table>()?;
    module.add_class::<rejects::RejectLines>()?;
    module.add_class::<arrow::Batches>()?;
    module.add_class::<pixels::Pixels>()?;
    module.add_class::<samples::Samples>()?;
    module.add_class::<feeds::Stats>()?;
    module.add_class::<feeds::SlotPool>()?;
    module.add_class::<feeds::Assembler>()?;
    module.add_class::<feeds::Feed>()?;
    module.add_class::<epochs::Consumer>()?;
    module.add_class::<epochs::Epoch>()?;
    module.add_class::<batches::Batch>()?;
    module.add_class::<batches::Lease>()?;
    module.add_function(wrap_pyfunction!(feeds::count_batches, module)?)?;
    module.add_function(wrap_pyfunction!(feeds::samples_at, module)?)?;
    module.add_function(wrap_pyfunction!(tables::read_rejects, module)?)?;
    module.add_function(wrap_pyfunction!(jobs::catalogue, module)?)?;
    module.add_function(wrap_pyfunction!(jobs::build_info, module)?)?;
    module.add_function(wrap_pyfunction!(jobs::limits, module)?)?;
    module.add_function(wrap_pyfunction!(jobs::check, module)?)?;
    module.add_function(wrap_pyfunction!(jobs::build, module)?)?;
    module.add_function(wrap_pyfunction!(jobs::verify, module)?)?;
    module.add_function(wrap_pyfunction!(jobs::inspect_line, module)?)?;
    module.add_function(wrap_pyfunction!(pictures::probe_picture, module)?)?;
    module.add_function(wrap_pyfunction!(pictures::read_pictures, module)?)?;
    module.add_function(wrap_pyfunction!(pictures::profiles, module)?)?;
    module.add_function(wrap_pyfunction!(pictures::plan_tokens, module)?)?;
    Ok(())
}
