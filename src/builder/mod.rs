//! From a scan to shards: plan, units, commit. What a unit becomes is a function of its task alone.

pub mod options;
pub mod report;
pub mod lock;
mod fingerprint;
pub mod task;
mod task_json;
pub mod plan;
pub mod inputs;
pub mod previous;
pub mod seal;
pub mod unit;
mod kept;
mod strays;
pub mod rejects;
pub mod commit;
pub mod assemble;
pub mod driver;
