//! Release commands and machine checks: machines that run a command to its end.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use snowbird::sandbox::Sandbox;

use super::client::{Flyctl, machine_path};
use super::deploy::Deploy;
use super::types::Machine;
use super::{sandbox, served};

/// The config of a machine that runs a command of the release.
fn command(group: &str, env: &Value) -> impl Fn(&str) -> Value {
    let mut env = env.clone();
    env["RELEASE_COMMAND"] = "1".into();
    env["FLY_PROCESS_GROUP"] = group.into();
    env["PRIMARY_REGION"] = "fra".into();
    let group = group.to_owned();
    move |image: &str| {
        json!({
            "image": image,
            "env": env,
            "init": {"cmd": ["bin/migrate"]},
            "guest": {"cpu_kind": "shared", "cpus": 2, "memory_mb": 512},
            "restart": {"policy": "no"},
            "auto_destroy": true,
            "dns": {"skip_registration": true},
            "metadata": {"fly_platform_version": "v2", "fly_process_group": group},
        })
    }
}

const RELEASE: &str = "fly_app_release_command";

async fn begin(flyctl: &Flyctl) -> Deploy<'_> {
    flyctl.push("v1").await;
    Deploy::begin(flyctl, &format!("{}/web:v1", flyctl.registry()), "ROLLING").await
}

/// Runs a command as flyctl runs the release command; returns its machine and exit code.
async fn run(deploy: &Deploy<'_>, config: impl Fn(&str) -> Value) -> (String, i64) {
    let flyctl = deploy.flyctl;
    let mut input = deploy.input(config);
    input["skip_launch"] = true.into();
    let machine = flyctl.launch(&input).await.unwrap();
    assert_eq!((machine.state.as_str(), machine.nonce), ("created", None));
    flyctl.wait_for(&machine.id, "stopped").await.unwrap();
    flyctl.order(&machine.id, "start", "").await.unwrap();
    // 404: it has finished already and is destroyed.
    match flyctl.wait_for(&machine.id, "started").await {
        Ok(()) | Err((404, _)) => {}
        Err(refused) => panic!("{refused:?}"),
    }
    flyctl.wait_for(&machine.id, "destroyed").await.unwrap();
    let ended = flyctl.machine(&machine.id).await.expect("what is destroyed can be looked at");
    assert_eq!(ended.state, "destroyed");
    let exit = ended.newest_after("exit", "start").expect("an exit after the start");
    (machine.id, exit.request.as_ref().unwrap().exit_code())
}

async fn logs(flyctl: &Flyctl, machine: &str) -> Vec<String> {
    let (mut lines, mut token) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/apps/web/logs?next_token={token}&instance={machine}&region=");
        let page: Value = flyctl.get(&path).await.unwrap();
        let entries = page["data"].as_array().unwrap();
        for entry in entries {
            assert!(entry["id"].is_string());
            assert_eq!(entry["attributes"]["instance"], json!(machine));
            assert!(entry["attributes"]["meta"].is_object());
            lines.push(entry["attributes"]["message"].as_str().unwrap().to_owned());
        }
        page["meta"]["next_token"].as_str().unwrap().clone_into(&mut token);
        if entries.is_empty() {
            return lines;
        }
    }
}

async fn listed(flyctl: &Flyctl, query: &str) -> Vec<Machine> {
    flyctl.get(&format!("/v1/apps/web/machines{query}")).await.unwrap()
}

#[tokio::test]
async fn a_release_command_runs_and_its_machine_is_gone_afterwards() {
    let sandbox: Sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    let deploy = begin(&flyctl).await;
    let (machine, code) = run(&deploy, command(RELEASE, &json!({}))).await;
    assert_eq!(code, 0);
    let lines = logs(&flyctl, &machine).await;
    assert!(lines.iter().any(|line| line.contains("Main child exited normally")), "{lines:?}");
    assert!(listed(&flyctl, "").await.is_empty());
    assert_eq!(listed(&flyctl, "?include_deleted=true").await.len(), 1);
    let ended = flyctl.machine(&machine).await.unwrap();
    assert_eq!(ended.kinds(), ["destroy", "exit", "start", "launch"]);
    let (exit, _) = ended.newest_exit().unwrap();
    assert!(!exit.requested_stop && !exit.restarting && !exit.oom_killed);
    let (status, text) = flyctl.wait_for(&machine, "started").await.unwrap_err();
    assert_eq!((status, text.as_str()), (404, "machine not found"));
    // The machine of the next release command finds nothing to destroy.
    assert_eq!(flyctl.destroy(&machine, "").await.unwrap_err().0, 404);
}

#[tokio::test]
async fn a_failing_release_command_ends_the_deploy_before_anything_is_changed() {
    let sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    flyctl.push("v1").await;
    let input = json!({"config": served(&format!("{}/web:v1", flyctl.registry()))});
    let app = flyctl.launch(&input).await.unwrap();
    flyctl.wait_for(&app.id, "started").await.unwrap();
    let deploy = begin(&flyctl).await;
    let env = json!({"SNOWBIRD_SANDBOX_RELEASE": "exit:3", "SNOWBIRD_SANDBOX": "ok"});
    let (machine, code) = run(&deploy, command(RELEASE, &env)).await;
    assert_eq!(code, 3);
    let lines = logs(&flyctl, &machine).await;
    assert!(lines.iter().any(|line| line.contains("code: 3")), "{lines:?}");
    deploy.end("failed", "release command failed").await;
    let after = flyctl.machine(&app.id).await.unwrap();
    assert_eq!((after.instance_id, after.state.as_str()), (app.instance_id, "started"));
}

#[tokio::test]
async fn a_long_release_command_is_waited_for_and_an_old_one_is_destroyed_first() {
    let sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    let deploy = begin(&flyctl).await;
    let mut left = deploy.input(command(RELEASE, &json!({})));
    left["skip_launch"] = true.into();
    let left = flyctl.launch(&left).await.unwrap();
    let machines = flyctl.machines().await;
    assert!(machines.iter().any(Machine::is_release_command) && flyctl.managed().await.is_empty());
    flyctl.destroy(&left.id, "").await.unwrap();
    let env = json!({"SNOWBIRD_SANDBOX_RELEASE": "exit:0:0.5"});
    let begun = std::time::Instant::now();
    assert_eq!(run(&deploy, command(RELEASE, &env)).await.1, 0);
    assert!(begun.elapsed() >= Duration::from_millis(500));
}

#[tokio::test]
async fn a_machine_check_runs_in_a_machine_of_its_own() {
    let sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    let deploy = begin(&flyctl).await;
    let group = "fly_app_test_machine_command";
    for (word, expected) in [("ok", 0), ("exit:7", 7)] {
        let env = json!({
            "FLY_TEST_COMMAND": "1", "FLY_TEST_MACHINE_IP": "fdaa:0:1:a7b::2",
            "SNOWBIRD_SANDBOX_TEST": word, "SNOWBIRD_SANDBOX_RELEASE": "exit:9",
        });
        assert_eq!(run(&deploy, command(group, &env)).await.1, expected, "{word}");
    }
    let path = machine_path("0123456789abcd", "/start");
    let unknown = flyctl.send(flyctl.request(Method::POST, &path)).await.unwrap_err();
    assert_eq!(unknown.0, 404);
}
