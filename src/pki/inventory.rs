//! What was found against what was known. Pure: the caller looks and the caller writes.
//!
//! Nothing vanishes that was not looked for: where a folder could not be read, or the walk was cut short, what is not
//! seen is *unsure* and raises no alarm.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::x509::Facts;

/// A certificate as it was seen somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its subject.
    pub subject: String,
    /// The names that it is for.
    pub names: Vec<String>,
    /// Its issuer.
    pub issuer: String,
    /// The identifier of the key that signed it.
    pub issuer_key: String,
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// The kind of its key.
    pub key: String,
    /// Its first second.
    pub not_before: DateTime<Utc>,
    /// Its last second.
    pub not_after: DateTime<Utc>,
    /// SHA-256 of its DER.
    pub sha256: String,
    /// What is wrong with it and its chain.
    pub problems: Vec<String>,
}

impl Seen {
    /// What is kept of a certificate.
    pub fn of(facts: &Facts, issuer_key: String, problems: Vec<String>) -> Self {
        Self {
            subject: facts.subject.clone(),
            names: facts.names.clone(),
            issuer: facts.issuer.clone(),
            issuer_key,
            serial: facts.serial.clone(),
            key: facts.key.clone(),
            not_before: facts.not_before,
            not_after: facts.not_after,
            sha256: facts.sha256.clone(),
            problems,
        }
    }
}

/// Where a certificate was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Origin {
    /// In a file below a scan root.
    File {
        /// The root's name.
        root: String,
        /// The path below it, escaped.
        path: String,
        /// Which of the certificates of the file, 1 for the first.
        slot: u32,
    },
    /// At an endpoint, as it was written.
    Endpoint(String),
}

/// The settings of a secret that tracks a certificate which was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tracked {
    /// Where it was found.
    pub scan: Origin,
    /// What was found.
    pub certificate: Seen,
}

/// Why it is not known what a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// A PKCS#12 file.
    NeedsPassword,
    /// It says that it holds a certificate, and what it holds is none.
    Damaged(String),
}

impl Obstacle {
    /// Whether it is certain that a certificate that was there is usable no more.
    fn is_end(&self) -> bool {
        matches!(self, Self::Damaged(_))
    }

    /// A stable word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NeedsPassword => "needs a password",
            Self::Damaged(_) => "damaged",
        }
    }
}

/// What a look at a file told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// It holds these leaves, each of them a single time.
    Leaves(Vec<Seen>),
    /// It cannot be told.
    Closed(Obstacle),
}

/// A file that holds certificates, or may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSeen {
    /// Its paths below the root, escaped: one, and the links to it. The first is how it is called.
    pub paths: Vec<String>,
    /// Whether a link leads to it, as one does to what is in use.
    pub is_linked: bool,
    /// What it holds.
    pub looked: Looked,
}

/// A walk below one root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// The files.
    pub files: Vec<FileSeen>,
    /// Folders and files that could not be read, escaped.
    pub closed: Vec<String>,
    /// Files that are larger than what is read.
    pub large: BTreeSet<String>,
    /// Whether a bound cut it short.
    pub is_cut: bool,
}

/// What is tracked already below one root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The path of its file.
    pub path: String,
    /// Its number in the file.
    pub slot: u32,
    /// What was seen there last.
    pub certificate: Seen,
    /// Whether a person deleted it, for which it is left alone.
    pub is_forgotten: bool,
}

/// How a place stands against what was known of it, as a certificate's life goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not seen before.
    New,
    /// As before.
    Same,
    /// Another certificate than before.
    Renewed,
    /// It is kept here under another name.
    Ours,
    /// An older one, beside the one that a link leads to.
    Superseded,
    /// A person deleted what tracked it.
    Forgotten,
    /// Gone, or replaced by what is no certificate.
    Vanished,
    /// It cannot be told.
    Unsure,
}

impl Standing {
    /// A stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Same => "same",
            Self::Renewed => "renewed",
            Self::Ours => "ours",
            Self::Superseded => "superseded",
            Self::Forgotten => "forgotten",
            Self::Vanished => "vanished",
            Self::Unsure => "unsure",
        }
    }
}

/// What a comparison says of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The path of its file.
    pub path: String,
    /// Its number in the file.
    pub slot: u32,
    /// How it stands.
    pub standing: Standing,
    /// What is there now.
    pub seen: Option<Seen>,
    /// Its place among what was known.
    pub known: Option<usize>,
    /// Why it cannot be told, or why it is gone.
    pub obstacle: Option<Obstacle>,
}

/// Compares a walk with what was known of its root.
pub fn compare(walk: &Walk, known: &[Known], is_ours: &dyn Fn(&Seen) -> bool, now: DateTime<Utc>) -> Vec<Line> {
    let mut by_path: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, known) in known.iter().enumerate() {
        by_path.entry(&known.path).or_default().push(index);
    }
    let mut lines = Vec::new();
    for file in &walk.files {
        // Each path that is known keeps its own; a file of which none is known is called by its first.
        let taken: Vec<&String> = file.paths.iter().filter(|path| by_path.contains_key(path.as_str())).collect();
        let paths = if taken.is_empty() { file.paths.first().into_iter().collect() } else { taken };
        for path in paths {
            let before = by_path.remove(path.as_str()).unwrap_or_default();
            lines.extend(compare_file(path, file, known, &before));
        }
    }
    for (path, indexes) in by_path {
        let is_closed = walk.closed.iter().any(|closed| path == closed || is_below(path, closed));
        let is_unsure = walk.is_cut || is_closed || walk.large.contains(path);
        let standing = if is_unsure { Standing::Unsure } else { Standing::Vanished };
        lines.extend(indexes.into_iter().map(|index| absent(&known[index], index, standing, None)));
    }
    let linked: BTreeSet<&String> =
        walk.files.iter().filter(|file| file.is_linked).flat_map(|file| &file.paths).collect();
    for line in lines.iter_mut().filter(|line| line.standing == Standing::New) {
        let Some(seen) = &line.seen else { continue };
        if is_ours(seen) {
            line.standing = Standing::Ours;
        } else if !linked.contains(&line.path) && is_superseded(seen, walk, now) {
            line.standing = Standing::Superseded;
        }
    }
    lines.sort_by(|one, other| (&one.path, one.slot).cmp(&(&other.path, other.slot)));
    lines
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn absent(known: &Known, index: usize, standing: Standing, obstacle: Option<Obstacle>) -> Line {
    let standing = if known.is_forgotten { Standing::Forgotten } else { standing };
    Line { path: known.path.clone(), slot: known.slot, standing, seen: None, known: Some(index), obstacle }
}

