//! The client's side of one subscription: bytes in any pieces become what was told, and what no server may say is an error.

use crate::Dechunker;
use serde_json::Value;
use tidings_hub::{Form, Format, Framing};
use tidings_wire::{Decoder, Item};

/// Something the stream said.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// `tidings.open`.
    Open {
        /// From where the stream starts.
        id: String,
    },
    /// `tidings.gap`.
    Gap(GapTold),
    /// `tidings.checkpoint`.
    Checkpoint {
        /// Up to where it was served.
        id: String,
    },
    /// A comment, or an NDJSON line that stands for one.
    Heartbeat,
    /// `tidings.end`.
    End {
        /// Why.
        reason: String,
        /// After how many milliseconds to return.
        retry: u64,
    },
    /// An event.
    Event(Heard),
}

/// What `tidings.gap` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GapTold {
    /// The place that was asked for.
    pub requested: Option<String>,
    /// Where it goes on; its id too.
    pub resumed: String,
    /// `expired`, `unknown` or `lagged`.
    pub reason: String,
    /// Whether older events are kept.
    pub truncated: bool,
    /// How many were lost, if it is known.
    pub lost: Option<u64>,
}

/// An event, as its reader sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// The id to return with, as of this event.
    pub last_event_id: String,
    /// Its type.
    pub event_type: String,
    /// Its data: text, a `data:` URL, or the base64 of an envelope's `data_base64`.
    pub data: String,
    /// The JSON form, where the format has one.
    pub json: Option<Value>,
}

/// The largest event a listener takes: above the server's own limit of 1 MiB with its envelope.
const EVENT_BYTES_MAX: usize = 4 << 20;

/// See the module's text.
#[derive(Debug)]
pub struct Listener {
    format: Format,
    dechunker: Dechunker,
    decoder: Decoder,
    /// NDJSON: the unfinished line.
    line: Vec<u8>,
    /// The last bytes of the body, without chunks: they say whether it stands between two events.
    last: [u8; 2],
    last_event_id: String,
    /// A `retry:` that waits for the control event it belongs to.
    retry: Option<u64>,
}

impl Listener {
    /// A listener to a stream of this format.
    pub fn new(format: Format) -> Self {
        Listener {
            format,
            dechunker: Dechunker::default(),
            decoder: Decoder::new(EVENT_BYTES_MAX),
            line: Vec::new(),
            last: *b"\n\n",
            last_event_id: String::new(),
            retry: None,
        }
    }

