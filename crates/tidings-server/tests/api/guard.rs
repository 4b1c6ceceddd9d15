//! Who may come in: hosts, proxies, origins, preflights, methods and paths, and what every answer bears.

use super::server::{Answer, Server};
use tidings_server::Config;

const PAGE_5500: (&str, &str) = ("origin", "http://127.0.0.1:5500");

fn check_cors(answer: &Answer, origin: Option<&str>) {
    assert_eq!(answer.header("vary"), Some("origin"), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), origin, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-credentials"), origin.map(|_| "true"), "{answer:?}");
    let exposed = answer.header("access-control-expose-headers");
    assert_eq!(exposed, origin.map(|_| "tidings-gap, retry-after"), "{answer:?}");
}

#[tokio::test]
async fn only_this_machine_by_its_own_names() {
    let server = Server::start().await;
    for host in ["localhost", "LOCALHOST:3200", "127.0.0.1:99", "[::1]"] {
        let answer =
            server.send_raw(format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes()).await;
        assert_eq!(answer.status, 200, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "0.0.0.0", ""] {
        let request =
            format!("POST /topics/t HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx");
        server.send_raw(request.as_bytes()).await.check_refused(421, "misdirected");
    }
    server.send_raw(b"GET / HTTP/1.0\r\n\r\n").await.check_refused(421, "misdirected");
    assert_eq!(server.metric("tidings_requests_refused_total{code=\"misdirected\"}").await, 6);
}

#[tokio::test]
async fn a_proxy_is_refused_and_told_of_keys() {
    let server = Server::start().await;
    for header in [("via", "1.1 proxy"), ("x-forwarded-for", "10.0.0.1"), ("forwarded", "for=10.0.0.1")] {
        let answer = server.send("GET", "/topics/t", &[header], b"").await;
        answer.check_refused(403, "proxied_anonymous");
        assert!(answer.json()["detail"].as_str().unwrap().contains("tidings token"));
    }
    assert_eq!(server.metric("tidings_requests_refused_total{code=\"proxied_anonymous\"}").await, 3);
}

#[tokio::test]
async fn pages_of_other_origins_can_neither_publish_nor_read() {
    let server = Server::start().await;
    for origin in ["http://evil.example", "null", "http://localhost.evil.example"] {
        for (method, target, body) in
            [("POST", "/topics/t", "x"), ("GET", "/topics/t", ""), ("OPTIONS", "/topics/t", ""), ("GET", "/", "")]
        {
            let answer = server.send(method, target, &[("origin", origin)], body.as_bytes()).await;
            answer.check_refused(403, "origin_refused");
            check_cors(&answer, None);
        }
    }
    // An image, a script, a link: no origin, but the browser says whose it is.
    let cross_site = [("sec-fetch-site", "cross-site")];
    server.send("GET", "/topics/t", &cross_site, b"").await.check_refused(403, "origin_refused");
    server.post("/topics/t", &cross_site, b"x").await.check_refused(403, "origin_refused");
    assert_eq!(server.metric("tidings_requests_refused_total{code=\"origin_refused\"}").await, 14);
    assert_eq!(server.page("/topics/t").await["events"], serde_json::json!([]));
}

#[tokio::test]
async fn the_host_is_judged_before_the_proxy_and_the_proxy_before_the_origin() {
    let server = Server::start().await;
    let request = |host: &str, more: &str| {
        format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\norigin: null\r\n{more}\r\n").into_bytes()
    };
    server.send_raw(&request("evil", "via: x\r\n")).await.check_refused(421, "misdirected");
    server.send_raw(&request("localhost", "via: x\r\n")).await.check_refused(403, "proxied_anonymous");
    server.send_raw(&request("localhost", "")).await.check_refused(403, "origin_refused");
}

#[tokio::test]
async fn every_answer_names_the_origin_that_may_read_it() {
    let server = Server::start().await;
    let origin = Some("http://127.0.0.1:5500");
    let page = ("accept", "application/json");
    check_cors(&server.send("GET", "/topics/t", &[PAGE_5500, page], b"").await, origin);
    check_cors(&server.post("/topics/t", &[PAGE_5500], b"x").await, origin);
    check_cors(&server.send("GET", "/nowhere", &[PAGE_5500], b"").await, origin);
    check_cors(&server.send("PUT", "/topics/t", &[PAGE_5500], b"").await, origin);
    check_cors(&server.post("/topics/*", &[PAGE_5500], b"x").await, origin);
    check_cors(&server.send("GET", "/topics/t", &[PAGE_5500, ("via", "x")], b"").await, origin);
    check_cors(&server.get("/nowhere").await, None);
}

#[tokio::test]
async fn the_operator_may_allow_more_origins() {
    let allowed_origins = vec!["https://app.example".to_owned()];
    let server = Server::start_with(Config { demo: false, allowed_origins, ..Config::default() }).await;
    let headers = [("origin", "https://app.example"), ("sec-fetch-site", "cross-site")];
    let answer = server.post("/topics/t", &headers, b"x").await;
    assert_eq!(answer.status, 200);
    check_cors(&answer, Some("https://app.example"));
    server.post("/topics/t", &[("origin", "http://app.example")], b"x").await.check_refused(403, "origin_refused");
}

#[tokio::test]
async fn preflights_say_what_each_path_takes() {
    let server = Server::start().await;
    let ask = [PAGE_5500, ("access-control-request-method", "POST"), ("access-control-request-headers", "event-type")];
    for (target, methods) in [
        ("/topics/t", "get, head, post, delete, options"),
        ("/events", "get, head, post, options"),
        ("/", "get, head, options"),
    ] {
        let answer = server.send("OPTIONS", target, &ask, b"").await;
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        check_cors(&answer, Some("http://127.0.0.1:5500"));
        assert_eq!(answer.header("access-control-allow-methods"), Some(methods));
        assert_eq!(answer.header("allow"), Some(methods));
        let allowed = answer.header("access-control-allow-headers").unwrap();
        for name in [
            "authorization",
            "content-type",
            "accept",
            "cache-control",
            "last-event-id",
            "event-type",
            "event-ttl",
            "idempotency-key",
        ] {
            assert!(allowed.contains(name), "{name}");
        }
        assert_eq!(answer.header("access-control-max-age"), Some("7200"));
    }
    server.send("OPTIONS", "/nowhere", &ask, b"").await.check_refused(404, "not_found");
}

#[tokio::test]
async fn methods_and_paths() {
    let server = Server::start().await;
    for (method, target, allow) in [
        ("DELETE", "/events", "get, head, post, options"),
        ("DELETE", "/", "get, head, options"),
        ("PUT", "/events", "get, head, post, options"),
        ("POST", "/", "get, head, options"),
        ("BREW", "/topics/t", "get, head, post, delete, options"),
    ] {
        let answer = server.send(method, target, &[], b"").await;
        answer.check_refused(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow));
    }
    for target in ["/topics", "/events/", "/Topics/t", "/stream", "/favicon.ico"] {
        server.get(target).await.check_refused(404, "not_found");
    }
    server.send("GET", "/topics/t", &[], b"body").await.check_refused(400, "body_not_allowed");
}

