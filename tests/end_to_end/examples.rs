//! The sample inputs are what their description says.

use std::process::Command;

use weir_tests::event::records;

use crate::{example_text, root};

/// The start of each command in the description.
const GENERATE: &str = "cargo run -p weir-tests --bin generate-events -- ";

#[test]
fn the_commands_of_the_description_make_the_sample_inputs() {
    let description = example_text("README.md");
    let commands: Vec<&str> =
        description.lines().filter_map(|line| line.trim().strip_prefix(GENERATE)).collect();
    assert_eq!(commands.len(), 3);
    for command in commands {
        let (arguments, file) = command.split_once(" > ").expect("a command that writes a file");
        let output = Command::new(env!("CARGO_BIN_EXE_generate-events"))
            .args(arguments.split(' '))
            .output()
            .expect("the generator starts");
        let file = std::fs::read(root().join(file)).expect("a sample input");
        assert!(output.stdout == file, "this makes other bytes: {command}");
    }
}

#[test]
fn the_scores_are_spread_as_described() {
    let description = example_text("README.md");
    for input in ["vital-signs.json", "vital-signs-firehose.json"] {
        let records = records(&example_text(input));
        let count =
            |wanted: fn(f64) -> bool| records.iter().filter(|record| wanted(record.score)).count();
        let spread = format!(
            "{} records: {} scores of 1.5 or more, {} of 0.4 or less, {} of 0 |",
            records.len(),
            count(|score| score >= 1.5),
            count(|score| score <= 0.4 && score != 0.0),
            count(|score| score == 0.0),
        );
        assert!(description.contains(&format!("`{input}`")), "{input} is described");
        assert!(description.contains(&spread), "{input}: {spread}");
    }
}
