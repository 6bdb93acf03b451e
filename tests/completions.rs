//! What packages bring along: completion scripts and manual pages, for every command and option.

mod support;

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use support::logcompact;

const COMMANDS: [&str; 12] = [
    "compact",
    "dump",
    "groups",
    "plan",
    "repair",
    "report",
    "stats",
    "unit",
    "verify",
    "write",
    "completions",
    "man",
];

fn stdout(args: &[&str]) -> String {
    let output = logcompact().args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{args:?}");
    assert!(output.stderr.is_empty(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The long options that a command's help names.
fn options(command: &str) -> Vec<String> {
    let help = stdout(&[command, "--help"]);
    let of_line = |line: &str| {
        let line = line.trim_start();
        let is_option = line.starts_with('-') && !line.starts_with("- ");
        let word = line.split([' ', ',']).find(|word| word.starts_with("--"))?;
        is_option.then(|| word.trim_end_matches(['.', '=']).to_owned())
    };
    let options: Vec<String> = help.lines().filter_map(of_line).collect();
    assert!(options.iter().any(|option| option == "--threads"), "{command}: {options:?}");
    options
}

#[test]
fn every_shell_has_a_script_that_knows_all_commands_and_options() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = stdout(&["completions", shell]);
        for command in COMMANDS {
            assert!(script.contains(command), "{shell}: {command}");
            for option in options(command) {
                // fish has them without dashes.
                let found = script.contains(&option)
                    || script.contains(&format!("-l {}", option.trim_start_matches('-')));
                assert!(found, "{shell}: {command} {option}");
            }
        }
    }
}

#[test]
fn bash_takes_its_script_and_completes_with_it() {
    let script = stdout(&["completions", "bash"]);
    let run = |args: &[&str], input: &str| {
        let spawned = Command::new("bash")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut bash) = spawned else { return None }; // there is no bash here
        bash.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Some(bash.wait_with_output().unwrap())
    };
    let Some(checked) = run(&["-n"], &script) else { return };
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let ask = "\nCOMP_WORDS=(logcompact verify --par); COMP_CWORD=2; \
               _logcompact logcompact --par verify; echo \"${COMPREPLY[@]}\"\n";
    let reply = run(&["--norc"], &(script + ask)).unwrap();
    assert_eq!(String::from_utf8_lossy(&reply.stdout).trim(), "--partitioner --partitions");
}

#[test]
fn an_unknown_shell_is_refused_with_those_that_are_known() {
    let output = logcompact().args(["completions", "tcsh"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("fish"));
}

#[test]
fn each_command_has_a_manual_page_with_its_options_and_examples() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("share/man1");
    logcompact().args(["man", "--out"]).arg(&out).assert().success().stdout("");
    let main = fs::read_to_string(out.join("logcompact.1")).unwrap();
    assert_eq!(main, stdout(&["man"]));
    for command in COMMANDS {
        assert!(main.contains(&format!("\\-{command}(1)")), "{command}");
        let page = fs::read_to_string(out.join(format!("logcompact-{command}.1"))).unwrap();
        let title = page.lines().find(|line| line.starts_with(".TH")).unwrap();
        assert!(title.contains(&format!("logcompact-{command} 1")), "{title}");
        let version = format!("\"logcompact {}\"", env!("CARGO_PKG_VERSION"));
        assert!(title.contains(&version), "{title}");
        assert!(page.contains(".SH EXAMPLES") || page.contains(".SH NOTES"), "{command}");
        for option in options(command) {
            let name = option.replace('-', "\\-");
            assert!(page.contains(&name), "{command} {option}");
        }
    }
    // And the program's own, and that of a command's command.
    assert!(out.join("logcompact-report-merge.1").is_file());
    assert_eq!(fs::read_dir(&out).unwrap().count(), COMMANDS.len() + 2);
}

#[test]
fn manual_pages_are_set_without_a_warning_where_groff_is() {
    let temp = tempfile::tempdir().unwrap();
    logcompact().args(["man", "--out"]).arg(temp.path()).assert().success();
    for entry in fs::read_dir(temp.path()).unwrap() {
        let path = entry.unwrap().path();
        let groff =
            Command::new("groff").args(["-man", "-Tascii", "-ww", "-b"]).arg(&path).output();
        let Ok(set) = groff else { return }; // there is no groff here
        assert!(set.status.success());
        let warnings = String::from_utf8_lossy(&set.stderr).into_owned();
        assert!(!warnings.contains("error"), "{}: {warnings}", path.display());
        let text = String::from_utf8_lossy(&set.stdout);
        assert!(text.contains("logcompact"), "{}", path.display());
    }
}

#[test]
fn every_help_has_examples_of_its_own() {
    for command in COMMANDS {
        let help = stdout(&[command, "--help"]);
        let examples = help.split("Examples:\n").nth(1).unwrap_or_default();
        assert!(examples.contains(&format!("logcompact {command} ")), "{command}");
    }
}
