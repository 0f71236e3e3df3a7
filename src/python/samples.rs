//! What an epoch goes through, as the loader is told.

use std::sync::Arc;

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;

use crate::load::samples::Samples as CoreSamples;
use crate::python::arrays::numbers_of;
use crate::python::gate::attached;

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
    fn of_rows(rows: PyReadonlyArray1<'_, u32>) -> PyResult<Self> {
        let rows = numbers_of(&rows)?;
        Ok(Self {
            samples: Arc::new(CoreSamples::Rows(rows)),
        })
    }

    #[staticmethod]
    fn groups(starts: PyReadonlyArray1<'_, u32>, rows: PyReadonlyArray1<'_, u32>) -> PyResult<Self> {
        let (starts, rows) = (numbers_of(&starts)?, numbers_of(&rows)?);
        Ok(Self {
            samples: Arc::new(CoreSamples::Groups { starts, rows }),
        })
    }

    #[staticmethod]
    fn of_pictures(pictures: PyReadonlyArray1<'_, u64>) -> PyResult<Self> {
        let pictures = numbers_of(&pictures)?;
        Ok(Self {
            samples: Arc::new(CoreSamples::Pictures(pictures)),
        })
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        attached(py, || Ok(self.samples.len() as usize))
    }
}
