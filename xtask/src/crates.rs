//! The workspace's crates and what they depend on, as cargo tells it.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// A member of the workspace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Crate {
    pub(crate) name: String,
    /// Its Cargo.toml, from the root.
    pub(crate) manifest: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a crate's dependencies, of any target and feature.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Not a dev-dependency: a build-dependency counts, as it too runs on a user's machine.
    pub(crate) in_product: bool,
}

/// Reads the answer of `cargo metadata --no-deps`.
///
/// # Errors
/// When it lacks what cargo documents, or a crate lies outside `root`.
pub(crate) fn parse(metadata: &str, root: &Path) -> Result<Vec<Crate>> {
    let metadata: Value = serde_json::from_str(metadata).context("cargo metadata is JSON")?;
    list(&metadata, "packages")?.iter().map(|package| read_crate(package, root)).collect()
}

fn read_crate(package: &Value, root: &Path) -> Result<Crate> {
    let name = text(package, "name")?;
    let manifest = Path::new(text(package, "manifest_path")?);
    let manifest = manifest.strip_prefix(root).with_context(|| format!("{name} lies outside the tree"))?;
    let dependencies = list(package, "dependencies")?.iter().map(read_dependency).collect::<Result<_>>()?;
    Ok(Crate { name: name.to_owned(), manifest: manifest.display().to_string(), dependencies })
}

fn read_dependency(dependency: &Value) -> Result<Dependency> {
    let in_product = dependency["kind"].as_str() != Some("dev");
    Ok(Dependency { name: text(dependency, "name")?.to_owned(), in_product })
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value[key].as_str().with_context(|| format!("cargo metadata has no text {key}"))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value[key].as_array().with_context(|| format!("cargo metadata has no list {key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_manifests_are_read() {
        let metadata = r#"{"packages":[{"name":"a","manifest_path":"/r/crates/a/Cargo.toml","dependencies":[
            {"name":"b","kind":null},{"name":"c","kind":"dev"},{"name":"d","kind":"build"}]}]}"#;
        let dependency = |name: &str, in_product| Dependency { name: name.into(), in_product };
        let expect = Crate {
            name: "a".into(),
            manifest: "crates/a/Cargo.toml".into(),
            dependencies: vec![dependency("b", true), dependency("c", false), dependency("d", true)],
        };
        assert_eq!(parse(metadata, Path::new("/r")).expect("as cargo writes it"), [expect]);
    }

    #[test]
    fn what_cargo_never_writes_is_an_error() {
        assert!(parse(r#"{"packages":[{"name":"a"}]}"#, Path::new("/r")).is_err());
        assert!(parse("", Path::new("/r")).is_err());
    }
}
