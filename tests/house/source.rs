//! Reads Rust as rustfmt leaves it: line by line, by indentation. Not a parser.

use std::collections::BTreeSet;

/// The lines of code with their numbers; comments and blank lines are left out.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let bare = |line: &'_ str| line.split(" // ").next().unwrap_or_default().len();
    let numbered = text.lines().enumerate().map(move |(index, line)| (index + 1, &line[..bare(line)]));
    numbered.filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with("//"))
}

/// The top-level modules that a file names by a path from the crate's root.
pub(crate) fn imports(text: &str) -> BTreeSet<String> {
    let joined: Vec<&str> = code(text).map(|(_, line)| line).collect();
    let joined = joined.join("\n");
    let mut found = BTreeSet::new();
    for (at, path) in joined.match_indices("crate::") {
        let is_whole_word = !joined[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
        let rest = &joined[at + path.len()..];
        match rest.strip_prefix('{') {
            _ if !is_whole_word => {}
            Some(group) => found.extend(names_of_group(group)),
            None => found.extend(leading_name(rest)),
        }
    }
    found
}

/// The first names of the members of a `{…}` group, whose opening brace is gone.
fn names_of_group(group: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut depth = 0;
    let mut member = String::new();
    for letter in group.chars() {
        match letter {
            '}' if depth == 0 => break,
            ',' if depth == 0 => names.extend(leading_name(&std::mem::take(&mut member))),
            _ => member.push(letter),
        }
        depth += i32::from(letter == '{') - i32::from(letter == '}');
    }
    names.extend(leading_name(&member));
    names
}

fn leading_name(text: &str) -> Option<String> {
    let name: String =
        text.trim_start().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// The pairs of modules that the map allows on one floor, by sentences of the form
/// "`a` may import `b`" in its documentation.
pub(crate) fn same_floor(map: &str) -> BTreeSet<(String, String)> {
    let prose: Vec<&str> = map.lines().filter_map(|line| line.strip_prefix("//!")).collect();
    let prose = prose.join(" ");
    let mut pairs = BTreeSet::new();
    for (at, verb) in prose.match_indices("` may import ") {
        let importer = prose[..at].rsplit('`').next().unwrap_or_default();
        let sentence = prose[at + verb.len()..].split('.').next().unwrap_or_default();
        let imported = sentence.split('`').skip(1).step_by(2);
        pairs.extend(imported.map(|name| (importer.to_owned(), name.to_owned())));
    }
    pairs
}

/// The words of the code, as an identifier is one.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    code(text).flat_map(|(_, line)| line.split(|letter: char| !letter.is_alphanumeric() && letter != '_'))
}

/// The numbers of the lines that call a method.
pub(crate) fn calls(text: &str, method: &str) -> impl Iterator<Item = usize> {
    let call = format!(".{method}(");
    let lines: Vec<usize> = code(text).filter(|(_, line)| line.contains(&call)).map(|(number, _)| number).collect();
    lines.into_iter()
}

/// How many lines come before the tests at the end of a file.
pub(crate) fn production_lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let is_start_of_tests = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ");
    lines.windows(2).position(is_start_of_tests).unwrap_or(lines.len())
}

/// Names and lengths of the functions whose bodies have more than `most` lines of code.
pub(crate) fn long_functions(text: &str, most: usize) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_of(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let ends = |candidate: &str| candidate == format!("{indent}}}") || declares(candidate, indent);
        let Some(length) = lines[start..].iter().position(|candidate| ends(candidate)) else { continue };
        let body = &lines[start..start + length];
        let opened = body.iter().position(|line| line.ends_with('{')).map_or(body.len(), |at| at + 1);
        let count = code(&body[opened..].join("\n")).count();
        if count > most || (most == 0 && line.ends_with('}')) {
            found.push((name, count));
        }
    }
    found
}

/// Whether a function ends on this line without a body of its own lines.
fn declares(line: &str, indent: &str) -> bool {
    let at_same_depth = line.strip_prefix(indent).is_some_and(|rest| !rest.starts_with(' '));
    at_same_depth && (line.ends_with(';') || (line.ends_with('}') && line.contains('{')))
}

