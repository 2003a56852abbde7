use reqwest::Method;
use serde_json::{Value, json};

use super::{MACHINES, config};
use crate::sandbox::testing::World;

const VOLUMES: &str = "/v1/apps/web/volumes";
const IPS: &str = "/v1/apps/web/ip_assignments";

fn mount(volume: &Value) -> Value {
    config(&json!({"mounts": [{"volume": volume["id"], "name": "data", "path": "/data"}]}))
}

#[tokio::test]
async fn a_volume_is_made_as_flyctl_asks_for_it() {
    let world = World::start().await;
    let create = json!({
        "name": "data", "region": "fra", "size_gb": 3, "encrypted": true,
        "require_unique_zone": null, "unique_zone_app_wide": null, "snapshot_retention": 7,
        "auto_backup_enabled": false, "fstype": null, "snapshot_id": null,
        "source_volume_id": null, "compute": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 256},
        "compute_image": "registry.fly.io/web:v1",
    });
    let (status, volume) = world.call(Method::POST, VOLUMES, create).await;
    assert_eq!(status, 200);
    for (key, expected) in [
        ("state", json!("created")),
        ("size_gb", json!(3)),
        ("fstype", json!("ext4")),
        ("snapshot_retention", json!(7)),
        ("auto_backup_enabled", json!(false)),
        ("host_status", json!("ok")),
        ("attached_machine_id", Value::Null),
        ("attached_alloc_id", Value::Null),
    ] {
        assert_eq!(volume[key], expected, "{key}");
    }
    let at = format!("{VOLUMES}/{}", volume["id"].as_str().unwrap());
    assert_eq!(world.get(&at).await.1, volume);
    let (_, larger) = world.call(Method::PUT, &format!("{at}/extend"), json!({"size_gb": 5})).await;
    assert_eq!(
        (&larger["volume"]["size_gb"], &larger["needs_restart"]),
        (&json!(5), &json!(false))
    );
    assert_eq!(
        world.call(Method::PUT, &format!("{at}/extend"), json!({"size_gb": 4})).await.0,
        422
    );
    let (_, kept) = world.call(Method::PUT, &at, json!({"snapshot_retention": 9})).await;
    assert_eq!(kept["snapshot_retention"], 9);
    let (_, gone) = world.call(Method::DELETE, &at, json!({})).await;
    assert_eq!(gone["state"], "pending_destroy");
    assert_eq!((world.get(&at).await.0, world.get(VOLUMES).await.1), (404, json!([])));
}

#[tokio::test]
async fn volumes_that_cannot_be_are_refused() {
    let world = World::start().await;
    for (wrong, expected) in [
        (json!({"name": "My Data"}), 400),
        (json!({"name": ""}), 400),
        (json!({"name": "data", "region": "moon"}), 400),
        (json!({"name": "data", "size_gb": 0}), 400),
        (json!({"name": "data", "size_gb": 501}), 400),
        (json!({"name": "data", "snapshot_retention": 61}), 400),
        (json!({"name": "data", "fstype": "fat"}), 400),
        (json!({"name": "data", "snapshot_id": "vs_1"}), 404),
        (json!({"name": "data", "source_volume_id": "vol_1"}), 404),
    ] {
        assert_eq!(world.call(Method::POST, VOLUMES, wrong.clone()).await.0, expected, "{wrong}");
    }
}

#[tokio::test]
async fn a_machine_gets_the_volume_that_it_names_or_is_refused() {
    let world = World::start().await;
    let create = json!({"name": "data", "region": "fra"});
    let (_, volume) = world.call(Method::POST, VOLUMES, create.clone()).await;
    let (_, spare) = world.call(Method::POST, VOLUMES, create).await;
    let unnamed = config(&json!({"mounts": [{"name": "data", "path": "/data"}]}));
    let misnamed = config(&json!({
        "mounts": [{"volume": volume["id"], "name": "other", "path": "/data"}],
    }));
    for (config, region, expected, text) in [
        (unnamed, "fra", 400, "names no volume"),
        (mount(&json!({"id": "vol_0"})), "fra", 404, "not found"),
        (mount(&volume), "ams", 422, "is in region fra"),
        (misnamed, "fra", 400, "is named data"),
    ] {
        let body = json!({"config": config, "region": region});
        let (status, told) = world.call(Method::POST, MACHINES, body).await;
        let error = told["error"].as_str().unwrap();
        assert!(status == expected && error.contains(text), "{status} {error}");
    }
    let (id, made) = world.create(json!({"config": mount(&volume)})).await;
    assert_eq!(made["region"], "fra", "a machine goes where its volume is");
    let second = json!({"config": mount(&volume), "region": "fra"});
    let (status, told) = world.call(Method::POST, MACHINES, second).await;
    assert!(status == 412 && told["error"].as_str().unwrap().contains("in use by machine"));
    let listed = world.sandbox.volumes("web");
    assert_eq!(listed[0]["attached_machine_id"], json!(id));
    assert_eq!(listed[1]["attached_machine_id"], Value::Null);

    let path = format!("{MACHINES}/{id}");
    let swap = json!({"config": mount(&spare)});
    assert_eq!(world.call(Method::POST, &path, swap).await.0, 400);
    let moved = json!({"config": mount(&volume), "region": "ams"});
    assert_eq!(world.call(Method::POST, &path, moved).await.0, 400);
    let at = format!("{VOLUMES}/{}", volume["id"].as_str().unwrap());
    assert_eq!(world.call(Method::DELETE, &at, json!({})).await.0, 412);
    world.call(Method::DELETE, &format!("{path}?kill=true"), json!({})).await;
    world.wait(&id, "state=destroyed").await;
    assert_eq!(world.call(Method::DELETE, &at, json!({})).await.0, 200);
}

