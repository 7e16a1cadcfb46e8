//! Which arrays and objects are open, one bit for each: the first 63 need no memory of their own.

/// What can hold values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Array,
    Object,
}

pub(super) struct Nesting {
    depth: usize,
    /// The innermost ones, the last in the lowest bit; a set bit is an object. The highest bit that
    /// is set only marks the end.
    bits: u64,
    outer: Vec<u64>,
}

impl Default for Nesting {
    fn default() -> Self {
        Self { depth: 0, bits: 1, outer: Vec::new() }
    }
}

impl Nesting {
    #[inline]
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    #[inline(always)]
    pub(super) fn push(&mut self, container: Container) {
        if self.bits >> 63 == 1 {
            self.outer.push(self.bits);
            self.bits = 1;
        }
        self.bits = self.bits << 1 | u64::from(container == Container::Object);
        self.depth += 1;
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<Container> {
        let last = self.last()?;
        self.depth -= 1;
        self.bits >>= 1;
        if self.bits == 1 {
            self.bits = self.outer.pop().unwrap_or(1);
        }
        Some(last)
    }

    #[inline(always)]
    pub(super) fn last(&self) -> Option<Container> {
        let of_bit = if self.bits & 1 == 1 { Container::Object } else { Container::Array };
        (self.bits != 1).then_some(of_bit)
    }
}

#[cfg(test)]
mod tests {
    use super::{Container, Nesting};

    #[test]
    fn gives_back_what_was_pushed_at_any_depth() {
        let kind = |level: usize| {
            if level.is_multiple_of(3) || level % 64 == 63 {
                Container::Object
            } else {
                Container::Array
            }
        };
        let mut nesting = Nesting::default();
        for turn in 0..3 {
            for level in 0..1000 {
                nesting.push(kind(level));
                assert_eq!(nesting.last(), Some(kind(level)), "turn {turn}");
                assert_eq!(nesting.depth(), level + 1);
            }
            for level in (0..1000).rev() {
                assert_eq!(nesting.last(), Some(kind(level)), "turn {turn}");
                assert_eq!(nesting.pop(), Some(kind(level)), "turn {turn}");
            }
            assert_eq!(nesting.pop(), None);
            assert_eq!(nesting.last(), None);
        }
    }
}
