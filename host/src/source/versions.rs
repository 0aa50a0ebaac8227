//! A directory that holds versions of one rule.

use std::fs;
use std::path::{Path, PathBuf};

use semver::Version;

use super::error::FetchProblem;

/// The file of the highest version in a directory, as semantic versioning orders them: a pre-release
/// stands below its release. Files that are not called `NAME-VERSION.wasm` or `VERSION.wasm` do not
/// count, nor do hidden ones. A link that leads nowhere does: who put it there means a version.
pub(super) fn highest(directory: &Path) -> Result<PathBuf, FetchProblem> {
    let unreadable = |error: std::io::Error| {
        FetchProblem::Unavailable(format!("{}: {error}", directory.display()))
    };
    let mut versions = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let is_another_thing = || {
            let found = fs::metadata(directory.join(&name));
            found.is_ok_and(|found| !found.is_file())
        };
        if let Some((rule, version)) = name.to_str().and_then(parse)
            && !is_another_thing()
        {
            versions.push((version, rule.to_owned(), name));
        }
    }
    let Some((_, rule, name)) = versions.iter().max() else {
        return Err(FetchProblem::NotFound(format!(
            "{} holds no file that is called after a version, such as fever-1.2.0.wasm or 1.2.0.wasm",
            directory.display()
        )));
    };
    if let Some((_, other, _)) = versions.iter().find(|(_, other, _)| other != rule) {
        return Err(FetchProblem::Invalid(format!(
            "{} is to hold versions of one rule, it holds {rule:?} and {other:?}",
            directory.display()
        )));
    }
    Ok(directory.join(name))
}

/// The name of a rule, which may be empty, and its version. The name ends where what follows is a
/// version. None if it is hidden.
fn parse(file: &str) -> Option<(&str, Version)> {
    let stem = file.strip_suffix(".wasm").filter(|stem| !stem.starts_with('.'))?;
    if let Ok(version) = Version::parse(stem) {
        return Some(("", version));
    }
    stem.match_indices('-').find_map(|(at, _)| {
        let version = Version::parse(&stem[at + 1..]).ok()?;
        (at > 0).then_some((&stem[..at], version))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_where_a_version_begins() {
        let parsed = |file| parse(file).map(|(name, version)| (name, version.to_string()));
        for (file, name, version) in [
            ("1.2.0.wasm", "", "1.2.0"),
            ("fever-1.2.0.wasm", "fever", "1.2.0"),
            ("fever-2-1.2.0.wasm", "fever-2", "1.2.0"),
            ("fever-1.2.0-rc.1.wasm", "fever", "1.2.0-rc.1"),
            ("1.2.0-rc-1.0.0.wasm", "", "1.2.0-rc-1.0.0"),
        ] {
            assert_eq!(parsed(file), Some((name, version.to_owned())), "{file}");
        }
        for file in
            ["fever.wasm", "fever-1.2.wasm", "fever-1.2.0", "-1.2.0.wasm", ".fever-1.2.0.wasm"]
        {
            assert_eq!(parsed(file), None, "{file}");
        }
    }

    #[test]
    fn versions_are_compared_as_such() {
        let temporary = tempfile::tempdir().expect("a folder");
        let directory = temporary.path();
        let highest_of = |names: &[&str]| {
            names.iter().for_each(|name| fs::write(directory.join(name), "").expect("a file"));
            let found = highest(directory);
            names.iter().for_each(|name| fs::remove_file(directory.join(name)).expect("a file"));
            found.map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        };
        let ten =
            highest_of(&["a-1.9.0.wasm", "a-1.10.0.wasm", "a-1.10.0-rc.1.wasm", "a-2.0.0.sig"]);
        let none = highest_of(&["a.wasm", "README"]);
        let two = highest_of(&["a-1.0.0.wasm", "b-2.0.0.wasm"]);
        assert_eq!(ten.as_deref(), Ok("a-1.10.0.wasm"));
        assert!(matches!(none, Err(FetchProblem::NotFound(_))), "{none:?}");
        assert!(matches!(two, Err(FetchProblem::Invalid(_))), "{two:?}");
    }

    #[test]
    fn what_is_no_file_is_no_version_and_a_link_that_leads_nowhere_is_one() {
        let temporary = tempfile::tempdir().expect("a folder");
        let directory = temporary.path();
        fs::create_dir(directory.join("a-2.0.0.wasm")).expect("a folder");
        fs::write(directory.join("a-1.0.0.wasm"), "").expect("a file");
        let below_a_folder = highest(directory);
        #[cfg(unix)]
        std::os::unix::fs::symlink("gone", directory.join("a-3.0.0.wasm")).expect("a link");
        let link = highest(directory);
        assert_eq!(below_a_folder, Ok(directory.join("a-1.0.0.wasm")));
        #[cfg(unix)]
        assert_eq!(link, Ok(directory.join("a-3.0.0.wasm")));
    }
}
