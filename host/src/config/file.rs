use std::fs;
use std::path::Path;

use anyhow::Context;

use super::arguments::CacheOption;
use super::options::{Options, SettingsSource};

/// Reads a configuration file, which is TOML. Paths in it are relative to its folder.
pub(super) fn read(path: &Path) -> anyhow::Result<Options> {
    let text = fs::read_to_string(path).context("cannot be read")?;
    let mut options: Options = toml::from_str(&text)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    options.rule = options.rule.map(|rule| rule.below(folder));
    if let Some(CacheOption::Directory(directory)) = &mut options.cache {
        *directory = folder.join(&*directory);
    }
    if let Some(place) = options.dead_letter.as_mut().filter(|place| !place.contains("://")) {
        *place = folder.join(&*place).to_string_lossy().into_owned();
    }
    if let Some(SettingsSource::File(file)) = &mut options.settings {
        *file = folder.join(&*file);
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::RuleSource;

    #[test]
    fn every_option_can_be_set() {
        let folder = std::env::temp_dir().join(format!("weir-config-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("weir.toml");
        let text = r#"
            contract = "firehose"
            upper = 1.5
            rule = "rules/other.wasm"
            cache = "cache"
            topic = "arn:aws:sns:eu-west-1:123456789012:alarms"
            max-publish-bytes = 1048576
            cooldown = "/device_id=5m"
            partition-key = ["ward=/ward"]
            on-bad-record = "drop"
            ordering = "shard"
            publish-timeout = "10s"
            settings = { columns = ["/pulse"] }
        "#;
        fs::write(&file, text).expect("a file");
        let options = read(&file).expect("options");
        fs::write(&file, "settings = 'bounds.json'").expect("a file");
        let settings = read(&file).expect("options").settings;
        fs::write(&file, "uper = 1").expect("a file");
        let unknown = read(&file).expect_err("an unknown key").to_string();
        fs::remove_dir_all(&folder).expect("a folder");

        assert_eq!(options.upper, Some(1.5));
        assert_eq!(options.rule, Some(RuleSource::local(folder.join("rules/other.wasm"))));
        assert_eq!(options.cache, Some(CacheOption::Directory(folder.join("cache"))));
        assert_eq!(options.max_publish_bytes, Some(1 << 20));
        assert_eq!(options.ordering, Some(crate::publish::Ordering::Shard));
        assert_eq!(options.partition_key.as_ref().map(Vec::len), Some(1));
        assert_eq!(settings, Some(SettingsSource::File(folder.join("bounds.json"))));
        let document = options.settings_document().expect("settings");
        assert_eq!(document["columns"], serde_json::json!(["/pulse"]));
        assert!(unknown.contains("uper"), "{unknown}");
    }
}
