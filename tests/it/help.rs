//! The whole help, as a user reads it.

use std::process::Command;

/// Runs the program with an empty environment, so that no variable changes the text.
fn help(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_snowbird"));
    let output = command.env_clear().env("COLUMNS", "100").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_help_is_pinned() {
    let mut text = String::new();
    for command in ["", "deploy", "push", "status", "sandbox"] {
        let mut arguments: Vec<_> = command.split_whitespace().collect();
        for flag in ["-h", "--help"] {
            arguments.push(flag);
            text.push_str(&format!("$ snowbird {}\n{}\n", arguments.join(" "), help(&arguments)));
            arguments.pop();
        }
    }
    // Trailing blanks would not survive an editor.
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
