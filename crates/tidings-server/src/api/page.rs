//! A page of history as JSON, and the long poll: the same, after the first event if there is none yet.
//!
//! `next` says how far was looked, always: asking again with `since=<next>` goes on without a seam. Where nothing says where to
//! start, a page starts at the oldest event kept; a live page would always be empty.

use super::codes::Code;
use super::problem::Problem;
use super::{Api, ApiBody};
use crate::delivery::{Refused, TIDINGS_GAP};
use crate::engine::ReadError;
use http::{HeaderValue, Response, header};
use http_body_util::BodyExt;
use std::sync::Arc;
use std::time::Duration;
use tidings_hub::{
    Epoch, EventId, Form, Format, Framing, Gap, GapReason, History, Read, ReadFrom, ResumePoint, Selection, Seq, Spec,
    UNKNOWN_EVENTS_MAX, write_event,
};

/// What is asked for.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) selection: Arc<Selection>,
    pub(super) resume: Option<ResumePoint>,
    /// At most so many events.
    pub(super) limit: usize,
    /// How long an empty page may wait for its first event.
    pub(super) wait: Duration,
}

/// Where to read from, and what the reader called that place.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    from: ReadFrom,
    requested: Option<Box<str>>,
    /// It is none of this history's: the newest events, and a gap that says so.
    is_unknown: bool,
}

/// Answers with a page.
pub(super) async fn answer(api: &Api, ask: Ask) -> Result<Response<ApiBody>, Problem> {
    let epoch = api.engine.epoch();
    let place = Place::new(ask.resume.unwrap_or(ResumePoint::All), epoch);
    let (mut history, gap) = look(api, &ask.selection, ask.limit, place).await?;
    // What is missing is said at once.
    if history.events.is_empty() && !history.more && gap.is_none() && !ask.wait.is_zero() {
        let reached = history.next;
        wait_for_event(api, ask.selection.clone(), reached, ask.wait).await?;
        history =
            read(api, &ask.selection, ask.limit, ReadFrom::After { seq: reached, told: ReadFrom::NONE_TOLD }).await?;
    }
    let mut response = head();
    *response.body_mut() = ApiBody::whole(write_page(epoch, &history, gap.as_ref()));
    if let Some(gap) = gap {
        response.headers_mut().insert(TIDINGS_GAP, HeaderValue::from_static(gap.reason.as_str()));
    }
    Ok(response)
}

