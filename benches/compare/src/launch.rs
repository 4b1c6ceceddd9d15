//! How each contestant is started, and how the rig talks to it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::contestant::Contestant;

/// Where Debian puts it. Debian's users other than root have no `sbin` in their PATH.
const NGINX: &str = "/usr/sbin/nginx";

const NODE_SERVER: &str = include_str!("../peers/node.mjs");
const NCHAN_CONF: &str = include_str!("../peers/nchan.conf");

/// The programs to run. A peer that is not given takes no part.
#[derive(Debug, clap::Args)]
pub(crate) struct Programs {
    /// The release binary of Tidings
    #[arg(long, value_name = "BIN")]
    pub(crate) tidings: PathBuf,

    /// The load generator, which is the floor too
    #[arg(long, value_name = "BIN")]
    pub(crate) rig: PathBuf,

    /// durable-streams-server 0.1.5
    #[arg(long, value_name = "BIN")]
    ds: Option<PathBuf>,

    /// Let nginx with nchan take part; the value is its module, where it is not Debian's
    #[arg(long, value_name = "MODULE", num_args = 0..=1, default_missing_value = "/usr/lib/nginx/modules/ngx_nchan_module.so")]
    nchan: Option<PathBuf>,

    /// Let a plain Node server take part; the value is Node, where it is not the one in PATH
    #[arg(long, value_name = "BIN", num_args = 0..=1, default_missing_value = "node")]
    node: Option<PathBuf>,

    /// peer-axum, which is built with this program
    #[arg(long, value_name = "BIN")]
    axum: Option<PathBuf>,
}

impl Programs {
    /// Whether it takes part.
    pub(crate) fn has(&self, contestant: Contestant) -> bool {
        match contestant {
            Contestant::Tidings | Contestant::InMemory | Contestant::Floor => true,
            Contestant::DurableStreams => self.ds.is_some(),
            Contestant::Nchan => self.nchan.is_some(),
            Contestant::Node => self.node.is_some(),
            Contestant::Axum => self.axum.is_some(),
        }
    }

    /// The same with absolute paths, since servers run in folders of their own.
    ///
    /// # Errors
    /// One of them is not there.
    pub(crate) fn resolved(self) -> Result<Self> {
        let found = |path: PathBuf| fs::canonicalize(&path).with_context(|| format!("{} is not there", path.display()));
        Ok(Self {
            tidings: found(self.tidings)?,
            rig: found(self.rig)?,
            ds: self.ds.map(found).transpose()?,
            nchan: self.nchan.map(found).transpose()?,
            // A bare name is looked up in PATH when it is started.
            node: self
                .node
                .map(|node| if node.components().count() > 1 { found(node) } else { Ok(node) })
                .transpose()?,
            axum: self.axum.map(found).transpose()?,
        })
    }

    /// The command that serves on `addr` with its data and its settings in `dir`, which is empty.
    ///
    /// # Errors
    /// The contestant takes no part, or its settings cannot be written.
    pub(crate) fn command(&self, contestant: Contestant, addr: SocketAddr, dir: &Path) -> Result<Command> {
        let (host, port) = (addr.ip().to_string(), addr.port().to_string());
        let absent = || format!("{contestant} takes no part");
        let mut command;
        match contestant {
            Contestant::Tidings | Contestant::InMemory => {
                command = Command::new(&self.tidings);
                command.args(["serve", "--no-demo", "--admin-listen", "127.0.0.1:0", "--listen", &addr.to_string()]);
                command.arg("--data-dir").arg(dir.join("data"));
                if contestant == Contestant::InMemory {
                    command.args(["--retain", "** durable=false"]);
                }
            }
            Contestant::Floor => {
                command = Command::new(&self.rig);
                command.args(["floor", "--addr", &addr.to_string()]);
            }
            Contestant::DurableStreams => {
                command = Command::new(self.ds.as_ref().with_context(absent)?);
                command.args(["--host", &host, "--port", &port, "--data-dir"]).arg(dir.join("data"));
            }
            Contestant::Nchan => {
                let module = self.nchan.as_ref().with_context(absent)?;
                let conf =
                    NCHAN_CONF.replace("{module}", &module.display().to_string()).replace("{addr}", &addr.to_string());
                fs::write(dir.join("nchan.conf"), conf)?;
                fs::create_dir(dir.join("tmp"))?;
                command = Command::new(NGINX);
                command.arg("-p").arg(dir).args(["-e", "error.log", "-c", "nchan.conf"]);
            }
            Contestant::Node => {
                fs::write(dir.join("node.mjs"), NODE_SERVER)?;
                command = Command::new(self.node.as_ref().with_context(absent)?);
                command.args(["node.mjs", &host, &port]);
            }
            Contestant::Axum => {
                command = Command::new(self.axum.as_ref().with_context(absent)?);
                command.arg(addr.to_string());
            }
        }
        Ok(command)
    }
}

