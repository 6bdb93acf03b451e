//! The style rules that a machine can check: a rule that is not checked is a wish.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms in order: each may use those before it. Rooms in one group do not know each other.
const ROOMS: [&[&str]; 10] = [
    &["units", "error", "report"],
    &["bytes"],
    &["format", "messages"],
    &["disk"],
    &["segment"],
    &["swap"],
    &["rounds"],
    &["compact", "dump", "groups", "repair", "verify", "write"],
    &["stats"],
    &["cli"],
];
/// Those of `compact`, likewise; what is in none of them puts them together.
const ROOMS_OF_COMPACTION: [&[&str]; 5] =
    [&["strategy", "look"], &["keys"], &["vote"], &["rewrite"], &["round"]];
const MOST_COLUMNS: usize = 100;
const MOST_LINES: usize = 600;

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders =
        ["src", "tests", "fuzz/src", "fuzz/fuzz_targets"].map(|name| root.join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root).unwrap().to_path_buf(), text));
            }
        }
    }
    assert!(found.len() > 40, "the sources were not found");
    found
}

/// Fails where one of `rooms`, folders and files within `folder` that others know as `path`, uses
/// what is not before it.
fn check_rooms(rooms: &[&[&str]], folder: &str, path: &str) {
    let level = |room: &str| rooms.iter().position(|group| group.contains(&room));
    let mut uses = 0;
    for (file, text) in sources() {
        let Ok(inside) = file.strip_prefix(folder) else {
            continue;
        };
        let room = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        let Some(own) = level(room) else { continue }; // lib.rs and main.rs stand outside
        for used in text.split(path).skip(1) {
            let used: String =
                used.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let Some(other) = level(&used) else { continue };
            uses += 1;
            let allowed = other < own || used == room || (own == 0 && other == 0);
            assert!(allowed, "{}: `{room}` uses `{used}`", file.display());
        }
    }
    assert!(uses > 10, "nothing in {folder} uses anything");
}

#[test]
fn a_room_uses_only_the_rooms_before_it() {
    check_rooms(&ROOMS, "src", "crate::");
    check_rooms(&ROOMS_OF_COMPACTION, "src/compact", "crate::compact::");
}

#[test]
fn lines_files_and_characters_keep_to_their_limits() {
    for (path, text) in sources() {
        let name = path.display();
        assert!(text.is_ascii(), "{name}: not ASCII");
        assert!(text.lines().count() <= MOST_LINES, "{name}: more than {MOST_LINES} lines");
        for (number, line) in text.lines().enumerate() {
            let columns = line.chars().count();
            assert!(columns <= MOST_COLUMNS, "{name}:{}: {columns} columns", number + 1);
        }
    }
}

#[test]
fn a_file_opens_with_what_it_promises() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{}", path.display());
    }
}

#[test]
fn unsafe_code_stands_in_one_file() {
    for (path, text) in sources().iter().filter(|(path, _)| path.starts_with("src")) {
        let holds = text.contains("unsafe {") || text.contains("unsafe fn");
        assert_eq!(holds, path.ends_with("disk/map.rs"), "{}", path.display());
    }
}

#[test]
fn every_test_that_a_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code: String = sources().into_iter().map(|(_, text)| text).collect();
    let pages = [
        "README.md",
        "docs/architecture.md",
        "docs/compaction.md",
        "docs/dump-formats.md",
        "docs/format.md",
        "docs/fuzzing.md",
        "docs/guarantees.md",
        "docs/internal-topics.md",
        "docs/tutorial.md",
        "docs/stats.md",
        "docs/rounds.md",
        "docs/strategies.md",
        "docs/rewrites.md",
    ];
    let mut named = 0;
    for page in pages {
        let text = fs::read_to_string(root.join(page)).unwrap();
        for word in text.split('`').skip(1).step_by(2) {
            let is_test = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let name = word.trim_end_matches("...");
            let is_topic = name.starts_with("__");
            if name.matches('_').count() < 4 || is_topic || !name.chars().all(is_test) {
                continue;
            }
            named += 1;
            assert!(code.contains(&format!("fn {name}")), "{page} names `{word}`");
        }
    }
    assert!(named > 10, "{named} names were found");
}
