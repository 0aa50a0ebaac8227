use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Things by their names, in the order in which they were put there, and of what size they are together.
#[derive(Debug)]
pub(crate) struct ByUse<T> {
    by_name: HashMap<Arc<str>, Put<T>>,
    /// The names, those first that were put there the longest time ago.
    by_use: BTreeMap<u64, Arc<str>>,
    /// Counts how often one was put there.
    clock: u64,
    size: usize,
}

#[derive(Debug)]
struct Put<T> {
    thing: T,
    size: usize,
    at: u64,
}

impl<T> Default for ByUse<T> {
    fn default() -> Self {
        Self { by_name: HashMap::new(), by_use: BTreeMap::new(), clock: 0, size: 0 }
    }
}

impl<T> ByUse<T> {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Of what size they are together.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Puts one of this size there, in the place of the one with this name.
    pub(crate) fn put(&mut self, name: &str, thing: T, size: usize) {
        self.take(name);
        self.clock += 1;
        self.size += size;
        let (name, at) = (Arc::<str>::from(name), self.clock);
        self.by_use.insert(at, Arc::clone(&name));
        self.by_name.insert(name, Put { thing, size, at });
    }

    /// Looks at one, which is no use of it.
    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.by_name.get(name).map(|put| &put.thing)
    }

    /// Takes one away.
    pub(crate) fn take(&mut self, name: &str) -> Option<T> {
        let Put { thing, size, at } = self.by_name.remove(name)?;
        self.by_use.remove(&at);
        self.size -= size;
        Some(thing)
    }

    /// Takes the one that was put there the longest time ago, and says its name.
    pub(crate) fn take_oldest(&mut self) -> Option<(Arc<str>, T)> {
        let name = Arc::clone(self.by_use.first_key_value()?.1);
        let thing = self.take(&name)?;
        Some((name, thing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_the_one_that_was_not_put_there_again() {
        let mut things = ByUse::default();
        for (name, thing) in [("a", 1), ("b", 2), ("c", 3), ("a", 4)] {
            things.put(name, thing, 10);
        }
        assert_eq!(things.size(), 30);
        assert_eq!((things.take("c"), things.take("c"), things.len()), (Some(3), None, 2));
        assert_eq!((things.get("b"), things.get("c")), (Some(&2), None));
        assert_eq!(things.take_oldest(), Some(("b".into(), 2)));
        assert_eq!(things.take_oldest(), Some(("a".into(), 4)));
        assert_eq!((things.take_oldest(), things.size()), (None, 0));
    }
}
