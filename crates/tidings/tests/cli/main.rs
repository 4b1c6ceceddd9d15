//! The program from outside: the built binary, real sockets, its exit code and what it prints.
//!
//! One test binary, because linking several takes longer than the tests.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

mod listen;
mod log;
mod publish;
mod scripted;
mod serve;
mod served;
mod usage;

use std::io::BufReader;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// The binary with arguments, its standard streams piped, and no variable of the tester's that it would read.
fn tidings(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIDINGS_") {
            command.env_remove(name);
        }
    }
    command
}

/// A program that runs beside the test. It does not outlive it, however the test ends.
struct Running(Option<Child>);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(Some(command.spawn().unwrap()))
    }

    fn stdout(&mut self) -> BufReader<ChildStdout> {
        let child = self.0.as_mut().expect("it is stopped only once, at the end");
        BufReader::new(child.stdout.take().expect("standard output is piped, and taken once"))
    }

    /// Its process id.
    fn id(&self) -> u32 {
        self.0.as_ref().expect("it is stopped only once, at the end").id()
    }

    /// Ends it as Ctrl-C does.
    fn interrupt(self) -> Ended {
        let id = self.id();
        let sent = Command::new("kill").args(["-s", "INT", &id.to_string()]).status().unwrap();
        assert!(sent.success());
        self.wait()
    }

    /// Waits until it ends by itself.
    fn wait(mut self) -> Ended {
        wait(self.0.take().expect("it is stopped only once, at the end"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How a run ended.
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

fn ended(output: &Output) -> Ended {
    Ended {
        code: output.status.code().expect("the program ends by itself, not by a signal"),
        stdout: String::from_utf8(output.stdout.clone()).unwrap(),
        stderr: String::from_utf8(output.stderr.clone()).unwrap(),
    }
}

/// Runs to the end.
fn run(args: &[&str]) -> Ended {
    ended(&tidings(args).output().unwrap())
}

fn wait(child: Child) -> Ended {
    ended(&child.wait_with_output().unwrap())
}
