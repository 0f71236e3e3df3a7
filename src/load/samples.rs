//! What one position of an epoch holds: a row, the rows of one picture, or a picture alone.

use crate::load::table::PictureId;

/// The samples that an epoch goes through.
#[derive(Debug, Clone)]
pub enum Samples {
    /// Every row, by its number.
    All(u64),
    /// These rows.
    Rows(Vec<u32>),
    /// Groups of rows: group i is `rows[starts[i]..starts[i + 1]]`.
    Groups {
        /// Where each group begins, and the end of the last.
        starts: Vec<u32>,
        /// Row numbers.
        rows: Vec<u32>,
    },
    /// Pictures without rows.
    Pictures(Vec<PictureId>),
}

impl Samples {
    /// How many there are.
    pub fn len(&self) -> u64 {
        match self {
            Self::All(count) => *count,
            Self::Rows(rows) => rows.len() as u64,
            Self::Groups { starts, .. } => starts.len().saturating_sub(1) as u64,
            Self::Pictures(pictures) => pictures.len() as u64,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the rows of a sample; none for a picture alone, and none beyond the end.
    pub fn rows_of(&self, sample: u64, into: &mut Vec<u64>) {
        let sample = sample as usize;
        match self {
            Self::All(_) => into.push(sample as u64),
            Self::Rows(rows) => into.extend(rows.get(sample).map(|row| u64::from(*row))),
            Self::Groups { starts, rows } => {
                if let Some([start, end]) = starts.get(sample..).and_then(|rest| rest.first_chunk::<2>()) {
                    let group = rows.get(*start as usize..*end as usize).unwrap_or_default();
                    into.extend(group.iter().map(|row| u64::from(*row)));
                }
            }
            Self::Pictures(_) => {}
        }
    }
}
