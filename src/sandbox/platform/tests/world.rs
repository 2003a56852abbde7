use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{MACHINES, config};
use crate::sandbox::testing::{World, options};
use crate::sandbox::{Host, Options, Place, RequestPattern};

impl World {
    fn order(&self, fault: &str) {
        self.sandbox.inject(fault.parse().unwrap());
    }

    async fn create_plain(&self) -> (u16, Value) {
        self.call(Method::POST, MACHINES, json!({"config": config(&json!({}))})).await
    }
}

#[tokio::test]
async fn where_there_is_no_room_machines_are_neither_made_nor_enlarged() {
    let world = World::start().await;
    let place: Place = "iad".parse().unwrap();
    world.sandbox.set_room(place.clone(), Some(1));
    let (_, made) = world.create_plain().await;
    let (status, body) = world.create_plain().await;
    assert_eq!((status, &body["status"]), (422, &json!("insufficient_capacity")));
    assert!(body["error"].as_str().unwrap().contains("could not reserve resource for machine"));
    let elsewhere = json!({"config": config(&json!({})), "region": "fra"});
    assert_eq!(world.call(Method::POST, MACHINES, elsewhere).await.0, 200);

    let path = format!("{MACHINES}/{}", made["id"].as_str().unwrap());
    let sized = |mb: u64| {
        let guest = json!({"guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": mb}});
        json!({"config": config(&guest)})
    };
    let (status, body) = world.call(Method::POST, &path, sized(512)).await;
    assert_eq!(status, 409);
    assert!(body["error"].as_str().unwrap().contains("could not reserve resource for machine"));
    assert_eq!(world.call(Method::POST, &path, sized(256)).await.0, 200);

    world.call(Method::DELETE, &format!("{path}?kill=true"), json!({})).await;
    world.wait(made["id"].as_str().unwrap(), "state=destroyed").await;
    assert_eq!(world.create_plain().await.0, 200);
    world.sandbox.set_room(place, None);
    assert_eq!(world.create_plain().await.0, 200);
}

#[tokio::test]
async fn a_volume_whose_host_is_full_is_told_otherwise() {
    let world = World::start().await;
    let create = json!({"name": "data", "region": "fra"});
    let (_, volume) = world.call(Method::POST, "/v1/apps/web/volumes", create).await;
    world.sandbox.set_room(Place::App("web".into()), Some(0));
    let mounts = json!({"mounts": [{"volume": volume["id"], "path": "/data"}]});
    let (status, body) =
        world.call(Method::POST, MACHINES, json!({"config": config(&mounts)})).await;
    assert_eq!((status, &body["status"]), (412, &json!("volume_placement_capacity")));
}

#[tokio::test]
async fn an_outage_and_a_storm_strike_as_long_as_they_were_ordered() {
    let world = World::start().await;
    world.order("* /v1 for:1s=status:503");
    world.order("GET /api/v1/organizations#2-3=status:429,retry-after:1:slow down");
    assert_eq!(world.get("/v1/apps/web").await.0, 503);
    assert_eq!(world.get(MACHINES).await.0, 503);
    assert_eq!(world.get("/api/v1/apps/web/releases").await.0, 200);
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(world.get("/v1/apps/web").await.0, 200);
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(world.get("/api/v1/organizations/personal").await.0);
    }
    assert_eq!(seen, [200, 429, 429, 200]);
    world.order("* /#*=reset");
    let request = world.platform(Method::GET, "/v1/apps/web").send().await;
    assert!(request.is_err());
    world.sandbox.clear_faults();
    assert_eq!(world.get("/v1/apps/web").await.0, 200);
}

#[tokio::test]
async fn faults_change_the_world_around_a_request() {
    let world = World::start().await;
    let (_, made) = world.create_plain().await;
    let path = format!("{MACHINES}/{}", made["id"].as_str().unwrap());
    let lease = format!("{path}/lease?ttl=30");
    world.order("POST /v1/apps/web/machines/*/lease#2=steal:0.2s");
    let (_, taken) = world.call(Method::POST, &lease, json!({"description": "deploy"})).await;
    let nonce = taken["data"]["nonce"].as_str().unwrap();
    let (status, body) = world.with_nonce(Method::POST, &lease, nonce).await;
    assert_eq!(status, 409);
    assert!(body["error"].as_str().unwrap().contains("held by somebody-else@"), "{body}");
    tokio::time::sleep(Duration::from_millis(250)).await;
    let (status, taken) = world.call(Method::POST, &lease, json!({})).await;
    assert_eq!(status, 201);

    world.order("POST /v1/apps/*/machines/*/cordon=unlease");
    let nonce = taken["data"]["nonce"].as_str().unwrap();
    assert_eq!(world.with_nonce(Method::POST, &format!("{path}/cordon"), nonce).await.0, 200);
    assert_eq!(world.sandbox.leases("web"), 0);

    world.order("POST /v1/apps/web/machines$=capacity");
    assert_eq!(world.create_plain().await.0, 422);
    world.order("POST /v1/apps/web/machines/*$=capacity");
    let update = json!({"config": config(&json!({}))});
    assert_eq!(world.call(Method::POST, &path, update).await.0, 409);

    world.order("POST /v1/apps/web/machines/*/stop=unreachable");
    assert_eq!(world.call(Method::POST, &format!("{path}/stop"), json!({})).await.0, 408);
    assert_eq!(world.sandbox.machines("web")[0].host_status.as_deref(), Some("unreachable"));
}

