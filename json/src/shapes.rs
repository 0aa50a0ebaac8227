use crate::shape::Shape;

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
}

/// How many shapes are remembered.
pub(crate) const MOST: usize = 4;

/// After so many documents of unknown shapes in a row, all that are known are forgotten.
const PATIENCE: u32 = 16;

/// And the next one is waited for so many times longer, until one comes again: a stream without
/// shapes costs little more than to scan it.
const GROWTH: u32 = 16;

/// But no longer than for so many documents.
const LONGEST_PAUSE: u32 = 1 << 16;

impl Default for Shapes {
    fn default() -> Self {
        // What comes only once need not be remembered.
        Self { known: Vec::new(), strays: 0, misses: 0, waited: 0, pause: 1 }
    }
}

impl Shapes {
    /// Passes a document, if it is valid and of the first shape.
    #[inline(always)]
    pub(crate) fn pass_first<D>(
        &mut self,
        pass: impl FnOnce(&mut Shape) -> Option<D>,
    ) -> Option<D> {
        let document = pass(self.known.first_mut()?)?;
        (self.strays, self.misses, self.pause) = (0, 0, 1);
        Some(document)
    }

    /// Passes a document, if it is valid and of another shape that is known.
    pub(crate) fn pass_others<D>(
        &mut self,
        mut pass: impl FnMut(&mut Shape) -> Option<D>,
    ) -> Option<D> {
        self.strays += 1;
        let mut others = self.known.iter_mut().enumerate().skip(1);
        let (place, document) = others.find_map(|(place, shape)| Some((place, pass(shape)?)))?;
        // Once in a while one comes in between: that is no reason to change the order.
        if self.strays > 1 {
            self.known.swap(0, place);
            self.strays = 0;
        }
        (self.misses, self.pause) = (0, 1);
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