type IsMatch = fn(&Seen, &Seen) -> bool;

/// How the certificates of a file find those that were known in it: the same one first, wherever it stands; then one
/// for one, those of the same names before.
const ROUNDS: [(Standing, IsMatch); 3] = [
    (Standing::Same, |known, seen| known.sha256 == seen.sha256),
    (Standing::Renewed, |known, seen| known.names == seen.names),
    (Standing::Renewed, |_, _| true),
];

fn compare_file(path: &str, file: &FileSeen, known: &[Known], before: &[usize]) -> Vec<Line> {
    let leaves = match &file.looked {
        Looked::Leaves(leaves) => leaves,
        Looked::Closed(obstacle) => {
            let standing = if obstacle.is_end() { Standing::Vanished } else { Standing::Unsure };
            let mut lines: Vec<Line> =
                before.iter().map(|index| absent(&known[*index], *index, standing, Some(obstacle.clone()))).collect();
            if lines.is_empty() {
                let (path, obstacle) = (path.to_owned(), Some(obstacle.clone()));
                lines.push(Line { path, slot: 1, standing: Standing::Unsure, seen: None, known: None, obstacle });
            }
            return lines;
        }
    };
    let mut open: Vec<usize> = before.to_vec();
    open.sort_by_key(|index| known[*index].slot);
    let mut lines: Vec<Option<Line>> = vec![None; leaves.len()];
    let line = |seen: &Seen, index: usize, standing| {
        let standing = if known[index].is_forgotten { Standing::Forgotten } else { standing };
        let slot = known[index].slot;
        Line { path: path.to_owned(), slot, standing, seen: Some(seen.clone()), known: Some(index), obstacle: None }
    };
    for (standing, is_match) in ROUNDS {
        for (seen, place) in leaves.iter().zip(&mut lines).filter(|(_, place)| place.is_none()) {
            let Some(at) = open.iter().position(|index| is_match(&known[*index].certificate, seen)) else { continue };
            *place = Some(line(seen, open.remove(at), standing));
        }
    }
    let mut slots = (1..).filter(|slot| !before.iter().any(|index| known[*index].slot == *slot));
    let fresh = |seen: &Seen, slot| Line {
        path: path.to_owned(),
        slot,
        standing: Standing::New,
        seen: Some(seen.clone()),
        known: None,
        obstacle: None,
    };
    let mut all: Vec<Line> = leaves
        .iter()
        .zip(lines)
        .map(|(seen, place)| place.unwrap_or_else(|| fresh(seen, slots.next().unwrap_or(u32::MAX))))
        .collect();
    all.extend(open.into_iter().map(|index| absent(&known[index], index, Standing::Vanished, None)));
    all
}

/// Whether a longer one of the same names and kind of key lies below the same root, and a link leads to that one or
/// this one is over: tools keep the older ones so. It is nobody's concern when such a one ends.
fn is_superseded(seen: &Seen, walk: &Walk, now: DateTime<Utc>) -> bool {
    let is_over = seen.not_after <= now;
    walk.files.iter().any(|file| match &file.looked {
        Looked::Leaves(leaves) if file.is_linked || is_over => {
            let is_alike = |other: &&Seen| other.names == seen.names && other.key == seen.key;
            leaves.iter().filter(is_alike).any(|other| other.not_after > seen.not_after)
        }
        _ => false,
    })
}

/// Compares what an endpoint presents with what was known of it.
pub fn compare_endpoint(seen: &Seen, known: Option<&Known>, is_ours: bool) -> Standing {
    match known {
        Some(known) if known.is_forgotten => Standing::Forgotten,
        Some(known) if known.certificate.sha256 == seen.sha256 => Standing::Same,
        Some(_) => Standing::Renewed,
        None if is_ours => Standing::Ours,
        None => Standing::New,
    }
}

/// A certificate that an endpoint could present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The name of the secret that keeps or tracks it.
    pub secret: String,
    /// The names that it is for.
    pub names: Vec<String>,
    /// The identifier of the key that signed it.
    pub issuer_key: String,
    /// Its serial number.
    pub serial: String,
    /// Its first second.
    pub not_before: DateTime<Utc>,
    /// Its last second.
    pub not_after: DateTime<Utc>,
}

/// The newest certificate of the same names that is newer than the one which is served.
pub fn newer_than<'c>(served: &Seen, candidates: &'c [Candidate]) -> Option<&'c Candidate> {
    let names = |names: &[String]| {
        let mut names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    let wanted = names(&served.names);
    let is_same = |one: &Candidate| one.serial == served.serial && one.issuer_key == served.issuer_key;
    candidates
        .iter()
        .filter(|one| !wanted.is_empty() && !is_same(one) && names(&one.names) == wanted)
        .filter(|one| (one.not_before, one.not_after) > (served.not_before, served.not_after))
        .max_by_key(|one| (one.not_before, one.not_after))
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
