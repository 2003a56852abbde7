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
    let mut sections = Vec::new();
    let commands = [
        "",
        "deploy",
        "plan",
        "push",
        "status",
        "releases",
        "rollback",
        "logs",
        "apps create",
        "config show",
        "config validate",
        "doctor",
        "sandbox",
    ];
    for command in commands {
        for flag in ["-h", "--help"] {
            let arguments: Vec<_> = command.split_whitespace().chain([flag]).collect();
            sections.push(format!("$ snowbird {}\n{}", arguments.join(" "), help(&arguments)));
        }
    }
    let text = sections.join("\n");
    // Trailing blanks would not survive an editor.
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
