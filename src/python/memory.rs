//! What JSON repeats: keys, strings, and objects of the same keys. Each is made for Python once.
//!
//! Keys are remembered from one text to the next, values never.

use std::sync::Mutex;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::core::javascript::{Members, PLACES, Text};

/// Longer strings than this, in bytes, hardly come twice; nor do keys that are longer.
const SHORT: usize = 32;
/// So many different strings are remembered at once.
const STRINGS: usize = 512;
/// In shorter texts than this, in bytes, hardly a string comes twice.
const SMALL: usize = 2048;
/// The place of a key that has none.
pub(super) const NONE: usize = PLACES;

/// After so many objects that were not as expected none is expected under their key.
const MISFITS: u8 = 8;

/// For each place the name of its key, and the form of the last object of many members under it.
pub(super) struct Kept {
    names: [Option<Py<PyString>>; PLACES],
    forms: [Option<Form>; PLACES + 1],
    /// How many forms there have been.
    serial: u64,
}

/// An object of Nones with its names in order: copies of it have room for all members.
struct Form {
    serial: u64,
    names: Vec<Py<PyString>>,
    dict: Py<PyDict>,
}

/// Which form a dict is a copy of, and how many members that has.
#[derive(Clone, Copy)]
pub(super) struct Copied {
    serial: u64,
    pub(super) len: usize,
}

impl Kept {
    #[inline]
    pub(super) fn get<'py>(&self, py: Python<'py>, place: usize) -> Option<&Bound<'py, PyString>> {
        Some(self.names.get(place)?.as_ref()?.bind(py))
    }

    fn form(&self, under: usize) -> Option<&Form> {
        self.forms.get(under)?.as_ref()
    }

    /// A copy of the form under the key at `under`, if there is one.
    #[inline]
    pub(super) fn copy<'py>(
        &self,
        py: Python<'py>,
        under: usize,
    ) -> Option<PyResult<(Bound<'py, PyDict>, Copied)>> {
        let form = self.form(under)?;
        let copied = Copied { serial: form.serial, len: form.names.len() };
        Some(form.dict.bind(py).copy().map(|dict| (dict, copied)))
    }

    /// Whether the key at `place` is that with this number in the form that was copied; false where
    /// that is not the form any more.
    #[inline]
    pub(super) fn is_next(
        &self,
        copied: Copied,
        under: usize,
        number: usize,
        place: usize,
    ) -> bool {
        let form = self.form(under).filter(|form| form.serial == copied.serial);
        let next = form.and_then(|form| form.names.get(number));
        let name = self.names.get(place).and_then(Option::as_ref);
        matches!((next, name), (Some(next), Some(name)) if next.is(name))
    }
}

#[derive(Default)]
pub(super) struct Keys {
    pub(super) members: Members,
    pub(super) kept: Kept,
}

impl Default for Kept {
    fn default() -> Self {
        Self { names: [const { None }; PLACES], forms: [const { None }; PLACES + 1], serial: 0 }
    }
}

/// The keys of earlier texts; none while another thread reads one.
static EARLIER: Mutex<Option<Box<Keys>>> = Mutex::new(None);

impl Keys {
    pub(super) fn earlier() -> Box<Self> {
        let earlier = EARLIER.try_lock().ok().and_then(|mut earlier| earlier.take());
        earlier.unwrap_or_default()
    }

    /// Remembers them for the next text.
    pub(super) fn keep(self: Box<Self>) {
        let before = EARLIER.try_lock().ok().and_then(|mut earlier| earlier.replace(self));
        // Not while the lock is held: Python's objects go with it.
        drop(before);
    }
}

type Known<'py, 'a> = Option<(&'a str, Bound<'py, PyString>)>;

/// What was read of one text. Short ones are not worth it.
pub(super) struct Memory<'py, 'a> {
    py: Python<'py>,
    /// The last value of each key, where that was a short string.
    values: [Known<'py, 'a>; PLACES],
    strings: Vec<Known<'py, 'a>>,
    /// How many objects under each key were not as expected.
    misfits: [u8; PLACES + 1],
}

impl<'py, 'a> Memory<'py, 'a> {
    pub(super) fn new(py: Python<'py>, text_len: usize) -> Self {
        let mut strings = Vec::new();
        if text_len >= SMALL {
            strings = vec![const { None }; (text_len / 32).next_power_of_two().min(STRINGS)];
        }
        Self { py, values: [const { None }; PLACES], strings, misfits: [0; PLACES + 1] }
    }

    /// Gives a key a place.
    pub(super) fn name(&mut self, kept: &mut Kept, place: usize, name: Bound<'py, PyString>) {
        if let (Some(slot), Some(form)) = (kept.names.get_mut(place), kept.forms.get_mut(place)) {
            (*slot, *form) = (Some(name.unbind()), None);
        }
        if let Some(value) = self.values.get_mut(place) {
            *value = None;
        }
    }

    /// What was read of a copy whose text does not go on as the form does: its first members. The
    /// form is forgotten.
    #[cold]
    pub(super) fn start_of_copy(
        &mut self,
        kept: &mut Kept,
        under: usize,
        members: usize,
        copy: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyDict>> {
        if let Some(misfits) = self.misfits.get_mut(under) {
            *misfits = misfits.saturating_add(1);
        }
        drop(kept.forms.get_mut(under).and_then(Option::take));
        let dict = PyDict::new(self.py);
        for (name, value) in copy.iter().take(members) {
            dict.set_item(name, value)?;
        }
        Ok(dict)
    }

    /// Expects from now on that objects under the key at `under` are like this one.
    #[cold]
    pub(super) fn remember(
        &mut self,
        kept: &mut Kept,
        under: usize,
        dict: &Bound<'py, PyDict>,
    ) -> PyResult<()> {
        let Some(misfits) = self.misfits.get_mut(under) else { return Ok(()) };
        if *misfits >= MISFITS {
            return Ok(());
        }
        let (form, mut in_order) = (PyDict::new(self.py), Vec::with_capacity(dict.len()));
        for name in dict.keys() {
            if name.len()? > SHORT {
                // It has no place, so no other object could be known by it.
                *misfits = MISFITS;
                return Ok(());
            }
            form.set_item(&name, self.py.None())?;
            in_order.push(name.cast_into()?.unbind());
        }
        kept.serial += 1;
        if let Some(slot) = kept.forms.get_mut(under) {
            *slot = Some(Form { serial: kept.serial, names: in_order, dict: form.unbind() });
        }
        Ok(())
    }

    /// A string under the key at `place`.
    #[inline]
    pub(super) fn string(
        &mut self,
        place: usize,
        text: Text<'a>,
    ) -> PyResult<Bound<'py, PyString>> {
        let plain = text.plain().filter(|plain| plain.len() <= SHORT && !self.strings.is_empty());
        let Some(plain) = plain else { return string(self.py, text) };
        if let Some(Some((known, string))) = self.values.get(place)
            && *known == plain
        {
            return Ok(string.clone());
        }
        let found = self.short(plain);
        if let Some(value) = self.values.get_mut(place) {
            *value = Some((plain, found.clone()));
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
