//! `ROOT/PATH`: a root by its name and a folder below it, in plain components.

use std::path::PathBuf;

use super::{HostError, InstallRoot};

/// Names of this layout, which no component of a path may take.
const RESERVED: [&str; 2] = ["current", "versions"];

const LONGEST_COMPONENT: usize = 200;

/// A folder below a root, to install one certificate to.
#[derive(Debug, Clone)]
pub struct Place {
    pub(super) root: InstallRoot,
    pub(super) components: Vec<String>,
}

/// Splits `ROOT/PATH` into the root's name and the components below it, and refuses what is not plain.
pub fn split_place(text: &str) -> Result<(&str, Vec<String>), HostError> {
    let bad =
        |because| HostError::BadPlace { text: text.chars().take(80).flat_map(char::escape_debug).collect(), because };
    let mut parts = text.split('/');
    let root = parts.next().unwrap_or_default();
    if root.is_empty() {
        return Err(bad("it begins with no root's name"));
    }
    let components: Vec<String> = parts.map(str::to_owned).collect();
    if components.is_empty() {
        return Err(bad("it names no folder below the root"));
    }
    for component in &components {
        check(component).map_err(bad)?;
    }
    Ok((root, components))
}

fn check(component: &str) -> Result<(), &'static str> {
    if component.is_empty() {
        return Err("a component is empty");
    }
    if component.starts_with('.') {
        return Err("a component begins with a dot");
    }
    if component.len() > LONGEST_COMPONENT {
        return Err("a component has more than 200 bytes");
    }
    if component.chars().any(|c| c.is_control() || c == '\\') {
        return Err("a component holds a control character or a backslash");
    }
    if RESERVED.contains(&component) {
        return Err("`current` and `versions` are names of the layout itself");
    }
    Ok(())
}

impl Place {
    /// A place below a root; `components` as [`split_place`] gives them, which are checked again.
    pub fn new(root: &InstallRoot, components: Vec<String>) -> Result<Self, HostError> {
        let text = format!("{}/{}", root.name, components.join("/"));
        split_place(&text)?;
        Ok(Self { root: root.clone(), components })
    }

    /// The folder's path on this host, for messages and for those who name files in it.
    pub fn path(&self) -> PathBuf {
        self.components.iter().fold(self.root.path.clone(), |path, component| path.join(component))
    }

    /// The path of something in the folder, for messages.
    pub(super) fn show(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_and_plain_components_are_a_place() {
        assert_eq!(split_place("web/shop").expect("plain"), ("web", vec!["shop".to_owned()]));
        assert_eq!(split_place("web/a/b c").expect("plain").1, ["a", "b c"]);
    }

    #[test]
    fn what_is_not_plain_is_refused() {
        for text in [
            "",
            "web",
            "/web",
            "web/",
            "web//a",
            "web/../a",
            "web/a/..",
            "web/.",
            "web/.hidden",
            "web/a\0b",
            "web/a\nb",
            "web/current",
            "web/a/versions/b",
            "web/a\\b",
        ] {
            assert!(matches!(split_place(text), Err(HostError::BadPlace { .. })), "{text:?}");
        }
        assert!(split_place(&format!("web/{}", "x".repeat(201))).is_err());
    }
}
