//! What only one folder may do: make a grant, name an HTTP status.

use super::Finding;
use crate::repo::Repo;

/// A use that belongs behind one door.
struct Door {
    /// What stands in code there.
    needle: &'static str,
    /// Associated functions alone, which begin with a lower-case letter.
    functions_only: bool,
    /// Which crates' sources are looked at: a path's beginning.
    within: &'static str,
    /// Where it may stand: paths' beginnings.
    allowed: &'static [&'static str],
    instead: &'static str,
}

const DOORS: &[Door] = &[
    Door {
        needle: "Grant::",
        functions_only: true,
        within: "crates/",
        allowed: &[
            "crates/tidings-server/src/auth/",
            "crates/tidings-server/src/auth.rs",
            // The type's own file.
            "crates/tidings-hub/src/grant.rs",
        ],
        instead: "only auth/ makes a grant (invariant 7): take it as an argument",
    },
    Door {
        needle: "StatusCode::",
        functions_only: false,
        // What the server answers. A client, such as the binary's own commands, must read what it is answered.
        within: "crates/tidings-server/",
        allowed: &[
            "crates/tidings-server/src/api/",
            "crates/tidings-server/src/api.rs",
            "crates/tidings-server/src/demo/",
        ],
        instead: "only api/ and demo/ know HTTP status codes (invariant 7): return an error of your own, api/ maps it",
    },
];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, rust) in repo.sources() {
        let guarded = DOORS.iter().filter(|door| file.path.starts_with(door.within));
        for door in guarded.filter(|door| !door.allowed.iter().any(|allowed| file.path.starts_with(allowed))) {
            let uses = rust.uses(door.needle).filter(|(_, rest)| {
                let is_function = rest.starts_with(|first: char| first.is_lowercase());
                is_function || !door.functions_only
            });
            findings.extend(uses.map(|(line, _)| Finding::new(&file.path, line, door.instead)));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::check_finds;
    use super::*;

    #[test]
    fn grants_are_made_in_auth() {
        let text = "fn a() {\n  let g = Grant::local();\n}\n#[test]\nfn t() { Grant::local(); }\n";
        let files = [
            ("crates/tidings-server/src/auth/local.rs", text),
            ("crates/tidings-server/src/authors.rs", text),
            ("crates/tidings-hub/src/shard.rs", text),
            ("crates/tidings-hub/tests/model.rs", text),
            ("crates/tidings-testkit/src/lib.rs", text),
            ("crates/tidings-hub/src/grant.rs", text),
            ("crates/tidings-hub/src/filter.rs", "/// [`Grant::local`]\nconst A: u8 = Grant::ALL;"),
        ];
        check_finds(check, &files, &["crates/tidings-server/src/authors.rs:2", "crates/tidings-hub/src/shard.rs:2"]);
    }

    #[test]
    fn status_codes_are_named_in_api() {
        let text = "fn a() -> StatusCode {\n  StatusCode::OK\n}\n";
        let files = [
            ("crates/tidings-server/src/api/errors.rs", text),
            ("crates/tidings-server/src/demo/clock.rs", text),
            ("crates/tidings-server/src/app.rs", text),
            ("crates/tidings/src/send.rs", text),
        ];
        check_finds(check, &files, &["crates/tidings-server/src/app.rs:2"]);
    }
}
