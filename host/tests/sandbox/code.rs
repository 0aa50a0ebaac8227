//! Native code that was compiled before: when it is used, and when it is not.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::TempDir;
use weir::CodeOrigin::{Cached, Compiled, Packaged};
use weir::{CodeCache, CodeOrigin, Engine, Limits, Rule};

use crate::guest::{Guest, batch};

/// A folder of a test's own.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn cache(&self) -> CodeCache {
        CodeCache::default().directory(self.path())
    }

    /// The one file in it.
    fn file(&self) -> PathBuf {
        let mut entries = fs::read_dir(self.path()).expect("a folder");
        let file = entries.next().expect("a file").expect("an entry").path();
        assert!(entries.next().is_none(), "one file");
        file
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

fn load(component: &[u8], cache: &CodeCache) -> Rule {
    let engine = Engine::new(Limits::default()).expect("an engine");
    Rule::load_cached(&engine, component, cache).expect("a rule")
}

/// Loads a rule so often, each time as a new process would. Says where its code came from.
fn origins<const N: usize>(cache: &CodeCache) -> [CodeOrigin; N] {
    let component = Guest::default().component();
    [(); N].map(|()| load(&component, cache).code())
}

#[test]
fn a_rule_is_compiled_once() {
    let folder = Folder::new();
    assert_eq!(origins(&folder.cache()), [Compiled, Cached, Cached]);
    assert_eq!(origins(&CodeCache::default()), [Compiled, Compiled]);
}

#[test]
fn what_comes_from_the_cache_runs() {
    let folder = Folder::new();
    let guest = Guest::default();
    for (component, directly) in [(guest.component(), true), (guest.wrapped_otherwise(), false)] {
        let compiled = load(&component, &folder.cache());
        let cached = load(&component, &folder.cache());
        assert_eq!((compiled.code(), cached.code()), (Compiled, Cached));
        let called = (compiled.is_called_directly(), cached.is_called_directly());
        assert_eq!(called, (directly, directly));
        assert_eq!(compiled.description(), cached.description());
        let outcome = |rule: Rule| rule.open("{}").expect("opened").classify(&batch(1));
        let outcomes = (outcome(compiled), outcome(cached));
        assert_eq!(outcomes.0.expect("an outcome"), outcomes.1.expect("an outcome"));
    }
}

#[test]
fn limits_do_not_make_code_stale() {
    let folder = Folder::new();
    let component = Guest::default().component();
    assert_eq!(load(&component, &folder.cache()).code(), Compiled);
    for limits in other_limits() {
        let engine = Engine::new(limits).expect("an engine");
        let rule = Rule::load_cached(&engine, &component, &folder.cache()).expect("a rule");
        assert_eq!(rule.code(), Cached, "{limits:?}");
    }
}

#[cfg(feature = "default-rule")]
#[test]
fn embedded_rules_are_not_compiled() {
    for limits in [Limits::default()].into_iter().chain(other_limits()) {
        let engine = Engine::new(limits).expect("an engine");
        for component in [weir::DEFAULT_RULE, weir::FOREST_RULE] {
            let rule = Rule::load(&engine, component).expect("an embedded rule");
            let name = &rule.description().name;
            assert_eq!(rule.code(), CodeOrigin::Embedded, "{name} within {limits:?}");
        }
    }
}

fn other_limits() -> [Limits; 3] {
    let default = Limits::default();
    [
        Limits { memory_bytes: 4096 << 20, ..default },
        Limits { memory_bytes: 8 << 20, output_bytes: 1 << 20, ..default },
        Limits { stack_bytes: 1 << 20, table_entries: 1000, ..default },
    ]
}

#[test]
fn another_rule_has_code_of_its_own() {
    let folder = Folder::new();
    assert_eq!(origins(&folder.cache()), [Compiled]);
    let other = Guest { name: "other", ..Guest::default() }.component();
    let rule = load(&other, &folder.cache());
    assert_eq!((rule.code(), rule.description().name.as_str()), (Compiled, "other"));
    assert_eq!(origins(&folder.cache()), [Cached]);
}

#[test]
fn damaged_code_is_compiled_anew() {
    let folder = Folder::new();
    assert_eq!(origins(&folder.cache()), [Compiled]);
    let whole = fs::read(folder.file()).expect("an artifact");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&whole[..whole.len() - 1], &[], b"\x7fELF", &flipped] {
        fs::write(folder.file(), damaged).expect("damage");
        assert_eq!(origins(&folder.cache()), [Compiled, Cached]);
        assert_eq!(fs::read(folder.file()).expect("an artifact"), whole);
    }
}