/// The rig's target file: requests as templates with `{topic}` and `{data}`.
pub(crate) fn target(contestant: Contestant, addr: SocketAddr) -> Value {
    let text = json!({"Content-Type": "text/plain"});
    let (subscribe, publish) = match contestant {
        Contestant::Tidings | Contestant::InMemory | Contestant::Node | Contestant::Axum => {
            ("/topics/{topic}", "/topics/{topic}")
        }
        Contestant::Floor => ("/", "/"),
        Contestant::DurableStreams => ("/{topic}?offset=now&live=sse", "/{topic}"),
        Contestant::Nchan => ("/sub/{topic}", "/pub/{topic}"),
    };
    json!({
        "name": contestant.name(),
        "addr": addr.to_string(),
        "subscribe": {"path": subscribe},
        "publish": {"path": publish, "headers": text, "body": "{data}"},
    })
}

/// Where an event of `topic` is published with `POST`.
pub(crate) fn publish_path(contestant: Contestant, topic: &str) -> String {
    match contestant {
        Contestant::Tidings | Contestant::InMemory | Contestant::Node | Contestant::Axum => format!("/topics/{topic}"),
        Contestant::Floor => "/".to_owned(),
        Contestant::DurableStreams => format!("/{topic}"),
        Contestant::Nchan => format!("/pub/{topic}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Contestant; 7] = [
        Contestant::Tidings,
        Contestant::InMemory,
        Contestant::Floor,
        Contestant::DurableStreams,
        Contestant::Nchan,
        Contestant::Node,
        Contestant::Axum,
    ];

    #[test]
    fn the_rig_and_the_loader_publish_at_the_same_place() {
        for contestant in ALL {
            let target = target(contestant, SocketAddr::from(([127, 0, 0, 1], 1)));
            let template = target["publish"]["path"].as_str().expect("a path");
            assert_eq!(template.replace("{topic}", "t7"), publish_path(contestant, "t7"), "{contestant}");
        }
    }

    #[test]
    fn the_settings_of_nchan_are_filled_in() {
        let dir = std::env::temp_dir().join(format!("compare-launch-{}", std::process::id()));
        fs::create_dir(&dir).expect("a new folder");
        let programs = Programs {
            tidings: PathBuf::new(),
            rig: PathBuf::new(),
            ds: None,
            nchan: Some(PathBuf::from("/m/x.so")),
            node: None,
            axum: None,
        };
        let addr = SocketAddr::from(([127, 0, 0, 1], 4321));
        let made = programs.command(Contestant::Nchan, addr, &dir).map(|_| ());
        let conf = fs::read_to_string(dir.join("nchan.conf"));
        fs::remove_dir_all(&dir).expect("it is there");
        made.expect("it takes part");
        let conf = conf.expect("it was written");
        assert!(conf.contains("load_module /m/x.so;") && conf.contains("listen 127.0.0.1:4321 "), "{conf}");
        assert!(programs.command(Contestant::DurableStreams, addr, Path::new("/nowhere")).is_err());
    }
}