/// The name of the function that a line begins.
fn function_of(line: &str) -> Option<String> {
    let mut rest = line.trim_start();
    if rest.starts_with("pub(") {
        rest = rest.split_once(") ")?.1;
    }
    for qualifier in ["pub ", "default ", "const ", "async ", "unsafe ", "extern \"C\" "] {
        rest = rest.strip_prefix(qualifier).unwrap_or(rest);
    }
    leading_name(rest.strip_prefix("fn ")?)
}

/// The names of the types and modules that a file declares.
pub(crate) fn declared_names(text: &str) -> Vec<String> {
    let kinds = ["struct", "enum", "trait", "type", "mod", "union"];
    let mut names = Vec::new();
    for (_, line) in code(text) {
        let mut parts = line.trim_start().split(|letter: char| letter.is_whitespace() || letter == '(');
        let visible = parts.clone().next().is_some_and(|first| first == "pub");
        let mut kind = parts.next().unwrap_or_default();
        while visible && !kinds.contains(&kind) {
            let Some(next) = parts.next() else { break };
            kind = next;
        }
        if kinds.contains(&kind) {
            names.extend(parts.next().and_then(leading_name));
        }
    }
    names
}

/// The words of a name in either case: `HttpUtil` and `http_util` are both `http`, `util`.
pub(crate) fn parts_of(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for letter in name.chars() {
        if letter == '_' || letter == '-' || letter.is_uppercase() {
            parts.push(String::new());
        }
        if letter.is_alphanumeric() {
            parts.last_mut().expect("there is a first part").extend(letter.to_lowercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

mod tests {
    use super::*;

    #[test]
    fn imports_are_found_in_groups_paths_and_visibility_but_not_in_comments() {
        let text = "// crate::engine is fine here\nuse crate::{\n    clock::{Clock, Now}, // x\n    store,\n};\n\
                    fn a() -> crate::model::Id {}\nmy_crate::http::x();\npub(crate) fn b() {}\n";
        let found: Vec<String> = imports(text).into_iter().collect();
        assert_eq!(found, ["clock", "model", "store"]);
    }

    #[test]
    fn the_map_allows_neighbours_by_a_sentence() {
        let map = "//! `expiry` may import `schedule` and\n//! `config`. Nothing else.\npub mod x;\n";
        let pairs = same_floor(map);
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(pairs, BTreeSet::from([pair("expiry", "schedule"), pair("expiry", "config")]));
    }

    #[test]
    fn the_length_of_a_function_is_its_body_without_comments() {
        let text = "impl X {\n    pub(crate) async fn long(\n        &self,\n    ) {\n        a();\n\n        // why\n        \
                    b();\n        c();\n    }\n\n    fn short(&self) {}\n\n    fn declared(&self);\n}\n";
        assert_eq!(long_functions(text, 2), [("long".to_owned(), 3)]);
        assert!(long_functions(text, 3).is_empty());
    }

    #[test]
    fn tests_at_the_end_do_not_count_as_production() {
        assert_eq!(production_lines("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), 2);
        assert_eq!(production_lines("a\n#[cfg(test)]\nuse b;\n"), 3);
    }

    #[test]
    fn names_are_found_with_and_without_visibility_and_split_into_words() {
        let text = "pub(crate) struct KeyManager<T> {\nenum Plain {}\npub mod http_util;\nlet type_ = 1;\n";
        assert_eq!(declared_names(text), ["KeyManager", "Plain", "http_util"]);
        assert_eq!(parts_of("KeyManager"), ["key", "manager"]);
        assert_eq!(parts_of("http_util"), ["http", "util"]);
    }

    #[test]
    fn a_call_is_found_at_the_start_of_a_chained_line() {
        let found: Vec<usize> = calls("rotator\n    .apply(cx)\n// x.apply(y)\n", "apply").collect();
        assert_eq!(found, [2]);
    }
}
