//! The examples of the README and of the tutorial, run as they stand there: each `$` line of a
//! `console` block, in order, in one empty folder that has the test data in it; what it prints must
//! be what the page shows.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A command of a page and what the page says it prints.
struct Example {
    line: usize,
    command: String,
    shown: String,
}

fn examples(text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut in_block = false;
    for (number, line) in text.lines().enumerate() {
        match line {
            "```console" => in_block = true,
            "```" => in_block = false,
            _ if !in_block => {}
            _ => match (line.strip_prefix("$ "), examples.last_mut()) {
                (Some(command), _) => examples.push(Example {
                    line: number + 1,
                    command: command.to_owned(),
                    shown: String::new(),
                }),
                (None, Some(example)) => {
                    example.shown.push_str(line.trim_end());
                    example.shown.push('\n');
                }
                (None, None) => panic!("line {}: output without a command", number + 1),
            },
        }
    }
    examples
}

/// Runs the examples of a page, of which there must be so many at least.
fn run_page(page: &str, least: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binary = Path::new(env!("CARGO_BIN_EXE_logcompact"));
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root.join("testdata"), folder.path().join("testdata")).unwrap();
    let path = format!("{}:{}", binary.parent().unwrap().display(), env!("PATH"));
    let examples = examples(&fs::read_to_string(root.join(page)).unwrap());
    assert!(examples.len() >= least, "the examples of {page} were not found");
    for example in examples {
        let output = Command::new("sh")
            .args(["-c", &format!("{{ {}; }} 2>&1", example.command)])
            .current_dir(folder.path())
            .env("PATH", &path)
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let printed: String =
            printed.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        assert_eq!(printed, example.shown, "{page} line {}: {}", example.line, example.command);
    }
}

#[test]
fn every_example_prints_what_the_readme_shows() {
    run_page("README.md", 5);
}

#[test]
fn every_example_prints_what_the_tutorial_shows() {
    run_page("docs/tutorial.md", 20);
}
