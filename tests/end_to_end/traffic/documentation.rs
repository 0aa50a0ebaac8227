//! The commands of `docs/traffic.md`.

use std::fs;

use tempfile::TempDir;

use super::shell;
use crate::root;

/// The commands of the blocks for a console, each with what the text says that it prints.
fn commands(text: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut in_console = false;
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            in_console = language == "console";
        } else if in_console {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push((command.to_owned(), String::new())),
                (None, Some((command, printed))) => {
                    let continues = command.ends_with('\\');
                    let to = if continues { command } else { printed };
                    to.push('\n');
                    to.push_str(line);
                }
                (None, None) => panic!("output before any command: {line}"),
            }
        }
    }
    commands
}

#[test]
fn every_command_prints_what_it_is_said_to_print() {
    let text = fs::read_to_string(root().join("docs/traffic.md")).expect("the document");
    let folder = TempDir::new().expect("a folder");
    let commands = commands(&text);
    assert!(commands.len() >= 4, "{commands:?}");
    for (command, printed) in commands {
        let output = shell(&folder, &command);
        let code = if command.starts_with("weir diff") { 1 } else { 0 };
        assert_eq!(output.code, Some(code), "{command}\n{}", output.stderr);
        let all = format!("{}{}", output.stdout, output.stderr);
        let (begins, _) = printed.trim_start().split_once(['…', '\n']).unwrap_or_default();
        assert!(all.starts_with(begins), "{command} begins with {begins:?}, and not\n{all}");
        for line in printed.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "…")
        {
            let is_there = line.split('…').all(|part| all.contains(part));
            assert!(is_there, "{command} prints {line:?}, and not\n{all}");
        }
    }
}
