//! The order in which JavaScript keeps an object's members: array indices first, ascending; then
//! the other keys as they came; of a key that came twice the last value, at the first one's place.
//!
//! Keys are only remembered for objects that are still open: eight bytes for each, which is a
//! short hash and where the key stands. No guess of the hash makes this slower than sorting.

use super::reader::{Event, Reader};
use super::text::Text;

/// 2^32 - 1: what is below is an array index, places of other keys are ranked from here on.
const NO_INDEX: u64 = 0xffff_ffff;
/// Up to so many members are quicker compared each with each than sorted.
const FEW: usize = 16;

/// An object whose members have to be written in another order, or not all of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unordered {
    start: u32,
    from: u32,
    to: u32,
    /// The offset just behind the object.
    pub(super) behind: u32,
}

/// All objects of a text that are not in order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    objects: Vec<Unordered>,
    members: Vec<u32>,
}

impl Plan {
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The object that starts at `start`, if it is not in order.
    pub(super) fn find(&self, start: usize) -> Option<Unordered> {
        let key = |object: &Unordered| object.start as usize;
        let at = self.objects.binary_search_by_key(&start, key).ok()?;
        self.objects.get(at).copied()
    }

    /// Where the next member of an object stands, if there is one more.
    pub(super) fn next(&self, object: &mut Unordered) -> Option<usize> {
        let next = self.members.get(object.from as usize..object.to as usize)?.first()?;
        object.from += 1;
        Some(*next as usize)
    }
}

struct Open {
    start: u32,
    first: usize,
    has_index: bool,
}

/// Watches a text being read and finds the objects that are not in order.
pub(super) struct Tracker<'a> {
    text: &'a str,
    open: Vec<Open>,
    /// Of all open objects: the key's hash in the upper half, its offset in the lower.
    members: Vec<u64>,
    plan: Plan,
}

impl<'a> Tracker<'a> {
    /// Starts watching a text of less than 4 GiB.
    pub(super) fn new(text: &'a str) -> Self {
        let members = Vec::with_capacity(FEW);
        Self { text, open: Vec::with_capacity(4), members, plan: Plan::default() }
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn into_plan(mut self) -> Plan {
        self.plan.objects.sort_unstable_by_key(|object| object.start);
        self.plan
    }

    #[inline(always)]
    pub(super) fn see(&mut self, event: &Event<'a>, reader: &Reader<'a>) {
        match event {
            Event::Key(key) => self.key(key, reader.start()),
            Event::StartObject => self.open.push(Open {
                start: short(reader.start()),
                first: self.members.len(),
                has_index: false,
            }),
            Event::EndObject => self.end(reader.offset()),
            _ => {}
        }
    }

    #[inline(always)]
    fn key(&mut self, key: &Text<'a>, offset: usize) {
        match key.plain() {
            Some(plain) => self.member(plain.as_bytes(), offset),
            None => self.escaped_key(key, offset),
        }
    }

    #[cold]
    fn escaped_key(&mut self, key: &Text<'a>, offset: usize) {
        self.member(&key.decode(), offset);
    }

    #[inline(always)]
    fn member(&mut self, key: &[u8], offset: usize) {
        self.members.push(hash(key) << 32 | offset as u64);
        if key.first().is_some_and(u8::is_ascii_digit) && array_index(key).is_some() {
            self.index();
        }
    }

    #[cold]
    fn index(&mut self) {
        if let Some(object) = self.open.last_mut() {
            object.has_index = true;
        }
    }

    fn end(&mut self, behind: usize) {
        let Some(object) = self.open.pop() else { return };
        let members = self.members.get_mut(object.first..).unwrap_or_default();
        if members.len() > 1 && (object.has_index || has_twins(members)) {
            self.reorder(&object, behind);
        }
        self.members.truncate(object.first);
    }

    fn reorder(&mut self, object: &Open, behind: usize) {
        let Some(members) = self.members.get_mut(object.first..) else { return };
        let count = members.len();
        let ranked = rank(self.text, members);
        if ranked.len() == count && ranked.is_sorted_by_key(|&(_, offset)| offset) {
            return;
        }
        let from = short(self.plan.members.len());
        self.plan.members.extend(ranked.iter().map(|&(_, offset)| offset));
        let to = short(self.plan.members.len());
        self.plan.objects.push(Unordered { start: object.start, from, to, behind: short(behind) });
    }
}

/// Whether two members have the same hash.
fn has_twins(members: &mut [u64]) -> bool {
    let same = |a: &u64, b: &u64| a >> 32 == b >> 32;
    if members.len() <= FEW {
        let mut rest = &*members;
        while let [first, others @ ..] = rest {
            if others.iter().any(|other| same(first, other)) {
                return true;
            }
            rest = others;
        }
        return false;
    }
    members.sort_unstable();
    members.windows(2).any(|pair| same(&pair[0], &pair[1]))
}

/// The members to write, in their order: rank and offset.
fn rank(text: &str, members: &mut [u64]) -> Vec<(u64, u32)> {
    let key = |member: &u64| Text::at(text, low(*member) as usize).decode();
    let mut ranked = Vec::with_capacity(members.len());
    members.sort_unstable();
    for group in members.chunk_by_mut(|a, b| a >> 32 == b >> 32) {
        if !group.windows(2).all(|pair| key(&pair[0]) == key(&pair[1])) {
            group.sort_unstable_by(|a, b| key(a).cmp(&key(b)).then(a.cmp(b)));
        }
        for twins in group.chunk_by(|a, b| key(a) == key(b)) {
            if let [first, ..] = twins
                && let [.., last] = twins
            {
                let place = NO_INDEX + u64::from(low(*first));
                ranked.push((array_index(&key(first)).unwrap_or(place), low(*last)));
            }
        }
    }
    ranked.sort_unstable();
    ranked
}

/// The number that a key is, where JavaScript takes it for an array index.
fn array_index(key: &[u8]) -> Option<u64> {
    if !key.first()?.is_ascii_digit() || key.len() > 10 || (key[0] == b'0' && key.len() > 1) {
        return None;
    }
    let index = std::str::from_utf8(key).ok()?.parse().ok()?;
    (index < NO_INDEX).then_some(index)
}

/// Quick, and not hard to collide: equal hashes are always looked at again.
#[inline]
fn hash(key: &[u8]) -> u64 {
    const ODD: u64 = 0x517c_c1b7_2722_0a95;
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(ODD);
    let mut hash = key.len() as u64;
    if let Some(last) = key.last_chunk::<8>() {
        for word in key.as_chunks::<8>().0 {
            hash = mix(hash, u64::from_le_bytes(*word));
        }
        hash = mix(hash, u64::from_le_bytes(*last));
    } else {
        let word = key.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
        hash = mix(hash, word);
    }
    hash >> 32
}

fn low(member: u64) -> u32 {
    short((member & NO_INDEX) as usize)
}

/// Offsets fit, since longer texts are refused.
fn short(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
