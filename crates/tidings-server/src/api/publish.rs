//! `POST /topics/{topic}`: the body is the event's data.

use super::codes::Code;
use super::content;
use super::path;
use super::problem::Problem;
use super::upload::{Held, Upload};
use super::{Api, ApiBody};
use crate::auth;
use crate::engine::{AppendError, Draft, Engine, Key};
use crate::idempotency::{BodyDigest, Claim, Claims, KeyDigest, Refused};
use crate::limits::Limits;
use crate::metrics::Metrics;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body::Body;
use serde::{Serialize, Serializer};
use std::time::Duration;
use tidings_hub::{EventId, Grant, Seq, TopicName, UnixMillis};

/// Bytes of a receipt beside its topic: the names, the longest id, the flag.
const RECEIPT_BYTES: usize = 80;

/// What a publisher is told of an event that was taken.
#[derive(Debug, Serialize)]
pub(super) struct Receipt<'a> {
    /// None of an event that is not stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<IdText>,
    topic: &'a str,
    /// Whether it had been published before, with the same key.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    duplicate: bool,
}

impl<'a> Receipt<'a> {
    pub(super) fn new(api: &Api, seq: Option<Seq>, topic: &'a TopicName, duplicate: bool) -> Self {
        let id = seq.map(|seq| IdText(EventId { epoch: api.engine.epoch(), seq }));
        Receipt { id, topic: topic.as_str(), duplicate }
    }
}

/// An id as it stands in JSON, printed where it goes.
#[derive(Debug)]
struct IdText(EventId);

impl Serialize for IdText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Publishes one event. What can be refused by its head is refused before the body is read.
pub(super) async fn publish<B>(
    api: &Api,
    encoded_topic: &str,
    parts: &Parts,
    upload: &mut Upload<B>,
) -> Result<Response<ApiBody>, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    api.admit_publish().await?;
    let (grant, limits) = (auth::local(), &api.limits);
    let topic = path::topic(encoded_topic)?;
    check_may_publish(&grant, &topic)?;
    let event_type = content::event_type_of(&parts.headers, limits)?;
    let ttl = content::ttl_of(&parts.headers, limits)?;
    let key = key_of(&parts.headers, limits)?;
    let kind = content::kind_of(&parts.headers, limits)?;
    // The share of the budget is held until the event is committed: until then there are two of it.
    let Held { bytes, share: _share } =
        upload.read(limits.event_bytes_max, || event_too_large(limits), &api.bodies, limits).await?;
    let content = content::content(kind, bytes)?;
    let expires = ttl.map(expires);
    let draft = Draft { topics: topic.clone().into(), event_type, content, durable: true, expires, key: None };
    let (seq, duplicate) = match key {
        None => (commit(api, vec![draft], None).await?[0], false),
        Some(key) => publish_once(api, draft, KeyDigest::new(grant.subject(), &topic, key)).await?,
    };
    let mut json = Vec::with_capacity(RECEIPT_BYTES + topic.as_str().len());
    serde_json::to_writer(&mut json, &Receipt::new(api, seq, &topic, duplicate))
        .expect("strings and a flag are always JSON, and a Vec takes every byte");
    let mut response = Response::new(ApiBody::whole(json));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Publishes an event unless it was published before with this key; answers its number, and whether it was.
async fn publish_once(api: &Api, mut draft: Draft, key: KeyDigest) -> Result<(Option<Seq>, bool), Problem> {
    let body = body_digest(&draft);
    draft.key = Some(Key { id: key.bytes(), body: body.bytes() });
    let claims = api.keys.claim(&[(key, body)]).await.map_err(refused_claim)?;
    match claims.of[..] {
        [Claim::Mine] => Ok((commit(api, vec![draft], Some((claims, vec![0]))).await?[0], false)),
        [Claim::Known(seq)] => Ok((seq, true)),
        [Claim::Conflict] => Err(Code::IdempotencyMismatch.into()),
        _ => unreachable!("one key has one claim, and stands nowhere earlier"),
    }
}

/// Commits the drafts and answers their numbers. Claimed keys come with the indexes of their drafts, in order.
///
/// A commit with keys runs as a task of its own: its client may go away, and its keys must then still learn what became of them.
pub(super) async fn commit(
    api: &Api,
    drafts: Vec<Draft>,
    keyed: Option<(Claims, Vec<usize>)>,
) -> Result<Vec<Option<Seq>>, Problem> {
    let Some((claims, keyed)) = keyed else {
        return append(&*api.engine, &api.metrics, drafts).await.map_err(not_appended);
    };
    let (engine, metrics) = (api.engine.clone(), api.metrics.clone());
    let committing = async move {
        let appended = append(&*engine, &metrics, drafts).await;
        match &appended {
            Ok(seqs) => claims.complete(keyed.into_iter().map(|index| seqs[index])),
            Err(AppendError::OutcomeUnknown) => claims.lose(),
            // Nothing was stored: the keys are free again.
            Err(_) => drop(claims),
        }
        appended
    };
    // The task's only other end is a panic, which was reported where it happened.
    tokio::spawn(committing).await.map_err(|_| Problem::from(Code::Internal))?.map_err(not_appended)
}