    /// Takes bytes as they stand on the wire and answers what they complete.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<Vec<Told>, String> {
        let mut body = Vec::new();
        match self.format.framing {
            Framing::Chunked => self.dechunker.handle_bytes(bytes, &mut body)?,
            Framing::Bare => body.extend_from_slice(bytes),
        }
        for &byte in body.iter().rev().take(2).rev() {
            self.last = [self.last[1], byte];
        }
        match self.format.form {
            Form::Sse | Form::Enveloped => self.handle_sse(&body),
            Form::Ndjson => self.handle_lines(&body),
        }
    }

    /// Whether the stream stands between two events: nothing is half told.
    pub fn is_at_boundary(&self) -> bool {
        let chunk = self.format.framing == Framing::Bare || self.dechunker.is_at_boundary();
        let event = match self.format.form {
            Form::Sse | Form::Enveloped => self.last == *b"\n\n",
            Form::Ndjson => self.last[1] == b'\n',
        };
        chunk && event
    }

    fn handle_sse(&mut self, body: &[u8]) -> Result<Vec<Told>, String> {
        self.decoder.handle_bytes(body);
        let mut told = Vec::new();
        while let Some(item) = self.decoder.poll_item() {
            match item {
                Item::Retry(retry) if self.retry.is_none() => self.retry = Some(retry.millis().into()),
                Item::Comment(text) if text.is_empty() && self.retry.is_none() => told.push(Told::Heartbeat),
                Item::Comment(text) if text == "ok" && self.retry.is_some() => {}
                Item::Event(event) if event.event_type.starts_with("tidings.") => {
                    let data = serde_json::from_str(&event.data).map_err(|e| format!("{}: {e}", event.data))?;
                    let id_moved = event.last_event_id != self.last_event_id;
                    self.last_event_id.clone_from(&event.last_event_id);
                    told.push(self.control(&event.event_type, id_moved, &data)?);
                }
                Item::Event(event) if self.retry.is_none() => {
                    self.last_event_id.clone_from(&event.last_event_id);
                    told.push(Told::Event(self.heard(event)?));
                }
                other => return Err(format!("{other:?} after retry {:?}", self.retry)),
            }
        }
        Ok(told)
    }

    fn heard(&self, event: tidings_wire::Event) -> Result<Heard, String> {
        let (mut data, mut json) = (event.data, None);
        if self.format.form == Form::Enveloped {
            let envelope: Value = serde_json::from_str(&data).map_err(|e| format!("{data}: {e}"))?;
            if envelope["type"] != event.event_type.as_str() {
                return Err(format!("type {} around {envelope}", event.event_type));
            }
            data = json_data(&envelope)?;
            json = Some(envelope);
        }
        Ok(Heard { last_event_id: event.last_event_id, event_type: event.event_type, data, json })
    }

    fn handle_lines(&mut self, body: &[u8]) -> Result<Vec<Told>, String> {
        self.line.extend_from_slice(body);
        let mut told = Vec::new();
        while let Some(end) = self.line.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            let line: Value = serde_json::from_slice(&line).map_err(|e| format!("{line:?}: {e}"))?;
            let id = line["id"].as_str().unwrap_or(&self.last_event_id).to_string();
            let id_moved = id != self.last_event_id;
            self.last_event_id.clone_from(&id);
            if let Some(name) = line["control"].as_str() {
                self.retry = line["data"]["retry"].as_u64();
                told.push(self.control(name, id_moved, &line["data"])?);
            } else {
                let event_type = line["type"].as_str().ok_or("a line without a type")?.to_string();
                let data = json_data(&line)?;
                told.push(Told::Event(Heard { last_event_id: id, event_type, data, json: Some(line) }));
            }
        }
        Ok(told)
    }

    /// A control event; `retry:` stands before those that have one, and says the same.
    fn control(&mut self, name: &str, id_moved: bool, data: &Value) -> Result<Told, String> {
        let id = self.last_event_id.clone();
        let retry = self.retry.take();
        if retry != data["retry"].as_u64() {
            return Err(format!("{name} says retry {retry:?} and {data}"));
        }
        let text = |value: &Value| value.as_str().map(str::to_string);
        match name {
            "tidings.open" if retry.is_some_and(|r| r >= 1000) => Ok(Told::Open { id }),
            "tidings.gap" => {
                let resumed = text(&data["resumed"]).ok_or("a gap without resumed")?;
                if resumed != id {
                    return Err(format!("a gap with id {id} that resumes at {resumed}"));
                }
                Ok(Told::Gap(GapTold {
                    requested: text(&data["requested"]),
                    resumed,
                    reason: text(&data["reason"]).ok_or("a gap without a reason")?,
                    truncated: data["truncated"].as_bool().ok_or("a gap without truncated")?,
                    lost: data["lost"].as_u64(),
                }))
            }
            "tidings.checkpoint" => Ok(Told::Checkpoint { id }),
            "tidings.heartbeat" => Ok(Told::Heartbeat),
            "tidings.end" if !id_moved => {
                let retry = retry.ok_or("an end without retry")?;
                Ok(Told::End { reason: text(&data["reason"]).ok_or("an end without a reason")?, retry })
            }
            _ => Err(format!("{name} {data} (id moved: {id_moved})")),
        }
    }
}

/// The data of an event's JSON form.
fn json_data(json: &Value) -> Result<String, String> {
    let data = json["data"].as_str().or_else(|| json["data_base64"].as_str());
    Ok(data.ok_or_else(|| format!("{json} has no data"))?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: Format = Format { form: Form::Sse, framing: Framing::Chunked };
    const LINES: Format = Format { form: Form::Ndjson, framing: Framing::Bare };

    fn listen(format: Format, bytes: &[u8]) -> Result<Vec<Told>, String> {
        let mut listener = Listener::new(format);
        let mut all = Vec::new();
        for byte in bytes {
            all.extend(listener.handle_bytes(&[*byte])?);
        }
        Ok(all)
    }

    #[test]
    fn what_it_hears_and_what_it_refuses() {
        let told = listen(CHUNKED, b"3\r\n:\n\n\r\n8\r\ndata: 1\n\r\n1\r\n\n\r\n").unwrap();
        assert!(matches!(&told[..], [Told::Heartbeat, Told::Event(e)] if e.data == "1"), "{told:?}");
        assert!(listen(CHUNKED, b"3\n:\n\n").is_err(), "framing");
        let told = listen(LINES, b"{\"control\":\"tidings.open\",\"id\":\"x.1\",\"data\":{\"retry\":1000}}\n").unwrap();
        assert_eq!(told, [Told::Open { id: "x.1".into() }]);
        assert!(listen(LINES, b"{\"control\":\"tidings.open\",\"id\":\"x.1\",\"data\":{\"retry\":999}}\n").is_err());
        assert!(
            listen(LINES, b"{\"control\":\"tidings.end\",\"id\":\"x\",\"data\":{\"reason\":\"d\",\"retry\":9}}\n")
                .is_err()
        );
    }
}
