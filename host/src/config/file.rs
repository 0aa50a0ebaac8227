use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use toml::{Table, Value};

use super::arguments::{CacheOption, StatePlace};
use super::options::{Options, SettingsSource};

/// Reads a configuration file, which is TOML. Paths in it are relative to its folder.
pub(super) fn read(path: &Path) -> anyhow::Result<Options> {
    let text = fs::read_to_string(path).context("cannot be read")?;
    let mut options = parse(&text)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    options.rule = options.rule.map(|rule| rule.below(folder));
    options.shadow = options.shadow.map(|rule| rule.below(folder));
    if let Some(signers) = &mut options.signers {
        *signers = folder.join(&*signers);
    }
    if let Some(CacheOption::Directory(directory)) = &mut options.cache {
        *directory = folder.join(&*directory);
    }
    if let Some(record) = &mut options.record {
        *record = folder.join(&*record);
    }
    if let Some(place) = options.dead_letter.as_mut().filter(|place| !place.contains("://")) {
        *place = folder.join(&*place).to_string_lossy().into_owned();
    }
    if let Some(StatePlace::Directory(directory)) = &mut options.state {
        *directory = folder.join(&*directory);
    }
    if let Some(SettingsSource::File(file)) = &mut options.settings {
        *file = folder.join(&*file);
    }
    Ok(options)
}

fn parse(text: &str) -> anyhow::Result<Options> {
    let options = toml::from_str(text)?;
    check_numbers(&text.parse()?)?;
    Ok(options)
}

/// TOML has numbers that JSON, in which a rule is given its settings, cannot write: they would be lost,
/// and with them, without a word, a bound.
fn check_numbers(table: &Table) -> anyhow::Result<()> {
    table.iter().try_for_each(|(key, value)| check_number(value).with_context(|| key.clone()))
}

fn check_number(value: &Value) -> anyhow::Result<()> {
    match value {
        Value::Float(number) if !number.is_finite() => bail!("expected a number, found {number}"),
        Value::Array(values) => values.iter().try_for_each(check_number),
        Value::Table(table) => check_numbers(table),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::RuleSource;

    #[test]
    fn every_option_can_be_set() {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = temporary.path();
        let file = folder.join("weir.toml");
        let text = r#"
            contract = "firehose"
            upper = 1.5
            rule = "rules/other.wasm"
            cache = "cache"
            signers = "allowed_signers"
            topic = "arn:aws:sns:eu-west-1:123456789012:alarms"
            max-publish-bytes = 1048576
            cooldown = "/device_id=5m"
            partition-key = ["ward=/ward"]
            on-bad-record = "drop"
            ordering = "shard"
            publish-timeout = "10s"
            record = "traffic"
            record-max = "10MiB"
            record-redact = ["/patient_id"]
            state = "states"
            state-every = 500
            settings = { columns = ["/pulse"] }
        "#;
        fs::write(&file, text).expect("a file");
        let options = read(&file).expect("options");
        fs::write(&file, "settings = 'bounds.json'").expect("a file");
        let settings = read(&file).expect("options").settings;
        fs::write(&file, "uper = 1").expect("a file");
        let unknown = read(&file).expect_err("an unknown key").to_string();

        assert_eq!(options.upper, Some(1.5));
        assert_eq!(options.rule, Some(RuleSource::local(folder.join("rules/other.wasm"))));
        assert_eq!(options.cache, Some(CacheOption::Directory(folder.join("cache"))));
        assert_eq!(options.state, Some(StatePlace::Directory(folder.join("states"))));
        assert_eq!(options.state_every, "500".parse().ok());
        assert_eq!(options.signers, Some(folder.join("allowed_signers")));
        assert_eq!(options.max_publish_bytes, Some(1 << 20));
        assert_eq!(options.ordering, Some(crate::publish::Ordering::Shard));
        assert_eq!(options.record, Some(folder.join("traffic")));
        assert_eq!(options.record_max, Some(bytesize::ByteSize::mib(10)));
        assert_eq!(options.record_redact.as_ref().map(Vec::len), Some(1));
        assert_eq!(options.partition_key.as_ref().map(Vec::len), Some(1));
        assert_eq!(settings, Some(SettingsSource::File(folder.join("bounds.json"))));
        let document = options.settings_document().expect("settings");
        assert_eq!(document["columns"], serde_json::json!(["/pulse"]));
        assert!(unknown.contains("uper"), "{unknown}");
    }

    #[test]
    fn a_number_that_json_cannot_write_is_refused() {
        for (text, key) in [
            ("upper = nan", "upper"),
            ("lower = -inf", "lower"),
            ("record-sample = nan", "record-sample"),
            ("settings = { upper = inf }", "settings: upper"),
            ("[settings]\nsteps = [1, { at = nan }]", "settings: steps: at"),
        ] {
            let error = format!("{:#}", parse(text).expect_err(text));
            assert!(error.contains(&format!("{key}: expected a number, found ")), "{error}");
        }
        assert_eq!(parse("upper = 1e308").expect("a number").upper, Some(1e308));
    }

    #[test]
    fn what_may_be_repeated_is_a_list_or_a_text_as_a_flag_has_it() {
        let text = "grant = 'inert-wasi'\npartition-key = 'w=/ward'\nrecord-redact = '/a,/b'";
        let list =
            "grant = ['inert-wasi']\npartition-key = ['w=/ward']\nrecord-redact = ['/a', '/b']";
        let flags = ["--grant=inert-wasi", "--partition-key=w=/ward", "--record-redact=/a,/b"];
        let expected = Options::parse_from_flags(&flags).expect("flags");
        assert_eq!(parse(text).expect("texts"), expected);
        assert_eq!(parse(list).expect("lists"), expected);
        for (wrong, found) in [
            ("record-redact = 'a'", "record-redact"),
            ("partition-key = ['ward']", "found \"ward\""),
            ("grant = 1", "a text or a list of texts"),
        ] {
            let error = parse(wrong).expect_err(wrong).to_string();
            assert!(error.contains(found), "{error}");
        }
    }
}
