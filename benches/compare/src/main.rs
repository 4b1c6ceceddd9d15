//! `compare`: Tidings, the floor and its peers, side by side. docs/benchmarks.md says what each scenario means.
//!
//! Every run is a fresh process with a fresh directory; the order alternates from pair to pair. Progress goes to standard error, the
//! report to standard output. Exit code 0: every run is a figure; 1: some run is none (the report says which); 2: nothing was measured.

mod args;
mod bench;
mod chart;
mod contestant;
mod crowd;
mod figure;
mod http;
mod http2;
mod kernel;
mod launch;
mod load;
mod machine;
mod mark;
mod peak;
mod process;
mod report;
mod rig;
mod rounds;
mod scenario;
mod server;
mod stats;
mod storm;
mod swarm;
mod sync;
mod topics;
mod usage;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;

use crate::args::Args;
use crate::bench::Bench;
use crate::machine::Machine;
use crate::report::Report;

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("compare: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Measures what is asked for; whether every run is a figure.
fn run(args: Args) -> Result<bool> {
    let machine = Machine::read(&args.dir);
    machine.warn_if_busy();
    let plan = args.plan();
    let (pairs, scenarios) = (args.pairs, args.scenarios());
    let bench = Bench::new(args.programs, &args.dir)?;
    let results = scenarios.into_iter().map(|scenario| rounds::run(&bench, scenario, pairs)).collect();
    let report = Report { machine, plan, tidings: bench.tidings_version(), results };
    println!("{}", report.markdown());
    if let Some(path) = &args.json {
        let text = format!("{:#}\n", report.json());
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(dir) = &args.plots {
        for (file, svg) in chart::of(&report.results) {
            let path = dir.join(file);
            std::fs::write(&path, svg).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(report.is_whole())
}
