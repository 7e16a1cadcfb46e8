//! The keys that a text repeats.

/// So many different keys are remembered at once.
pub const PLACES: usize = 63;
/// The place of no key.
const NONE: u8 = 63;
/// Keys are remembered up to this many bytes, with their quotes and their colon.
const LONGEST: usize = 32;

type Halves = [u128; 2];

/// Keys that were read. Records say the same ones over and over, so the key that came next the last
/// time is expected to come next again, which is quicker to see than to read it.
///
/// All of it are hints, which a text has to bear out byte by byte.
pub struct Members([Member; PLACES + 1]);

/// A key with its quotes and its colon as the text spells it, and zeros behind it.
#[derive(Clone, Copy)]
struct Member {
    text: Halves,
    /// The bits that belong to it.
    mask: Halves,
    len: u8,
    /// The places of the keys that came next: in an object that was opened, and behind a comma.
    next: [u8; 2],
}

const UNKNOWN: Member =
    Member { text: [u128::MAX; 2], mask: [u128::MAX; 2], len: 0, next: [NONE; 2] };

/// What stands before a key.
#[derive(Clone, Copy)]
pub(super) enum Behind {
    Brace,
    Comma,
}

/// The key that was read last, if any: what is expected next depends on it.
#[derive(Clone, Copy)]
pub(super) struct Last(u8);

impl Default for Last {
    fn default() -> Self {
        Self(NONE)
    }
}

impl Default for Members {
    fn default() -> Self {
        Self([UNKNOWN; PLACES + 1])
    }
}

impl Members {
    /// How long the key is that `rest` begins with, if it is the expected one; and which one it is.
    #[inline(always)]
    pub(super) fn expected(
        &self,
        rest: &[u8],
        (last, behind): (Last, Behind),
    ) -> Option<(usize, Last)> {
        let [after_brace, after_comma] = self.0.get(usize::from(last.0 & NONE))?.next;
        let place = match behind {
            Behind::Brace => after_brace,
            Behind::Comma => after_comma,
        };
        let member = self.0.get(usize::from(place & NONE))?;
        let differs = |half: usize| {
            let found = u128::from_le_bytes(*rest.get(16 * half..)?.first_chunk()?);
            Some((found ^ member.text[half]) & member.mask[half] != 0)
        };
        if differs(0)? || member.len > 16 && differs(1)? {
            return None;
        }
        Some((usize::from(member.len), Last(place)))
    }

    /// Remembers a key that was read, spelt as `member`: where, and whether it is new there. `None`
    /// where it is too long.
    #[inline(never)]
    pub(super) fn learn(
        &mut self,
        member: &[u8],
        (last, behind): (Last, Behind),
    ) -> Option<(Last, bool)> {
        let (text, mask) = (halves(member)?, halves([0xff; LONGEST].get(..member.len())?)?);
        let place = self.place(&text);
        let [after_brace, after_comma] = &mut self.0.get_mut(usize::from(last.0))?.next;
        match behind {
            Behind::Brace => *after_brace = place,
            Behind::Comma => *after_comma = place,
        }
        let slot = self.0.get_mut(usize::from(place))?;
        let is_new = slot.text != text;
        if is_new {
            let len = u8::try_from(member.len()).ok()?;
            *slot = Member { text, mask, len, ..UNKNOWN };
        }
        Some((Last(place), is_new))
    }

    /// The place for a key: of four the one where it is, or an empty one, or the first.
    fn place(&self, text: &Halves) -> u8 {
        const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        let mixed = (text[0].wrapping_mul(ODD).rotate_left(64) ^ text[1]).wrapping_mul(ODD);
        let [.., first] = mixed.to_le_bytes();
        let fits = |place: &u8| {
            let known = self.0.get(usize::from(*place));
            known.is_some_and(|known| known.text == *text || known.len == 0)
        };
        let near = |step| first.wrapping_add(step) % NONE;
        (0..4).map(near).find(fits).unwrap_or(first % NONE)
    }
}

/// A text of at most 32 bytes, with zeros behind it.
fn halves(text: &[u8]) -> Option<Halves> {
    let mut padded = [0; LONGEST];
    padded.get_mut(..text.len())?.copy_from_slice(text);
    let (halves, _) = padded.as_chunks();
    Some([u128::from_le_bytes(*halves.first()?), u128::from_le_bytes(*halves.last()?)])
}

impl Last {
    #[inline]
    pub(super) fn place(self) -> usize {
        self.0.into()
    }
}
