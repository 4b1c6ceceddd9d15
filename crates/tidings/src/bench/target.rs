//! The server under load: which, and how it is subscribed and published to. Tidings by itself, any other by templates.

use super::endpoint::{Content, Endpoint, resolve};
use super::template::{HeaderLine, Template};
use crate::exit::{Exit, Failure};
use crate::url::Url;

/// Where a Tidings server listens that was started without any flag. Its number: a name may lead to two addresses, of which
/// one may be another server.
const HERE: &str = "http://127.0.0.1:3200";

/// The server, and how it is subscribed to.
#[derive(Debug, clap::Args)]
pub(super) struct ListenArgs {
    /// The Tidings server
    #[arg(long, env = "TIDINGS_URL", default_value = HERE)]
    url: Url,

    /// Another server: the address of an event stream; `{topic}` in it is replaced by a topic's name
    #[arg(long, value_name = "TEMPLATE")]
    subscribe_url: Option<Template>,

    /// A header of each subscription; may be repeated
    #[arg(long = "subscribe-header", value_name = "K: V")]
    subscribe_headers: Vec<HeaderLine>,

    /// Send the load to another machine than this one
    #[arg(long)]
    remote: bool,
}

/// How it is published to.
#[derive(Debug, clap::Args)]
pub(super) struct PublishArgs {
    /// Where another server takes events; `{topic}` in it is replaced by a topic's name
    #[arg(long, value_name = "TEMPLATE", requires = "subscribe_url")]
    publish_url: Option<Template>,

    /// The method that another server wants
    #[arg(long, value_name = "METHOD", default_value = "POST", value_parser = method, requires = "publish_url")]
    publish_method: String,

    /// A header of each publish; may be repeated. `Content-Type: text/plain` stands there unless it is set
    #[arg(long = "publish-header", value_name = "K: V")]
    publish_headers: Vec<HeaderLine>,

    /// The body that another server wants: `{data}` and `{topic}` in it are replaced. Without it, the data itself
    #[arg(long, value_name = "TEXT", requires = "publish_url")]
    publish_body: Option<String>,
}

/// A server and the requests it understands.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) subscribe: Endpoint,
    pub(super) publish: Option<Endpoint>,
    /// Takes many events at once.
    pub(super) batch: Option<Endpoint>,
    /// What stands between the words of a topic's name. Other servers than Tidings may take a slash for their own.
    separator: char,
}

impl Target {
    /// The target that the flags name, once it takes connections. `publish` is there if anything will be published.
    pub(super) fn new(listen: &ListenArgs, publish: Option<&PublishArgs>) -> Result<Self, Failure> {
        let tidings = listen.subscribe_url.is_none();
        let template = match &listen.subscribe_url {
            Some(template) => template.clone(),
            None => topics_of(&listen.url),
        };
        let subscribe = Endpoint {
            at: resolve(&template, listen.remote)?,
            template,
            method: "GET".into(),
            headers: listen.subscribe_headers.clone(),
            content: Content::None,
        };
        let separator = if tidings { '/' } else { '-' };
        let mut target = Self { subscribe, publish: None, batch: None, separator };
        if let Some(args) = publish {
            target.add_publishing(listen, args)?;
        }
        Ok(target)
    }

    fn add_publishing(&mut self, listen: &ListenArgs, args: &PublishArgs) -> Result<(), Failure> {
        let template = match (&args.publish_url, &listen.subscribe_url) {
            (Some(template), _) => template.clone(),
            (None, None) => topics_of(&listen.url),
            (None, Some(_)) => {
                return Err(Failure::new(
                    Exit::Usage,
                    "--subscribe-url alone says nobody where to publish: give --publish-url",
                ));
            }
        };
        let endpoint = Endpoint {
            at: resolve(&template, listen.remote)?,
            template,
            method: args.publish_method.clone(),
            headers: args.publish_headers.clone(),
            content: args.publish_body.clone().map_or(Content::Data, Content::Text),
        };
        if listen.subscribe_url.is_none() {
            let template =
                listen.url.at("/events").to_string().parse().expect("an address is a template without a topic");
            self.batch = Some(Endpoint { template, content: Content::Lines, ..endpoint.clone() });
        }
        self.publish = Some(endpoint);
        Ok(())
    }

