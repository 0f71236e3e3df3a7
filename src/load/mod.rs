//! From pictures to batches: what the training loop touches.
//!
//! ```text
//! order -- samples -- table (shards | raw) -- gather -- output -- slot -- feed -- epoch -- Python
//! which     rows,      where rows and          what      numbers   memory   ahead   handed
//! position  pictures   pixels are              goes where          leased   of it   out
//! ```
//!
//! # Glossary
//!
//! | name | meaning |
//! |---|---|
//! | sample | what one position of an epoch holds: a row, the rows of a picture, or a picture ([`samples`]) |
//! | step | the number of a batch, from where an iteration began ([`order::Steps`]) |
//! | position | samples of the epoch, of all ranks, that come before something |
//! | [`gather::Assembler`] | makes batches: plans each, and does the tasks that fill it |
//! | [`gather::BatchPlan`] | which samples, rows and pictures a batch has, and where each picture goes |
//! | [`gather::Placement`] | one picture of a plan, and its bytes in the slot |
//! | [`gather::Task`], [`gather::TaskResult`] | one piece of the work of a batch, for any thread; what came of it |
//! | `batch::PendingBatch`, [`batch::Batch`] | a batch whose tasks are under way; a batch that is ready |
//! | [`slot::Slot`], [`slot::SlotPool`] | memory for one batch; those that nobody uses at the moment |
//! | [`slot::Lease`] | the right to use a slot |
//! | [`slot::SlotPiece`], [`slot::SplitLease`] | bytes of a slot that one thread fills; the lease meanwhile |
//! | [`cache::PictureCache`] | decoded pictures that are kept |
//! | `schedule::Producer`, `schedule::Schedule` | what the thread of a feed works with; its tasks, in order |
//! | [`feed::Feed`] | the batches of one epoch, made ahead by threads |
//! | [`feed::Prefetch`] | how many batches are made ahead |
//! | [`feed::FeedOptions`], [`feed::Left`] | which batches a feed makes, and how far ahead; how its consumer leaves it |
//! | [`epoch::Epoch`] | one iteration over one epoch: hands out the batches of a feed |
//! | [`epoch::Host`] | the side that batches are handed to: Python |
//! | [`consumer::Consumer`] | the cursor and the counts of one loader, over all epochs |
//! | [`consumer::Cursor`] | where the next batch is: epoch and position |

pub mod output;
pub mod pictures;
pub mod order;
pub mod stats;
pub mod table;
pub mod samples;
pub mod cache;
pub mod slot;
pub mod gather;
pub mod batch;
mod schedule;
pub mod feed;
pub mod consumer;
mod reentrant_lock;
pub mod epoch;