async fn append(engine: &dyn Engine, metrics: &Metrics, drafts: Vec<Draft>) -> Result<Vec<Option<Seq>>, AppendError> {
    let seqs = engine.append(drafts).await?;
    metrics.published(seqs.len());
    Ok(seqs)
}

/// Why an append was not taken, as an answer.
pub(super) fn not_appended(error: AppendError) -> Problem {
    match error {
        AppendError::TooManyTopics { .. } => {
            Problem::new(Code::TooManyTopics, format!("{error}: publish to those that exist"))
        }
        AppendError::TooLarge { .. } => {
            Problem::new(Code::BatchTooLarge, format!("{error}: split the batch, or let the server keep more"))
        }
        AppendError::NoSpace => Code::DiskFull.into(),
        AppendError::OutcomeUnknown => Code::OutcomeUnknown.into(),
        AppendError::Failed => Code::LogFailed.into(),
        AppendError::Stopped => Code::Draining.into(),
    }
}

/// Why a request got no claims, as an answer.
pub(super) fn refused_claim(refused: Refused) -> Problem {
    match refused {
        Refused::Full => Code::Busy.into(),
        Refused::Unknown => Code::OutcomeUnknown.into(),
    }
}

/// From when on nobody is given an event that lives so long from now on.
pub(super) fn expires(ttl: Duration) -> UnixMillis {
    let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
    UnixMillis(crate::clock::now().0.saturating_add(ttl))
}

/// Whether the grant covers publishing to a topic; nobody's covers the server's own.
pub(super) fn check_may_publish(grant: &Grant, topic: &TopicName) -> Result<(), Problem> {
    check_may(topic, grant.may_publish(topic), "publish to")
}

/// Whether a topic may be changed, given whether the grant covers it: the server's own never.
pub(super) fn check_may(topic: &TopicName, is_granted: bool, act: &str) -> Result<(), Problem> {
    if topic.is_reserved() {
        return Err(Code::ReservedTopic.into());
    }
    if !is_granted {
        return Err(Problem::new(Code::Forbidden, format!("not allowed to {act} {topic}")));
    }
    Ok(())
}

/// An idempotency key, within its bounds.
pub(super) fn check_key(key: &[u8], limits: &Limits) -> Result<(), Problem> {
    if key.is_empty() || key.len() > limits.idempotency_key_bytes_max {
        return Err(Code::InvalidIdempotencyKey.into());
    }
    Ok(())
}

pub(super) fn body_digest(draft: &Draft) -> BodyDigest {
    BodyDigest::new(&draft.topics, draft.event_type.as_ref(), &draft.content)
}

pub(super) fn event_too_large(limits: &Limits) -> Problem {
    let max = limits.event_bytes_max;
    Problem::new(
        Code::EventTooLarge,
        format!("an event has at most {max} bytes (event_bytes_max): publish where a larger thing can be fetched"),
    )
}

fn key_of<'a>(headers: &'a HeaderMap, limits: &Limits) -> Result<Option<&'a [u8]>, Problem> {
    const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
    let key = content::single(headers, &IDEMPOTENCY_KEY).map_err(|_| Problem::from(Code::InvalidIdempotencyKey))?;
    if let Some(key) = key {
        check_key(key, limits)?;
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_hub::Scope;

    #[test]
    fn who_may_publish_where() {
        let topic = |name: &str| TopicName::new(name).unwrap();
        let check = |grant: &Grant, name: &str| check_may_publish(grant, &topic(name)).map_err(|problem| problem.code);
        let everything = Grant::new("all", Scope::everything(), Scope::everything());
        assert_eq!(check(&everything, "a"), Ok(()));
        assert_eq!(check(&everything, "tidings/stats"), Err(Code::ReservedTopic));
        let one = Grant::new("one", Scope { topics: vec![topic("a")], ..Scope::default() }, Scope::everything());
        assert_eq!(check(&one, "a"), Ok(()));
        assert_eq!(check(&one, "b"), Err(Code::Forbidden));
    }

    #[test]
    fn keys() {
        let check = |keys: &[&str], expect: Result<Option<&str>, Code>| {
            let mut headers = HeaderMap::new();
            for key in keys {
                headers.append("idempotency-key", HeaderValue::from_str(key).unwrap());
            }
            let found = key_of(&headers, &Limits::DEFAULT).map_err(|problem| problem.code);
            assert_eq!(found, expect.map(|key| key.map(str::as_bytes)), "{keys:?}");
        };
        check(&[], Ok(None));
        check(&["k"], Ok(Some("k")));
        check(&[""], Err(Code::InvalidIdempotencyKey));
        check(&["k", "k"], Err(Code::InvalidIdempotencyKey));
        check(&[&"k".repeat(257)], Err(Code::InvalidIdempotencyKey));
    }
}
