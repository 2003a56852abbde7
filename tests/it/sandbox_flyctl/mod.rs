//! What flyctl sends in its deploys, request by request, against the sandbox.
//!
//! The real flyctl is not needed: a scripted client sends what flyctl sends, in its order and
//! with its headers and bodies, and reads the answers with types as strict as flyctl's. Each
//! assertion is something that flyctl counts on. Only pauses are shorter.

mod bluegreen;
mod client;
mod deploy;
mod failures;
mod first;
mod release_command;
mod rolling;
mod types;

use std::time::Duration;

use serde_json::{Value, json};
use snowbird::sandbox::{Options, Pace, Sandbox};

/// The token that everything is good for.
const TOKEN: &str = "fo1_test";

/// Starts a sandbox with the app `web`, whose states last 40 ms.
async fn sandbox() -> Sandbox {
    sandbox_with(Options::default()).await
}

async fn sandbox_with(options: Options) -> Sandbox {
    let options = Options {
        apps: vec!["web@acme".into()],
        tokens: vec![TOKEN.into()],
        pace: Pace::every(Duration::from_millis(40)),
        ..options
    };
    Sandbox::start(options).await.unwrap()
}

/// The config of a machine of the group `app`, as flyctl makes it of a fly.toml with an HTTP
/// service and a check.
fn served(image: &str) -> Value {
    json!({
        "image": image,
        "env": {"FLY_PROCESS_GROUP": "app", "PRIMARY_REGION": "fra"},
        "init": {},
        "guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 256},
        "metadata": {
            "fly_platform_version": "v2",
            "fly_process_group": "app",
            "fly_flyctl_version": "0.4.85",
        },
        "services": [{
            "protocol": "tcp",
            "internal_port": 8080,
            "autostop": "suspend",
            "autostart": true,
            "min_machines_running": 0,
            "ports": [
                {"port": 80, "handlers": ["http"], "force_https": true},
                {"port": 443, "handlers": ["http", "tls"]},
            ],
            "checks": [{
                "type": "http", "interval": "10s", "timeout": "2s", "grace_period": "1s",
                "method": "GET", "path": "/",
            }],
            "force_instance_key": null,
        }],
    })
}

/// The config of a machine of the group `worker`, which serves nothing.
fn worker(image: &str) -> Value {
    let mut config = served(image);
    config.as_object_mut().unwrap().remove("services");
    config["env"]["FLY_PROCESS_GROUP"] = "worker".into();
    config["metadata"]["fly_process_group"] = "worker".into();
    config["init"] = json!({"cmd": ["bin/work"]});
    config
}

/// Notes of which release a config is.
fn released(mut config: Value, id: &str, version: u64) -> Value {
    config["metadata"]["fly_release_id"] = id.into();
    config["metadata"]["fly_release_version"] = version.to_string().into();
    config
}