#[test]
fn code_that_others_may_write_is_compiled_anew() {
    let folder = Folder::new();
    assert_eq!(origins(&folder.cache()), [Compiled]);
    for mode in [0o660, 0o602] {
        set_mode(&folder.file(), mode);
        assert_eq!(origins(&folder.cache()), [Compiled, Cached], "{mode:o}");
        let mode = fs::metadata(folder.file()).expect("an artifact").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_directory_that_others_may_write_is_not_used() {
    let folder = Folder::new();
    // Sticky or not: others can place files there.
    for mode in [0o770, 0o702, 0o1777] {
        set_mode(folder.path(), mode);
        assert_eq!(origins(&folder.cache()), [Compiled, Compiled], "{mode:o}");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}

#[test]
fn a_directory_below_one_that_others_may_write_is_not_used() {
    let folder = Folder::new();
    let below = CodeCache::default().directory(folder.path().join("a/b"));
    assert_eq!(origins(&below), [Compiled, Cached]);
    set_mode(folder.path(), 0o770);
    assert_eq!(origins(&below), [Compiled, Compiled]);
    // There, what is another's cannot be moved away.
    set_mode(folder.path(), 0o1777);
    assert_eq!(origins(&below), [Cached]);
}

#[test]
fn a_link_is_not_followed_to_code() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    assert_eq!(origins(&folder.cache()), [Compiled]);
    let target = elsewhere.path().join("code");
    let file = folder.file();
    fs::rename(&file, &target).expect("moved");
    let code = fs::read(&target).expect("an artifact");
    symlink(&target, &file).expect("a link");
    assert_eq!(origins(&folder.cache()), [Compiled, Cached]);
    assert!(fs::symlink_metadata(&file).expect("an artifact").is_file(), "the link was replaced");
    assert_eq!(fs::read(&target).expect("what it led to"), code);
}

#[test]
fn a_link_to_a_directory_is_as_good_as_where_it_leads() {
    let folder = Folder::new();
    let (directory, link) = (folder.path().join("directory"), folder.path().join("link"));
    symlink(&directory, &link).expect("a link");
    let cache = CodeCache::default().directory(&link);
    // It leads nowhere yet.
    assert_eq!(origins(&cache), [Compiled, Compiled]);
    fs::create_dir(&directory).expect("a directory");
    set_mode(&directory, 0o755);
    assert_eq!(origins(&cache), [Compiled, Cached]);
    set_mode(&directory, 0o777);
    assert_eq!(origins(&cache), [Compiled]);
}

#[test]
fn what_a_writer_left_behind_that_was_killed_is_removed() {
    let folder = Folder::new();
    let cache = folder.cache();
    assert_eq!(origins(&cache), [Compiled]);
    let left = format!(".{}.1-2", folder.file().file_name().expect("a name").display());
    let left = fs::File::create(folder.path().join(left)).expect("a file");
    left.set_modified(SystemTime::UNIX_EPOCH).expect("a time");
    load(&Guest { name: "other", ..Guest::default() }.component(), &cache);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2);
}

#[test]
fn code_that_is_used_is_not_what_was_used_longest_ago() {
    let folder = Folder::new();
    assert_eq!(origins(&folder.cache()), [Compiled]);
    let file = fs::File::options().write(true).open(folder.file()).expect("an artifact");
    file.set_modified(SystemTime::UNIX_EPOCH).expect("a time");
    assert_eq!(origins(&folder.cache()), [Cached]);
    let modified = file.metadata().and_then(|file| file.modified()).expect("a time");
    assert_ne!(modified, SystemTime::UNIX_EPOCH);
}

#[test]
fn a_directory_that_cannot_be_made_or_written_is_no_error() {
    let folder = Folder::new();
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    for directory in [&file, &file.join("below"), Path::new("/proc/weir"), Path::new("")] {
        let cache = CodeCache::default().directory(directory);
        assert_eq!(origins(&cache), [Compiled, Compiled], "{}", directory.display());
    }
}

#[test]
fn a_rule_can_be_compiled_ahead() {
    let folder = Folder::new();
    let file = folder.path().join("guest.cwasm");
    let component = Guest::default().component();
    let engine = Engine::new(Limits::default()).expect("an engine");
    let code = Rule::precompile(&engine, &component).expect("native code");
    fs::write(&file, code).expect("an artifact");
    set_mode(&file, 0o644);
    let cache = CodeCache::default().package(&file);
    assert_eq!(
        origins(&cache.clone().directory(folder.path().join("cache"))),
        [Packaged, Packaged]
    );
    assert_eq!(folder.file(), file, "nothing else is kept");

    let other = Guest { name: "other", ..Guest::default() }.component();
    assert_eq!(load(&other, &cache).code(), Compiled);
    set_mode(&file, 0o666);
    assert_eq!(origins(&cache), [Compiled]);
    assert_eq!(origins(&CodeCache::default().package(folder.path().join("none"))), [Compiled]);
}

#[test]
fn what_is_no_rule_is_not_compiled_ahead() {
    let engine = Engine::new(Limits::default()).expect("an engine");
    let component = wat::parse_str("(component)").expect("valid WAT");
    assert!(Rule::precompile(&engine, &component).is_err());
}
