//! What Python users hand over as files, as the core's uploads.
//!
//! Shapes are checked here, at once; looking at the disk and at file objects may block and is left
//! to a thread for blocking work.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView, PyString, PyTuple};

use crate::core::error::{Error, Result};
use crate::core::upload::{Content, Source, Upload};

const EXPECTED: &str = "a file to upload is a path, an open binary file, (name, content) or \
                        UploadFile(name, content)";

/// A file whose shape is right and whose content has not been looked at.
pub(super) struct Draft {
    name: String,
    content_type: Option<String>,
    content: DraftContent,
}

enum DraftContent {
    Path(PathBuf),
    Bytes(Bytes),
    Object(Py<PyAny>),
}

/// One file, or any iterable of files.
pub(super) fn drafts(files: &Bound<'_, PyAny>) -> PyResult<Vec<Draft>> {
    if let Some(draft) = one(files)? {
        return Ok(vec![draft]);
    }
    let several = files.try_iter().map_err(|_| unexpected(files))?;
    several
        .map(|file| {
            let file = file?;
            one(&file)?.ok_or_else(|| unexpected(&file))
        })
        .collect()
}

/// Looks at what the drafts name, on a thread for what blocks.
pub(super) async fn open(drafts: Vec<Draft>) -> Result<Vec<Upload>> {
    let open = || drafts.into_iter().map(Draft::open).collect();
    let opened = tokio::task::spawn_blocking(open).await;
    opened.unwrap_or(Err(Error::Closed("the interpreter is shutting down")))
}

/// The files of a run, each to be looked at when its turn comes.
pub(super) fn planned(files: &Bound<'_, PyAny>) -> PyResult<Vec<crate::core::run::Planned>> {
    let planned = drafts(files)?.into_iter().map(|mut draft| {
        let path = match &mut draft.content {
            DraftContent::Path(path) => {
                // The working directory may be another when the file's turn comes.
                if let Ok(absolute) = std::path::absolute(&*path) {
                    *path = absolute;
                }
                Some(path.clone())
            }
            DraftContent::Bytes(_) | DraftContent::Object(_) => None,
        };
        let name = draft.name.clone();
        crate::core::run::Planned { name, path, open: Box::new(|| draft.open()) }
    });
    Ok(planned.collect())
}

impl Draft {
    fn open(self) -> Result<Upload> {
        let content = match self.content {
            DraftContent::Path(path) => Content::Path(path),
            DraftContent::Bytes(bytes) => Content::Bytes(bytes),
            DraftContent::Object(object) => {
                Content::Source(Arc::new(FileObject::new(object, &self.name)?))
            }
        };
        Upload::new(self.name, self.content_type, content)
    }
}

fn unexpected(file: &Bound<'_, PyAny>) -> PyErr {
    let kind = file.get_type().name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{EXPECTED}, not {kind}"))
}

/// `None`: not one file, perhaps several.
fn one(file: &Bound<'_, PyAny>) -> PyResult<Option<Draft>> {
    if is_bytes(file) {
        return Err(PyTypeError::new_err("bytes have no name: pass (name, content)"));
    }
    if let Some(path) = path(file)? {
        // A path without a last name leads to a directory, which is told of when it is opened.
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into();
        return Ok(Some(Draft { name, content_type: None, content: DraftContent::Path(path) }));
    }
    if let Ok(pair) = file.cast::<PyTuple>() {
        if pair.len() != 2 || !pair.get_item(0)?.is_instance_of::<PyString>() {
            return Ok(None);
        }
        let content = pair.get_item(1)?;
        if !is_bytes(&content) && !content.hasattr("read")? {
            return Ok(None);
        }
        let name = pair.get_item(0)?.extract()?;
        return draft(name, None, &content).map(Some);
    }
    if file.hasattr("read")? {
        let name = object_name(file)?;
        return draft(name, None, file).map(Some);
    }
    if file.hasattr("content")? && file.hasattr("content_type")? {
        let name = file.getattr("name")?.extract()?;
        let content_type = file.getattr("content_type")?.extract()?;
        return draft(name, content_type, &file.getattr("content")?).map(Some);
    }
    Ok(None)
}