#[tokio::test]
async fn the_page_runs_its_own_script_only() {
    let server = Server::start().await;
    let navigate = [("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")];
    for target in ["/", "/topics/t", "/events?topic=a&topic=b/*"] {
        let answer = server.send("GET", target, &navigate, b"").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(
            answer.header("content-security-policy").unwrap().starts_with("default-src 'none'; script-src 'sha256-")
        );
    }
    server.send("GET", "/topics/..", &navigate, b"").await.check_refused(400, "invalid_topic");
}

#[tokio::test]
async fn the_demos_clock_is_for_every_page_of_this_machine_and_beyond() {
    let server = Server::start_with(Config { demo: true, ..Config::default() }).await;
    for headers in [&[][..], &[("origin", "http://evil.example")], &[("sec-fetch-site", "cross-site")]] {
        let mut stream = server.listen("/stream", headers).await;
        let head = stream.until("\r\n\r\n").await.to_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(head.contains("access-control-allow-origin: http://127.0.0.1:5500\r\n"), "{head}");
        assert!(!head.contains("vary:"), "the sketch's headers, and nothing else: {head}");
    }
    server.send("GET", "/stream", &[("via", "x")], b"").await.check_refused(403, "proxied_anonymous");
    server.send("DELETE", "/stream", &[], b"").await.check_refused(405, "method_not_allowed");
}
