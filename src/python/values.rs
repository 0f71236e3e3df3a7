//! One row of an Arrow batch as plain Python values: what pyarrow's `to_pylist` gives, without its cost of a schema for each row.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt32Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::error::Error;
use crate::python::gate::{attached, raise};

/// Row `row` of a batch, by the names of its columns.
pub(super) fn row_of<'py>(py: Python<'py>, batch: &RecordBatch, row: usize) -> PyResult<Bound<'py, PyDict>> {
    attached(py, || {
        let values = PyDict::new(py);
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            values.set_item(field.name(), value_of(py, column, row)?)?;
        }
        Ok(values)
    })
}

/// Value `at` of an array, of the types that rows and pictures have (`docs/format.md`).
fn value_of<'py>(py: Python<'py>, array: &dyn Array, at: usize) -> PyResult<Bound<'py, PyAny>> {
    if array.is_null(at) {
        return Ok(py.None().into_bound(py));
    }
    Ok(match array.data_type() {
        DataType::Utf8 => PyString::new(py, array.as_string::<i32>().value(at)).into_any(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(at).into_pyobject(py)?.into_any(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(at).into_pyobject(py)?.into_any(),
        DataType::FixedSizeBinary(_) => PyBytes::new(py, array.as_fixed_size_binary().value(at)).into_any(),
        DataType::Dictionary(key, _) if **key == DataType::Int32 => {
            let dictionary = array.as_dictionary::<Int32Type>();
            return match dictionary.key(at) {
                Some(key) => value_of(py, dictionary.values(), key),
                None => Ok(py.None().into_bound(py)),
            };
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(at);
            let list = PyList::empty(py);
            for item in 0..items.len() {
                list.append(value_of(py, &items, item)?)?;
            }
            list.into_any()
        }
        DataType::Struct(fields) => {
            let members = PyDict::new(py);
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                members.set_item(field.name(), value_of(py, column, at)?)?;
            }
            members.into_any()
        }
        other => return Err(raise(py, &Error::internal(format!("a column of type {other}")))),
    })
}