/// A page's head, without its body.
pub(super) fn head() -> Response<ApiBody> {
    let mut response = Response::new(ApiBody::empty());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Place {
    fn new(resume: ResumePoint, epoch: Epoch) -> Self {
        let known = |from| Place { from, requested: None, is_unknown: false };
        match resume {
            ResumePoint::After(id) if id.epoch == epoch => {
                let from = ReadFrom::After { seq: id.seq, told: ReadFrom::NONE_TOLD };
                Place { requested: Some(id.to_string().into()), ..known(from) }
            }
            ResumePoint::After(id) => Place::unknown(id.to_string().into()),
            ResumePoint::Unknown { requested } => Place::unknown(requested),
            ResumePoint::Since(time) => known(ReadFrom::Since(time)),
            ResumePoint::Last(n) => known(ReadFrom::Newest(n)),
            ResumePoint::LastEach => known(ReadFrom::LastEach { after: Seq::START }),
            ResumePoint::All | ResumePoint::Live => {
                known(ReadFrom::After { seq: Seq::START, told: ReadFrom::NONE_TOLD })
            }
        }
    }

    fn unknown(requested: Box<str>) -> Self {
        Place { from: ReadFrom::Newest(UNKNOWN_EVENTS_MAX), requested: Some(requested), is_unknown: true }
    }

    /// What is missing before the page, if anything is.
    fn gap(self, epoch: Epoch, history: &History) -> Option<Gap> {
        let reason = match (self.is_unknown, history.gap) {
            (true, _) => GapReason::Unknown,
            (false, true) => GapReason::Expired,
            (false, false) => return None,
        };
        let resumed = EventId { epoch, seq: history.start };
        let truncated = self.is_unknown && history.truncated;
        Some(Gap { requested: self.requested, resumed, reason, truncated, lost: None })
    }
}

/// Reads a page and says what is missing before it. A place ahead of the newest event is none of this history's.
async fn look(
    api: &Api,
    selection: &Arc<Selection>,
    limit: usize,
    mut place: Place,
) -> Result<(History, Option<Gap>), Problem> {
    let mut history = read(api, selection, limit, place.from).await?;
    if matches!(place.from, ReadFrom::After { seq, .. } if seq > history.head) {
        place = Place::unknown(place.requested.unwrap_or_default());
        history = read(api, selection, limit, place.from).await?;
    }
    let gap = place.gap(api.engine.epoch(), &history);
    Ok((history, gap))
}

async fn read(api: &Api, selection: &Arc<Selection>, limit: usize, from: ReadFrom) -> Result<History, Problem> {
    let read = Read { selection: selection.clone(), from, events_max: limit, bytes_max: api.limits.page_bytes_max };
    api.engine.read(read).await.map_err(|error| match error {
        ReadError::Storage => {
            let detail = "history could not be read from the disk: try again, and look at what the server logs";
            Problem::new(Code::Internal, detail)
        }
        ReadError::Stopped => Code::Draining.into(),
    })
}

/// Waits until a subscription from there has its first bytes, or has none within the time. When the client goes away this is dropped,
/// and the subscription with it.
async fn wait_for_event(api: &Api, selection: Arc<Selection>, reached: Seq, wait: Duration) -> Result<(), Problem> {
    // The bytes themselves are not used: the page is read again, so that it says where it ends.
    let format = Format { form: Form::Ndjson, framing: Framing::Bare };
    let resume = ResumePoint::After(EventId { epoch: api.engine.epoch(), seq: reached });
    let admitted = api.delivery.admit(Spec { selection, format, bare_events: true }, resume);
    let subscribing = admitted.map_err(|refused| match refused {
        Refused::Overload => Problem::from(Code::Overloaded),
        Refused::Drain => Code::Draining.into(),
    })?;
    let first = async {
        let mut subscription = api.delivery.subscribe(subscribing).await;
        // A stream that ends instead is no error here: the page says what there is.
        let _ = subscription.body.frame().await;
    };
    // Nor is a time that passes without an event.
    let _ = tokio::time::timeout(wait, first).await;
    Ok(())
}

/// `{"events":[…],"next":…,"more":…}`, and `"gap"` where there is one.
fn write_page(epoch: Epoch, history: &History, gap: Option<&Gap>) -> Vec<u8> {
    let mut page = b"{\"events\":[".to_vec();
    for (index, event) in history.events.iter().enumerate() {
        if index > 0 {
            page.push(b',');
        }
        write_event(epoch, event, &mut page);
    }
    // An id needs no escape.
    let next = EventId { epoch, seq: history.next };
    page.extend_from_slice(format!("],\"next\":\"{next}\",\"more\":{}", history.more).as_bytes());
    if let Some(gap) = gap {
        page.extend_from_slice(b",\"gap\":");
        gap.write_json(&mut page);
    }
    page.push(b'}');
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_hub::{Content, Event, TopicName, UnixMillis};

    const EPOCH: u64 = 1;

    fn id(epoch: u64, seq: u64) -> EventId {
        EventId { epoch: Epoch::from_random(epoch), seq: Seq(seq) }
    }

    fn history(events: Vec<Event>) -> History {
        let (start, next) = (Seq(3), Seq(9));
        History { events, start, next, more: true, gap: false, drops: 2, truncated: true, head: Seq(20) }
    }

    #[test]
    fn where_a_page_starts() {
        let check = |resume: ResumePoint, from: ReadFrom, requested: Option<&str>, is_unknown: bool| {
            let place = Place { from, requested: requested.map(Into::into), is_unknown };
            assert_eq!(Place::new(resume.clone(), Epoch::from_random(EPOCH)), place, "{resume:?}");
        };
        let after = |seq| ReadFrom::After { seq: Seq(seq), told: ReadFrom::NONE_TOLD };
        let (ours, foreign) = (id(EPOCH, 7), id(2, 7));
        check(ResumePoint::After(ours), after(7), Some(&ours.to_string()), false);
        check(ResumePoint::All, after(0), None, false);
        check(ResumePoint::Since(UnixMillis(5)), ReadFrom::Since(UnixMillis(5)), None, false);
        check(ResumePoint::Last(5), ReadFrom::Newest(5), None, false);
        check(ResumePoint::LastEach, ReadFrom::LastEach { after: Seq::START }, None, false);
        let newest = ReadFrom::Newest(UNKNOWN_EVENTS_MAX);
        check(ResumePoint::After(foreign), newest, Some(&foreign.to_string()), true);
        check(ResumePoint::unknown("x"), newest, Some("x"), true);
    }

    #[test]
    fn what_is_missing() {
        let epoch = Epoch::from_random(EPOCH);
        let gap =
            |resume, is_missing| Place::new(resume, epoch).gap(epoch, &History { gap: is_missing, ..history(vec![]) });
        assert_eq!(gap(ResumePoint::After(id(EPOCH, 1)), false), None);
        let expired = gap(ResumePoint::After(id(EPOCH, 1)), true).unwrap();
        assert_eq!((expired.reason, expired.resumed, expired.truncated), (GapReason::Expired, id(EPOCH, 3), false));
        assert_eq!(expired.requested, Some(id(EPOCH, 1).to_string().into()));
        let unknown = gap(ResumePoint::unknown("x"), false).unwrap();
        assert_eq!((unknown.reason, unknown.truncated), (GapReason::Unknown, true));
    }

    #[test]
    fn the_page_is_json() {
        let event = Event {
            seq: Some(Seq(4)),
            time: UnixMillis(0),
            topics: TopicName::new("t").unwrap().into(),
            event_type: None,
            content: Content::text("a\"b"),
            expires: None,
        };
        let epoch = Epoch::from_random(EPOCH);
        let gap = Place::new(ResumePoint::unknown("x\"y"), epoch).gap(epoch, &history(vec![]));
        let page = write_page(epoch, &history(vec![event.clone(), event]), gap.as_ref());
        let page: serde_json::Value = serde_json::from_slice(&page).unwrap();
        assert_eq!(page["events"].as_array().unwrap().len(), 2);
        assert_eq!(page["events"][1]["data"], "a\"b");
        assert_eq!(page["next"], id(EPOCH, 9).to_string());
        assert_eq!(page["more"], true);
        assert_eq!(page["gap"]["requested"], "x\"y");
        let page: serde_json::Value = serde_json::from_slice(&write_page(epoch, &history(vec![]), None)).unwrap();
        assert_eq!((page["events"].clone(), page.get("gap")), (serde_json::json!([]), None));
    }
}
