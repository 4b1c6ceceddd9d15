//! `POST /topics/{topic}`: the body is the event's data.

use super::codes::Code;
use super::content;
use super::path;
use super::problem::Problem;
use super::upload::{Held, Upload};
use super::{Api, ApiBody};
use crate::auth;
use crate::engine::{AppendError, Draft};
use crate::idempotency::{BodyDigest, Claim, Claims, Full, KeyDigest};
use crate::limits::Limits;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body::Body;
use serde::Serialize;
use tidings_hub::{EventId, Grant, Seq, TopicName};

/// What a publisher is told of an event that was taken.
#[derive(Debug, Serialize)]
pub(super) struct Receipt<'a> {
    /// None of an event that is not stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    topic: &'a str,
    /// Whether it had been published before, with the same key.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    duplicate: bool,
}

impl<'a> Receipt<'a> {
    pub(super) fn new(api: &Api, seq: Option<Seq>, topic: &'a TopicName, duplicate: bool) -> Self {
        let id = seq.map(|seq| EventId { epoch: api.engine.epoch(), seq }.to_string());
        Receipt { id, topic: topic.as_str(), duplicate }
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
    api.check_takes_publishes()?;
    let (grant, limits) = (auth::local(), &api.limits);
    let topic = path::topic(encoded_topic)?;
    check_may_publish(&grant, &topic)?;
    let event_type = content::event_type_of(&parts.headers, limits)?;
    let key = key_of(&parts.headers, limits)?;
    let kind = content::kind_of(&parts.headers, limits)?;
    // The share of the budget is held until the event is committed: until then there are two of it.
    let Held { bytes, share: _share } =
        upload.read(limits.event_bytes_max, &event_too_large(limits), &api.bodies, limits).await?;
    let content = content::content(kind, bytes)?;
    let draft = Draft { topics: topic.clone().into(), event_type, content, durable: true };
    let digests = |key| (KeyDigest::new(grant.subject(), &topic, key), body_digest(&draft));
    let wanted: Vec<_> = key.map(digests).into_iter().collect();
    let claims = api.keys.claim(&wanted).await.map_err(|Full| Problem::from(Code::Busy))?;
    let (seq, duplicate) = match claims.of.first() {
        None => (commit(api, vec![draft], claims, Vec::new()).await?[0], false),
        Some(Claim::Mine) => (commit(api, vec![draft], claims, vec![0]).await?[0], false),
        Some(Claim::Known(seq)) => (*seq, true),
        Some(Claim::Conflict) => return Err(Code::IdempotencyMismatch.into()),
        Some(Claim::SameAs(_)) => unreachable!("one key stands nowhere earlier"),
    };
    let receipt = Receipt::new(api, seq, &topic, duplicate);
    let json = serde_json::to_vec(&receipt).expect("strings and a flag are always JSON");
    let mut response = Response::new(ApiBody::whole(json));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Commits the drafts and answers their numbers; `keyed` are those whose keys were claimed, in order.
///
/// A commit with keys runs as a task of its own: its client may go away, and its keys must then still learn what became of them.
pub(super) async fn commit(
    api: &Api,
    drafts: Vec<Draft>,
    claims: Claims,
    keyed: Vec<usize>,
) -> Result<Vec<Option<Seq>>, Problem> {
    let (publisher, metrics, has_keys) = (api.publisher.clone(), api.metrics.clone(), !keyed.is_empty());
    let committing = async move {
        let receipts = publisher.publish(drafts).await?;
        metrics.published(receipts.seqs.len());
        claims.complete(keyed.into_iter().map(|index| receipts.seqs[index]));
        Ok(receipts.seqs)
    };
    let committed = if has_keys {
        // The task's only other end is a panic, which was reported where it happened.
        tokio::spawn(committing).await.map_err(|_| Problem::from(Code::Internal))?
    } else {
        committing.await
    };
    committed.map_err(|error: AppendError| match error {
        AppendError::TooManyTopics { .. } => {
            Problem::new(Code::TooManyTopics, format!("{error}: publish to those that exist"))
        }
        AppendError::Stopped => Code::Draining.into(),
    })
}

/// Whether the grant covers publishing to a topic; nobody's covers the server's own.
pub(super) fn check_may_publish(grant: &Grant, topic: &TopicName) -> Result<(), Problem> {
    if topic.is_reserved() {
        return Err(Code::ReservedTopic.into());
    }
    if !grant.may_publish(topic) {
        return Err(Problem::new(Code::Forbidden, format!("not allowed to publish to {topic}")));
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
