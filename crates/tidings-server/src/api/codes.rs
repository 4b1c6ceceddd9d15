//! Every error the API answers, in one table: its code, its HTTP status, what it means, what to do.
//!
//! Codes are stable: programs compare them. Titles and texts are for people and may change. `tidings explain CODE` and the
//! reference page of errors print this table; a line of a batch uses the same codes.

use http::StatusCode;
use std::time::Duration;

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) status: StatusCode,
    /// What happened, in a few words, the same for every occurrence.
    pub(crate) title: &'static str,
    /// What to do about it.
    pub(crate) remedy: &'static str,
    /// Why it is so, in a paragraph.
    pub(crate) explanation: &'static str,
}

/// One definition makes the enum, the list and the rows, so that no code is without a row.
macro_rules! codes {
    ($($code:ident $name:literal $status:ident, $title:literal, $remedy:literal, $explanation:literal;)+) => {
        /// An error's code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Code { $($code,)+ }

        impl Code {
            /// Every code, in the table's order.
            pub(crate) const ALL: &[Code] = &[$(Code::$code,)+];

            /// This code's row.
            pub(crate) fn row(self) -> &'static Row {
                match self {
                    $(Code::$code => const {
                        &Row {
                            name: $name,
                            status: StatusCode::$status,
                            title: $title,
                            remedy: $remedy,
                            explanation: $explanation,
                        }
                    },)+
                }
            }
        }
    };
}

