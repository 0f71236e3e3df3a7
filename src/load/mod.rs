//! From pictures to batches: what the training loop touches.
//!
//! ```text
//! order -- samples -- table (shards | raw) -- gather -- output -- slot -- feed -- Python
//! which     rows,      where rows and          what      numbers   memory   ahead of
//! position  pictures   pixels are              goes where          leased   the consumer
//! ```

pub mod lookup;
pub mod output;
pub mod tokens;
pub mod order;
pub mod stats;
pub mod table;
pub mod samples;
pub mod shards;
pub mod raw;
pub mod remembered;
pub mod slot;
pub mod gather;
mod pieces;
pub mod feed;
pub mod consumer;