fn draft(
    name: String,
    content_type: Option<String>,
    content: &Bound<'_, PyAny>,
) -> PyResult<Draft> {
    let content = if let Ok(bytes) = content.cast::<PyBytes>() {
        DraftContent::Bytes(Bytes::from_owner(PyBackedBytes::from(bytes.clone())))
    } else if is_bytes(content) {
        // May change under our hands: copied.
        DraftContent::Bytes(PyBuffer::<u8>::get(content)?.to_vec(content.py())?.into())
    } else if content.hasattr("read")? {
        if content.is_instance(&content.py().import("io")?.getattr("TextIOBase")?)? {
            let text = format!("{name}: the file is open in text mode; open it with mode \"rb\"");
            return Err(PyTypeError::new_err(text));
        }
        DraftContent::Object(content.clone().unbind())
    } else if let Some(path) = path(content)? {
        DraftContent::Path(path)
    } else {
        return Err(unexpected(content));
    };
    Ok(Draft { name, content_type, content })
}

fn is_bytes(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyBytes>()
        || value.is_instance_of::<PyByteArray>()
        || value.is_instance_of::<PyMemoryView>()
}

fn path(value: &Bound<'_, PyAny>) -> PyResult<Option<PathBuf>> {
    if value.is_instance_of::<PyString>() || value.hasattr("__fspath__")? {
        return value.extract().map(Some);
    }
    Ok(None)
}

fn object_name(object: &Bound<'_, PyAny>) -> PyResult<String> {
    let name = object.getattr("name").ok().and_then(|name| name.extract::<PathBuf>().ok());
    let base = name.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into());
    base.ok_or_else(|| PyValueError::new_err("a file object without a name: pass (name, object)"))
}

/// A Python file object, read from where it stands.
struct FileObject {
    object: Py<PyAny>,
    start: Option<u64>,
    size: Option<u64>,
}

impl FileObject {
    fn new(object: Py<PyAny>, name: &str) -> Result<Self> {
        let places = attached(|py| places(object.bind(py)));
        let places = places.map_err(|source| Error::File { name: name.to_owned(), source })?;
        Ok(Self { object, start: places.map(|(start, _)| start), size: places.map(|p| p.1) })
    }
}

/// Where a seekable object stands, and how much it has from there.
fn places(object: &Bound<'_, PyAny>) -> PyResult<Option<(u64, u64)>> {
    if !object.hasattr("seekable")? || !object.call_method0("seekable")?.is_truthy()? {
        return Ok(None);
    }
    let start: u64 = object.call_method0("tell")?.extract()?;
    object.call_method1("seek", (0, 2))?;
    let end: u64 = object.call_method0("tell")?.extract()?;
    object.call_method1("seek", (start,))?;
    Ok(Some((start, end.saturating_sub(start))))
}

impl Source for FileObject {
    fn size(&self) -> Option<u64> {
        self.size
    }

    fn read(&self, limit: usize) -> io::Result<Bytes> {
        attached(|py| {
            let chunk = self.object.bind(py).call_method1("read", (limit,))?;
            let chunk = chunk
                .cast_into::<PyBytes>()
                .map_err(|_| PyTypeError::new_err("the file object's read() did not give bytes"))?;
            Ok(Bytes::from_owner(PyBackedBytes::from(chunk)))
        })
    }

    fn rewind(&self) -> io::Result<bool> {
        let Some(start) = self.start else { return Ok(false) };
        attached(|py| self.object.bind(py).call_method1("seek", (start,)).map(|_| true))
    }
}

/// Calls into Python from a thread of the runtime; what is raised there travels in the error.
fn attached<T>(work: impl FnOnce(Python<'_>) -> PyResult<T>) -> io::Result<T> {
    match Python::try_attach(work) {
        Some(result) => result.map_err(io::Error::other),
        None => Err(io::Error::other("the interpreter is shutting down")),
    }
}