#[tokio::test]
async fn addresses_have_the_fields_that_flyctl_reads_and_can_be_given_back() {
    let world = World::start().await;
    let assign = |kind: &str| json!({"type": kind, "region": "", "org_slug": "personal", "network": "", "service_name": ""});
    let (status, v6) = world.call(Method::POST, IPS, assign("v6")).await;
    assert_eq!((status, &v6["region"], &v6["shared"]), (200, &json!("global"), &json!(false)));
    let (_, shared) = world.call(Method::POST, IPS, assign("shared_v4")).await;
    assert_eq!((&shared["shared"], &shared["network"]), (&json!(true), &Value::Null));
    assert_eq!(world.call(Method::POST, IPS, assign("shared_v4")).await.0, 422);
    let (_, private) = world.call(Method::POST, IPS, assign("private_v6")).await;
    assert!(private["ip"].as_str().unwrap().starts_with("fdaa:"));
    assert_eq!(private["network"], json!({"name": "", "org_slug": "personal"}));
    let (_, pair) = world.call(Method::POST, IPS, assign("egress_pair")).await;
    assert_eq!((&pair["ip"], pair["ip_pair"]["v6"].is_string()), (&Value::Null, true));
    let at = format!("{IPS}/{}", v6["ip"].as_str().unwrap());
    assert_eq!(world.call(Method::DELETE, &at, json!({})).await.0, 204);
    assert_eq!(world.call(Method::DELETE, &at, json!({})).await.0, 404);
    assert_eq!(world.sandbox.ips("web").len(), 4);
}

#[tokio::test]
async fn a_list_of_machines_goes_on_where_its_cursor_says() {
    let world = World::start().await;
    for _ in 0..3 {
        world.create(json!({"config": config(&json!({}))})).await;
    }
    let first = world.platform(Method::GET, &format!("{MACHINES}?limit=2")).send().await.unwrap();
    let cursor = first.headers()["fly-next-cursor"].to_str().unwrap().to_owned();
    let page: Vec<Value> = first.json().await.unwrap();
    assert_eq!((page.len(), page[1]["id"].as_str()), (2, Some(cursor.as_str())));
    let rest = format!("{MACHINES}?limit=2&cursor={cursor}");
    let rest = world.platform(Method::GET, &rest).send().await.unwrap();
    assert!(!rest.headers().contains_key("fly-next-cursor"));
    assert_eq!(rest.json::<Vec<Value>>().await.unwrap().len(), 1);
}

#[tokio::test]
async fn releases_keep_all_that_was_recorded_of_them() {
    let world = World::start().await;
    let create = json!({"app_name": "web", "build_id": 3, "image": "i:1", "strategy": "CANARY",
                        "definition": {"app": "web", "deploy": {"strategy": "canary"}}});
    let (_, made) = world.call(Method::POST, "/api/v1/releases", create.clone()).await;
    assert!(made["release"]["user"].is_string(), "flyctl reads a text");
    let at = format!("/api/v1/releases/{}", made["release"]["id"].as_str().unwrap());
    let notes = json!({"PostDeploymentInfo": {"FlyctlVersion": "0.4.1", "Error": "crash"}});
    for (status, metadata) in [("running", &Value::Null), ("failed", &notes)] {
        world.call(Method::PATCH, &at, json!({"status": status, "metadata": metadata})).await;
    }
    let recorded = world.sandbox.recorded_releases("web").remove(0);
    assert_eq!(recorded.statuses, ["pending", "running", "failed"]);
    assert_eq!((recorded.build_id, &recorded.metadata), (3, &notes));
    assert_eq!(recorded.definition["deploy"]["strategy"], "canary");
    let mut odd = create;
    odd["strategy"] = "SIDEWAYS".into();
    assert_eq!(world.call(Method::POST, "/api/v1/releases", odd).await.0, 422);
    assert_eq!(world.get("/v1/apps/web").await.1["status"], "deployed");
}
