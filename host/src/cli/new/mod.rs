use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use clap::Args;

use super::exit::Failure;
use super::output::print;

#[derive(Debug, Args)]
#[command(after_help = "\
What is made compiles and passes its tests as it is: change it from there.

Exit codes:
  0  the crate is there
  1  it could not be written
  2  called wrongly, or there is something of that name

Examples:
  weir new fever
  weir new fever --sdk ../weir/guest/sdk
  weir new fever --sdk https://git.example.org/weir.git")]
pub(super) struct NewArgs {
    /// Name of the rule: 1 to 64 of a-z, 0-9 and -, beginning with a letter
    #[arg(value_name = "NAME")]
    name: String,

    /// Where the SDK, weir-guest, comes from: its folder, guest/sdk of a checkout of weir, or the
    /// URL of a git repository [default: the checkout that this weir was built from]
    #[arg(long, value_name = "FOLDER|URL")]
    sdk: Option<String>,
}

/// The files of a crate, with what is to be put in: `__name__`, `__Type__`, `__sdk__`, `__rust__`.
const FILES: [(&str, &str); 6] = [
    ("Cargo.toml", include_str!("Cargo.toml.in")),
    ("rust-toolchain.toml", include_str!("rust-toolchain.toml.in")),
    ("README.md", include_str!("README.md.in")),
    ("src/lib.rs", include_str!("lib.rs.in")),
    ("src/settings.schema.json", include_str!("settings.schema.json.in")),
    ("golden/bounds.json", include_str!("bounds.json.in")),
];

pub(super) fn main(args: NewArgs) -> Result<ExitCode, Failure> {
    let NewArgs { name, sdk } = args;
    check_name(&name).map_err(Failure::Usage)?;
    let sdk = dependency(sdk.as_deref()).map_err(Failure::Usage)?;
    let folder = Path::new(&name);
    if folder.exists() {
        return Err(Failure::usage(anyhow!("{name} is there already: choose another name")));
    }
    let rust = format!("{}.0", env!("CARGO_PKG_RUST_VERSION"));
    for (file, template) in FILES {
        let text = template
            .replace("__name__", &name)
            .replace("__Type__", &type_name(&name))
            .replace("__sdk__", &sdk)
            .replace("__rust__", &rust);
        write(&folder.join(file), &text).map_err(Failure::Runtime)?;
    }
    print(format_args!(
        "{name}: a rule that flags values above a bound\n\
         next: cd {name} && weir build && weir test {name}.wasm\n"
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .with_context(|| path.display().to_string())
}

/// The name is the rule's, the crate's and the folder's.
fn check_name(name: &str) -> anyhow::Result<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    if !begins_well || name.len() > 64 || !name.chars().all(allowed) {
        bail!(
            "expected a name of 1 to 64 of a-z, 0-9 and -, beginning with a letter, found {name:?}"
        );
    }
    if let Some((_, what)) = TAKEN.iter().find(|(taken, _)| *taken == name) {
        bail!("{name} is the name of {what}, which a rule cannot share: choose another");
    }
    Ok(())
}

/// Names of crates that every rule depends on, and could not tell from itself.
const TAKEN: [(&str, &str); 3] = [
    ("std", "Rust's standard library"),
    ("weir-guest", "the SDK"),
    ("weir-json", "a crate of the SDK's"),
];

/// `two-words` as a type: `TwoWordsRule`. By its last word it is never one that Rust keeps to itself.
fn type_name(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    });
    words.chain(["Rule".to_owned()]).collect()
}

/// The SDK as a dependency, as a manifest has it.
fn dependency(sdk: Option<&str>) -> anyhow::Result<String> {
    let folder = match sdk {
        Some(url) if url.contains("://") => {
            return Ok(format!("{{ git = {} }}", serde_json::Value::from(url)));
        }
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("guest").join("sdk"),
    };
    let manifest = folder.join("Cargo.toml");
    let is_sdk = fs::read_to_string(&manifest).is_ok_and(|text| text.contains("\"weir-guest\""));
    if !is_sdk {
        bail!(
            "there is no SDK in {}: name the folder guest/sdk of a checkout of weir, or the URL of \
             its git repository, with --sdk",
            folder.display()
        );
    }
    let folder = folder.canonicalize().with_context(|| folder.display().to_string())?;
    // A string of TOML is written as one of JSON.
    Ok(format!("{{ path = {} }}", serde_json::Value::from(folder.to_string_lossy())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_rules_crates_and_folders() {
        for name in ["fever", "a", "two-words-2"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "2fast", "-a", "Fever", "a_b", "../a", &"a".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_name_that_the_compiler_would_confuse_is_refused() {
        for name in ["std", "weir-guest", "weir-json"] {
            let error = check_name(name).expect_err(name).to_string();
            assert!(error.starts_with(&format!("{name} is the name of ")), "{error}");
        }
        assert!(check_name("weir-guests").is_ok());
    }

    #[test]
    fn a_name_becomes_a_type() {
        assert_eq!(type_name("two-words-2"), "TwoWords2Rule");
        assert_eq!(type_name("self"), "SelfRule");
        assert_eq!(type_name("a--b-"), "ABRule");
    }

    #[test]
    fn the_sdk_is_a_folder_or_a_repository() {
        let git = dependency(Some("https://git.example.org/weir.git")).expect("a repository");
        assert_eq!(git, "{ git = \"https://git.example.org/weir.git\" }");
        assert!(dependency(None).expect("this checkout").contains("guest/sdk"));
        let error = dependency(Some("src")).expect_err("no SDK").to_string();
        assert!(error.contains("--sdk"), "{error}");
    }
}
