//! The style rules that a machine can check: a rule that is not checked is a wish.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms in order: each may use those before it. Rooms in one group do not know each other.
const ROOMS: [&[&str]; 12] = [
    &["units"],
    &["error"],
    &["report"],
    &["bytes"],
    &["format", "messages"],
    &["disk"],
    &["segment"],
    &["swap"],
    &["rounds"],
    &["cluster", "compact", "dump", "groups", "repair", "verify", "write"],
    &["stats"],
    &["cli"],
];
/// Those of `compact`, likewise.
const ROOMS_OF_COMPACTION: [&[&str]; 15] = [
    &["erased_keys", "evidence", "strategy", "worker"],
    &["keys", "rewrites"],
    &["policy"],
    &["look"],
    &["budget", "plan", "small_files"],
    &["vote"],
    &["rewrite"],
    &["commit"],
    &["account", "end_state", "witness"],
    &["round"],
    &["destination", "task"],
    &["damage"],
    &["looked"],
    &["carry_over"],
    &["partition"],
];
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

/// What `text` uses of a folder that others know as `path`, and its own files as `super::`.
fn used_by(text: &str, is_own: bool, path: &str) -> Vec<String> {
    let paths = [Some(path), is_own.then_some("super::")];
    let after = paths.into_iter().flatten().flat_map(|path| text.split(path).skip(1));
    let is_word = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    after.map(|after| after.chars().take_while(is_word).collect()).collect()
}

/// Fails where one of `rooms`, folders and files within `folder` that others know as `path`, uses
/// what is not before it, and where one has no place among them that is not of the `outside`.
fn check_rooms(rooms: &[&[&str]], folder: &str, path: &str, outside: &[&str]) {
    let level = |room: &str| rooms.iter().position(|group| group.contains(&room));
    let mut uses = 0;
    for (file, text) in sources() {
        let Ok(inside) = file.strip_prefix(folder) else {
            continue;
        };
        let room = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if outside.contains(&room) {
            continue;
        }
        let own = level(room).unwrap_or_else(|| panic!("{folder}/{room} has no place"));
        let is_own = inside.iter().count() == 1;
        for used in used_by(&text, is_own, path) {
            let Some(other) = level(&used) else { continue };
            uses += 1;
            assert!(other < own || used == room, "{}: `{room}` uses `{used}`", file.display());
        }
    }
    assert!(uses > 10, "nothing in {folder} uses anything");
}

#[test]
fn a_room_uses_only_the_rooms_before_it() {
    check_rooms(&ROOMS, "src", "crate::", &["lib", "main"]);
    let outside = ["mod", "run", "run_rounds"];
    check_rooms(&ROOMS_OF_COMPACTION, "src/compact", "crate::compact::", &outside);
}

#[test]
fn nobody_climbs_more_than_two_floors_or_imports_from_the_house_at_large() {
    for (path, text) in sources().iter().filter(|(path, _)| path.starts_with("src")) {
        let climbs = text.contains("super::super::super");
        assert!(!climbs && !text.contains("use crate::{"), "{}", path.display());
    }
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
        // Whether it is written, or allowed to be.
        let marks = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "expect(unsafe_code"];
        let holds = marks.iter().any(|mark| text.contains(mark));
        assert_eq!(holds, path.ends_with("disk/map.rs"), "{}", path.display());
        assert!(!text.contains("allow(unsafe_code"), "{}", path.display());
    }
}

/// The names of all tests.
fn tests() -> BTreeSet<String> {
    let after = |text: &str, mark: &str| -> Vec<String> {
        text.split(mark).skip(1).map(str::to_owned).collect()
    };
    let marked = sources().into_iter().flat_map(|(_, text)| after(&text, "#[test]\n"));
    let named = marked.filter_map(|text| {
        let name = text.split_once("fn ")?.1.split_once('(')?.0;
        Some(name.to_owned())
    });
    named.collect()
}

/// README, `docs/` and what else is written for people.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let others = ["README.md", "CHANGELOG.md", "tests/oracle/README.md"];
    docs.chain(others.map(|name| root.join(name))).collect()
}

#[test]
fn every_test_that_a_page_names_exists() {
    let tests = tests();
    let mut named = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for word in text.split('`').skip(1).step_by(2) {
            let is_test = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let is_topic = word.starts_with("__");
            if word.matches('_').count() < 4 || is_topic || !word.chars().all(is_test) {
                continue;
            }
            named += 1;
            assert!(tests.contains(word), "{} names `{word}`", page.display());
        }
    }
    assert!(named > 10, "{named} names were found");
}
