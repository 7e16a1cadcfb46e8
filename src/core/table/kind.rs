//! What a column holds: one kind for all its values, whatever comes.

use indexmap::IndexMap;

use super::text::Text;
use super::value::Value;

/// Whole numbers up to here are exact as doubles.
const EXACT: u64 = 1 << 53;
/// Objects with more different keys are text.
const MOST_KEYS: usize = 1000;

/// The kind of a column, or of what is in its lists and objects.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// No value yet.
    None,
    /// Booleans.
    Bool,
    /// Whole numbers that are exact as doubles.
    Int,
    /// Whole numbers of 64 bits.
    Long,
    /// Numbers.
    Float,
    /// Text that UTF-8 can hold.
    Text,
    /// Text that is made of the values: they do not go together.
    Mixed,
    /// Lists, with the kind of their elements.
    List(Box<Kind>),
    /// Objects, with the kinds of their values.
    Struct(IndexMap<Box<str>, Kind>),
}

impl Kind {
    /// Makes it the kind of one more value.
    pub fn absorb(&mut self, value: &Value) {
        match value {
            Value::Null => {}
            Value::Bool(_) => self.join(Self::Bool),
            Value::Int(value) if value.unsigned_abs() <= EXACT => self.join(Self::Int),
            Value::Int(_) => self.join(Self::Long),
            Value::Float(_) => self.join(Self::Float),
            Value::Text(Text::Plain(_)) => self.join(Self::Text),
            Value::Big(_) | Value::Text(_) | Value::Json(_) => *self = Self::Mixed,
            Value::List(items) => self.absorb_list(items),
            Value::Object(members) => self.absorb_object(members),
        }
    }

    fn join(&mut self, met: Self) {
        *self = match (&*self, met) {
            (Self::None, met) => met,
            (own, met) if *own == met => return,
            (Self::Int, Self::Long) | (Self::Long, Self::Int) => Self::Long,
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Self::Float,
            _ => Self::Mixed,
        };
    }

    fn absorb_list(&mut self, items: &[Value]) {
        if *self == Self::None {
            *self = Self::List(Box::new(Self::None));
        }
        let Self::List(kind) = self else {
            *self = Self::Mixed;
            return;
        };
        for item in items {
            kind.absorb(item);
        }
    }

    fn absorb_object(&mut self, members: &[(Text, Value)]) {
        if *self == Self::None {
            *self = Self::Struct(IndexMap::new());
        }
        let Self::Struct(fields) = self else {
            *self = Self::Mixed;
            return;
        };
        for (at, (key, value)) in members.iter().enumerate() {
            // Arrow's names are UTF-8 that ends with NUL.
            let Some(key) = key.plain().filter(|key| !key.contains('\0')) else {
                *self = Self::Mixed;
                return;
            };
            let place = match fields.get_index(at) {
                Some((there, _)) if **there == *key => at,
                _ => fields
                    .get_index_of(key)
                    .unwrap_or_else(|| fields.insert_full(key.into(), Self::None).0),
            };
            if let Some((_, kind)) = fields.get_index_mut(place) {
                kind.absorb(value);
            }
        }
        if fields.len() > MOST_KEYS {
            *self = Self::Mixed;
        }
    }

    /// Whether its values become text, be they what they are.
    #[must_use]
    pub fn is_text(&self) -> bool {
        match self {
            Self::None | Self::Text | Self::Mixed => true,
            // Objects without a key: Parquet has no such structs.
            Self::Struct(fields) => fields.is_empty(),
            _ => false,
        }
    }

    /// Whether some values are not of this kind and have to be conformed.
    #[must_use]
    pub fn is_odd(&self) -> bool {
        match self {
            Self::Mixed => true,
            Self::List(item) => item.is_odd(),
            Self::Struct(fields) => fields.is_empty() || fields.values().any(Self::is_odd),
            _ => false,
        }
    }
}
