//! `POST /events`: a batch of lines, read whole, committed at once, answered a line each.
//!
//! Blank lines are skipped and get no answer, but they count in line numbers: those are the numbers an editor shows.

mod line;

use super::codes::Code;
use super::content;
use super::problem::Problem;
use super::publish::{Receipt, commit, refused_claim};
use super::query::Query;
use super::upload::Upload;
use super::{Api, ApiBody};
use crate::auth;
use crate::engine::Draft;
use crate::idempotency::Claim;
use crate::limits::Limits;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::Body;
use line::Line;
use serde::Serialize;
use tidings_hub::{Grant, Seq, TopicName};

/// A line's number, from 1, and what it says.
type Numbered = (usize, Result<Line, Problem>);

/// What becomes of a line.
#[derive(Debug)]
enum Outcome {
    /// It is published, as the draft with this index.
    Fresh(usize),
    /// It repeats the line that is published as this draft.
    Repeat(usize),
    /// It was published before.
    Known(Option<Seq>),
    Failed(Problem),
}

/// What is to be done with all lines: one outcome a line, and what is appended.
#[derive(Debug, Default)]
struct Plan {
    outcomes: Vec<(usize, Outcome)>,
    /// The own topic of each line that did not fail.
    topics: Vec<Option<TopicName>>,
    drafts: Vec<Draft>,
    /// Which drafts have a claimed key, in the claims' order.
    keyed: Vec<usize>,
}

#[derive(Serialize)]
struct Failure<'a> {
    error: FailureText<'a>,
    line: usize,
}

#[derive(Serialize)]
struct FailureText<'a> {
    code: &'a str,
    detail: &'a str,
}

/// Publishes a batch.
pub(super) async fn publish<B>(api: &Api, parts: &Parts, upload: &mut Upload<B>) -> Result<Response<ApiBody>, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    api.admit_publish().await?;
    let limits = &api.limits;
    let query = Query::parse(parts.uri.query().unwrap_or_default(), limits, crate::clock::now())?;
    let is_atomic = query.atomic.unwrap_or(false);
    check_is_ndjson(&parts.headers, limits)?;
    let body = upload.read(limits.batch_bytes_max, || too_large(limits), &api.bodies, limits).await?;
    let lines = parse(&body.bytes, &auth::local(), limits)?;
    if is_atomic && lines.iter().any(|(_, line)| line.is_err()) {
        return Ok(respond(api, &nothing_committed(lines), &[]));
    }
    let wanted: Vec<_> = lines.iter().filter_map(|(_, line)| line.as_ref().ok()?.key).collect();
    let claims = api.keys.claim(&wanted).await.map_err(refused_claim)?;
    if is_atomic && claims.of.contains(&Claim::Conflict) {
        return Ok(respond(api, &nothing_committed(conflicting(lines, &claims.of)), &[]));
    }
    let mut plan = plan(lines, &claims.of);
    let (drafts, keyed) = (std::mem::take(&mut plan.drafts), std::mem::take(&mut plan.keyed));
    let keyed = (!keyed.is_empty()).then_some((claims, keyed));
    let seqs = if drafts.is_empty() { Vec::new() } else { commit(api, drafts, keyed).await? };
    Ok(respond(api, &plan, &seqs))
}

/// The batch's lines, each parsed by itself.
fn parse(body: &[u8], grant: &Grant, limits: &Limits) -> Result<Vec<Numbered>, Problem> {
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    let full = lines.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace));
    let mut parsed = Vec::new();
    for (index, line) in full {
        if parsed.len() == limits.batch_lines_max {
            return Err(too_large(limits));
        }
        parsed.push((index + 1, line::parse(line, grant, limits)));
    }
    if parsed.is_empty() { Err(Code::EmptyBatch.into()) } else { Ok(parsed) }
}

