//! The reference pages, made from the tables the server runs on: they cannot differ from it. `cargo xtask docs` writes them,
//! `cargo xtask tidy` compares.

use crate::api::codes::Code;
use crate::limits::Limits;
use std::fmt::Write as _;
use tidings_hub::ENDINGS;

/// Every page: its path from the root of the tree, and its text.
pub fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("docs/reference/errors.md", errors()),
        ("docs/reference/limits.md", limits()),
        ("docs/reference/endings.md", endings()),
    ]
}

const MADE: &str = "<!-- Made by `cargo xtask docs` from the table in the source. Edit that. -->\n";

fn errors() -> String {
    let mut page = format!(
        "# Errors\n\n{MADE}\nEvery error is answered as `application/problem+json` with a stable `code`, a `request_id`, and a \
         `detail` about this very request. `tidings explain CODE` prints the same.\n"
    );
    for row in Code::ALL.iter().map(|code| code.row()) {
        let (name, status) = (row.name, row.status.as_u16());
        let _ = write!(
            page,
            "\n## {name}\n\nHTTP {status}: {}.\n\n{}\n\n**What to do.** {}\n",
            row.title, row.explanation, row.remedy
        );
    }
    page
}

fn limits() -> String {
    let mut page = format!("# Limits\n\n{MADE}\n| limit | value | what it bounds |\n|---|---|---|\n");
    for row in Limits::DEFAULT.table() {
        let _ = writeln!(page, "| `{}` | {} | {} |", row.name, row.value, row.meaning);
    }
    page
}

fn endings() -> String {
    let mut page = format!(
        "# Endings\n\n{MADE}\nA stream that the server ends says why: `event: tidings.end` with `{{\"reason\",\"retry\"}}`, behind a \
         `retry:` drawn between the two bounds. The client returns by itself and goes on where it was.\n\n\
         | reason | retry | meaning |\n|---|---|---|\n"
    );
    for row in ENDINGS {
        let (min, max) = (row.retry_min.as_secs(), row.retry_max.as_secs());
        let _ = writeln!(page, "| `{}` | {min} to {max} s | {} |", row.name, row.meaning);
    }
    page
}
