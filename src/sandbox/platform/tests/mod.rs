//! Whole requests against a running sandbox.

mod access;
mod deploy;
mod lives;
mod machines;
mod resources;
mod world;

use reqwest::Method;
use serde_json::{Value, json};

use crate::sandbox::testing::{World, answer};

const MACHINES: &str = "/v1/apps/web/machines";

fn config(extra: &Value) -> Value {
    let mut config = json!({
        "image": "nginx",
        "checks": {"alive": {"type": "tcp", "port": 80}},
        "metadata": {"fly_platform_version": "v2"},
    });
    config.as_object_mut().unwrap().append(&mut extra.as_object().unwrap().clone());
    config
}

impl World {
    async fn create(&self, body: Value) -> (String, Value) {
        let (status, machine) = self.call(Method::POST, MACHINES, body).await;
        assert_eq!(status, 200, "{machine}");
        (machine["id"].as_str().unwrap().to_owned(), machine)
    }

    async fn wait(&self, id: &str, query: &str) -> (u16, Value) {
        self.get(&format!("{MACHINES}/{id}/wait?{query}")).await
    }

    async fn machine(&self, id: &str) -> Value {
        let (status, machine) = self.get(&format!("{MACHINES}/{id}")).await;
        assert_eq!(status, 200);
        machine
    }

    /// Waits, and returns the machine in that state.
    async fn reach(&self, id: &str, state: &str) -> Value {
        let (status, told) = self.wait(id, &format!("state={state}&timeout=10")).await;
        assert_eq!((status, &told["ok"]), (200, &json!(true)), "{told}");
        self.machine(id).await
    }

    async fn with_nonce(&self, method: Method, path: &str, nonce: &str) -> (u16, Value) {
        let request = self.platform(method, path).header("fly-machine-lease-nonce", nonce);
        answer(request.send().await.unwrap()).await
    }
}

fn kinds(machine: &Value) -> Vec<&str> {
    machine["events"].as_array().unwrap().iter().map(|e| e["type"].as_str().unwrap()).collect()
}