    /// Where events are published, one a request.
    pub(super) fn publishing(&self) -> Result<Endpoint, Failure> {
        self.publish.clone().ok_or_else(|| Failure::new(Exit::Failed, "nothing was to be published"))
    }

    /// The names of `count` topics of a run. More than one needs addresses that tell them apart.
    pub(super) fn topics(&self, run: &str, count: u32) -> Result<Vec<String>, Failure> {
        let fixed = |endpoint: &Endpoint| {
            matches!(endpoint.content, Content::None | Content::Data) && !endpoint.template.names_topic()
        };
        if count > 1 && std::iter::once(&self.subscribe).chain(&self.publish).any(fixed) {
            return Err(Failure::new(Exit::Usage, "several topics need {topic} in the addresses"));
        }
        let separator = self.separator;
        Ok((0..count).map(|number| format!("bench{separator}{run}{separator}{number}")).collect())
    }
}

fn topics_of(server: &Url) -> Template {
    let topics = format!("{}{{topic}}", server.at("/topics/"));
    topics.parse().expect("an address with a name behind it is an address")
}

/// A method is a token (RFC 9110, 9.1).
fn method(text: &str) -> Result<String, &'static str> {
    hyper::Method::from_bytes(text.as_bytes()).map(|method| method.to_string()).map_err(|_| "not a method of HTTP")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::net::TcpListener;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        listen: ListenArgs,
        #[command(flatten)]
        publish: PublishArgs,
    }

    /// The target of a command line in which `AT` stands for a server that takes connections.
    fn target(line: &str) -> Result<Target, String> {
        let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let line = line.replace("AT", &server.local_addr().unwrap().to_string());
        let words = std::iter::once("bench").chain(line.split(' ').filter(|word| !word.is_empty()));
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        Target::new(&cli.listen, Some(&cli.publish)).map_err(|failure| failure.message)
    }

    #[test]
    fn tidings_needs_an_address_only() {
        let target = target("--url AT/below").unwrap();
        let [topic] = target.topics("ab", 1).unwrap().try_into().unwrap();
        assert_eq!(topic, "bench/ab/0");
        assert!(target.subscribe.template.url(&topic).to_string().ends_with("/below/topics/bench/ab/0"));
        assert_eq!(target.publish.unwrap().template, target.subscribe.template);
        assert!(target.batch.unwrap().template.url(&topic).to_string().ends_with("/below/events"));
    }

    #[test]
    fn another_server_says_how() {
        let line = "--subscribe-url http://AT/sub/{topic} --publish-url http://AT/pub/{topic} --publish-method PUT";
        let target = target(line).unwrap();
        assert_eq!(target.topics("ab", 2).unwrap(), ["bench-ab-0", "bench-ab-1"]);
        assert!(target.batch.is_none());
        assert_eq!(target.publish.unwrap().method, "PUT");
    }

    #[test]
    fn what_does_not_go_together_is_said() {
        for (line, expect) in [
            ("--subscribe-url http://AT/", "--publish-url"),
            ("--url AT --publish-url http://AT/", "--subscribe-url"),
            ("--url AT --publish-body x", "--publish-url"),
            ("--url https://AT", "https:// is not there yet"),
            ("--subscribe-url http://AT/ --publish-url https://AT/{topic}", "https:// is not there yet"),
        ] {
            let error = target(line).unwrap_err();
            assert!(error.contains(expect), "{line}: {error}");
        }
        let fixed = target("--subscribe-url http://AT/s --publish-url http://AT/p").unwrap();
        assert!(fixed.topics("ab", 1).is_ok() && fixed.topics("ab", 2).is_err());
        // Where the body names the topic, the address need not.
        let named = "--subscribe-url http://AT/{topic} --publish-url http://AT/p --publish-body {topic}:{data}";
        assert!(target(named).unwrap().topics("ab", 2).is_ok());
    }
}
