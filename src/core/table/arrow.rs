//! Columns of values become Arrow's arrays.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    StructArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef};

use super::chunk::Chunk;
use super::kind::Kind;
use super::value::Value;

/// The type of text counts its bytes in 31 bits.
const MOST_TEXT: usize = i32::MAX as usize;

/// The schema of a table: its columns' names and kinds.
#[must_use]
pub fn schema<'a>(columns: impl IntoIterator<Item = (&'a str, &'a Kind)>) -> SchemaRef {
    let fields = columns.into_iter().map(|(name, kind)| field(name, kind)).collect::<Fields>();
    Arc::new(Schema::new(fields))
}

/// The rows of a chunk; the columns stand there at these places, and are of these kinds.
///
/// An error where a column has more text, or more elements in its lists, than 31 bits can count.
pub fn batch(
    schema: SchemaRef,
    mut chunk: Chunk,
    columns: &[(usize, &Kind)],
) -> Result<RecordBatch, ArrowError> {
    let arrays = columns.iter().map(|(place, kind)| array(chunk.take(*place), kind));
    let arrays = arrays.collect::<Result<_, _>>()?;
    RecordBatch::try_new(schema, arrays)
}

fn field(name: &str, kind: &Kind) -> Field {
    Field::new(name, data_type(kind), true)
}

fn data_type(kind: &Kind) -> DataType {
    match kind {
        _ if kind.is_text() => DataType::Utf8,
        Kind::Bool => DataType::Boolean,
        Kind::Int | Kind::Long => DataType::Int64,
        Kind::Float => DataType::Float64,
        Kind::List(item) => DataType::List(Arc::new(field("item", item))),
        Kind::Struct(fields) => DataType::Struct(struct_fields(fields.iter())),
        Kind::None | Kind::Text | Kind::Mixed => DataType::Utf8,
    }
}

fn struct_fields<'a>(fields: impl Iterator<Item = (&'a Box<str>, &'a Kind)>) -> Fields {
    fields.map(|(key, kind)| field(key, kind)).collect()
}

fn array(values: Vec<Value>, kind: &Kind) -> Result<ArrayRef, ArrowError> {
    Ok(match kind {
        _ if kind.is_text() => Arc::new(texts(values)?),
        Kind::Bool => Arc::new(values.iter().map(boolean).collect::<BooleanArray>()),
        Kind::Int | Kind::Long => Arc::new(values.iter().map(whole).collect::<Int64Array>()),
        Kind::Float => Arc::new(values.iter().map(number).collect::<Float64Array>()),
        Kind::List(item) => Arc::new(lists(values, item)?),
        Kind::Struct(fields) => {
            let keys = fields.keys().map(|key| &**key).collect::<Vec<_>>();
            let (columns, valid) = members(values, &keys);
            let arrays =
                columns.into_iter().zip(fields.values()).map(|(column, kind)| array(column, kind));
            let arrays = arrays.collect::<Result<_, _>>()?;
            Arc::new(StructArray::try_new(struct_fields(fields.iter()), arrays, valid)?)
        }
        Kind::None | Kind::Text | Kind::Mixed => Arc::new(texts(values)?),
    })
}

fn texts(values: Vec<Value>) -> Result<StringArray, ArrowError> {
    let mut texts = StringBuilder::with_capacity(values.len(), 16 * values.len());
    for value in values {
        if value == Value::Null {
            texts.append_null();
            continue;
        }
        let text = value.into_text();
        let text = text.lossy();
        if texts.values_slice().len() + text.len() > MOST_TEXT {
            let what = "a column has 2 GiB of text or more within a few rows";
            return Err(ArrowError::InvalidArgumentError(what.to_owned()));
        }
        texts.append_value(text);
    }
    Ok(texts.finish())
}

fn boolean(value: &Value) -> Option<bool> {
    if let Value::Bool(value) = value { Some(*value) } else { None }
}

fn whole(value: &Value) -> Option<i64> {
    if let Value::Int(value) = value { Some(*value) } else { None }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "such a column has none beyond 2^53")]
        Value::Int(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        _ => None,
    }
}

fn lists(values: Vec<Value>, item: &Kind) -> Result<ListArray, ArrowError> {
    let mut lengths = Vec::with_capacity(values.len());
    let mut valid = Vec::with_capacity(values.len());
    let mut elements = Vec::new();
    for value in values {
        let before = elements.len();
        valid.push(if let Value::List(items) = value {
            elements.extend(items);
            true
        } else {
            false
        });
        lengths.push(elements.len() - before);
    }
    let offsets = OffsetBuffer::try_from_lengths(lengths)
        .map_err(|error| ArrowError::InvalidArgumentError(error.to_string()))?;
    ListArray::try_new(Arc::new(field("item", item)), offsets, array(elements, item)?, nulls(valid))
}

/// The values of objects, a column for each key, and which values are objects.
fn members(values: Vec<Value>, keys: &[&str]) -> (Vec<Vec<Value>>, Option<NullBuffer>) {
    let mut columns = keys.iter().map(|_| Vec::with_capacity(values.len())).collect::<Vec<_>>();
    let places = keys.iter().zip(0..).collect::<std::collections::HashMap<_, usize>>();
    let mut valid = Vec::with_capacity(values.len());
    for (row, value) in values.into_iter().enumerate() {
        let Value::Object(members) = value else {
            valid.push(false);
            continue;
        };
        valid.push(true);
        for (at, (key, value)) in members.into_iter().enumerate() {
            let Some(key) = key.plain() else { continue };
            let place = match keys.get(at) {
                Some(there) if *there == key => Some(at),
                _ => places.get(&key).copied(),
            };
            if let Some(column) = place.and_then(|place| columns.get_mut(place)) {
                column.resize(row, Value::Null);
                column.push(value);
            }
        }
    }
    for column in &mut columns {
        column.resize(valid.len(), Value::Null);
    }
    (columns, nulls(valid))
}

fn nulls(valid: Vec<bool>) -> Option<NullBuffer> {
    if valid.iter().all(|valid| *valid) { None } else { Some(NullBuffer::from(valid)) }
}
