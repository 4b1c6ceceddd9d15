//! `DELETE /topics/{topic}`: drops what is kept of a topic, for good.
//!
//! Listeners stay, and are not told: they have had what is dropped. Who returns to a place before it is told of a gap.

use super::path;
use super::problem::Problem;
use super::publish::{check_may, not_appended};
use super::{Api, ApiBody};
use crate::auth;
use http::{HeaderValue, Response, StatusCode, header};
use tidings_hub::{Grant, TopicName};

/// Drops a topic's history. Where there is none the answer is the same: there is nothing afterwards.
pub(super) async fn delete(api: &Api, encoded_topic: &str) -> Result<Response<ApiBody>, Problem> {
    api.check_takes_publishes()?;
    let topic = path::topic(encoded_topic)?;
    check_may_delete(&auth::local(), &topic)?;
    api.engine.delete(topic).await.map_err(not_appended)?;
    let mut response = Response::new(ApiBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Whether the grant covers it; nobody's covers the server's own topics.
fn check_may_delete(grant: &Grant, topic: &TopicName) -> Result<(), Problem> {
    check_may(topic, grant.may_delete(topic), "delete")
}

#[cfg(test)]
mod tests {
    use super::super::codes::Code;
    use super::*;
    use tidings_hub::Scope;

    #[test]
    fn who_may_delete_what() {
        let topic = |name: &str| TopicName::new(name).unwrap();
        let check = |grant: &Grant, name: &str| check_may_delete(grant, &topic(name)).map_err(|problem| problem.code);
        let publisher =
            || Grant::new("one", Scope { topics: vec![topic("a")], ..Scope::default() }, Scope::everything());
        assert_eq!(check(&publisher(), "a"), Err(Code::Forbidden), "publishing is not deleting");
        assert_eq!(check(&publisher().with_delete(), "a"), Ok(()));
        assert_eq!(check(&publisher().with_delete(), "b"), Err(Code::Forbidden));
        assert_eq!(check(&auth::local(), "b"), Ok(()));
        assert_eq!(check(&auth::local(), "tidings/clock"), Err(Code::ReservedTopic));
    }
}
