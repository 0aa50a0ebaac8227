use std::path::Path;

use anyhow::anyhow;

use super::exit::Failure;

/// The path of a rule beside which something is written. Of a directory it is not known which version is
/// meant, or will be.
pub(super) fn single_file(rule: &Path) -> Result<&Path, Failure> {
    match rule.is_dir() {
        true => Err(Failure::Usage(anyhow!(
            "{} is a directory: name the file of one version",
            rule.display()
        ))),
        false => Ok(rule),
    }
}
