//! From the bytes of a source to rows, and what is wrong with them. `docs/rows.md` is the law here.

pub mod options;
pub mod json;
pub mod lines;
pub mod source;
pub mod row;
mod row_fast;
mod row_slow;
pub mod parse;
pub mod multiple_choice;
pub mod rules;
pub mod judge;
pub mod inspect;