fn plan(lines: Vec<Numbered>, claims: &[Claim]) -> Plan {
    let mut plan = Plan::default();
    // Which draft each claim became, for those that repeat it.
    let mut draft_of_claim = Vec::with_capacity(claims.len());
    for (number, line) in lines {
        let (draft, claim) = match line {
            Ok(Line { draft, key: Some(_) }) => (draft, claims.get(draft_of_claim.len())),
            Ok(Line { draft, key: None }) => (draft, None),
            Err(problem) => {
                plan.push(number, None, Outcome::Failed(problem));
                continue;
            }
        };
        let topic = draft.topics.iter().next().cloned();
        let next = plan.drafts.len();
        let outcome = match claim {
            None | Some(Claim::Mine) => {
                plan.drafts.push(draft);
                Outcome::Fresh(next)
            }
            Some(Claim::Known(seq)) => Outcome::Known(*seq),
            Some(Claim::Conflict) => Outcome::Failed(Code::IdempotencyMismatch.into()),
            Some(Claim::SameAs(earlier)) => Outcome::Repeat(draft_of_claim[*earlier]),
        };
        if let Some(claim) = claim {
            draft_of_claim.push(next);
            if *claim == Claim::Mine {
                plan.keyed.push(next);
            }
        }
        plan.push(number, topic, outcome);
    }
    plan
}

impl Plan {
    fn push(&mut self, number: usize, topic: Option<TopicName>, outcome: Outcome) {
        self.outcomes.push((number, outcome));
        self.topics.push(topic);
    }
}

/// The lines of an atomic batch whose keys were used for other events are bad ones.
fn conflicting(lines: Vec<Numbered>, claims: &[Claim]) -> Vec<Numbered> {
    let mut claims = claims.iter();
    let judge = |line: Line| match line.key.and_then(|_| claims.next()) {
        Some(Claim::Conflict) => Err(Problem::from(Code::IdempotencyMismatch)),
        _ => Ok(line),
    };
    let mut judge = judge;
    lines.into_iter().map(|(number, line)| (number, line.and_then(&mut judge))).collect()
}

/// An atomic batch with a bad line: the others are told why they were left out.
fn nothing_committed(lines: Vec<Numbered>) -> Plan {
    let mut plan = Plan::default();
    for (number, line) in lines {
        let problem = line.err().unwrap_or_else(|| Code::NotCommitted.into());
        plan.push(number, None, Outcome::Failed(problem));
    }
    plan
}

