//! Holds the types against the Machines API's own document.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

fn document() -> Value {
    serde_json::from_str(include_str!("../../../tests/fixtures/machines-openapi.json")).unwrap()
}

/// Makes a value of `schema` in which every property is there.
fn sample(document: &Value, schema: &Value) -> Value {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let name = target.rsplit('/').next().unwrap();
        return sample(document, &document["components"]["schemas"][name]);
    }
    if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
        return sample(document, &parts[0]);
    }
    if let Some(first) = schema.get("enum").and_then(|words| words.get(0)) {
        return first.clone();
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let members = properties.iter().map(|(name, schema)| {
            let value = match name.as_str() {
                "autostop" => json!("suspend"),
                _ => sample(document, schema),
            };
            (name.clone(), value)
        });
        return Value::Object(members.collect());
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("array") => json!([sample(document, &schema["items"])]),
        Some("integer" | "number") => json!(7),
        Some("boolean") => json!(true),
        Some("string") => json!("word"),
        _ => match schema.get("additionalProperties") {
            Some(of) if of.is_object() => json!({"key": sample(document, of)}),
            _ => json!({"key": "word"}),
        },
    }
}

/// Reads a whole value of the schema and writes it again: nothing may be lost, and what no
/// field names must be in `rest`.
fn unnamed<T: Serialize + DeserializeOwned>(schema: &str, rest: fn(&T) -> &Rest) -> String {
    let document = document();
    let whole = sample(&document, &document["components"]["schemas"][schema]);
    let read: T = serde_json::from_value(whole.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), whole, "{schema}");
    rest(&read).keys().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_setting_of_the_document_is_a_field_or_is_kept() {
    for (schema, found, expected) in [
        (
            "fly.MachineConfig",
            unnamed("fly.MachineConfig", |config: &MachineConfig| &config.rest),
            "cache_drive disable_machine_autostart processes rootfs schedule size spot",
        ),
        (
            "fly.MachineGuest",
            unnamed("fly.MachineGuest", |guest: &Guest| &guest.rest),
            "required_host_features",
        ),
        (
            "fly.MachineInit",
            unnamed("fly.MachineInit", |init: &Init| &init.rest),
            "kernel_args tty",
        ),
        (
            "fly.MachineMount",
            unnamed("fly.MachineMount", |mount: &Mount| &mount.rest),
            "add_size_percent encrypted min_add_size_gb size_gb",
        ),
        (
            "fly.MachineService",
            unnamed("fly.MachineService", |service: &Service| &service.rest),
            "force_instance_description",
        ),
        ("fly.MachinePort", unnamed("fly.MachinePort", |port: &Port| &port.rest), ""),
        ("fly.HTTPOptions", unnamed("fly.HTTPOptions", |options: &HttpOptions| &options.rest), ""),
        (
            "fly.HTTPResponseOptions",
            unnamed("fly.HTTPResponseOptions", |options: &HttpResponseOptions| &options.rest),
            "",
        ),
        ("fly.TLSOptions", unnamed("fly.TLSOptions", |tls: &TlsOptions| &tls.rest), ""),
        (
            "fly.ProxyProtoOptions",
            unnamed("fly.ProxyProtoOptions", |options: &ProxyProtoOptions| &options.rest),
            "",
        ),
        (
            "fly.MachineServiceConcurrency",
            unnamed("fly.MachineServiceConcurrency", |c: &Concurrency| &c.rest),
            "",
        ),
        ("fly.MachineCheck", unnamed("fly.MachineCheck", |check: &Check| &check.rest), "kind"),
        (
            "fly.MachineServiceCheck",
            unnamed("fly.MachineServiceCheck", |check: &Check| &check.rest),
            "",
        ),
        (
            "fly.MachineRestart",
            unnamed("fly.MachineRestart", |restart: &Restart| &restart.rest),
            "",
        ),
        ("fly.StopConfig", unnamed("fly.StopConfig", |stop: &StopConfig| &stop.rest), ""),
        (
            "fly.MachineMetrics",
            unnamed("fly.MachineMetrics", |metrics: &Metrics| &metrics.rest),
            "",
        ),
        ("fly.File", unnamed("fly.File", |file: &File| &file.rest), "image_config mode"),
        ("fly.Static", unnamed("fly.Static", |folder: &Static| &folder.rest), ""),
        (
            "fly.DNSConfig",
            unnamed("fly.DNSConfig", |dns: &Dns| &dns.rest),
            "dns_forward_rules hostname hostname_fqdn nameservers options searches",
        ),
    ] {
        assert_eq!(found, expected, "{schema}");
    }
}

