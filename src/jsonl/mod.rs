//! From the bytes of a source to rows, and what is wrong with them. `docs/rows.md` is the law here.

pub mod json;
pub mod lines;
pub mod row;
pub mod multiple_choice;
pub mod rules;
