//! What every store does.

use std::fs;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Runtime};

use super::{FileStore, MemoryStore, SaveError, StateStore, Version};

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

fn does_what_a_store_does(store: &dyn StateStore) {
    let runtime = runtime();
    let load = || runtime.block_on(store.load("key", 100)).expect("a store that can be read");
    let version = || runtime.block_on(store.version("key")).expect("a store that can be read");
    let save = |state: &[u8], expected: Option<&Version>| {
        runtime.block_on(store.save("key", state.to_vec(), expected))
    };
    assert_eq!((load(), version()), (None, None));
    let no = Version("of another".to_owned());
    assert_eq!(save(b"first", Some(&no)), Err(SaveError::Conflict));
    let first = save(b"first", None).expect("the first");
    assert_eq!(save(b"another", None), Err(SaveError::Conflict));
    assert_eq!(load().map(|stored| stored.bytes), Some(b"first".to_vec()));
    assert_eq!(version(), Some(first.clone()));
    let second = save(b"second", Some(&first)).expect("the next");
    assert_eq!(save(b"late", Some(&first)), Err(SaveError::Conflict));
    let stored = load().expect("a state");
    assert_eq!((stored.bytes, stored.version), (b"second".to_vec(), second));
    assert_eq!(runtime.block_on(store.version("other")), Ok(None));
}

#[test]
fn memory_is_a_store() {
    does_what_a_store_does(&MemoryStore::default());
}

#[test]
fn a_directory_is_a_store() {
    let directory = tempfile::tempdir().expect("a directory");
    does_what_a_store_does(&FileStore::open(directory.path()).expect("a directory"));
    let bounded = FileStore::open(directory.path()).expect("a directory");
    assert!(runtime().block_on(bounded.load("key", 6)).is_ok());
    let error = runtime().block_on(bounded.load("key", 5)).expect_err("more than that");
    assert!(error.0.contains("more than 5 bytes"), "{error}");
}

#[test]
fn of_writers_at_the_same_time_one_wins() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Arc::new(FileStore::open(directory.path()).expect("a directory"));
    let mut seen = None;
    for round in 0..20 {
        let saved: Vec<_> = thread::scope(|threads| {
            let write = |writer: usize| {
                let (store, seen) = (Arc::clone(&store), seen.clone());
                threads.spawn(move || {
                    let state = format!("{round} {writer}").into_bytes();
                    runtime().block_on(StateStore::save(&*store, "key", state, seen.as_ref()))
                })
            };
            let writers: Vec<_> = (0..4).map(write).collect();
            writers.into_iter().filter_map(|writer| writer.join().expect("no panic").ok()).collect()
        });
        assert_eq!(saved.len(), 1, "{saved:?}");
        seen = saved.into_iter().next();
        assert_eq!(runtime().block_on(store.version("key")).expect("a state"), seen);
    }
}

#[test]
fn what_is_half_written_is_no_state() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = FileStore::open(directory.path()).expect("a directory");
    fs::write(directory.path().join("key.new"), "half of a sta").expect("a file");
    let load = || runtime().block_on(store.load("key", 100)).expect("a store that can be read");
    assert_eq!(load(), None);
    runtime().block_on(StateStore::save(&store, "key", b"a".to_vec(), None)).expect("a state");
    assert_eq!(load().map(|stored| stored.bytes), Some(b"a".to_vec()));
}
