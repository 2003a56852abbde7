//! Release commands, and tests of machines.

use std::time::Duration;

use super::*;

const TEXT: &str = r#"
    primary_region = "fra"
    kill_signal = "SIGTERM"
    kill_timeout = 9
    swap_size_mb = 64
    [env]
    A = "1"
    [experimental]
    entrypoint = "/init"
    cmd = "serve"
    [deploy]
    release_command = "migrate --to 'the end'"
    release_command_timeout = "1m"
    release_command_vm = { size = "performance-1x", memory = "4gb" }
    [mounts]
    source = "data"
    destination = "/data"
    [http_service]
    internal_port = 8080
    [[http_service.machine_checks]]
    command = ["curl", "it"]
    [[machine_checks]]
    command = ["test"]
    image = "own"
    entrypoint = ["sh"]
    kill_timeout = "1s"
    [[files]]
    guest_path = "/a"
    raw_value = "x"
    [[vm]]
    size = "shared-cpu-2x"
"#;

#[test]
fn a_release_command_runs_in_a_machine_of_its_own() {
    let config = config(TEXT);
    let command = config.release_command().unwrap();
    assert_eq!(command.command, "migrate --to 'the end'");
    assert_eq!(command.timeout, Some(Timeout::After(Duration::from_secs(60))));
    assert_eq!(config.release_guest(None).memory_mb, Some(4096));
    assert_eq!(
        serde_json::to_value(config.release_machine_config("i").unwrap()).unwrap(),
        json!({
            "image": "i",
            "env": {
                "A": "1", "RELEASE_COMMAND": "1", "FLY_PROCESS_GROUP": "fly_app_release_command",
                "PRIMARY_REGION": "fra",
            },
            "init": {
                "cmd": ["migrate", "--to", "the end"], "entrypoint": ["/init"], "swap_size_mb": 64,
            },
            "restart": {"policy": "no"},
            "auto_destroy": true,
            "dns": {"skip_registration": true},
            "stop_config": {"timeout": "9s", "signal": "SIGTERM"},
            "files": [{"guest_path": "/a", "raw_value": "eA=="}],
            "metadata": {
                "fly_platform_version": "v2", "fly_process_group": "fly_app_release_command",
            },
        })
    );
}

#[test]
fn a_release_command_may_take_as_long_as_it_likes() {
    for (written, timeout) in [
        ("", None),
        ("release_command_timeout = 'none'", Some(Timeout::Unlimited)),
        ("release_command_timeout = 0", Some(Timeout::Unlimited)),
        ("release_command_timeout = '5m'", Some(Timeout::After(Duration::from_secs(300)))),
    ] {
        let text = format!("[deploy]\nrelease_command = 'x'\n{written}\n");
        assert_eq!(config(&text).release_command().unwrap().timeout, timeout, "{written}");
    }
    assert_eq!(config("[deploy]\nrelease_command = ''").release_command(), None);
}

#[test]
fn machines_are_tested_from_machines_of_their_own() {
    let config = config(TEXT);
    let [of_service, of_all] = config.machine_checks("app").try_into().unwrap();
    let made = |check| {
        let made = config.test_machine_config("app", check, "i", "fdaa::2").unwrap();
        serde_json::to_value(made).unwrap()
    };
    let expected = json!({
        "image": "i",
        "env": {
            "A": "1", "FLY_TEST_COMMAND": "1", "FLY_TEST_MACHINE_IP": "fdaa::2",
            "FLY_PROCESS_GROUP": "fly_app_test_machine_command", "PRIMARY_REGION": "fra",
        },
        "init": {"cmd": ["curl", "it"], "entrypoint": ["/init"], "swap_size_mb": 64},
        "restart": {"policy": "no"},
        "auto_destroy": true,
        "dns": {"skip_registration": true},
        "stop_config": {"timeout": "9s", "signal": "SIGTERM"},
        "guest": {"cpu_kind": "shared", "cpus": 2, "memory_mb": 512},
        "metadata": {
            "fly_platform_version": "v2", "fly_process_group": "fly_app_test_machine_command",
        },
    });
    assert_eq!(made(&of_service), expected);
    let own = made(&of_all);
    assert_eq!(own["image"], "own");
    assert_eq!(own["stop_config"], json!({"timeout": "1s"}));
    assert_eq!(own["init"]["cmd"], json!(["test"]));
}

#[test]
fn tests_are_those_of_the_groups_services_and_those_of_all() {
    let text = "
        machine_checks = [{ command = ['all'] }]
        [processes]
        a = ''
        b = ''
        [[services]]
        processes = ['a']
        machine_checks = [{ command = ['a'], entrypoint = ['e'] }]
    ";
    let config = config(text);
    let commands = |group: &str| -> Vec<_> {
        config.machine_checks(group).into_iter().map(|check| check.command).collect()
    };
    assert_eq!(commands("a"), [["a"], ["all"]]);
    assert_eq!(commands("b"), [["all"]]);
    let check = config.machine_checks("a").remove(0);
    let made = config.test_machine_config("a", &check, "i", "").unwrap();
    assert_eq!(made.init.entrypoint, Some(vec!["e".to_owned()]));
    assert!(config.test_machine_config("a", &MachineCheck::default(), "i", "").is_err());
}
