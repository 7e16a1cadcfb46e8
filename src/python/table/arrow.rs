//! Arrow's arrays, handed over through its C data interface: pointers, no copies.

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{RecordBatch, RecordBatchIterator};
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{ArrowError, SchemaRef};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::core::table::{self, Chunk, Kind};

/// A table that speaks Arrow's PyCapsule interface. It can be handed over many times.
#[allow(clippy::doc_markdown)] // Python's docstring.
#[pyclass(frozen, module = "extracta_rs._core")]
pub(in crate::python) struct ArrowTable {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl ArrowTable {
    pub(super) fn new(
        schema: SchemaRef,
        chunks: Vec<Chunk>,
        columns: &[(usize, &Kind)],
    ) -> PyResult<Self> {
        let batches =
            chunks.into_iter().map(|chunk| table::batch(schema.clone(), chunk, columns)).collect();
        Ok(Self { batches: batches_or(batches)?, schema })
    }
}

fn batches_or<T>(made: Result<T, ArrowError>) -> PyResult<T> {
    made.map_err(|error| PyValueError::new_err(error.to_string()))
}

#[pymethods]
impl ArrowTable {
    /// The schema, as a capsule.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = batches_or(FFI_ArrowSchema::try_from(self.schema.as_ref()))?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }

    /// The rows, as a capsule. Another schema may be asked for; conversions are left to who asks.
    #[pyo3(signature = (requested_schema=None))]
    #[expect(unused_variables, reason = "the interface lets who hands over ignore it")]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let batches = self.batches.clone().into_iter().map(Ok);
        let reader = Box::new(RecordBatchIterator::new(batches, self.schema.clone()));
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(reader), c"arrow_array_stream")
    }
}
