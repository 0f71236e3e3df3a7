//! From pictures to batches: what the training loop touches.
//!
//! ```text
//! order -- samples -- table (shards | raw) -- gather -- output -- slot -- feed -- Python
//! which     rows,      where rows and          what      numbers   memory   ahead of
//! position  pictures   pixels are              goes where          leased   the consumer
//! ```

pub mod output;
pub mod order;
pub mod stats;
pub mod table;
pub mod samples;
pub mod cache;
pub mod slot;
pub mod gather;
mod schedule;
pub mod feed;
pub mod consumer;
