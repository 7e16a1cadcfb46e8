//! Files become rows: nested objects get names with dots, an array becomes rows on request.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;

use super::text::lossy;
use super::value::DEEPEST;

/// The columns that every table begins with.
///
/// A field of such a name, or with an empty name, becomes `result.<name>`.
pub const LEADING: [&str; 6] =
    ["file_id", "file_name", "status", "error", "batch_id", "extraction_id"];

/// A value as its source has it: all that has to be known to name columns.
pub trait Node: Clone {
    /// What can go wrong in reading the source.
    type Error;

    /// Whether it is null.
    fn is_null(&self) -> bool;

    /// Whether it is an object.
    fn is_object(&self) -> bool;

    /// The elements, if it is an array.
    fn elements(&self) -> Option<Vec<Self>>;

    /// Calls `each` with the key, in WTF-8, and the value of each member of an object.
    fn members(&self, each: &mut Each<'_, Self>) -> Result<(), Self::Error>;
}

/// What is called for each member of an object.
pub type Each<'a, N> = dyn FnMut(&[u8], N) -> Result<(), <N as Node>::Error> + 'a;

/// Values, each with the place of its column; no place comes twice.
pub type Row<N> = Vec<(usize, N)>;

/// The columns of the field with a key.
#[derive(Default)]
struct Field {
    /// Where a value was met.
    column: Option<usize>,
    /// Where null was met.
    null: Option<usize>,
    /// What is known of the objects there.
    object: Option<usize>,
}

/// What is known of the objects at one place.
struct Place {
    path: Vec<u8>,
    depth: usize,
    fields: IndexMap<Box<[u8]>, Field>,
}

/// Where the array is that becomes rows.
struct Exploded<N> {
    place: usize,
    key: Box<[u8]>,
    value: N,
}

/// Makes rows, and knows the columns that were met.
///
/// Two places whose names are the same (a key with a dot in it, beside an object) never share a
/// column: the later one gets `_2` at its end.
pub struct Rows {
    flatten: bool,
    explode: Option<Vec<u8>>,
    places: Vec<Place>,
    names: Vec<String>,
    taken: HashSet<String>,
    /// Columns that were asked for and not met yet.
    promised: HashMap<String, usize>,
    /// So many columns are there whatever is met.
    fixed: usize,
}

impl Rows {
    /// Starts a table.
    ///
    /// `explode` and the names of the columns that come first are WTF-8.
    #[must_use]
    pub fn new(flatten: bool, explode: Option<Vec<u8>>, columns: &[Vec<u8>]) -> Self {
        let root = Place { path: Vec::new(), depth: 0, fields: IndexMap::new() };
        let mut rows = Self {
            flatten,
            explode,
            places: vec![root],
            names: Vec::new(),
            taken: HashSet::new(),
            promised: HashMap::new(),
            fixed: 0,
        };
        for name in LEADING {
            rows.append(name.to_owned());
        }
        for name in columns {
            let name = readable(name);
            if !rows.taken.contains(&name) {
                let place = rows.append(name.clone());
                rows.promised.insert(name, place);
            }
        }
        rows.fixed = rows.names.len();
        rows
    }

    /// Makes the rows of a file from its own columns, which are `LEADING`, and its result.
    pub fn file<N: Node>(&mut self, own: [N; 6], result: N) -> Result<Vec<Row<N>>, N::Error> {
        let mut row = own.into_iter().enumerate().collect();
        let mut exploded = None;
        if result.is_object() {
            self.object(0, &result, &mut row, self.explode.is_some(), &mut exploded)?;
        } else if !result.is_null() {
            // Not what the vendor documents, yet nothing is to be lost.
            self.member(0, b"result", result, &mut row, self.explode.is_some(), &mut exploded)?;
        }
        let Some(Exploded { place, key, value }) = exploded else { return Ok(vec![row]) };
        let elements = value.elements().unwrap_or_else(|| vec![value]);
        if elements.is_empty() {
            return Ok(vec![row]);
        }
        let mut rows = Vec::with_capacity(elements.len());
        for element in elements {
            let mut copy = row.clone();
            self.member(place, &key, element, &mut copy, false, &mut None)?;
            rows.push(copy);
        }
        Ok(rows)
    }