/// Names that are written but that the document does not have.
fn undocumented<T: Serialize + DeserializeOwned>(schema: &str) -> Vec<String> {
    let document = document();
    let schema = &document["components"]["schemas"][schema];
    let read: T = serde_json::from_value(sample(&document, schema)).unwrap();
    let known: BTreeSet<&String> = schema["properties"].as_object().unwrap().keys().collect();
    let written = serde_json::to_value(&read).unwrap();
    written.as_object().unwrap().keys().filter(|name| !known.contains(name)).cloned().collect()
}

#[test]
fn requests_and_answers_have_the_names_of_the_document() {
    let none = Vec::<String>::new();
    assert_eq!(undocumented::<App>("App"), none);
    assert_eq!(undocumented::<Organization>("AppOrganizationInfo"), none);
    assert_eq!(undocumented::<Machine>("Machine"), none);
    assert_eq!(undocumented::<ImageRef>("ImageRef"), none);
    assert_eq!(undocumented::<CheckStatus>("CheckStatus"), none);
    assert_eq!(undocumented::<MachineEvent>("MachineEvent"), none);
    assert_eq!(undocumented::<Lease>("Lease"), none);
    assert_eq!(undocumented::<CreateMachine>("CreateMachineRequest"), none);
    assert_eq!(undocumented::<UpdateMachine>("UpdateMachineRequest"), none);
    assert_eq!(undocumented::<StopMachine>("StopRequest"), none);
    assert_eq!(undocumented::<CreateLease>("CreateLeaseRequest"), none);
    assert_eq!(undocumented::<Volume>("Volume"), none);
    assert_eq!(undocumented::<CreateVolume>("CreateVolumeRequest"), none);
    assert_eq!(undocumented::<AssignIp>("assignIPRequest"), none);
    assert_eq!(undocumented::<IpAddress>("IPAssignment"), none);
    assert_eq!(undocumented::<IpNetwork>("IPAssignmentNetwork"), none);
    assert_eq!(undocumented::<Process>("ProcessStat"), none);
    assert_eq!(undocumented::<ListenSocket>("ListenSocket"), none);
    assert_eq!(undocumented::<CurrentTokens>("CurrentTokenResponse"), none);
    assert_eq!(undocumented::<TokenInfo>("main.tokenInfo"), none);
    assert_eq!(undocumented::<CreateApp>("CreateAppRequest"), none);
    assert_eq!(undocumented::<WaitResponse>("WaitMachineResponse"), none);
    assert_eq!(undocumented::<ErrorBody>("ErrorResponse"), none);
}

#[test]
fn settings_that_no_field_names_survive_reading_and_writing() {
    let text = json!({
        "image": "registry.fly.io/web@sha256:00",
        "init": {"tty": true},
        "schedule": "daily",
        "guest": {"cpus": 1, "turbo": "yes"},
        "mounts": [{"volume": "vol_1", "path": "/data", "color": "green"}],
    });
    let config: MachineConfig = serde_json::from_value(text.clone()).unwrap();
    assert_eq!(serde_json::to_value(&config).unwrap(), text);
}

#[test]
fn the_platforms_nulls_are_read_as_nothing() {
    let machine: Machine = serde_json::from_value(json!({
        "id": "e1", "events": null, "checks": null,
        "config": {"image": "a", "env": null, "services": null, "init": null},
    }))
    .unwrap();
    assert_eq!(machine.config.unwrap(), MachineConfig { image: "a".into(), ..Default::default() });
}
