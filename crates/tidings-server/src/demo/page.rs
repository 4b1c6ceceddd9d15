//! The demo's client page, served on an origin of its own: one HTML file with its script inside.

use crate::metrics::Metrics;
use crate::small;
use crate::stop::Stopping;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::net::TcpListener;

/// The page as it stands in the tree; people copy it.
const PAGE: &str = include_str!("page.html");
/// The server it listens to, as written in the page.
const SERVER_IN_PAGE: &str = "http://localhost:3200/";

/// Serves the page until told to stop. `port` is where the API listens.
pub(crate) async fn serve(listener: TcpListener, port: u16, metrics: Metrics, stopping: Stopping) {
    let page = Bytes::from(PAGE.replace(SERVER_IN_PAGE, &format!("http://localhost:{port}/")));
    let turned_away = move || metrics.turned_away();
    small::run(listener, small::CONNECTIONS_MAX, turned_away, stopping, move |request| answer(request, &page)).await;
}

fn answer(request: &Request<Incoming>, page: &Bytes) -> Response<Full<Bytes>> {
    let is_page = matches!(request.uri().path(), "/" | "/index.html");
    let (status, content_type, body) = match (request.method(), is_page) {
        (&Method::GET | &Method::HEAD, true) => (StatusCode::OK, "text/html; charset=utf-8", page.clone()),
        (&Method::GET | &Method::HEAD, false) => (StatusCode::NOT_FOUND, "text/plain", "not found\n".into()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n".into()),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}
