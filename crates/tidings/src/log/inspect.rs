//! `tidings log inspect`: a line a segment, or everything as JSON.

use std::io::{self, Write as _};

use serde_json::{Value, json};
use tidings_server::data::{self, Depth, FORMAT, IndexState, Stretch, Survey, SurveyedSegment};

use super::numbers::{count, grouped, time};
use super::{Place, failed};
use crate::exit::Outcome;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Prints what the files' headers and indexes say. `verify` reads the rest.
pub(super) fn run(args: &Args) -> Outcome {
    let survey = data::survey(&args.place.data_dir, Depth::Indexes, &mut |_| {}).map_err(|error| failed(&error))?;
    let text = if args.json { format!("{:#}\n", as_json(&survey)) } else { as_text(&survey) };
    // A reader that has seen enough and closed the pipe is no failure.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(())
}

fn as_text(survey: &Survey) -> String {
    let mut out = match survey.epoch {
        Some(epoch) => format!("epoch {}, format {FORMAT}\n\n", String::from_utf8_lossy(&epoch)),
        None => "an empty log\n".to_owned(),
    };
    if !survey.segments.is_empty() {
        out.push_str(&table(survey));
        out.push('\n');
    }
    for line in remarks(survey) {
        out.push_str(&line);
        out.push('\n');
    }
    out
}

const HEADINGS: [&str; 10] =
    ["segment", "file bytes", "used", "events", "topics", "batches", "numbers", "from", "to", "index"];

fn table(survey: &Survey) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    for segment in &survey.segments {
        let SurveyedSegment { number, bytes, end, events, topics, batches, .. } = segment;
        let (numbers, from, to) = match segment.seqs {
            Some((first, last)) => (format!("{first}-{last}"), time(segment.times.0), time(segment.times.1)),
            None => ("-".to_owned(), "-".to_owned(), "-".to_owned()),
        };
        let [bytes, end, events, topics, batches] = [*bytes, *end, *events, *topics, *batches].map(grouped);
        let index = index_word(segment.index).to_owned();
        rows.push([number.to_string(), bytes, end, events, topics, batches, numbers, from, to, index]);
    }
    let mut widths = [0; HEADINGS.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.len());
        }
    }
    let line = |row: [String; HEADINGS.len()]| {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            // Figures stand under figures.
            0..=5 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        let cells: Vec<String> = cells.collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.into_iter().map(line).collect()
}

fn index_word(index: IndexState) -> &'static str {
    match index {
        IndexState::Active => "- (active)",
        IndexState::Good => "good",
        IndexState::Missing => "missing",
        IndexState::Damaged => "damaged",
    }
}

/// What else there is to say, a line each.
fn remarks(survey: &Survey) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, bytes) in &survey.spares {
        lines.push(format!("spare {number}: {}", count(*bytes, "byte")));
    }
    lines.extend(survey.leftovers.iter().map(|name| format!("{name}: in the making; the next open removes it")));
    lines.extend(survey.strangers.iter().map(|name| format!("{name}: not a file of the log's; left alone")));
    lines.extend(unfinished(survey));
    lines.extend(damage(survey));
    lines
}

/// What a crash has left at the very end.
pub(super) fn unfinished(survey: &Survey) -> Option<String> {
    survey.torn.map(|torn| {
        let (bytes, first) = (count(torn.bytes, "byte"), id(survey, torn.first_seq));
        format!(
            "segment {}: {bytes} from {} on are an unfinished batch, first event {first}: the next start cuts them off, or a server is \
             just writing them",
            torn.segment, torn.offset
        )
    })
}

/// What is damaged, a line each.
pub(super) fn damage(survey: &Survey) -> Vec<String> {
    let mut lines = Vec::new();
    for number in &survey.headless {
        lines.push(format!("segment {number}: damaged: both copies of its header"));
    }
    for segment in &survey.segments {
        let number = segment.number;
        lines.extend(segment.damage.iter().map(|stretch| stretch_line(survey, number, stretch)));
        if segment.index == IndexState::Damaged {
            lines.push(format!("segment {number}: damaged: its index; the server makes it anew from the segment"));
        }
        if segment.copies < 2 {
            lines.push(format!("segment {number}: damaged: one of the two copies of its header"));
        }
    }
    lines
}

fn stretch_line(survey: &Survey, number: u32, stretch: &Stretch) -> String {
    let Stretch { from, to, after, before } = *stretch;
    let before = before.map_or_else(|| "the segment's end".to_owned(), |seq| format!("event {}", id(survey, seq)));
    let after = if after == 0 { "the log's start".to_owned() } else { format!("event {}", id(survey, after)) };
    format!("segment {number}: damaged: {} from {from} to {to}, between {after} and {before}", count(to - from, "byte"))
}

fn id(survey: &Survey, seq: u64) -> String {
    survey.epoch.map_or_else(|| seq.to_string(), |epoch| data::event_id(epoch, seq))
}

fn as_json(survey: &Survey) -> Value {
    let segments = survey.segments.iter().map(|segment| {
        json!({
            "number": segment.number,
            "last_number": segment.last_number,
            "file_bytes": segment.bytes,
            "end": segment.end,
            "events": segment.events,
            "topics": segment.topics,
            "batches": segment.batches,
            "first_id": segment.seqs.map(|(first, _)| id(survey, first)),
            "last_id": segment.seqs.map(|(_, last)| id(survey, last)),
            "first_time": segment.seqs.map(|_| time(segment.times.0)),
            "last_time": segment.seqs.map(|_| time(segment.times.1)),
            "index": match segment.index {
                IndexState::Active => "active",
                IndexState::Good => "good",
                IndexState::Missing => "missing",
                IndexState::Damaged => "damaged",
            },
            "header_copies": segment.copies,
            "damage": segment.damage.iter().map(|Stretch { from, to, after, before }| json!({
                "from": from,
                "to": to,
                "after_id": id(survey, *after),
                "before_id": before.map(|seq| id(survey, seq)),
            })).collect::<Value>(),
        })
    });
    json!({
        "epoch": survey.epoch.map(|epoch| String::from_utf8_lossy(&epoch).into_owned()),
        "format": 1,
        "segments": segments.collect::<Value>(),
        "spares": survey.spares.iter().map(|(number, bytes)| json!({"number": number, "file_bytes": bytes})).collect::<Value>(),
        "headless": survey.headless,
        "leftovers": survey.leftovers,
        "strangers": survey.strangers,
        "torn": survey.torn.map(|torn| json!({
            "segment": torn.segment,
            "offset": torn.offset,
            "bytes": torn.bytes,
            "first_id": id(survey, torn.first_seq),
        })),
    })
}
