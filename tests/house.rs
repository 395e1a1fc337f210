//! The house rules that no lint knows, checked on the text of the repository.
//!
//! The floors are those of the design's map. A rule is tried on made-up text as well, beside its
//! reader in `source`, so that it can be seen to fail. A module that does not exist yet breaks
//! nothing; a module that the map below does not know does.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

mod source;

use source::{calls, declared_names, imports, long_functions, production_lines, same_floor, words};

/// Top-level modules by floor. A floor imports lower floors only.
const FLOORS: &[&[&str]] = &[
    &["model", "clock"],
    &["rotation", "schedule", "expiry", "keyring", "access", "audit", "config", "pki"],
    &["store", "notify"],
    &["engine"],
    &["http", "cli"],
    &["app", "lifecycle", "telemetry"],
];

/// Where a part of the repository may name a rotator's crate.
const COMPOSITION_ROOT: &str = "app";

/// The only file that may ask a rotator to change something for good.
const DOOR: &str = "src/engine/call.rs";

/// Words that say nothing, anywhere in the name of a module or type.
const EMPTY_WORDS: &[&str] = &["manager", "helper", "helpers", "util", "utils", "common", "misc", "processor"];

/// Words that say nothing when they are the whole name.
const EMPTY_NAMES: &[&str] = &["data", "info", "service"];

const MOST_LINES_OF_A_FILE: usize = 600;
const MOST_LINES_OF_A_FUNCTION: usize = 60;
const MOST_LINES_OF_A_MODULE_MAP: usize = 40;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of the repository below `folder`, as paths from its root, in order.
fn files_below(folder: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.context("read a folder")?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_symlink() || matches!(name.as_str(), ".git" | "target" | "__pycache__") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root()).context("a path below the root")?.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Every Rust file below the folders, with its text.
fn rust_files(folders: &[&str]) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for folder in folders {
        for path in files_below(folder)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs")) {
            let text = fs::read_to_string(root().join(&path)).with_context(|| format!("read {}", path.display()))?;
            files.push((path.display().to_string(), text));
        }
    }
    Ok(files)
}

fn everything() -> Result<Vec<(String, String)>> {
    rust_files(&["src", "rotators", "tests", "benches"])
}

