//! What JSON repeats: keys in the same order, and strings. Each is made for Python once.
//!
//! Records say the same keys over and over, so the key that came next the last time is expected to
//! come next again: comparing it is quicker than reading it. All that is remembered are hints,
//! which the text has to bear out byte by byte. Keys are remembered from one text to the next,
//! values never.

use std::sync::Mutex;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::core::javascript::Text;

/// Longer strings than this, in bytes, hardly come twice.
const SHORT: usize = 32;
/// So many different keys are remembered at once.
const KEYS: usize = 256;
/// So many different strings.
const STRINGS: usize = 512;
/// In shorter texts than this, in bytes, hardly a string comes twice.
const SMALL: usize = 2048;

/// A key that was read.
pub(super) struct Key {
    /// The key as the text spells it, with quotes and colon.
    pub(super) member: Box<str>,
    pub(super) name: Py<PyString>,
    /// Where the next key of the same object may be.
    pub(super) next: usize,
    /// Where the first key of an object that stands under this one may be.
    inner: usize,
}

/// The place of no key.
pub(super) const NONE: usize = usize::MAX;

struct Keys {
    slots: Vec<Option<Key>>,
    /// The first key of the objects that stand under no key.
    outermost: usize,
}

/// The keys of earlier texts; none while another thread reads one.
static EARLIER: Mutex<Option<Keys>> = Mutex::new(None);

type Known<'py, 'a> = Option<(&'a str, Bound<'py, PyString>)>;

pub(super) struct Memory<'py, 'a> {
    py: Python<'py>,
    keys: Keys,
    /// The last value of each key, spelt with its quotes, where that was a short string.
    values: Vec<Known<'py, 'a>>,
    strings: Vec<Known<'py, 'a>>,
    /// The last object of many members under each key.
    forms: Vec<Option<Form<'py>>>,
}

/// An object with its names in order.
pub(super) struct Form<'py> {
    names: Vec<Bound<'py, PyString>>,
    dict: Bound<'py, PyDict>,
}

impl<'py, 'a> Memory<'py, 'a> {
    pub(super) fn new(py: Python<'py>, text_len: usize) -> Self {
        let earlier = EARLIER.try_lock().ok().and_then(|mut earlier| earlier.take());
        let keys = earlier.unwrap_or_else(|| {
            let mut slots = Vec::new();
            slots.resize_with(KEYS, || None);
            Keys { slots, outermost: NONE }
        });
        let (mut values, mut strings) = (Vec::new(), Vec::new());
        if text_len >= SMALL {
            values = vec![const { None }; KEYS];
            strings = vec![const { None }; (text_len / 32).next_power_of_two().min(STRINGS)];
        }
        let forms = Vec::new();
        Self { py, keys, values, strings, forms }
    }

    #[inline]
    pub(super) fn key(&self, place: usize) -> Option<&Key> {
        self.keys.slots.get(place)?.as_ref()
    }

    /// The last value of the key at `place`.
    #[inline]
    pub(super) fn value(&self, place: usize) -> Option<&(&'a str, Bound<'py, PyString>)> {
        self.values.get(place)?.as_ref()
    }

    /// An empty dict, or a copy of one that has just these names: it has room for all of them.
    pub(super) fn dict(
        &self,
        under: usize,
        names: &[Bound<'py, PyString>],
    ) -> PyResult<Bound<'py, PyDict>> {
        match self.forms.get(under.min(KEYS)) {
            Some(Some(form))
                if form.names.len() == names.len()
                    && form.names.iter().zip(names).all(|(ours, theirs)| ours.is(theirs)) =>
            {
                form.dict.copy()
            }
            _ => Ok(PyDict::new(self.py)),
        }
    }

