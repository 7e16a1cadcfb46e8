//! Files to upload: what they are, checked before anything is sent, read as a stream.
//!
//! A file is never held in memory whole. The danger is the second try: a source that cannot be
//! rewound is not sent again.

mod multipart;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::error::{Error, Result};
use super::hex::hex;

pub(crate) use multipart::{Activity, Multipart};

const CHUNK: usize = 128 << 10;

/// Told how many bytes have been handed to the connection, and of how many (where known).
pub type Progress = Arc<dyn Fn(u64, Option<u64>) + Send + Sync>;

/// Asked before each piece of a body, its end among them: whether it may still be sent.
pub type Permit = Arc<dyn Fn() -> Result<()> + Send + Sync>;

/// A source of bytes that the core cannot open itself, such as a Python file object.
///
/// Its methods may block; they are called on a thread for blocking work.
pub trait Source: Send + Sync {
    /// How many bytes it will give from where it stands, where that is known.
    fn size(&self) -> Option<u64>;
    /// Reads at most `limit` bytes; empty at the end.
    fn read(&self, limit: usize) -> io::Result<Bytes>;
    /// Goes back to where it stood at first; `false` where it cannot.
    fn rewind(&self) -> io::Result<bool>;
}

/// The content of a file.
#[derive(Clone)]
pub enum Content {
    /// A file on disk.
    Path(PathBuf),
    /// Bytes in memory.
    Bytes(Bytes),
    /// Anything that can be read.
    Source(Arc<dyn Source>),
}

/// A file to upload.
#[derive(Clone)]
pub struct Upload {
    name: String,
    content_type: String,
    content: Content,
    size: Option<u64>,
    permit: Option<Permit>,
}

impl Upload {
    /// Checks a file: it has a name, and a path leads to a readable file.
    pub fn new(name: String, content_type: Option<String>, content: Content) -> Result<Self> {
        if name.is_empty() {
            let text = "a file to upload has no name: pass (name, content) or UploadFile(name, ..)";
            return Err(Error::Input(text.to_owned()));
        }
        let content_type = content_type.unwrap_or_else(|| {
            mime_guess::from_path(&name).first_or_octet_stream().essence_str().to_owned()
        });
        if !content_type.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(Error::Input(format!("{content_type:?} is not a content type")));
        }
        let size = match &content {
            Content::Path(path) => Some(check_path(path)?),
            Content::Bytes(bytes) => Some(bytes.len() as u64),
            Content::Source(source) => source.size(),
        };
        Ok(Self { name, content_type, content, size, permit: None })
    }

    /// The name that the service sees.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same file under another name; its content type stays.
    #[cfg(feature = "journal")]
    pub(crate) fn renamed(self, name: String) -> Self {
        Self { name, ..self }
    }

    /// The same file, which is only sent as long as that is permitted.
    #[cfg(feature = "journal")]
    pub(crate) fn permitted(self, permit: Option<Permit>) -> Self {
        Self { permit, ..self }
    }

    /// Makes the content readable from its start again; `false` where it cannot be.
    pub(crate) async fn rewind(&self) -> Result<bool> {
        let Content::Source(source) = self.content.clone() else { return Ok(true) };
        let rewound = blocking(move || source.rewind()).await;
        rewound.map_err(|source| self.unreadable(source))
    }

    /// The SHA-256 of the content in hexadecimal, where it can be read (again).
    pub(crate) async fn sha256(&self) -> Option<String> {
        let upload = self.clone();
        let hashed = tokio::task::spawn_blocking(move || upload.digest()).await;
        hashed.ok()?.ok().map(|digest| digest.sha256)
    }

    /// Hashes the content from its start, and makes it readable from there again. Blocks.
    pub(crate) fn digest(&self) -> Result<Digested> {
        let rewind = || match &self.content {
            Content::Source(source) => source.rewind(),
            Content::Path(_) | Content::Bytes(_) => Ok(true),
        };
        let hashed = rewind().and_then(|can| {
            let digest = if can { Some(self.content.digest()?) } else { None };
            rewind().map(|_| digest)
        });
        let hashed = hashed.map_err(|source| self.unreadable(source))?;
        hashed.ok_or_else(|| {
            let text = format!("{}: it cannot be read twice; pass its bytes or a path", self.name);
            Error::Input(text)
        })
    }

    /// The path, where the content is a file on disk.
    #[cfg(feature = "journal")]
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.content {
            Content::Path(path) => Some(path),
            Content::Bytes(_) | Content::Source(_) => None,
        }
    }

    fn unreadable(&self, source: io::Error) -> Error {
        let name = match &self.content {
            Content::Path(path) => path.display().to_string(),
            Content::Bytes(_) | Content::Source(_) => self.name.clone(),
        };
        Error::File { name, source }
    }
}

/// What hashing found.
#[derive(Debug, Clone)]
pub(crate) struct Digested {
    pub(crate) sha256: String,
    #[cfg_attr(not(feature = "journal"), allow(dead_code))]
    pub(crate) size: u64,
}

impl Content {
    fn digest(&self) -> io::Result<Digested> {
        let mut hash = Sha256::new();
        let mut size = 0;
        let mut feed = |chunk: &[u8]| {
            hash.update(chunk);
            size += chunk.len() as u64;
        };
        match self {
            Self::Bytes(bytes) => feed(bytes),
            Self::Path(path) => {
                let mut file = std::fs::File::open(path)?;
                let mut buffer = vec![0; CHUNK];
                loop {
                    match file.read(&mut buffer)? {
                        0 => break,
                        read => feed(&buffer[..read]),
                    }
                }
            }
            Self::Source(source) => loop {
                let chunk = source.read(CHUNK)?;
                if chunk.is_empty() {
                    break;
                }
                feed(&chunk);
            },
        }
        Ok(Digested { sha256: hex(&hash.finalize()), size })
    }
}

fn check_path(path: &Path) -> Result<u64> {
    let failed = |source| Error::File { name: path.display().to_string(), source };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    if !metadata.is_file() {
        return Err(Error::Input(format!(
            "{} is not a regular file: open it yourself and pass the file object",
            path.display()
        )));
    }
    // Opened once now, so that a file without permission is told of before anything is sent.
    std::fs::File::open(path).map_err(failed)?;
    Ok(metadata.len())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