codes! {
    // Who may come in.
    Misdirected "misdirected" MISDIRECTED_REQUEST,
        "this server answers to localhost only",
        "Ask for http://localhost:3200, http://127.0.0.1:3200 or http://[::1]:3200, with the port the server listens on.",
        "Without keys the server serves this machine alone. A web page elsewhere could point a host name of its own at 127.0.0.1 and \
         then talk to the server as if it were its own (DNS rebinding); it cannot make the browser send another Host header, so any \
         Host but localhost, 127.0.0.1 and [::1] is refused.";
    ProxiedAnonymous "proxied_anonymous" FORBIDDEN,
        "a request through a proxy needs a key, and this server has none",
        "Ask the server directly, without a proxy in between. Keys (tidings token, serve --auth-key-file) come with a later release; \
         until then Tidings serves the machine it runs on, and must not be put behind a proxy.",
        "A Forwarded, X-Forwarded-For or Via header says that the request came through a proxy: the server then stands open to \
         whoever reaches the proxy, though it listens on this machine only. Anonymous use is for local requests; everybody else needs \
         a key, and this release cannot make keys yet.";
    OriginRefused "origin_refused" FORBIDDEN,
        "pages of this origin may not use this server",
        "Serve the page from this machine, or start the server with --allowed-origin and the page's origin, such as \
         --allowed-origin https://app.example. If you followed a link to get here, type the address instead.",
        "Any web page you visit can make your browser send requests to localhost. The server therefore looks at the Origin header (and \
         at Sec-Fetch-Site where there is none) and serves pages of this machine and of the origins it was told, for reading too. \
         Origin: null, which sandboxed and file: pages send, is nobody's and never allowed.";
    Forbidden "forbidden" FORBIDDEN,
        "your grant does not cover this topic",
        "Ask for a topic that your key covers, or for a key that covers this one.",
        "Every request acts under a grant, which names the topics it may publish to and subscribe to.";

    // What was asked for.
    NotFound "not_found" NOT_FOUND,
        "there is nothing at this path",
        "Use /topics/TOPIC, /events, or / for the page.",
        "Topics live under /topics/; several at once, and patterns, under /events. A topic itself never needs to be created: it is \
         there as soon as somebody publishes to it or listens.";
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED,
        "this path does not take this method",
        "Use one of the methods in the Allow header: GET listens, POST publishes, DELETE drops a topic's history.",
        "GET on a topic listens or reads, POST publishes, DELETE drops its history. The Allow header of the answer lists what the path \
         takes.";
    BodyNotAllowed "body_not_allowed" BAD_REQUEST,
        "a GET has no body",
        "Leave the body out; publish with POST.",
        "A body on a GET means nothing in HTTP, and servers that disagree about whether it is there can be played against each other \
         (request smuggling). Most often a POST was meant: with curl, -d makes one, unless -G or -X GET says otherwise.";
    InvalidTopic "invalid_topic" BAD_REQUEST,
        "this is no topic",
        "Use 1 to 1,024 bytes of UTF-8 without control characters and without *, in segments between slashes, none of them empty, \
         . or ..; percent-encode in a URL what is not a letter, a digit or one of -._~/.",
        "A topic stands in URLs, so it is decoded exactly once: %2F is a slash, and %2541 is the topic %41. Proxies and browsers \
         rewrite . and .. and empty segments, so they cannot be names. * is for patterns, which are listened to with \
         GET /events?topic=PATTERN and cannot be published to.";
    InvalidPattern "invalid_pattern" BAD_REQUEST,
        "this is no pattern",
        "Let * stand for one whole segment and ** for any number of them: news/* or news/**, not news*.",
        "A pattern is a topic in which whole segments may be * (exactly one segment) or ** (any number, none included). What a topic may \
         not have, a pattern may not have either.";
    ReservedTopic "reserved_topic" FORBIDDEN,
        "topics under tidings/ are the server's own",
        "Choose another first segment.",
        "The server publishes about itself under tidings/; nobody else does, so that its readers can trust it.";
    InvalidParameter "invalid_parameter" BAD_REQUEST,
        "a query parameter has a value it cannot have",
        "See the detail for what is allowed. Write + as %2B in a URL: a + there is a space.",
        "Known parameters are checked, unknown ones ignored. Values are percent-encoded UTF-8, as forms send them. Only ids never make \
         an error: an id that means nothing here gets the newest events and a gap that says so.";
    RepeatedParameter "repeated_parameter" BAD_REQUEST,
        "a query parameter that has one value was given twice",
        "Give it once. Only topic and type may be repeated.",
        "Which of two values counts would be a guess, and proxies guess differently.";
    ConflictingParameters "conflicting_parameters" BAD_REQUEST,
        "since, last and last_each cannot be combined",
        "Give one of them: since=ID, since=10m, since=all, last=N or last_each=1.",
        "Each says where to start, and they would say different places. Last-Event-ID and last_event_id may stand beside them, since an \
         EventSource repeats its URL when it returns: where there is an id, it wins.";
    TooManyNames "too_many_names" BAD_REQUEST,
        "too many topics, patterns or types for one subscription",
        "Use a pattern, or several connections.",
        "A subscription has at most 1,000 topics and patterns together, and at most 1,000 types: each costs an entry in the server's \
         tables for every connection.";

    // What was published.
    InvalidEventType "invalid_event_type" BAD_REQUEST,
        "this is no event type",
        "Use one to 256 bytes of UTF-8 without CR, LF and NUL, in one Event-Type header, or leave it out: the type is then message.",
        "The type is one line of the stream. A line break in it would end the line, and what follows could pass for another field.";
    ReservedEventType "reserved_event_type" BAD_REQUEST,
        "this event type is not a publisher's",
        "Choose a type other than open and error that does not begin with tidings.",
        "An EventSource fires open and error itself, so that a listener could not tell yours from its own; types that begin with \
         tidings. are the server's control events, which clients act on.";
    InvalidContentType "invalid_content_type" BAD_REQUEST,
        "this is no content type",
        "Write type/subtype, such as text/plain or image/png, or leave the header out for plain text.",
        "The type tells text from binary data. It is kept, without its parameters, for those who read JSON.";
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE,
        "this kind of body is not taken here",
        "Publish one event's data as the body of POST /topics/TOPIC, or a batch as application/x-ndjson to POST /events.",
        "A multipart body is several parts with headers of their own, which an event is not. A batch is lines of JSON and says so in its \
         content type.";
    UnsupportedCharset "unsupported_charset" UNSUPPORTED_MEDIA_TYPE,
        "text is UTF-8 here",
        "Convert the text to UTF-8 and say charset=utf-8, or nothing.",
        "Event streams are UTF-8 and cannot declare another charset. Guessing at a conversion would lose data silently.";
    UnsupportedEncoding "unsupported_encoding" UNSUPPORTED_MEDIA_TYPE,
        "compressed bodies are not taken",
        "Send the body without Content-Encoding.",
        "The server would have to unpack a body before it knows how large it is.";
    InvalidUtf8 "invalid_utf8" BAD_REQUEST,
        "text is not valid UTF-8",
        "Send UTF-8, or say what the bytes are with a Content-Type such as application/octet-stream.",
        "Text goes to subscribers as it is, and an event stream carries UTF-8 only. Binary data is carried too, if its content type says \
         that it is binary.";
    EventTooLarge "event_too_large" PAYLOAD_TOO_LARGE,
        "the event is larger than an event may be",
        "Publish at most 1 MiB; put larger things where they can be fetched, and publish where that is.",
        "Every subscriber gets the whole event, and those who are slow hold it half sent. The limit is event_bytes_max.";
    BatchTooLarge "batch_too_large" PAYLOAD_TOO_LARGE,
        "the batch is larger than a batch may be",
        "Split it: at most 8 MiB and 10,000 lines a batch.",
        "A batch is read whole and committed at once. The limits are batch_bytes_max and batch_lines_max.";
    EmptyBatch "empty_batch" BAD_REQUEST,
        "the batch has no lines",
        "Send at least one line of JSON.",
        "A batch with nothing in it is most often a body that got lost on its way.";
    InvalidLine "invalid_line" BAD_REQUEST,
        "a line of the batch is not an event",
        "Write each line as one JSON object with topic or topics, data or data_base64, and optionally type, content_type, ttl and \
         idempotency_key. id and time are ignored; other fields fail the line.",
        "Unknown fields fail a line because most often they are misspelt ones. id and time are ignored so that what was read from one \
         server can be published to another.";
    NotCommitted "not_committed" FAILED_DEPENDENCY,
        "nothing of this atomic batch was published",
        "Correct the lines that have another code, and send the batch again.",
        "With atomic=1 a batch is published whole or not at all. This line is good; another is not.";
    InvalidTtl "invalid_ttl" BAD_REQUEST,
        "this is no time to live",
        "Write a whole number and its unit, from 1s to 3650d, such as 30s, 10m, 2h or 7d, in one Event-TTL header or in the field ttl.",
        "An event with a time to live is given to nobody once that time is over. A number without a unit would be a guess; without a \
         time to live an event is kept as long as the server keeps events.";
    InvalidIdempotencyKey "invalid_idempotency_key" BAD_REQUEST,
        "this is no idempotency key",
        "Use 1 to 256 bytes, in one Idempotency-Key header.",
        "A key names one publish, so that it can be sent again without being published again. A UUID is a good key.";
    IdempotencyMismatch "idempotency_mismatch" CONFLICT,
        "this idempotency key was used for another event",
        "Use a new key for each event, and the same one only to repeat it.",
        "The key was seen within the last five minutes on this topic, with other data, another type or other topics. One of the two \
         events would silently be lost if this were answered like the first.";
    BodyTimeout "body_timeout" REQUEST_TIMEOUT,
        "the body took too long to come",
        "Send it faster, or less of it: a body has 60 seconds.",
        "A body that trickles holds memory and a connection. Nothing of it was published.";
    BodyIncomplete "body_incomplete" BAD_REQUEST,
        "the body ended before it was complete",
        "Send it again.",
        "The connection broke, or the body's framing was wrong. Nothing of it was published.";

    // What the server cannot do now.
    TooManyTopics "too_many_topics" INSUFFICIENT_STORAGE,
        "there are as many topics as there may be",
        "Publish to topics that exist: let the type or the data tell events apart rather than the topic.",
        "The server keeps a table of every topic that has events, and bounds it at topics_max. Topics are given back as their events \
         are dropped. Subscribing never takes one.";
    DiskFull "disk_full" INSUFFICIENT_STORAGE,
        "the disk is full",
        "Make room on the server's disk; publishing goes on by itself then. Nothing of this request was published.",
        "The server writes into files that are allocated before they are needed, so a full disk shows here and not in the middle of a \
         write: nothing is damaged, and reading goes on. It takes publishes again as soon as it could allocate the next file. With \
         --retain-bytes it keeps less.";
    OutcomeUnknown "outcome_unknown" SERVICE_UNAVAILABLE,
        "the log failed while this was written: whether it is published is not known",
        "Repeat it with the same Idempotency-Key once the server has been started again: it is then published once.",
        "Writing or syncing the log failed under this request. After a failed sync nobody can say what reached the disk, and trying \
         again would only make it look well. So the server takes no publish any more, goes on serving readers, and must be started \
         again: then the log is read, and what is in it is known.";
    LogFailed "log_failed" SERVICE_UNAVAILABLE,
        "the log has failed, and nothing is published any more",
        "Look at the server's own log and at the disk, then start the server again. Nothing of this request was published.",
        "A write or sync of the log failed, at an earlier request. The server does not try again, since nobody can say what a failed \
         sync left behind; it serves readers, says on /readyz that it is not ready, and ends with an exit code of its own when it is \
         stopped.";
    Busy "busy" SERVICE_UNAVAILABLE,
        "too much is being published at this moment",
        "Try again after the time in Retry-After.",
        "The bodies and keys of all requests together are bounded (bodies_bytes_max, idempotency_claims_max). Nothing of this request \
         was published.";
    Overloaded "overloaded" SERVICE_UNAVAILABLE,
        "the server has as many subscribers as it takes",
        "Try again after the time in Retry-After.",
        "A waiting page counts as a subscriber while it waits. Streams are answered 200 and ended with tidings.end, because an \
         EventSource never returns after a 503.";
    Draining "draining" SERVICE_UNAVAILABLE,
        "the server is stopping",
        "Try again after the time in Retry-After: another server, or this one restarted, will answer.",
        "While it drains, a server finishes what it has taken and takes nothing new. Nothing of this request was published.";
    Internal "internal" INTERNAL_SERVER_ERROR,
        "the server made a mistake",
        "Try again; report it, with the request id, if it happens twice.",
        "A bug ended this request, and this request only. Whether the event was published is not known: with an Idempotency-Key it can \
         be sent again safely.";
}

