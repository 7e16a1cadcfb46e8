//! The body of an upload: multipart/form-data as browsers write it, as a stream.
//!
//! File names are sent twice where they are not plain ASCII: as raw UTF-8 with the escapes of the
//! WHATWG form encoding, and as `filename*` (RFC 8187), since servers read one or the other.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};

use super::{CHUNK, Content, Permit, Progress, Upload, blocking};
use crate::core::error::Error;

/// Going to a thread for blocking work and back costs more than reading a chunk from the cache.
const READ: usize = 4 * CHUNK;

/// A multipart body, ready to be sent once.
pub(crate) struct Multipart {
    boundary: String,
    pieces: Vec<Piece>,
    length: Option<u64>,
    progress: Option<Progress>,
    permit: Option<Permit>,
    activity: Activity,
}

enum Piece {
    Text(Bytes),
    File(Upload),
}

/// Whether a body has moved, and why its source failed.
#[derive(Clone)]
pub(crate) struct Activity(Arc<Mutex<Moves>>);

struct Moves {
    started: bool,
    failure: Option<Error>,
}

impl Activity {
    /// Whether anything of the body has been read.
    pub(crate) fn started(&self) -> bool {
        self.lock().started
    }

    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.lock().failure.take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Moves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Multipart {
    /// A body of plain fields and files; all files are parts named `files`.
    pub(crate) fn new(
        fields: &[(&str, &str)],
        files: &[Upload],
        progress: Option<Progress>,
    ) -> Self {
        let boundary = format!("extracta-rs-{:032x}", fastrand::u128(..));
        let mut pieces = Vec::with_capacity(fields.len() + 3 * files.len() + 1);
        for (name, value) in fields {
            pieces.push(Piece::Text(
                format!(
                    "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n\
                     {value}\r\n"
                )
                .into(),
            ));
        }
        for file in files {
            let head = format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"files\"; {}\r\n\
                 Content-Type: {}\r\n\r\n",
                file_name(&file.name),
                file.content_type
            );
            pieces.push(Piece::Text(head.into()));
            pieces.push(Piece::File(file.clone()));
            pieces.push(Piece::Text(Bytes::from_static(b"\r\n")));
        }
        pieces.push(Piece::Text(format!("--{boundary}--\r\n").into()));
        let length = pieces.iter().map(Piece::size).sum();
        let activity = Activity(Arc::new(Mutex::new(Moves { started: false, failure: None })));
        let permit = files.iter().find_map(|file| file.permit.clone());
        Self { boundary, pieces, length, progress, permit, activity }
    }

    pub(crate) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// The size of the whole in bytes, where every file's size is known.
    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    pub(crate) fn activity(&self) -> Activity {
        self.activity.clone()
    }

    pub(crate) fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let Self { pieces, length, progress, permit, activity, .. } = self;
        let failed = activity.clone();
        let mut sent = 0;
        stream::iter(pieces).flat_map(move |piece| piece.into_stream(failed.clone())).map(
            move |chunk| {
                let chunk = chunk?;
                if let Some(Err(error)) = permit.as_ref().map(|permit| permit()) {
                    activity.lock().failure = Some(error);
                    return Err(io::ErrorKind::PermissionDenied.into());
                }
                sent += chunk.len() as u64;
                activity.lock().started = true;
                if let Some(progress) = &progress {
                    progress(sent, length);
                }
                Ok(chunk)
            },
        )
    }
}

impl Piece {
    fn size(&self) -> Option<u64> {
        match self {
            Self::Text(text) => Some(text.len() as u64),
            Self::File(file) => file.size,
        }
    }

