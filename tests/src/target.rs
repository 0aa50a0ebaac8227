//! Where this test was built: the cargo target directory and the profile.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The cargo target directory: the one that this executable lies in.
pub(crate) fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        executable()
            .ancestors()
            .find(|folder| folder.join("CACHEDIR.TAG").is_file())
            .expect("a test runs from within the cargo target directory")
            .to_owned()
    })
}

/// The cargo profile that this executable was built with, as `--profile` takes it.
pub(crate) fn profile() -> String {
    let folder = executable()
        .ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == "deps"))
        .and_then(Path::parent)
        .and_then(Path::file_name)
        .and_then(|name| name.to_str())
        .expect("a test runs from <target>/<profile>/deps")
        .to_owned();
    if folder == "debug" { "dev".to_owned() } else { folder }
}

fn executable() -> PathBuf {
    std::env::current_exe().expect("the path of this executable")
}
