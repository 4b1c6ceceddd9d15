//! One kind of request, to one server: where it goes, and its bytes.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use super::template::{HeaderLine, Template, fill};
use crate::exit::{Exit, Failure};

/// The longest wait for the first connection to a server: more is no server to measure.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Where a request goes, and what every such request holds.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) template: Template,
    pub(super) at: SocketAddr,
    pub(super) method: String,
    pub(super) headers: Vec<HeaderLine>,
    pub(super) content: Content,
}

/// What the body of a publish is made of.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// There is no body.
    None,
    /// The data itself.
    Data,
    /// A text in which `{data}` and `{topic}` are replaced.
    Text(String),
    /// Lines of JSON, each an event with its topic: what Tidings takes as a batch.
    Lines,
}

impl Content {
    /// The content type, unless the user says another.
    fn kind(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Data | Self::Text(_) => Some("text/plain"),
            Self::Lines => Some("application/x-ndjson"),
        }
    }
}

impl Endpoint {
    /// The bytes of a request, with no more headers than it needs: what further ones cost would be taken for the server's work.
    /// `own` are headers that the user's own of the same name displace; `events` is the data of one
    /// event, or of several where the content is lines.
    pub(super) fn request(&self, topic: &str, own: &[(&str, &str)], events: &[String]) -> Vec<u8> {
        let url = self.template.url(topic);
        let mut bytes =
            format!("{} {} HTTP/1.1\r\nhost: {}\r\n", self.method, url.request_target(), url.authority()).into_bytes();
        let kind = self.content.kind().map(|kind| ("content-type", kind));
        for (name, value) in kind.iter().chain(own) {
            if !self.headers.iter().any(|line| line.name() == *name) {
                header(&mut bytes, name, value.as_bytes());
            }
        }
        for line in &self.headers {
            header(&mut bytes, line.name(), line.value());
        }
        let body = self.body(topic, events);
        if !matches!(self.content, Content::None) {
            header(&mut bytes, "content-length", body.len().to_string().as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body.as_bytes());
        bytes
    }

    /// The marks in the data are letters, digits and `-`: nothing needs escaping.
    fn body(&self, topic: &str, events: &[String]) -> String {
        match &self.content {
            Content::None => String::new(),
            Content::Data => events.concat(),
            Content::Text(text) => fill(text, topic).replace("{data}", &events.concat()),
            Content::Lines => {
                events.iter().map(|data| format!("{{\"topic\":\"{topic}\",\"data\":\"{data}\"}}\n")).collect()
            }
        }
    }
}

fn header(bytes: &mut Vec<u8>, name: &str, value: &[u8]) {
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(b": ");
    bytes.extend_from_slice(value);
    bytes.extend_from_slice(b"\r\n");
}

/// The address that a server's name stands for and that takes connections. One that is not this machine's is refused unless
/// `remote` is meant.
pub(super) fn resolve(template: &Template, remote: bool) -> Result<SocketAddr, Failure> {
    let url = template.url("x");
    let host = url.host().trim_start_matches('[').trim_end_matches(']');
    let unreachable = |error: io::Error| {
        Failure::new(Exit::Unreachable, format_args!("cannot connect to {}: {}", url.authority(), plain(&error)))
    };
    let addresses: Vec<SocketAddr> = (host, url.port()).to_socket_addrs().map_err(unreachable)?.collect();
    if !remote && !addresses.iter().all(|address| address.ip().is_loopback()) {
        let message = format!(
            "{} is not this machine: a load on somebody's server must be wanted there; with --remote it is sent",
            url.authority()
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_MAX) {
            Ok(_) => return Ok(address),
            Err(error) => last = error,
        }
    }
    Err(unreachable(last))
}

/// `connection refused`, without the number that std appends for programmers.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(content: Content, headers: &[&str]) -> Endpoint {
        Endpoint {
            template: "http://host:81/{topic}".parse().unwrap(),
            at: SocketAddr::from(([127, 0, 0, 1], 81)),
            method: "PUT".into(),
            headers: headers.iter().map(|line| line.parse().unwrap()).collect(),
            content,
        }
    }

    #[track_caller]
    fn check(endpoint: &Endpoint, events: &[&str], head: &str, body: &str) {
        let events: Vec<String> = events.iter().map(|&data| data.to_owned()).collect();
        let bytes = endpoint.request("a/b", &[("accept", "x/y")], &events);
        let expect = format!("PUT /a/b HTTP/1.1\r\nhost: host:81\r\n{head}\r\n\r\n{body}");
        assert_eq!(String::from_utf8(bytes).unwrap(), expect);
    }

    #[test]
    fn requests() {
        check(&endpoint(Content::None, &[]), &[], "accept: x/y", "");
        let data = endpoint(Content::Data, &["X: y", "Content-Type: a/b"]);
        check(&data, &["tb-1"], "accept: x/y\r\nx: y\r\ncontent-type: a/b\r\ncontent-length: 4", "tb-1");
        let text = endpoint(Content::Text("topic={topic}&data={data}".into()), &[]);
        let body = "topic=a/b&data=tb-1";
        check(&text, &["tb-1"], "content-type: text/plain\r\naccept: x/y\r\ncontent-length: 19", body);
        let lines = endpoint(Content::Lines, &["User-Agent: me", "Accept: a/b"]);
        let body = "{\"topic\":\"a/b\",\"data\":\"p\"}\n{\"topic\":\"a/b\",\"data\":\"q\"}\n";
        check(
            &lines,
            &["p", "q"],
            "content-type: application/x-ndjson\r\nuser-agent: me\r\naccept: a/b\r\ncontent-length: 54",
            body,
        );
    }

    #[test]
    fn other_machines_must_be_meant() {
        // Addresses for documentation (RFC 5737): there is nobody to be disturbed, and none is asked here.
        for far in ["http://192.0.2.1/", "http://[2001:db8::1]:81/{topic}"] {
            assert_eq!(resolve(&far.parse().unwrap(), false).unwrap_err().exit, Exit::Usage, "{far}");
        }
    }

    #[test]
    fn nobody_there_is_said() {
        let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let failure = resolve(&format!("http://{free}/").parse().unwrap(), false).unwrap_err();
        assert_eq!(failure.exit, Exit::Unreachable);
        assert!(failure.message.ends_with("connection refused"), "{failure}");
    }
}
