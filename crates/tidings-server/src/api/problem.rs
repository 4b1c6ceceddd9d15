//! A refusal, and the answer that is made of it: `application/problem+json` (RFC 9457).

use super::body::ApiBody;
use super::codes::Code;
use http::{HeaderValue, Response, header};
use serde::Serialize;
use std::borrow::Cow;

/// What is wrong with a request, or with a line of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    /// What is wrong here, and what to do about it, for people. It may quote the request, never the inside of the server.
    pub(crate) detail: Cow<'static, str>,
    /// For [`Code::MethodNotAllowed`]: the methods that the path takes.
    pub(crate) allow: Option<&'static str>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    request_id: &'a str,
}

impl Problem {
    /// A problem with a text of its own.
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Problem { code, detail: detail.into(), allow: None }
    }

    /// The answer. `request_id` is the one in the log.
    pub(crate) fn to_response(&self, request_id: &str) -> Response<ApiBody> {
        let row = self.code.row();
        let body = Body {
            r#type: format!("docs/reference/errors.md#{}", row.name),
            title: row.title,
            status: row.status.as_u16(),
            detail: &self.detail,
            code: row.name,
            request_id,
        };
        let json = serde_json::to_vec(&body).expect("strings and a number are always JSON");
        let mut response = Response::new(ApiBody::whole(json));
        *response.status_mut() = row.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = self.code.retry_after() {
            headers.insert(header::RETRY_AFTER, after.as_secs().into());
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

/// A problem about which the table says all there is to say.
impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Problem::new(code, code.row().remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use http_body_util::BodyExt;

    async fn json(response: Response<ApiBody>) -> serde_json::Value {
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn the_answer_says_what_and_what_to_do() {
        let response = Problem::new(Code::InvalidTopic, "no \"*\" here").to_response("00ff");
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert!(!response.headers().contains_key(header::RETRY_AFTER));
        let expect = serde_json::json!({
            "type": "docs/reference/errors.md#invalid_topic",
            "title": "this is no topic",
            "status": 400,
            "detail": "no \"*\" here",
            "code": "invalid_topic",
            "request_id": "00ff",
        });
        assert_eq!(json(response).await, expect);
    }

    #[tokio::test]
    async fn where_there_is_nothing_to_add_the_table_speaks() {
        let mut problem = Problem::from(Code::MethodNotAllowed);
        problem.allow = Some("GET, HEAD");
        let response = problem.to_response("1");
        assert_eq!(response.headers()[header::ALLOW], "GET, HEAD");
        assert_eq!(json(response).await["detail"], Code::MethodNotAllowed.row().remedy);
        let response = Problem::from(Code::Draining).to_response("1");
        assert_eq!(response.headers()[header::RETRY_AFTER], "5");
    }
}
