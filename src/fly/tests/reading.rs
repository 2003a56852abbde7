//! What is read of apps, and where it is asked for.

use axum::http::Method;
use serde_json::json;

use super::{Reply, Seen, serve, web};
use crate::error::Explain as _;
use crate::event::Silent;
use crate::fly::{Client, Endpoints, Error, Token};
use crate::http::{Clients, Retry};

#[tokio::test]
async fn each_service_is_asked_at_its_own_address_in_its_own_form() {
    let machines = serve(|_, _| (200, json!({"name": "web"}))).await;
    let web_api = serve(|_, _| (200, json!({"releases": []}))).await;
    let api = serve(|seen, _| match seen.path.as_str() {
        "/graphql" => (200, json!({"data": {"canPerformBluegreenDeployment": true}})),
        _ => (200, json!({"data": []})),
    })
    .await;
    let endpoints = Endpoints::new(&machines.base, &web_api.base, &api.base).unwrap();
    let token = Token::parse("FlyV1 fm2_a,fo1_b").unwrap();
    let retry = Retry::new(std::sync::Arc::new(Silent));
    let client = Client::new(Clients::new(None).unwrap(), endpoints, token, retry);
    client.app(&web()).await.unwrap();
    client.releases(&web(), 5).await.unwrap();
    assert!(client.can_bluegreen(&web()).await.unwrap());
    client.log_page(&web(), "e1", None).await.unwrap();
    let told = |seen: Vec<Seen>| -> Vec<(String, String)> {
        let credentials = |seen: &Seen| seen.header("authorization").unwrap().to_owned();
        seen.iter().map(|seen| (seen.path.clone(), credentials(seen))).collect()
    };
    let pair = |path: &str, credentials: &str| (path.to_owned(), credentials.to_owned());
    assert_eq!(told(machines.seen()), [pair("/v1/apps/web", "FlyV1 fm2_a")]);
    assert_eq!(
        told(web_api.seen()),
        [pair("/api/v1/apps/web/releases?limit=5", "Bearer fm2_a,fo1_b")]
    );
    assert_eq!(
        told(api.seen()),
        [
            pair("/graphql", "FlyV1 fm2_a,fo1_b"),
            pair("/api/v1/apps/web/logs?next_token=&instance=e1", "FlyV1 fm2_a")
        ]
    );
}

#[tokio::test]
async fn a_list_is_read_to_its_last_page() {
    let server = serve(|seen, _| {
        if seen.path.contains("cursor=two") {
            Reply::from((200, json!([{"id": "e3"}])))
        } else {
            Reply::from((200, json!([{"id": "e1"}, {"id": "e2"}]))).with("fly-next-cursor", "two")
        }
    })
    .await;
    let machines = server.client.machines(&web()).await.unwrap();
    let ids: Vec<_> = machines.iter().map(|machine| machine.id.as_str()).collect();
    assert_eq!(ids, ["e1", "e2", "e3"]);
    assert_eq!(server.requests()[1], "GET /v1/apps/web/machines?cursor=two");
}

