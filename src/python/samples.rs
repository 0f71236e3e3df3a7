//! What an epoch goes through, as the loader is told.

use std::sync::Arc;

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;

use crate::load::samples::Samples as CoreSamples;

/// What an epoch goes through.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct Samples {
    pub(super) samples: Arc<CoreSamples>,
}

#[pymethods]
impl Samples {
    #[staticmethod]
    fn all(count: u64) -> Self {
        Self {
            samples: Arc::new(CoreSamples::All(count)),
        }
    }

    #[staticmethod]
    fn of_rows(rows: PyReadonlyArray1<'_, u32>) -> Self {
        Self {
            samples: Arc::new(CoreSamples::Rows(rows.as_array().to_vec())),
        }
    }

    #[staticmethod]
    fn groups(starts: PyReadonlyArray1<'_, u32>, rows: PyReadonlyArray1<'_, u32>) -> Self {
        Self {
            samples: Arc::new(CoreSamples::Groups {
                starts: starts.as_array().to_vec(),
                rows: rows.as_array().to_vec(),
            }),
        }
    }

    #[staticmethod]
    fn of_pictures(pictures: PyReadonlyArray1<'_, u64>) -> Self {
        Self {
            samples: Arc::new(CoreSamples::Pictures(pictures.as_array().to_vec())),
        }
    }

    fn __len__(&self) -> usize {
        self.samples.len() as usize
    }
}
