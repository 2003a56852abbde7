//! The first deploy of an app: addresses, volumes, machines for each group.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::Flyctl;
use super::deploy::Deploy;
use super::types::{Ip, Volume};
use super::{sandbox, served, worker};

fn assign(kind: &str) -> Value {
    json!({"type": kind, "region": "", "org_slug": "acme", "network": "", "service_name": ""})
}

#[tokio::test]
async fn a_fresh_app_gets_addresses_volumes_and_machines() {
    let sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    flyctl.push("v1").await;
    assert_eq!(flyctl.app().await.status, "pending");
    assert!(flyctl.managed().await.is_empty() && flyctl.free_volumes().await.is_empty());

    let path = "/v1/apps/web/ip_assignments";
    let none: Value = flyctl.get(path).await.unwrap();
    assert_eq!(none["ips"], json!([]));
    for (kind, shared) in [("v6", false), ("shared_v4", true)] {
        let ip: Ip = flyctl.ask(Method::POST, path, Some(&assign(kind))).await.unwrap();
        assert_eq!((ip.shared, ip.region.as_str()), (shared, "global"));
        assert_eq!(ip.address.contains(':'), kind == "v6", "{}", ip.address);
        humantime::parse_rfc3339(&ip.created_at).expect("created_at is a time");
    }
    let both: Value = flyctl.get(path).await.unwrap();
    assert_eq!(both["ips"].as_array().unwrap().len(), 2);

    let reference = format!("{}/web:v1", flyctl.registry());
    let create = json!({
        "name": "data", "region": "fra", "size_gb": 1, "encrypted": true,
        "require_unique_zone": null, "unique_zone_app_wide": null, "snapshot_retention": null,
        "auto_backup_enabled": null, "fstype": null, "snapshot_id": null,
        "source_volume_id": null,
        "compute": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 256},
        "compute_image": reference,
    });
    let volume: Volume =
        flyctl.ask(Method::POST, "/v1/apps/web/volumes", Some(&create)).await.unwrap();
    assert_eq!(
        (volume.name.as_str(), volume.state.as_str(), volume.size_gb),
        ("data", "created", 1)
    );
    assert!(volume.encrypted && volume.region == "fra");
    humantime::parse_rfc3339(&volume.created_at).expect("created_at is a time");
    assert_eq!(flyctl.free_volumes().await.len(), 1);

    let deploy = Deploy::begin(&flyctl, &reference, "ROLLING").await;
    assert_eq!(deploy.release.version, 1);
    let mounted = |image: &str| {
        let mut config = served(image);
        config["mounts"] = json!([{"volume": volume.id, "name": "data", "path": "/data"}]);
        config
    };
    let first = deploy.spawn(mounted).await;
    assert_eq!(first.config.as_ref().unwrap()["mounts"][0]["volume"], json!(volume.id));
    assert!(flyctl.free_volumes().await.is_empty(), "the volume is attached");
    let second = flyctl.launch(&deploy.input(mounted)).await.unwrap_err();
    assert_eq!(second.0, 412, "a volume is for one machine: {}", second.1);

    // A group without services: one machine, and a standby for it that is not launched.
    let task = deploy.spawn(worker).await;
    let mut standby = deploy.input(|image| {
        let mut config = worker(image);
        config["standbys"] = json!([task.id]);
        config["env"]["FLY_STANDBY_FOR"] = task.id.clone().into();
        config
    });
    standby["skip_launch"] = true.into();
    standby["lease_ttl"] = 300.into();
    let standby = flyctl.launch(&standby).await.unwrap();
    flyctl.release(&standby.id, standby.nonce.as_deref().unwrap()).await.unwrap();
    flyctl.wait_for(&standby.id, "stopped").await.unwrap();
    deploy.end("complete", "").await;

    let app = flyctl.app().await;
    assert_eq!((app.status.as_str(), flyctl.managed().await.len()), ("deployed", 3));
    assert_eq!((sandbox.ips("web").len(), sandbox.volumes("web").len()), (2, 1));
    let attached = &sandbox.volumes("web")[0]["attached_machine_id"];
    assert_eq!(*attached, json!(first.id));
}

#[tokio::test]
async fn a_private_app_gets_an_address_of_its_network() {
    let sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    let path = "/v1/apps/web/ip_assignments";
    let ip: Value = flyctl.ask(Method::POST, path, Some(&assign("private_v6"))).await.unwrap();
    assert!(ip["ip"].as_str().unwrap().starts_with("fdaa:"), "{ip}");
    assert_eq!(ip["network"]["org_slug"], "acme");
}

#[tokio::test]
async fn a_deploy_without_fly_toml_reads_the_definition_of_the_newest_release() {
    let sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    let body = |query: &str, name: &str| json!({"query": query, "operationName": name, "variables": {"appName": "web"}});
    let definition = "query FlyctlConfigCurrentRelease ($appName: String!) {
        app(name: $appName) { currentReleaseUnprocessed { configDefinition } }
    }";
    let latest = "query LatestImage ($appName: String!) {
        app(name: $appName) { currentReleaseUnprocessed { id version imageRef } }
    }";
    let ask = async |query: &str, name: &str| {
        let told: Value =
            flyctl.ask(Method::POST, "/graphql", Some(&body(query, name))).await.unwrap();
        told["data"]["app"]["currentReleaseUnprocessed"].clone()
    };
    assert_eq!(ask(definition, "FlyctlConfigCurrentRelease").await, Value::Null);
    let current = "/api/v1/apps/web/releases/current";
    assert_eq!(flyctl.get::<Value>(current).await.unwrap_err().0, 404);
    flyctl.push("v1").await;
    let reference = format!("{}/web:v1", flyctl.registry());
    let deploy = Deploy::begin(&flyctl, &reference, "ROLLING").await;
    deploy.end("complete", "").await;
    let told = ask(definition, "FlyctlConfigCurrentRelease").await;
    assert_eq!(told["configDefinition"]["primary_region"], "fra");
    let told = ask(latest, "LatestImage").await;
    assert_eq!((&told["imageRef"], &told["version"]), (&json!(reference), &json!(1)));
    let release: super::types::Release = flyctl.get(current).await.unwrap();
    assert_eq!((release.version, release.status.as_str()), (1, "complete"));
    let list: Value = flyctl.get("/api/v1/apps/web/releases?limit=5").await.unwrap();
    assert_eq!(list["releases"].as_array().unwrap().len(), 1);
}
