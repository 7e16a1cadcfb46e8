//! What an answer about a batch says at its top and of each file, read in one pass over all of it.
//!
//! The pass finds the answer to be JSON of the promised shape and remembers where things stand.
//! Whoever wants a value reads it from there, and what nobody wants is never made.

use std::borrow::Cow;
use std::ops::Range;

use crate::core::javascript::{Event, Members, Reader, SyntaxError, Text};

/// Keys of a file whose values can be read one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Field {
    /// `fileId`
    FileId,
    /// `fileName`
    FileName,
    /// `status`
    Status,
    /// `result`
    Result,
    /// `url`
    Url,
    /// `error`
    Error,
    /// `extraction`
    Extraction,
    /// `extractionId`
    ExtractionId,
    /// `classificationId`
    ClassificationId,
    /// `batchId`
    BatchId,
}

const FIELDS: usize = Field::BatchId as usize + 1;

/// Where something stands in the answer: it is shorter than 4 GB.
type Place = (u32, u32);

/// What stands where in an answer.
#[derive(Debug, Default)]
pub struct Shape {
    /// The status at the top.
    pub status: Option<String>,
    /// The files, where the answer has a list of them.
    pub files: Option<Vec<FileShape>>,
    /// Where the value of `files` stands.
    list: Place,
}

/// What stands where in a file of an answer.
#[derive(Debug)]
pub struct FileShape {
    /// Its status.
    pub status: Option<String>,
    whole: Place,
    /// Of the values of its fields; nothing is that short.
    fields: [Place; FIELDS],
    has_outcome: bool,
}

impl Shape {
    /// Reads a whole answer; the error says in words what is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if u32::try_from(text.len()).is_err() {
            return Err("longer than 4 GB".to_owned());
        }
        let mut reader = Reader::of(text);
        let mut members = Members::default();
        let mut shape = Self::default();
        if next(&mut reader)? != Some(Event::StartObject) {
            return Err(unexpected("it is no object"));
        }
        let (mut has_status, mut has_files) = (false, false);
        while let Some(Event::Key(key)) = next(&mut reader)? {
            let again = match &*key.decode() {
                b"status" => {
                    shape.status = status(&mut reader)?.0;
                    std::mem::replace(&mut has_status, true)
                }
                b"files" => {
                    shape.read_files(&mut reader, &mut members)?;
                    std::mem::replace(&mut has_files, true)
                }
                _ => reader.skip_value(&mut members).map(|_| false).map_err(no_json)?,
            };
            if again {
                return Err(duplicate(key));
            }
        }
        next(&mut reader)?;
        Ok(shape)
    }

    fn read_files(&mut self, reader: &mut Reader<'_>, members: &mut Members) -> Result<(), String> {
        match next(reader)? {
            Some(Event::Null) => return Ok(()),
            Some(Event::StartArray) => {}
            _ => return Err(unexpected("`files` is no list")),
        }
        let start = reader.start();
        let mut files = Vec::new();
        loop {
            match next(reader)? {
                Some(Event::StartObject) => files.push(FileShape::read(reader, members)?),
                Some(Event::EndArray) => break,
                _ => {
                    let place = files.len();
                    return Err(unexpected(&format!("`files[{place}]` is no object")));
                }
            }
        }
        self.list = place(start..reader.offset());
        self.files = Some(files);
        Ok(())
    }

    /// Where the list of files stands, if there is one.
    #[must_use]
    pub fn list(&self) -> Option<Range<usize>> {
        self.files.is_some().then(|| range(self.list))
    }
}

impl FileShape {
    fn read(reader: &mut Reader<'_>, members: &mut Members) -> Result<Self, String> {
        let start = reader.start();
        let mut file =
            Self { status: None, whole: (0, 0), fields: [(0, 0); FIELDS], has_outcome: false };
        while let Some(Event::Key(key)) = next(reader)? {
            let Some(field) = field(key) else {
                reader.skip_value(members).map_err(no_json)?;
                continue;
            };
            let decides = matches!(field, Field::Status | Field::Result | Field::Error);
            if decides && file.field(field).is_some() {
                return Err(duplicate(key));
            }
            file.fields[field as usize] = place(if field == Field::Status {
                let (said, at) = status(reader)?;
                file.status = said;
                at
            } else {
                let at = reader.skip_value(members).map_err(no_json)?;
                file.has_outcome |= decides && reader.spelling() != "null";
                at
            });
        }
        file.whole = place(start..reader.offset());
        Ok(file)
    }

    /// Whether it has a result or an error, of whatever kind.
    #[must_use]
    pub fn has_outcome(&self) -> bool {
        self.has_outcome
    }

    /// Where all of it stands.
    #[must_use]
    pub fn whole(&self) -> Range<usize> {
        range(self.whole)
    }

    /// Where the value of a field stands, if the file has that field.
    #[must_use]
    pub fn field(&self, field: Field) -> Option<Range<usize>> {
        let found = self.fields[field as usize];
        (found != (0, 0)).then(|| range(found))
    }
}

fn field(key: Text<'_>) -> Option<Field> {
    let name: Cow<'_, [u8]> = key.decode();
    Some(match &*name {
        b"fileId" => Field::FileId,
        b"fileName" => Field::FileName,
        b"status" => Field::Status,
        b"result" => Field::Result,
        b"url" => Field::Url,
        b"error" => Field::Error,
        b"extraction" => Field::Extraction,
        b"extractionId" => Field::ExtractionId,
        b"classificationId" => Field::ClassificationId,
        b"batchId" => Field::BatchId,
        _ => return None,
    })
}

/// The value of `status`, and where it stands.
fn status(reader: &mut Reader<'_>) -> Result<(Option<String>, Range<usize>), String> {
    let said = match next(reader)? {
        Some(Event::Null) => None,
        Some(Event::String(text)) => {
            let decoded = text.decode().into_owned();
            let half = |_| unexpected("`status` has half an emoji in it");
            Some(String::from_utf8(decoded).map_err(half)?)
        }
        _ => return Err(unexpected("`status` is no text")),
    };
    Ok((said, reader.start()..reader.offset()))
}

/// `JSON.parse` takes the last of equal keys, other readers the first: where they decide about a
/// batch, neither is believed. Of other keys the last one counts.
fn duplicate(key: Text<'_>) -> String {
    unexpected(&format!("a duplicate key, `{}`", String::from_utf8_lossy(&key.decode())))
}

#[inline]
fn next<'a>(reader: &mut Reader<'a>) -> Result<Option<Event<'a>>, String> {
    reader.next_event().map_err(no_json)
}

fn no_json(error: SyntaxError) -> String {
    format!("not JSON: {error}")
}

fn unexpected(what: &str) -> String {
    format!("JSON of an unexpected shape: {what}")
}

/// Texts of 4 GB and more were refused.
#[allow(clippy::cast_possible_truncation)]
fn place(range: Range<usize>) -> Place {
    (range.start as u32, range.end as u32)
}

fn range((start, end): Place) -> Range<usize> {
    start as usize..end as usize
}