/// One line for each: 200 when all are published, 422 when none is, 207 when some are.
fn respond(api: &Api, plan: &Plan, seqs: &[Option<Seq>]) -> Response<ApiBody> {
    let mut body = Vec::new();
    let mut failed = 0;
    for ((number, outcome), topic) in plan.outcomes.iter().zip(&plan.topics) {
        let (seq, duplicate) = match outcome {
            Outcome::Fresh(index) => (seqs[*index], false),
            Outcome::Repeat(index) => (seqs[*index], true),
            Outcome::Known(seq) => (*seq, true),
            Outcome::Failed(problem) => {
                failed += 1;
                api.metrics.refused(problem.code);
                let error = FailureText { code: problem.code.name(), detail: &problem.detail };
                write_line(&Failure { error, line: *number }, &mut body);
                continue;
            }
        };
        let topic = topic.as_ref().expect("a line that did not fail has a topic");
        write_line(&Receipt::new(api, seq, topic, duplicate), &mut body);
    }
    let mut response = Response::new(ApiBody::whole(body));
    *response.status_mut() = match failed {
        0 => StatusCode::OK,
        all if all == plan.outcomes.len() => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::MULTI_STATUS,
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn write_line(line: &impl Serialize, body: &mut Vec<u8>) {
    serde_json::to_writer(&mut *body, line).expect("strings and numbers are always JSON, and a Vec takes every byte");
    body.push(b'\n');
}

fn check_is_ndjson(headers: &HeaderMap, limits: &Limits) -> Result<(), Problem> {
    // What a body may not be at all is said first: compressed, or several types at once.
    content::kind_of(headers, limits)?;
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-ndjson") {
        return Ok(());
    }
    Err(Problem::new(
        Code::UnsupportedMediaType,
        "a batch is application/x-ndjson, one JSON object a line: say so in the Content-Type; one event goes to POST /topics/TOPIC",
    ))
}

fn too_large(limits: &Limits) -> Problem {
    let Limits { batch_bytes_max: bytes, batch_lines_max: lines, .. } = limits;
    let detail =
        format!("a batch has at most {bytes} bytes (batch_bytes_max) and {lines} lines (batch_lines_max): split it");
    Problem::new(Code::BatchTooLarge, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(body: &str) -> Vec<Numbered> {
        parse(body.as_bytes(), &auth::local(), &Limits::DEFAULT).unwrap()
    }

    fn line(topic: &str, key: Option<&str>) -> String {
        let key = key.map_or(String::new(), |key| format!(r#","idempotency_key":"{key}""#));
        format!("{{\"topic\":\"{topic}\",\"data\":\"x\"{key}}}\n")
    }

    #[test]
    fn lines_are_numbered_as_an_editor_does() {
        let body = format!("\n{}\r\n  \nnonsense\n{}", line("a", None).trim(), line("b", None).trim());
        let found: Vec<_> = lines(&body).into_iter().map(|(number, line)| (number, line.is_ok())).collect();
        assert_eq!(found, [(2, true), (4, false), (5, true)]);
    }

    #[test]
    fn bounds() {
        let limits = Limits { batch_lines_max: 2, ..Limits::DEFAULT };
        let code =
            |body: &str| parse(body.as_bytes(), &auth::local(), &limits).map(|lines| lines.len()).map_err(|p| p.code);
        assert_eq!(code(&line("a", None).repeat(2)), Ok(2));
        assert_eq!(code(&(line("a", None).repeat(2) + "\n\n")), Ok(2));
        assert_eq!(code(&line("a", None).repeat(3)), Err(Code::BatchTooLarge));
        assert_eq!(code(""), Err(Code::EmptyBatch));
        assert_eq!(code("\n \r\n"), Err(Code::EmptyBatch));
    }

    /// The outcome of each line in a word, and which drafts are keyed.
    fn planned(body: &str, claims: &[Claim]) -> (Vec<String>, Vec<usize>, usize) {
        let plan = plan(lines(body), claims);
        let word = |(number, outcome): &(usize, Outcome)| match outcome {
            Outcome::Fresh(draft) => format!("{number} fresh {draft}"),
            Outcome::Repeat(draft) => format!("{number} repeats {draft}"),
            Outcome::Known(seq) => format!("{number} known {}", seq.unwrap()),
            Outcome::Failed(problem) => format!("{number} {}", problem.code.name()),
        };
        (plan.outcomes.iter().map(word).collect(), plan.keyed, plan.drafts.len())
    }

    #[test]
    fn every_line_has_its_outcome() {
        let body = line("a", None)
            + "{}\n"
            + &line("a", Some("known"))
            + &line("a", Some("mine"))
            + &line("a", Some("conflict"))
            + &line("a", Some("mine"))
            + &line("b", Some("other"));
        let claims = [Claim::Known(Some(Seq(7))), Claim::Mine, Claim::Conflict, Claim::SameAs(1), Claim::Mine];
        let (words, keyed, drafts) = planned(&body, &claims);
        let expect = [
            "1 fresh 0",
            "2 invalid_line",
            "3 known 7",
            "4 fresh 1",
            "5 idempotency_mismatch",
            "6 repeats 1",
            "7 fresh 2",
        ];
        assert_eq!(words, expect);
        assert_eq!((keyed, drafts), (vec![1, 2], 3));
    }

    #[test]
    fn one_bad_line_of_an_atomic_batch_leaves_all_out() {
        let body = line("a", Some("k")) + &line("b", None) + &line("c", Some("l"));
        let plan = nothing_committed(conflicting(lines(&body), &[Claim::Mine, Claim::Conflict]));
        let codes: Vec<_> = plan
            .outcomes
            .iter()
            .map(|(number, outcome)| match outcome {
                Outcome::Failed(problem) => (*number, problem.code),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(codes, [(1, Code::NotCommitted), (2, Code::NotCommitted), (3, Code::IdempotencyMismatch)]);
        assert!(plan.drafts.is_empty());
    }

    #[test]
    fn a_batch_says_what_it_is() {
        let check = |content_type: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
            check_is_ndjson(&headers, &Limits::DEFAULT).map_err(|problem| problem.code)
        };
        assert_eq!(check("application/x-ndjson"), Ok(()));
        assert_eq!(check("Application/X-NDJSON; charset=utf-8"), Ok(()));
        for other in ["", "application/json", "application/x-www-form-urlencoded", "text/plain"] {
            assert_eq!(check(other), Err(Code::UnsupportedMediaType), "{other}");
        }
        assert_eq!(
            check_is_ndjson(&HeaderMap::new(), &Limits::DEFAULT).map_err(|p| p.code),
            Err(Code::UnsupportedMediaType)
        );
    }
}
