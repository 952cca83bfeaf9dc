//! Holds what nobody should have to remember: which room may look into which, and how long a file may be.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Rooms from the bottom to the top. A room may use the rooms of lower rows, and itself.
const ROWS: [&[&str]; 8] = [
    &["domain", "processor"],
    &["db", "telemetry", "score", "optimize", "plugins"],
    &["auth"],
    &["catalog", "jobs", "webhooks", "results"],
    &["pipeline", "api"],
    &["config"],
    &["app"],
    &["cli"],
];

/// The binary's own crate root files, which are no rooms.
const NO_ROOMS: [&str; 2] = ["lib", "main"];

/// Longest file, in lines.
const LINES_MAX: usize = 600;

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

fn room_of(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

fn row_of(room: &str) -> usize {
    let row = ROWS.iter().position(|row| row.contains(&room));
    row.unwrap_or_else(|| panic!("`{room}` is in no row: say in tests/tidy.rs and ARCHITECTURE.md what it may use"))
}

/// The rooms that a file names: after `crate::`, and at the start of the lines of a `use crate::{` block.
fn rooms_used(text: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
    let mut used: Vec<String> = text.split("crate::").skip(1).map(word).collect();
    for block in text.split("use crate::{\n").skip(1) {
        let lines = block.lines().take_while(|line| !line.starts_with('}'));
        used.extend(
            lines.filter(|line| line.starts_with("    ") && !line.starts_with("     ")).map(|line| word(&line[4..])),
        );
    }
    used.retain(|room| ROWS.iter().any(|row| row.contains(&room.as_str())));
    used
}

#[test]
fn no_room_looks_upwards() {
    let mut wrong = Vec::new();
    for path in sources() {
        let room = room_of(&path);
        if NO_ROOMS.contains(&room.as_str()) || path.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        let row = row_of(&room);
        for used in rooms_used(&fs::read_to_string(&path).unwrap()) {
            if used != room && row_of(&used) >= row {
                wrong.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_use_is_found_in_all_its_forms() {
    let text = "use crate::db::Db;\nuse crate::{\n    api::{\n        error::X,\n    },\n    jobs,\n};\nfn f() { crate::cli::main() }\n";
    let mut used = rooms_used(text);
    used.sort();
    assert_eq!(used, ["api", "cli", "db", "jobs"]);
}

#[test]
fn every_file_says_what_it_is_for_and_none_is_too_long() {
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} does not open with a sentence", path.display());
        assert!(text.lines().count() <= LINES_MAX, "{} is too long", path.display());
    }
}
