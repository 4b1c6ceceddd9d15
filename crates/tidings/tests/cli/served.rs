//! A real server: the binary's own `serve`, on ports that the system chooses.

use std::io::{BufRead as _, BufReader};
use std::process::ChildStdout;

use crate::{Ended, Running, tidings};

/// A running server.
pub(crate) struct Served {
    running: Running,
    stdout: BufReader<ChildStdout>,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
}

impl Served {
    /// Starts one without the demo, on free ports.
    pub(crate) fn start() -> Self {
        Self::with(&["--listen", "127.0.0.1:0", "--no-demo"])
    }

    /// Starts one with these flags. Ready when it says where it listens.
    pub(crate) fn with(flags: &[&str]) -> Self {
        let mut running = Running::start(&mut tidings(&[&["serve", "--admin-listen", "127.0.0.1:0"], flags].concat()));
        let mut stdout = running.stdout();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let said = line.strip_prefix("listening on ").and_then(|rest| rest.split([',', ' ']).next());
        let address = said.unwrap_or_else(|| panic!("the server said {line:?}")).to_owned();
        Self { running, stdout, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next line it says at its start.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Ends it as Ctrl-C does.
    pub(crate) fn stop(self) -> Ended {
        self.running.interrupt()
    }
}
