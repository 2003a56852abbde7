//! Things that are created once, whatever becomes of the answers.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Seen, Server, create_machine, serve, web};
use crate::fly::LAUNCH_ID;
use crate::fly::wire::{AddressKind, AssignIp, CreateRelease, CreateVolume, Volume};

#[tokio::test]
async fn a_machine_whose_creation_was_not_answered_is_found_and_not_made_twice() {
    let server = serve(|seen, _| match seen.method {
        Method::POST => (504, json!("gateway timeout")),
        _ => {
            (200, json!([{"id": "other"}, {"id": "e1", "config": {"metadata": {LAUNCH_ID: "L1"}}}]))
        }
    })
    .await;
    assert_eq!(create_machine(&server).await.unwrap().id, "e1");
    assert_eq!(server.count(&Method::POST), 1);
}

#[tokio::test]
async fn a_platform_that_is_away_for_a_while_does_not_fail_a_creation() {
    // The first request is answered, then nothing works for a while.
    let server = serve(|seen, number| match (seen.method.clone(), number) {
        (Method::GET, 1) => (200, json!({"name": "web"})),
        (_, 2..=6) => (503, json!({"error": "away"})),
        (Method::POST, _) => (200, json!({"id": "e2"})),
        _ => (200, json!([])),
    })
    .await;
    server.client.app(&web()).await.unwrap();
    assert_eq!(create_machine(&server).await.unwrap().id, "e2");
    let seen = server.seen();
    assert_eq!(seen.last().unwrap().body["config"]["metadata"][LAUNCH_ID], "L1");
    assert_eq!(server.count(&Method::POST), 2);
}

#[tokio::test]
async fn a_creation_that_is_refused_is_not_repeated() {
    let server = serve(|_, _| (422, json!({"error": "invalid"}))).await;
    assert_eq!(create_machine(&server).await.unwrap_err().status(), Some(422));
    assert_eq!(server.seen().len(), 1);
}

/// A server with a list at each path: a POST adds to it, and the answers to the first `lost`
/// of those are lost, after they were `done` or before.
async fn shelf(lost: usize, done: bool, made: fn(usize, &Value) -> Value) -> Server {
    let mut list: Vec<Value> = vec![made(0, &json!({"name": "data", "region": "fra"}))];
    let mut posts = 0;
    serve(move |seen: &Seen, _| {
        if seen.method == Method::GET {
            let shown = json!(list);
            return if seen.path.ends_with("ip_assignments") {
                (200, json!({ "ips": shown }))
            } else {
                (200, shown)
            };
        }
        posts += 1;
        let thing = made(posts, &seen.body);
        if posts > lost || done {
            list.push(thing.clone());
        }
        if posts > lost { (200, thing) } else { (502, json!("bad gateway")) }
    })
    .await
}

fn volume(number: usize, request: &Value) -> Value {
    json!({"id": format!("vol_{number}"), "name": request["name"], "region": request["region"],
        "host_status": "ok"})
}

#[tokio::test]
async fn a_volume_is_made_once_whether_the_answer_or_the_request_was_lost() {
    let request = CreateVolume {
        name: "data".into(),
        region: "fra".into(),
        size_gb: Some(3),
        encrypted: Some(true),
        ..CreateVolume::default()
    };
    for (lost, done, id, posts) in
        [(0, false, "vol_1", 1), (1, true, "vol_1", 1), (2, false, "vol_3", 3)]
    {
        let server = shelf(lost, done, volume).await;
        let made = server.client.create_volume(&web(), &request).await.unwrap();
        assert_eq!((made.id.as_str(), server.count(&Method::POST)), (id, posts));
        let body = &server.seen()[1].body;
        assert_eq!((&body["size_gb"], &body["snapshot_id"]), (&json!(3), &Value::Null));
    }
}

#[tokio::test]
async fn volumes_that_are_made_at_once_are_not_taken_for_one_another() {
    let server = shelf(1, true, volume).await;
    let request =
        CreateVolume { name: "data".into(), region: "fra".into(), ..CreateVolume::default() };
    let app = web();
    let create = || server.client.create_volume(&app, &request);
    let (one, two) = tokio::join!(create(), create());
    let mut ids = [one.unwrap().id, two.unwrap().id];
    ids.sort();
    assert_eq!(ids, ["vol_1", "vol_2"]);
    let free: Vec<Volume> = server.client.volumes(&app).await.unwrap();
    assert_eq!(free.iter().filter(|volume| volume.is_free()).count(), 3);
}

fn address(number: usize, request: &Value) -> Value {
    match request["type"].as_str() {
        Some("v6") => json!({"ip": format!("2001:db8::{number}"), "region": "global"}),
        _ => json!({"ip": format!("192.0.2.{number}"), "region": "global", "shared": false}),
    }
}

#[tokio::test]
async fn an_address_is_assigned_once_whether_the_answer_or_the_request_was_lost() {
    let request = AssignIp { kind: AddressKind::V6, ..AssignIp::default() };
    for (lost, done, ip, posts) in
        [(0, false, "2001:db8::1", 1), (1, true, "2001:db8::1", 1), (1, false, "2001:db8::2", 2)]
    {
        let server = shelf(lost, done, address).await;
        let made = server.client.assign_ip(&web(), &request).await.unwrap();
        assert_eq!((made.ip.as_str(), server.count(&Method::POST)), (ip, posts));
        let body = json!({"type": "v6", "region": "", "org_slug": "", "network": "",
            "service_name": ""});
        assert_eq!(server.seen()[1].body, body);
    }
}

#[tokio::test]
async fn a_release_is_recorded_once() {
    let request = CreateRelease { app_name: "web".into(), image: "i@2".into(), ..<_>::default() };
    for (newest, version, posts) in [
        (json!({"id": "r2", "version": 2, "status": "pending", "image_ref": "i@2"}), 2, 1),
        (json!({"id": "r1", "version": 1, "status": "complete", "image_ref": "i@2"}), 3, 2),
        (json!({"id": "r1", "version": 1, "status": "pending", "image_ref": "i@1"}), 3, 2),
    ] {
        let mut recorded = 0;
        let server = serve(move |seen, _| match seen.method {
            Method::POST if recorded == 0 => {
                recorded += 1;
                (500, json!({"error": "oops"}))
            }
            Method::POST => (201, json!({"release": {"id": "r3", "version": 3}})),
            _ => (200, json!({"releases": [newest]})),
        })
        .await;
        let release = server.client.create_release(&request).await.unwrap();
        assert_eq!((release.version, server.count(&Method::POST)), (version, posts));
    }
}
