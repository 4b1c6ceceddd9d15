//! Which crate may depend on which: the arrows of the design, held by the manifests.

use super::Finding;
use crate::crates::Crate;
use crate::repo::Repo;

/// What a crate may depend on in the product. Tests may use more.
struct Allowed {
    name: &'static str,
    /// Crates of this workspace.
    ours: &'static [&'static str],
    /// Crates of others: a closed list where the crate's promise is what it keeps out, else `None`.
    others: Option<&'static [&'static str]>,
}

/// wire and hub do no I/O, read no clock and start no task (invariant 1): what is not on their lists, a runtime or a
/// socket, they cannot have.
const EDGES: &[Allowed] = &[
    Allowed { name: "tidings-wire", ours: &[], others: Some(&["memchr"]) },
    Allowed {
        name: "tidings-hub",
        ours: &["tidings-wire"],
        others: Some(&[
            "base64",
            "bytes",
            "bytestring",
            "fastrand",
            "foldhash",
            "hashbrown",
            "jiff",
            "serde_json",
            "slab",
            "thiserror",
        ]),
    },
    // The log knows no hub and no HTTP, and draws no randomness.
    Allowed { name: "tidings-log", ours: &[], others: Some(&["crc32c", "foldhash", "hashbrown", "thiserror"]) },
    Allowed { name: "tidings-server", ours: &["tidings-hub", "tidings-log", "tidings-wire"], others: None },
    Allowed { name: "tidings", ours: &["tidings-server", "tidings-wire"], others: None },
    Allowed { name: "tidings-testkit", ours: &["tidings-hub", "tidings-log", "tidings-wire"], others: None },
    Allowed { name: "xtask", ours: &["tidings-server"], others: None },
];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for found in &repo.crates {
        let Some(allowed) = EDGES.iter().find(|allowed| allowed.name == found.name) else {
            let message = "a crate without a row in xtask/src/tidy/edges.rs: say there what it may depend on";
            findings.push(Finding::new(&found.manifest, 1, message));
            continue;
        };
        for dependency in found.dependencies.iter().filter(|dependency| dependency.in_product) {
            let is_ours = repo.crates.iter().any(|other| other.name == dependency.name);
            let list = if is_ours { Some(allowed.ours) } else { allowed.others };
            if list.is_some_and(|list| !list.contains(&dependency.name.as_str())) {
                let message =
                    format!("{} may not depend on {}: see xtask/src/tidy/edges.rs", found.name, dependency.name);
                findings.push(Finding::new(&found.manifest, line_of(repo, found, &dependency.name), message));
            }
        }
    }
    findings
}

/// Where the manifest names the dependency first; its first line when it names it in an unusual form.
fn line_of(repo: &Repo, found: &Crate, dependency: &str) -> usize {
    let text = repo.file(&found.manifest).map_or("", |file| &file.text);
    let names_it = |line: &str| line.strip_prefix(dependency).is_some_and(|rest| rest.starts_with([' ', '.', '=']));
    text.lines().position(names_it).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::super::check_finds_in;
    use super::*;
    use crate::crates::Dependency;

    /// A workspace of all our crates, in which `name` has a dependency.
    #[track_caller]
    fn check_edge(name: &str, dependency: &str, in_product: bool, expect: &[&str]) {
        let manifest = |name: &str| format!("crates/{name}/Cargo.toml");
        let text = format!("[package]\n[dependencies]\n{dependency}-more = \"1\"\n{dependency}.workspace = true\n");
        let mut repo = Repo::of([(manifest(name).as_str(), text)]);
        repo.crates = EDGES
            .iter()
            .map(|Allowed { name, .. }| Crate {
                name: (*name).into(),
                manifest: manifest(name),
                dependencies: Vec::new(),
            })
            .collect();
        let of = repo.crates.iter_mut().find(|found| found.name == name).expect("a crate of the table");
        of.dependencies.push(Dependency { name: dependency.into(), in_product });
        check_finds_in(check, &repo, expect);
    }

    #[test]
    fn the_arrows_point_down() {
        check_edge("tidings-hub", "tidings-wire", true, &[]);
        check_edge("tidings-wire", "tidings-hub", true, &["crates/tidings-wire/Cargo.toml:4"]);
        check_edge("tidings-hub", "tidings-server", true, &["crates/tidings-hub/Cargo.toml:4"]);
        check_edge("tidings", "tidings-hub", true, &["crates/tidings/Cargo.toml:4"]);
    }

    #[test]
    fn wire_and_hub_have_closed_lists() {
        check_edge("tidings-wire", "tokio", true, &["crates/tidings-wire/Cargo.toml:4"]);
        check_edge("tidings-hub", "hyper", true, &["crates/tidings-hub/Cargo.toml:4"]);
        check_edge("tidings-hub", "slab", true, &[]);
        check_edge("tidings-server", "tokio", true, &[]);
    }

    #[test]
    fn the_testkit_serves_tests_alone() {
        check_edge("tidings-hub", "tidings-testkit", false, &[]);
        check_edge("tidings-server", "tidings-testkit", true, &["crates/tidings-server/Cargo.toml:4"]);
        check_edge("tidings", "tidings-testkit", true, &["crates/tidings/Cargo.toml:4"]);
    }

    #[test]
    fn a_new_crate_needs_a_row() {
        let mut repo = Repo::default();
        repo.crates.push(Crate {
            name: "new".into(),
            manifest: "crates/new/Cargo.toml".into(),
            dependencies: Vec::new(),
        });
        check_finds_in(check, &repo, &["crates/new/Cargo.toml:1"]);
    }
}
