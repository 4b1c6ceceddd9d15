//! `cargo xtask`: the rules about this tree that a program can hold, and figures about its code.
//!
//! A rule that only a reviewer knows is broken on a busy day. Those that can be checked are checked here, and `./test`
//! runs them.

mod crates;
mod docs;
mod lexer;
mod repo;
mod source;
mod stats;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;

use crate::repo::Repo;

const USAGE: &str = "\
usage: cargo xtask COMMAND
  tidy     check every rule of xtask/src/tidy/, name file and line of what breaks one
  docs     write the reference pages that are made from the server's tables
  stats    lengths, comments, tests and asserts of the Rust code, beside what we aim at";

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => tidy::run(&Repo::read()?, &mut std::io::stdout()),
        ["docs"] => docs::run(&mut std::io::stdout()),
        ["stats"] => stats::run(&Repo::read()?, &mut std::io::stdout()),
        _ => {
            eprintln!("{USAGE}");
            // 2 is "usage" in every verb of this project (DESIGN 7).
            Ok(ExitCode::from(2))
        }
    }
}
