//! The page on rules is true: every command on it is run, in the order of the page, and prints what
//! stands below it.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use tempfile::TempDir;
use weir_tests::weir::{self, binary, weir, with_compiler};

use crate::root;

/// A command of the page, and the lines that it is to print.
struct Step {
    command: String,
    printed: Vec<String>,
}

/// What the shell prints after a command, before its exit code.
const END: &str = "@end of the command@ ";

/// The commands of all console blocks: a line that begins with `$`, and what follows up to the next.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in page.split("```console\n").skip(1) {
        let (block, _) = block.split_once("```").expect("the end of the block");
        for line in block.lines() {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => {
                    steps.push(Step { command: command.to_owned(), printed: Vec::new() });
                }
                (None, Some(step)) => step.printed.push(line.to_owned()),
                (None, None) => panic!("a block begins with a command: {line}"),
            }
        }
    }
    steps
}

/// Whether a line is as the page has it, where `…` stands for anything.
fn is_like(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Whether all lines are as the page has them, where a line `…` stands for any lines.
fn are_like(lines: &[&str], patterns: &[String]) -> bool {
    match patterns.split_first() {
        None => lines.is_empty(),
        Some((any, patterns)) if any == "…" => {
            (0..=lines.len()).any(|skipped| are_like(&lines[skipped..], patterns))
        }
        Some((pattern, patterns)) => lines
            .split_first()
            .is_some_and(|(line, lines)| is_like(line, pattern) && are_like(lines, patterns)),
    }
}

#[test]
fn every_command_of_the_page_prints_what_the_page_says() {
    let page = fs::read_to_string(root().join("docs/rules.md")).expect("the page");
    let steps = steps(&page);
    assert!(steps.len() > 10, "the page has commands");

    let folder = TempDir::new().expect("a temporary folder");
    symlink(root(), folder.path().join("weir")).expect("a link to the checkout");
    // One shell runs all of them, since one of them changes the folder. Each ends with its exit code.
    let marked = |step: &Step| format!("{{ {}\n}} 2>&1; echo \"{END}$?\"\n", step.command);
    let script: String = steps.iter().map(marked).collect();
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env_clear().current_dir(folder.path());
    for (name, value) in weir([""; 0]).get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    with_compiler(&mut shell);
    let programs = binary().parent().expect("the folder of the binary").display().to_string();
    let path = std::env::var("PATH").expect("the compiler is found by it");
    let output = weir::run(shell.env("PATH", format!("{programs}:{path}"))).success();

    let mut rest = output.as_str();
    for Step { command, printed } in &steps {
        let (found, after) = rest.split_once(END).expect("the end of each command");
        let (code, after) = after.split_once('\n').expect("an exit code");
        rest = after;
        assert!(are_like(&found.lines().collect::<Vec<_>>(), printed), "{command}\n{found}");
        // What is refused, or differs, is said to be.
        let fails =
            printed.iter().any(|line| line.starts_with("error: ") || line.contains("differs"));
        assert_eq!(code != "0", fails, "{command} ended with {code}:\n{found}");
    }
}
