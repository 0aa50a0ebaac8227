use std::mem;

use crate::shape::{Members, Shape};

/// The shapes that a stream's documents have, as far as they are worth remembering.
#[derive(Clone, Debug)]
pub(crate) struct Shapes {
    /// The first is the one that most documents have.
    known: Vec<Shape>,
    /// How many documents in a row were not of the first shape.
    strays: u32,
    /// How many documents in a row were of no shape that is known.
    misses: u32,
    /// How many documents of unknown shapes came since the last one was remembered.
    waited: u32,
    /// How many of them have to come until one is remembered.
    pause: u32,
    /// The last document that was not of the first shape was passed along it with detours.
    detours: bool,
}

/// How many shapes are remembered.
pub(crate) const MOST: usize = 4;

/// After so many documents of unknown shapes in a row, all that are known are forgotten.
const PATIENCE: u32 = 16;

/// Of these, so many are tried with detours.
const TRIES: u32 = 4;

/// And the next one is waited for so many times longer, until one comes again: a stream without
/// shapes costs little more than to scan it.
const GROWTH: u32 = 16;

/// But no longer than for so many documents.
const LONGEST_PAUSE: u32 = 1 << 16;

impl Default for Shapes {
    fn default() -> Self {
        // What comes only once need not be remembered.
        Self { known: Vec::new(), strays: 0, misses: 0, waited: 0, pause: 1, detours: false }
    }
}

impl Shapes {
    /// Passes a document, if it is valid and of the first shape: with detours, if the last ones made some
    /// and members are looked for.
    #[inline(always)]
    pub(crate) fn pass_first<'p, D>(
        &mut self,
        members: Option<Members<'p>>,
        pass: impl FnOnce(&mut Shape, Option<Members<'p>>) -> Option<D>,
    ) -> Option<D> {
        let members = members.filter(|_| self.detours);
        let document = pass(self.known.first_mut()?, members)?;
        (self.strays, self.misses, self.pause) = (0, 0, 1);
        Some(document)
    }

    /// Passes a document, if it is valid and of another shape that is known, or makes detours from one.
    pub(crate) fn pass_others<'p, D>(
        &mut self,
        buffer: &[u8],
        members: Option<Members<'p>>,
        mut pass: impl FnMut(&mut Shape, Option<Members<'p>>) -> Option<D>,
    ) -> Option<D> {
        self.strays += 1;
        let made_detours = mem::take(&mut self.detours);
        for (place, shape) in self.known.iter_mut().enumerate().skip(1) {
            shape.reached = 0;
            let document = if shape.begins(buffer) { pass(shape, None) } else { None };
            if document.is_some() {
                // Once in a while one comes in between: that is no reason to change the order.
                if self.strays > 1 {
                    self.known.swap(0, place);
                    self.strays = 0;
                }
                (self.misses, self.pause) = (0, 1);
                return document;
            }
        }
        // From the first one they were tried if the last document made some.
        let may_be_near = !made_detours && self.misses < TRIES;
        let members = members.filter(|_| may_be_near)?;
        // Of those that it went along as far it is the first.
        let others = self.known.iter_mut().enumerate().rev();
        let (place, nearest) = others.max_by_key(|(_, shape)| shape.reached)?;
        let document = pass(nearest, Some(members))?;
        self.known.swap(0, place);
        (self.strays, self.misses, self.pause, self.detours) = (0, 0, 1, true);
        Some(document)
    }

    /// Notes a document of another shape than those that are known.
    pub(crate) fn miss(&mut self, shape: impl FnOnce() -> Option<Shape>) {
        self.waited += 1;
        self.misses += 1;
        if self.misses >= PATIENCE && !self.known.is_empty() {
            self.known.clear();
            (self.misses, self.waited) = (0, 0);
            self.pause = (self.pause * GROWTH).min(LONGEST_PAUSE);
        } else if self.waited > self.pause && self.known.len() < MOST {
            self.known.extend(shape());
            (self.misses, self.waited) = (0, 0);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }
}
