//! What an update keeps of a machine, and what it takes from the file.

use super::*;

fn update(text: &str, existing: Value) -> Value {
    let existing: MachineConfig = serde_json::from_value(existing).unwrap();
    let config = config(text).machine_config("app", "new", Some(&existing)).unwrap();
    serde_json::to_value(config).unwrap()
}

#[test]
fn an_update_keeps_what_the_file_does_not_manage_and_removes_what_it_does() {
    let existing = json!({
        "image": "old", "env": {"OLD": "1"}, "schedule": "daily", "auto_destroy": false,
        "dns": {"skip_registration": true}, "processes": [{"cmd": ["x"]}],
        "rootfs": {"persist": "always"}, "containers": [{"name": "side", "image": "s", "user": "u"}],
        "init": {"cmd": ["old"], "tty": true, "swap_size_mb": 1},
        "restart": {"policy": "always"}, "services": [{"internal_port": 1}],
        "checks": {"old": {"type": "tcp"}}, "guest": {"cpus": 4, "memory_mb": 4096},
        "metadata": {"mine": "kept", "fly_process_group": "app"}, "metrics": {"port": 1},
        "statics": [{"guest_path": "/a", "url_prefix": "/"}], "stop_config": {"signal": "SIGINT"},
        "files": [{"guest_path": "/old", "raw_value": "eA=="}],
    });
    assert_eq!(
        update("", existing),
        json!({
            "image": "new", "env": {"FLY_PROCESS_GROUP": "app"}, "schedule": "daily",
            "auto_destroy": false, "dns": {"skip_registration": true},
            "processes": [{"cmd": ["x"]}], "rootfs": {"persist": "always"},
            "containers": [{"name": "side", "image": "s", "user": "u"}],
            "init": {"tty": true}, "guest": {"cpus": 4, "memory_mb": 4096},
            "metadata": {
                "mine": "kept", "fly_process_group": "app", "fly_platform_version": "v2",
            },
        })
    );
}

#[test]
fn a_volume_stays_where_it_is_the_wanted_one() {
    let text = "
        [[mounts]]
        source = 'data'
        destination = '/data'
        auto_extend_size_threshold = 80
        auto_extend_size_increment = '2GB'
    ";
    let had = |mount: Value| update(text, json!({"mounts": [mount]}))["mounts"].clone();
    let growth = json!({"extend_threshold_percent": 80, "add_size_gb": 2});
    let with = |mut mount: Value| {
        mount.as_object_mut().unwrap().extend(growth.as_object().unwrap().clone());
        json!([mount])
    };
    for (mount, wanted) in [
        (
            json!({"volume": "v", "name": "data", "path": "/data", "size_gb": 3}),
            json!({"volume": "v", "name": "data", "path": "/data", "size_gb": 3}),
        ),
        (
            json!({"volume": "v", "name": "data", "path": "/old", "size_gb_limit": 9}),
            json!({"volume": "v", "name": "data", "path": "/data"}),
        ),
        (json!({"volume": "v", "path": "/old"}), json!({"volume": "v", "path": "/old"})),
        (
            json!({"volume": "v", "name": "other", "path": "/data"}),
            json!({"name": "data", "path": "/data"}),
        ),
    ] {
        assert_eq!(had(mount.clone()), with(wanted), "{mount}");
    }
    assert_eq!(update(text, json!({}))["mounts"], with(json!({"name": "data", "path": "/data"})));
    let gone = update("", json!({"mounts": [{"volume": "v", "name": "data", "path": "/data"}]}));
    assert_eq!(gone["mounts"], Value::Null);
}

#[test]
fn a_machine_keeps_its_size_unless_the_file_has_one() {
    let guest = json!({"cpu_kind": "performance", "cpus": 2, "memory_mb": 8192});
    let existing = json!({"guest": guest});
    assert_eq!(update("", existing.clone())["guest"], guest);
    assert_eq!(
        update("host_dedication_id = 'h'", existing.clone())["guest"],
        json!({
            "cpu_kind": "performance", "cpus": 2, "memory_mb": 8192, "host_dedication_id": "h",
        })
    );
    assert_eq!(
        update("[[vm]]\nsize = 'shared-cpu-2x'", existing)["guest"],
        json!({"cpu_kind": "shared", "cpus": 2, "memory_mb": 512})
    );
}

#[test]
fn a_standby_stays_one_until_it_gets_services() {
    let existing = json!({"standbys": ["e1"], "env": {"FLY_STANDBY_FOR": "e1", "OLD": "1"}});
    let without = update("[env]\nA = '1'", existing.clone());
    assert_eq!(without["standbys"], json!(["e1"]));
    assert_eq!(
        without["env"],
        json!({"A": "1", "FLY_PROCESS_GROUP": "app", "FLY_STANDBY_FOR": "e1"})
    );
    let with = update("[http_service]\ninternal_port = 80", existing);
    assert_eq!(with["standbys"], Value::Null);
    assert_eq!(with["env"], json!({"FLY_PROCESS_GROUP": "app"}));
}