#[tokio::test]
async fn a_thief_has_the_lease_until_its_time_is_over_or_leases_are_dropped() {
    let world = World::start().await;
    let (id, created) = world.create(json!({"config": config(&json!({})), "lease_ttl": 60})).await;
    let path = format!("{MACHINES}/{id}");
    let nonce = created["nonce"].as_str().unwrap();
    world.sandbox.steal_lease("web", &id, "ann@example.com", Duration::from_secs(60));
    let (status, told) = world.get(&format!("{path}/lease")).await;
    assert_eq!((status, &told["data"]["owner"]), (200, &json!("ann@example.com")));
    assert_eq!(told["data"].get("nonce"), None);
    let (_, machine) = world.get(&format!("{path}?include_leases=true")).await;
    assert_eq!(machine["lease"]["owner"], "ann@example.com");
    assert!(world.machine(&id).await.get("lease").is_none());
    for (method, action) in [
        (Method::POST, ""),
        (Method::POST, "/start"),
        (Method::POST, "/stop"),
        (Method::POST, "/suspend"),
        (Method::POST, "/restart"),
        (Method::POST, "/cordon"),
        (Method::POST, "/uncordon"),
        (Method::POST, "/lease"),
        (Method::DELETE, "/lease"),
        (Method::DELETE, "?kill=true"),
    ] {
        let request = world.platform(method, &format!("{path}{action}"));
        let request = request.header("fly-machine-lease-nonce", nonce);
        let body = json!({"config": config(&json!({}))});
        assert_eq!(request.json(&body).send().await.unwrap().status(), 409, "{action}");
    }
    let mark = json!({"value": "safe_to_destroy"});
    let marked = world.call(Method::POST, &format!("{path}/metadata/tag"), mark).await;
    assert_eq!(marked.0, 204, "metadata needs no lease");
    world.sandbox.drop_leases("web");
    let update = json!({"config": config(&json!({})), "lease_ttl": 30});
    let (status, updated) = world.call(Method::POST, &path, update).await;
    assert_eq!((status, updated["nonce"].is_string()), (200, true));
    assert_eq!(world.sandbox.leases("web"), 1);
}

#[tokio::test]
async fn a_host_that_says_nothing_is_told_with_what_is_known() {
    let world = World::start().await;
    let (id, _) = world.create(json!({"config": config(&json!({}))})).await;
    let path = format!("{MACHINES}/{id}");
    world.sandbox.set_host("web", &id, Host::Unknown);
    let machine = world.machine(&id).await;
    assert_eq!((&machine["host_status"], machine.get("config")), (&json!("unknown"), None));
    assert_eq!(machine["incomplete_config"]["image"], "nginx");
    for action in ["/lease", "/cordon", "/stop"] {
        let refused = world.call(Method::POST, &format!("{path}{action}"), json!({})).await;
        assert_eq!(refused.0, 408, "{action}");
    }
    world.sandbox.set_unreachable("web", &id, false);
    assert_eq!(world.call(Method::POST, &format!("{path}/stop"), json!({})).await.0, 200);
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_ask_again_where_that_is_wanted() {
    let world = World::with(Options { rate_limits: true, retry_after: true, ..options() }).await;
    let ask = async || world.platform(Method::GET, MACHINES).send().await.unwrap();
    for _ in 0..3 {
        assert_eq!(ask().await.status(), 200);
    }
    let refused = ask().await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["retry-after"]),
        (429, &"1".parse().unwrap())
    );
}

#[tokio::test]
async fn requests_are_kept_with_what_they_brought() {
    let world = World::start().await;
    world.create_plain().await;
    world.get(&format!("{MACHINES}?region=iad")).await;
    let all: RequestPattern = "* /v1/apps/*/machines$".parse().unwrap();
    let seen = world.sandbox.requests_to(&all);
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].body.as_ref().unwrap()["config"]["image"], "nginx");
    assert_eq!((seen[1].status, seen[1].body.as_ref()), (Some(200), None));
    let within = Duration::from_secs(5);
    let started = |sandbox: &crate::sandbox::Sandbox| sandbox.machines("web")[0].state == "started";
    assert!(world.sandbox.wait_until(within, started).await);
    assert!(!world.sandbox.wait_until(Duration::ZERO, |_| false).await);
}