/// The top-level module that a file of `src/` belongs to; `None` for the crate's two roots.
fn module_of(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("src/")?;
    let name = inner.split('/').next()?.trim_end_matches(".rs");
    (!matches!(name, "lib" | "main")).then_some(name)
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn report(broken: &[String]) {
    assert!(broken.is_empty(), "{} broken:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn every_module_of_the_daemon_has_a_floor() -> Result<()> {
    let modules: BTreeSet<String> =
        rust_files(&["src"])?.iter().filter_map(|(path, _)| module_of(path)).map(str::to_owned).collect();
    let homeless: Vec<String> = modules.into_iter().filter(|module| floor_of(module).is_none()).collect();
    report(&homeless);
    Ok(())
}

#[test]
fn a_floor_imports_lower_floors_only() -> Result<()> {
    let map = fs::read_to_string(root().join("src/lib.rs")).context("read the map")?;
    let allowed = same_floor(&map);
    let mut broken = Vec::new();
    for (path, text) in rust_files(&["src"])? {
        let Some((module, floor)) = module_of(&path).and_then(|module| Some((module, floor_of(module)?))) else {
            continue;
        };
        for import in imports(&text) {
            let Some(imported) = floor_of(&import) else { continue };
            let is_neighbour = imported == floor && allowed.contains(&(module.to_owned(), import.clone()));
            if import != module && imported >= floor && !is_neighbour {
                broken.push(format!("{path} (floor {floor}) imports `{import}` (floor {imported})"));
            }
        }
    }
    report(&broken);
    Ok(())
}

#[test]
fn rotators_know_only_the_contract() -> Result<()> {
    let mut broken = Vec::new();
    for path in files_below("rotators")?.iter().filter(|path| path.ends_with("Cargo.toml")) {
        let text = fs::read_to_string(root().join(path)).context("read a manifest")?;
        let manifest: toml::Table = text.parse().with_context(|| format!("parse {}", path.display()))?;
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let names = manifest.get(table).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
            let foreign = names.filter(|name| name.starts_with("keywheel") && *name != "keywheel-contract");
            broken.extend(foreign.map(|name| format!("{} depends on `{name}`", path.display())));
        }
    }
    report(&broken);
    Ok(())
}

#[test]
fn only_the_composition_root_names_rotators() -> Result<()> {
    let mut broken = Vec::new();
    for (path, text) in rust_files(&["src"])? {
        let module = module_of(&path);
        for name in words(&text).filter(|word| word.starts_with("keywheel_") && *word != "keywheel_contract") {
            let is_x509_library = module == Some("pki") && name == "keywheel_certificate";
            if module != Some(COMPOSITION_ROOT) && !is_x509_library {
                broken.push(format!("{path} names `{name}`"));
            }
        }
    }
    report(&broken);
    Ok(())
}

#[test]
fn rotators_are_asked_to_change_things_at_one_door_only() -> Result<()> {
    let mut broken = Vec::new();
    for (path, text) in rust_files(&["src"])?.into_iter().filter(|(path, _)| path != DOOR) {
        for method in ["apply", "retire"] {
            broken.extend(calls(&text, method).map(|line| format!("{path}:{line} calls `.{method}(`")));
        }
    }
    report(&broken);
    Ok(())
}

#[test]
fn files_and_functions_stay_short() -> Result<()> {
    let mut broken = Vec::new();
    for (path, text) in everything()? {
        let lines = production_lines(&text);
        if lines > MOST_LINES_OF_A_FILE {
            broken.push(format!("{path} has {lines} lines"));
        }
        for (name, lines) in long_functions(&text, MOST_LINES_OF_A_FUNCTION) {
            broken.push(format!("{path}: `{name}` has {lines} lines"));
        }
    }
    report(&broken);
    Ok(())
}

#[test]
fn a_module_map_is_short_and_holds_no_logic() -> Result<()> {
    let mut broken = Vec::new();
    for (path, text) in everything()?.into_iter().filter(|(path, _)| path.ends_with("/mod.rs")) {
        if text.lines().count() > MOST_LINES_OF_A_MODULE_MAP {
            broken.push(format!("{path} has {} lines", text.lines().count()));
        }
        if !long_functions(&text, 0).is_empty() {
            broken.push(format!("{path} holds a function"));
        }
    }
    report(&broken);
    Ok(())
}

#[test]
fn names_of_modules_and_types_say_something() -> Result<()> {
    let mut broken = Vec::new();
    for (path, text) in everything()? {
        let from_path = path.trim_end_matches(".rs").split('/').map(str::to_owned);
        for name in from_path.chain(declared_names(&text)) {
            let parts = source::parts_of(&name);
            let is_empty_word = parts.iter().any(|part| EMPTY_WORDS.contains(&part.as_str()));
            let is_empty_name = matches!(parts.as_slice(), [only] if EMPTY_NAMES.contains(&only.as_str()));
            let is_stray = parts.iter().any(|part| part == "handler") && !path.starts_with("src/http");
            if is_empty_word || is_empty_name || is_stray {
                broken.push(format!("{path}: `{name}`"));
            }
        }
    }
    report(&broken);
    Ok(())
}

#[test]
fn nobody_promises_what_cannot_be_promised() -> Result<()> {
    let phrase = ["exactly", "once"].join(" ");
    let mut broken = Vec::new();
    for path in files_below("")? {
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        // A line break or a comment's margin between the two words hides nothing.
        let plain: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let kept = plain.iter().map(String::as_str).filter(|word| !matches!(*word, "//" | "///" | "//!" | "#" | "*"));
        if kept.collect::<Vec<_>>().join(" ").contains(&phrase) {
            broken.push(path.display().to_string());
        }
    }
    report(&broken);
    Ok(())
}

#[test]
fn tests_wait_for_states_and_sleep_in_one_place_only() -> Result<()> {
    let places = ["tests/support/wait.rs", "tests/support/proxy/line.rs"];
    let mut broken = Vec::new();
    for (path, text) in rust_files(&["tests"])?.iter().filter(|(path, _)| !places.contains(&path.as_str())) {
        if words(text).any(|word| word == "sleep") {
            broken.push(path.clone());
        }
    }
    broken.retain(|path| path != "tests/house.rs");
    report(&broken);
    Ok(())
}