    /// Puts the values of an object into a row.
    fn object<N: Node>(
        &mut self,
        place: usize,
        object: &N,
        row: &mut Row<N>,
        explode: bool,
        exploded: &mut Option<Exploded<N>>,
    ) -> Result<(), N::Error> {
        object.members(&mut |key, value| self.member(place, key, value, row, explode, exploded))
    }

    /// Puts a value into a row, or sets aside what is to be exploded.
    fn member<N: Node>(
        &mut self,
        place: usize,
        key: &[u8],
        value: N,
        row: &mut Row<N>,
        explode: bool,
        exploded: &mut Option<Exploded<N>>,
    ) -> Result<(), N::Error> {
        if value.is_null() {
            row.push((self.null(place, key), value));
        } else if explode && exploded.is_none() && self.is_exploded(place, key) {
            *exploded = Some(Exploded { place, key: key.into(), value });
        } else if self.flatten && self.places[place].depth < DEEPEST && value.is_object() {
            let inner = self.inner(place, key);
            self.object(inner, &value, row, explode, exploded)?;
        } else {
            row.push((self.column(place, key), value));
        }
        Ok(())
    }

    fn is_exploded(&self, place: usize, key: &[u8]) -> bool {
        let asked = self.explode.as_deref().unwrap_or_default();
        asked.strip_prefix(&*self.places[place].path) == Some(key)
    }

    fn field(&mut self, place: usize, key: &[u8]) -> &mut Field {
        let fields = &mut self.places[place].fields;
        let at = fields
            .get_index_of(key)
            .unwrap_or_else(|| fields.insert_full(key.into(), Field::default()).0);
        &mut fields[at]
    }

    fn null(&mut self, place: usize, key: &[u8]) -> usize {
        let field = self.field(place, key);
        if let Some(known) = field.column.or(field.null) {
            return known;
        }
        let new = self.new_column(place, key);
        self.field(place, key).null = Some(new);
        new
    }

    fn column(&mut self, place: usize, key: &[u8]) -> usize {
        let field = self.field(place, key);
        if let Some(known) = field.column.or(field.null) {
            field.column = Some(known);
            return known;
        }
        let new = self.new_column(place, key);
        self.field(place, key).column = Some(new);
        new
    }

    fn inner(&mut self, place: usize, key: &[u8]) -> usize {
        if let Some(known) = self.field(place, key).object {
            return known;
        }
        let Place { path, depth, .. } = &self.places[place];
        let path = [path.as_slice(), key, b"."].concat();
        let new = Place { path, depth: depth + 1, fields: IndexMap::new() };
        self.places.push(new);
        let known = self.places.len() - 1;
        self.field(place, key).object = Some(known);
        known
    }

    fn new_column(&mut self, place: usize, key: &[u8]) -> usize {
        let name = readable(&[&self.places[place].path, key].concat());
        if let Some(promised) = self.promised.remove(&name) {
            return promised;
        }
        let plain = if name.is_empty() || LEADING.contains(&&*name) {
            format!("result.{name}")
        } else {
            name
        };
        let (mut name, mut count) = (plain.clone(), 1);
        while self.taken.contains(&name) {
            count += 1;
            name = format!("{plain}_{count}");
        }
        self.append(name)
    }

    fn append(&mut self, name: String) -> usize {
        self.taken.insert(name.clone());
        self.names.push(name);
        self.names.len() - 1
    }

    /// The names of the columns that were met so far, each with its place, in the order in which
    /// they came; but not those of nulls for what is an object wherever it is not null.
    #[must_use]
    pub fn columns(&self) -> Vec<(usize, &str)> {
        let fields = self.places.iter().flat_map(|place| place.fields.values());
        let superfluous = fields
            .filter(|field| field.object.is_some() && field.column.is_none())
            .filter_map(|field| field.null)
            .filter(|place| *place >= self.fixed)
            .collect::<HashSet<_>>();
        let names = self.names.iter().map(String::as_str).enumerate();
        names.filter(|(place, _)| !superfluous.contains(place)).collect()
    }

    /// The name of the column at a place.
    #[must_use]
    pub fn name(&self, place: usize) -> &str {
        self.names.get(place).map_or("", String::as_str)
    }
}

/// A name for people and programs: with U+FFFD for what UTF-8, or a string of C, cannot hold.
fn readable(name: &[u8]) -> String {
    lossy(name).replace('\0', "\u{fffd}")
}
