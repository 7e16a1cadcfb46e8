//! Reads over values that nobody asked for, as strictly as those that are read event by event.

use std::ops::Range;

use super::super::members::Members;
use super::super::scan;
use super::super::text::Text;
use super::super::walk::{Visit, walk};
use super::{MAX_DEPTH, Reader, SyntaxError};

struct Nobody;

impl Visit<'_> for Nobody {
    #[inline(always)]
    fn key(&mut self, _: usize) -> Option<()> {
        Some(())
    }

    #[inline(always)]
    fn new_key(&mut self, _: Option<usize>, _: Text<'_>) -> Option<()> {
        Some(())
    }

    #[inline(always)]
    fn string(&mut self, _: Range<usize>, _: bool) -> Option<()> {
        Some(())
    }

    #[inline(always)]
    fn number(&mut self, _: Range<usize>) -> Option<()> {
        Some(())
    }

    #[inline(always)]
    fn word(&mut self, _: Option<bool>) -> Option<()> {
        Some(())
    }

    #[inline(always)]
    fn start(&mut self, _: bool) -> Option<()> {
        Some(())
    }

    #[inline(always)]
    fn end(&mut self, _: usize) -> Option<()> {
        Some(())
    }
}

impl Reader<'_> {
    /// Reads over the value of the key that was read last; tells where it stands.
    pub fn skip_value(&mut self, members: &mut Members) -> Result<Range<usize>, SyntaxError> {
        let outside = self.open.depth();
        let start = scan::behind_space(self.text.as_bytes(), self.at);
        if let Some(end) = walk(self.text, start, MAX_DEPTH - outside, members, &mut Nobody) {
            (self.start, self.at) = (start, end);
            self.value_ended();
            return Ok(start..end);
        }
        loop {
            // Finds what is wrong.
            self.next_event()?;
            if self.open.depth() == outside {
                self.start = start;
                return Ok(start..self.at);
            }
        }
    }
}