    fn into_stream(self, activity: Activity) -> stream::BoxStream<'static, io::Result<Bytes>> {
        let file = match self {
            Self::Text(text) => return stream::iter([Ok(text)]).boxed(),
            Self::File(file) => file,
        };
        let reader =
            Reader { left: file.size, ready: Bytes::new(), state: State::new(&file.content) };
        stream::try_unfold((reader, file, activity), |(mut reader, file, activity)| async move {
            match reader.next().await {
                Ok(chunk) if chunk.is_empty() => Ok(None),
                Ok(chunk) => Ok(Some((chunk, (reader, file, activity)))),
                Err(error) => {
                    let kind = error.kind();
                    activity.lock().failure = Some(file.unreadable(error));
                    Err(kind.into())
                }
            }
        })
        .boxed()
    }
}

/// Reads a content to its end, and to the size that was announced, not a byte more or less.
struct Reader {
    left: Option<u64>,
    /// Read, and not yet given.
    ready: Bytes,
    state: State,
}

enum State {
    File(PathBuf, Option<File>),
    Bytes(Bytes),
    Source(Arc<dyn super::Source>),
}

impl State {
    fn new(content: &Content) -> Self {
        match content {
            Content::Path(path) => Self::File(path.clone(), None),
            Content::Bytes(bytes) => Self::Bytes(bytes.clone()),
            Content::Source(source) => Self::Source(source.clone()),
        }
    }
}

impl Reader {
    async fn next(&mut self) -> io::Result<Bytes> {
        if self.ready.is_empty() {
            self.ready = self.read().await?;
        }
        Ok(self.ready.split_to(CHUNK.min(self.ready.len())))
    }

    async fn read(&mut self) -> io::Result<Bytes> {
        let most = self.state.most();
        let limit = self
            .left
            .map_or(most, |left| usize::try_from(left).map_or(most, |left| left.min(most)));
        if limit == 0 {
            return Ok(Bytes::new());
        }
        let chunk = self.state.read(limit).await?;
        if let Some(left) = &mut self.left {
            if chunk.is_empty() {
                let text = "became shorter while it was uploaded";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
            }
            *left = left.saturating_sub(chunk.len() as u64);
        }
        Ok(chunk)
    }
}

impl State {
    /// How much is read at once.
    fn most(&self) -> usize {
        match self {
            Self::File(..) => READ,
            Self::Bytes(_) | Self::Source(_) => CHUNK,
        }
    }

    async fn read(&mut self, limit: usize) -> io::Result<Bytes> {
        match self {
            Self::File(path, opened) => {
                let (path, open) = (path.clone(), opened.take());
                let (file, chunk) = blocking(move || read_file(&path, open, limit)).await?;
                *opened = Some(file);
                Ok(chunk.into())
            }
            Self::Bytes(bytes) => Ok(bytes.split_to(limit.min(bytes.len()))),
            Self::Source(source) => {
                let source = source.clone();
                let chunk = blocking(move || source.read(limit)).await?;
                if chunk.len() > limit {
                    let text = format!("read({limit}) gave {} bytes", chunk.len());
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                }
                Ok(chunk)
            }
        }
    }
}

fn read_file(path: &Path, open: Option<File>, limit: usize) -> io::Result<(File, Vec<u8>)> {
    let mut file = open.map_or_else(|| File::open(path), Ok)?;
    let mut chunk = Vec::with_capacity(limit);
    Read::by_ref(&mut file).take(limit as u64).read_to_end(&mut chunk)?;
    Ok((file, chunk))
}

/// The parameters of `Content-Disposition` that carry a file's name.
fn file_name(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '"' => plain.push_str("%22"),
            '\r' => plain.push_str("%0D"),
            '\n' => plain.push_str("%0A"),
            control if control.is_ascii_control() => plain.push('_'),
            other => plain.push(other),
        }
    }
    if plain.ends_with('\\') {
        // Readers that know quoted pairs would take the closing quote for a part of the name.
        plain.pop();
        plain.push('_');
    }
    let mut parameters = format!("filename=\"{plain}\"");
    let plain_everywhere = name.is_ascii() && name.trim() == name && !name.contains(['%', '\\']);
    if plain != name || !plain_everywhere {
        parameters.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                parameters.push(char::from(byte));
            } else {
                let _ = write!(parameters, "%{byte:02X}");
            }
        }
    }
    parameters
}
