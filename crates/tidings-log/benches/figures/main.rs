//! The log's figures (docs/internals/log-figures.md): `cargo bench -p tidings-log --bench figures -- [NAME…] [--dir DIR]`.
//!
//! Each prints lines of JSON. The directory must lie on a real file system; it is emptied before each figure and removed at the end.

mod amplification;
mod cold;
mod keys;
mod memory;
mod reopen;
mod topics;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

// The product's allocator, which also says what is allocated.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Figure = fn(&world::Place);

const FIGURES: &[(&str, Figure)] = &[
    ("reopen", reopen::run),
    ("cold", cold::run),
    ("memory", memory::run),
    ("keys", keys::run),
    ("topics", topics::run),
    ("amplification", amplification::run),
];

fn main() -> ExitCode {
    let mut wanted = Vec::new();
    let mut dir = PathBuf::from("target/log-figures");
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            // Cargo says this to every bench.
            "--bench" => {}
            "--dir" => match args.next() {
                Some(path) => dir = path.into(),
                None => return usage(),
            },
            name if FIGURES.iter().any(|(known, _)| *known == name) => wanted.push(arg),
            _ => return usage(),
        }
    }
    let place = world::Place::new(dir);
    for (name, figure) in FIGURES {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            figure(&place);
        }
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    let names: Vec<&str> = FIGURES.iter().map(|(name, _)| *name).collect();
    eprintln!("usage: figures [{}]… [--dir DIR]", names.join("|"));
    ExitCode::from(2)
}
