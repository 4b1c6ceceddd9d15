//! A real server: the binary's own `serve`, on ports that the system chooses.

use std::io::{BufRead as _, BufReader};
use std::process::{ChildStdout, Command, Stdio};
use std::rc::Rc;

use tidings_testkit::TempDir;

use crate::{Ended, Running, tidings};

/// A running server.
pub(crate) struct Served {
    running: Running,
    data: Rc<TempDir>,
    stdout: BufReader<ChildStdout>,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
}

impl Served {
    /// Starts one without the demo, on free ports.
    pub(crate) fn start() -> Self {
        Self::with(&["--listen", "127.0.0.1:0", "--no-demo"])
    }

    /// Starts one with these flags, in a directory of its own. Ready when it says where it listens.
    pub(crate) fn with(flags: &[&str]) -> Self {
        Self::within(Rc::new(TempDir::new()), flags)
    }

    /// The same in a directory that another one may have used.
    pub(crate) fn within(data: Rc<TempDir>, flags: &[&str]) -> Self {
        let command = Self::command(&data, flags);
        Self::run(data, command)
    }

    /// Starts one whose writes can be made to fail.
    pub(crate) fn on_a_failing_disk() -> Self {
        let data = Rc::new(TempDir::new());
        let command = Self::command(&data, &["--listen", "127.0.0.1:0", "--no-demo"]);
        let mut shell = Command::new("sh");
        // The signal that comes with the limit would end the server: then the write fails instead.
        shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]);
        shell.arg(command.get_program()).args(command.get_args());
        for (name, _) in command.get_envs() {
            shell.env_remove(name);
        }
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::run(data, shell)
    }

    /// From now on it writes nothing behind the first 4 KiB of a file.
    pub(crate) fn fail_its_disk(&self) {
        let id = self.running.id().to_string();
        let limited = Command::new("prlimit").args(["--pid", &id, "--fsize=4096:4096"]).status().unwrap();
        assert!(limited.success());
    }

    fn command(data: &TempDir, flags: &[&str]) -> Command {
        let path = data.path().to_str().unwrap();
        let ours = ["serve", "--admin-listen", "127.0.0.1:0", "--data-dir", path, "--retain-bytes", "16MiB"];
        tidings(&[&ours, flags].concat())
    }

    fn run(data: Rc<TempDir>, mut command: Command) -> Self {
        let mut running = Running::start(&mut command);
        let mut stdout = running.stdout();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let said = line.strip_prefix("listening on ").and_then(|rest| rest.split([',', ' ']).next());
        let address = said.unwrap_or_else(|| panic!("the server said {line:?}")).to_owned();
        Self { running, data, stdout, address }
    }

    /// Its data directory, which stays as long as somebody has it.
    pub(crate) fn data(&self) -> Rc<TempDir> {
        self.data.clone()
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