impl Code {
    /// The code's text.
    pub(crate) fn name(self) -> &'static str {
        self.row().name
    }

    /// When to try again, where trying again is the answer.
    pub(crate) fn retry_after(self) -> Option<Duration> {
        match self {
            // Bodies come and go within seconds.
            Code::Busy => Some(Duration::from_secs(1)),
            // A restart takes a second or two.
            Code::Draining => Some(Duration::from_secs(5)),
            // Somebody has to look at a disk, and start the server again.
            Code::OutcomeUnknown | Code::LogFailed => Some(Duration::from_secs(30)),
            // As streams are told on average: the middle of 30 to 90 s.
            Code::Overloaded => Some(Duration::from_secs(60)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn rows_are_complete_and_names_are_unique() {
        let mut names = HashSet::new();
        for row in Code::ALL.iter().map(|code| code.row()) {
            assert!(names.insert(row.name), "{} stands twice", row.name);
            assert!(
                row.name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_' || c.is_ascii_digit()),
                "{}",
                row.name
            );
            assert!(row.status.is_client_error() || row.status.is_server_error(), "{}", row.name);
            assert!(
                !row.title.ends_with('.') && row.remedy.ends_with('.') && row.explanation.ends_with('.'),
                "{}",
                row.name
            );
            for text in [row.title, row.remedy, row.explanation] {
                assert!(!text.contains("  "), "{}: a line break left its indent in {text:?}", row.name);
            }
        }
    }

    #[test]
    fn what_passes_says_when_to_return() {
        for code in Code::ALL {
            assert_eq!(code.retry_after().is_some(), code.row().status == StatusCode::SERVICE_UNAVAILABLE, "{code:?}");
        }
    }
}