    /// Remembers the form of a dict.
    pub(super) fn form(
        &mut self,
        under: usize,
        names: &[Bound<'py, PyString>],
        dict: &Bound<'py, PyDict>,
    ) {
        if self.values.is_empty() {
            return;
        }
        if self.forms.is_empty() {
            self.forms.resize_with(KEYS + 1, || None);
        }
        if let Some(slot) = self.forms.get_mut(under.min(KEYS)) {
            *slot = Some(Form { names: names.to_vec(), dict: dict.clone() });
        }
    }

    /// Where the first key of an object may be that stands under the key at `under`.
    #[inline]
    pub(super) fn first(&self, under: usize) -> usize {
        if under == NONE { self.keys.outermost } else { self.key(under).map_or(NONE, |k| k.inner) }
    }

    /// Expects from now on that `first` is the first key of an object under the key at `under`.
    pub(super) fn expect_first(&mut self, under: usize, first: usize) {
        if under == NONE {
            self.keys.outermost = first;
        } else if let Some(Some(key)) = self.keys.slots.get_mut(under) {
            key.inner = first;
        }
    }

    /// Expects from now on that `next` comes next to the key at `place`.
    pub(super) fn expect_next(&mut self, place: usize, next: usize) {
        if let Some(Some(key)) = self.keys.slots.get_mut(place) {
            key.next = next;
        }
    }

    /// Finds or remembers a key that was read, spelt as `member`; tells its place.
    pub(super) fn learn(
        &mut self,
        text: Text<'a>,
        member: &'a str,
    ) -> PyResult<(usize, Bound<'py, PyString>)> {
        let place = usize::from(hash(text.raw().as_bytes())) % KEYS;
        let slot = self.keys.slots.get_mut(place).filter(|_| member.len() <= SHORT + 3);
        let Some(slot) = slot else { return Ok((NONE, string(self.py, text)?)) };
        if let Some(key) = slot.as_ref().filter(|key| *key.member == *member) {
            return Ok((place, key.name.bind(self.py).clone()));
        }
        let name = string(self.py, text)?;
        let kept = name.clone().unbind();
        *slot = Some(Key { member: member.into(), name: kept, next: NONE, inner: NONE });
        if let Some(value) = self.values.get_mut(place) {
            *value = None;
        }
        Ok((place, name))
    }

    /// The value of the key at `place`, a string that is spelt as `quoted`.
    #[inline]
    pub(super) fn string(
        &mut self,
        place: usize,
        text: Text<'a>,
        quoted: &'a str,
    ) -> PyResult<Bound<'py, PyString>> {
        let plain = text.plain().filter(|plain| plain.len() <= SHORT && !self.strings.is_empty());
        let Some(plain) = plain else { return string(self.py, text) };
        let found = self.short(plain);
        if let Some(value) = self.values.get_mut(place) {
            *value = Some((quoted, found.clone()));
        }
        Ok(found)
    }

    #[inline]
    fn short(&mut self, plain: &'a str) -> Bound<'py, PyString> {
        let place = usize::from(hash(plain.as_bytes())) & (self.strings.len() - 1);
        match self.strings.get_mut(place) {
            Some(Some((known, string))) if *known == plain => string.clone(),
            slot => {
                let string = PyString::new(self.py, plain);
                if let Some(slot) = slot {
                    *slot = Some((plain, string.clone()));
                }
                string
            }
        }
    }
}

impl Drop for Memory<'_, '_> {
    fn drop(&mut self) {
        let none = Keys { slots: Vec::new(), outermost: NONE };
        let keys = std::mem::replace(&mut self.keys, none);
        let before = EARLIER.try_lock().ok().and_then(|mut earlier| earlier.replace(keys));
        // Not while the lock is held: Python's objects go with it.
        drop(before);
    }
}

#[inline]
fn hash(key: &[u8]) -> u16 {
    const ODD: u64 = 0x517c_c1b7_2722_0a95;
    let mut word = key.len() as u64;
    if let (Some(first), Some(last)) = (key.first_chunk::<4>(), key.last_chunk::<4>()) {
        word ^= u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last));
    } else {
        word = key.iter().fold(word, |word, &byte| word << 8 | u64::from(byte));
    }
    let [.., high, low] = word.wrapping_mul(ODD).rotate_left(16).to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// Makes a string for Python.
pub(super) fn string<'py>(py: Python<'py>, text: Text<'_>) -> PyResult<Bound<'py, PyString>> {
    if let Some(plain) = text.plain() {
        return Ok(PyString::new(py, plain));
    }
    let decoded = text.decode();
    match std::str::from_utf8(&decoded) {
        Ok(text) => Ok(PyString::new(py, text)),
        // A lone surrogate, as JavaScript makes when it cuts an emoji in two.
        Err(_) => PyString::from_encoded_object(
            &PyBytes::new(py, &decoded),
            Some(c"utf-8"),
            Some(c"surrogatepass"),
        ),
    }
}