#[tokio::test]
async fn lists_may_be_null_and_pages_may_not_go_round() {
    let server = serve(|seen, _| match seen.path.as_str() {
        "/v1/apps/web/volumes" => Reply::from((200, json!(null))).with("fly-next-cursor", "again"),
        "/v1/apps/web/ip_assignments" => (200, json!({"ips": null})).into(),
        _ => (200, json!(null)).into(),
    })
    .await;
    assert_eq!(server.client.volumes(&web()).await.unwrap(), []);
    assert_eq!(server.client.ip_addresses(&web()).await.unwrap(), []);
    assert_eq!(server.client.machine_sockets(&web(), "e1").await.unwrap(), []);
    assert_eq!(server.client.current_release(&web()).await.unwrap(), None);
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn releases_come_newest_first_and_there_may_be_none() {
    let server = serve(|seen, _| {
        if seen.path.ends_with("current") {
            (404, json!({"error": "not found"}))
        } else {
            let release = |version| json!({"version": version, "user": "me", "status": null});
            (200, json!({"releases": [release(2), release(3), release(1)]}))
        }
    })
    .await;
    let releases = server.client.releases(&web(), 2).await.unwrap();
    assert_eq!(releases.iter().map(|release| release.version).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(server.client.current_release(&web()).await.unwrap(), None);
}

#[tokio::test]
async fn the_recorded_configuration_is_read_or_there_is_none() {
    for (current, expected) in [
        (json!({"configDefinition": {"app": "web"}}), Some(json!({"app": "web"}))),
        (json!({"configDefinition": null}), None),
        (json!(null), None),
    ] {
        let server = serve(move |_, _| {
            (200, json!({"data": {"app": {"currentReleaseUnprocessed": current}}}))
        })
        .await;
        assert_eq!(server.client.current_definition(&web()).await.unwrap(), expected);
        let seen = &server.seen()[0];
        assert_eq!(seen.method, Method::POST);
        assert_eq!(seen.body["operationName"], "FlyctlConfigCurrentRelease");
        assert_eq!(seen.body["variables"], json!({"appName": "web"}));
    }
}

#[tokio::test]
async fn what_graphql_refuses_is_told_with_its_text() {
    let errors =
        json!([{"message": "Could not find App\u{7}", "extensions": {"code": "NOT_FOUND"}}]);
    let body = json!({"data": {"app": null}, "errors": errors});
    let server = serve(move |_, _| (200, body.clone())).await;
    let error = server.client.current_definition(&web()).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot read the configuration of `web`: Could not find App");
    assert_eq!(error.code(), "fly.query");
    assert!(matches!(error, Error::Query { word: Some(word), .. } if word == "NOT_FOUND"));

    let server = serve(|_, _| (200, json!({"data": null}))).await;
    let error = server.client.can_bluegreen(&web()).await.unwrap_err();
    assert_eq!(error.code(), "fly.unreadable-answer");
}

#[tokio::test]
async fn log_lines_are_cleaned_and_the_next_page_follows() {
    let server = serve(|seen, _| {
        let line = |message: &str| {
            json!({"id": "1", "attributes": {"message": message, "timestamp": "t",
                "level": "info", "instance": "e1", "region": null, "meta": {}}})
        };
        if seen.path.contains("next_token=5") {
            return (200, json!({"data": null, "meta": null}));
        }
        let data = json!([line("\u{1b}[31mred"), line("two")]);
        (200, json!({"data": data, "meta": {"next_token": "5"}}))
    })
    .await;
    let page = server.client.log_page(&web(), "e1", None).await.unwrap();
    let messages: Vec<_> = page.lines.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(messages, ["[31mred", "two"]);
    assert_eq!((page.lines[1].machine.as_str(), page.lines[1].region.as_str()), ("e1", ""));
    let next = server.client.log_page(&web(), "e1", page.next_token.as_deref()).await.unwrap();
    // An empty page goes on where it began.
    assert_eq!((next.lines, next.next_token.as_deref()), (Vec::new(), Some("5")));
}

#[tokio::test]
async fn polls_leave_trying_again_to_who_polls() {
    let server = serve(|_, _| (503, json!({"error": "away"}))).await;
    let (client, app) = (&server.client, web());
    client.machine_sockets(&app, "e1").await.unwrap_err();
    client.log_page(&app, "e1", None).await.unwrap_err();
    let within = std::time::Duration::from_secs(1);
    client.wait_machine(&app, "e1", &["started"], None, within).await.unwrap_err();
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn sockets_of_all_processes_are_told() {
    let server = serve(|_, _| {
        let socket = |address: &str| json!({"proto": "tcp", "address": address});
        (
            200,
            json!([
                {"pid": 1, "command": "init", "listen_sockets": null},
                {"pid": 314, "listen_sockets": [socket("127.0.0.1:8080"), socket("[::]:9090")]},
            ]),
        )
    })
    .await;
    let sockets = server.client.machine_sockets(&web(), "e1").await.unwrap();
    assert_eq!(sockets.len(), 2);
    assert!(!sockets.iter().any(|socket| socket.serves_tcp(8080)));
    assert!(sockets.iter().any(|socket| socket.serves_tcp(9090)));
}
