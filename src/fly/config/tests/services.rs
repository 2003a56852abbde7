//! Services and checks, for new machines.

use super::*;

#[test]
fn services_keep_every_setting() {
    let text = r#"
        [[services]]
        protocol = "udp"
        internal_port = 53
        auto_stop_machines = "suspend"
        auto_start_machines = false
        min_machines_running = 2
        concurrency = { type = "connections", soft_limit = 0, hard_limit = 9 }
        [[services.ports]]
        start_port = 1000
        end_port = 2000
        handlers = ["tls", "http"]
        force_https = true
        tls_options = { alpn = ["h2"], versions = ["TLSv1.3"], default_self_signed = false }
        proxy_proto_options = { version = "v2" }
        [services.ports.http_options]
        compress = true
        h2_backend = false
        idle_timeout = 60
        headers_read_timeout = 5
        response = { pristine = true, headers = { A = "1", B = ["2", "3"], C = false } }
        replay_cache = [{ path_prefix = "/x", ttl_seconds = 5, type = "cookie", name = "s" }]
        [[services.http_checks]]
        path = "/"
        protocol = "https"
        tls_skip_verify = true
        tls_server_name = "web"
        [[services.tcp_checks]]
        interval = "10s"
    "#;
    parts(
        text,
        "app",
        &[(
            "/services",
            json!([{
                "protocol": "udp", "internal_port": 53, "autostop": "suspend", "autostart": false,
                "min_machines_running": 2,
                "concurrency": {"type": "connections", "hard_limit": 9},
                "ports": [{
                    "start_port": 1000, "end_port": 2000, "handlers": ["tls", "http"],
                    "force_https": true,
                    "tls_options": {
                        "alpn": ["h2"], "versions": ["TLSv1.3"], "default_self_signed": false,
                    },
                    "proxy_proto_options": {"version": "v2"},
                    "http_options": {
                        "compress": true, "h2_backend": false, "idle_timeout": 60,
                        "headers_read_timeout": 5,
                        "response": {
                            "pristine": true,
                            "headers": {"A": "1", "B": ["2", "3"], "C": false},
                        },
                        "replay_cache": [{
                            "path_prefix": "/x", "ttl_seconds": 5, "type": "cookie", "name": "s",
                        }],
                    },
                }],
                "checks": [
                    {"type": "tcp", "interval": "10s"},
                    {
                        "type": "http", "path": "/", "protocol": "https", "tls_skip_verify": true,
                        "tls_server_name": "web",
                    },
                ],
                "force_instance_key": null,
            }]),
        )],
    );
}

#[test]
fn idle_machines_are_stopped_by_any_of_the_words() {
    for (word, autostop) in [
        ("true", json!(true)),
        ("'stop'", json!(true)),
        ("false", json!(false)),
        ("'off'", json!(false)),
        ("'suspend'", json!("suspend")),
    ] {
        let text = format!("[http_service]\nauto_stop_machines = {word}\n");
        parts(&text, "app", &[("/services/0/autostop", autostop)]);
    }
    assert!(problems("[http_service]\nauto_stop_machines = 'never'")[0].contains("not one of"));
}

#[test]
fn the_http_service_comes_first_and_its_options_go_to_both_ports() {
    let text = "
        [[services]]
        internal_port = 25
        [http_service]
        internal_port = 8080
        tls_options = { versions = ['TLSv1.2'] }
        http_options = { compress = true }
    ";
    parts(
        text,
        "app",
        &[
            ("/services/0/internal_port", json!(8080)),
            ("/services/1/internal_port", json!(25)),
            ("/services/1/protocol", Value::Null),
            ("/services/0/ports/0/http_options", json!({"compress": true})),
            ("/services/0/ports/0/tls_options", Value::Null),
            ("/services/0/ports/0/force_https", Value::Null),
            ("/services/0/ports/1/http_options", json!({"compress": true})),
            ("/services/0/ports/1/tls_options", json!({"versions": ["TLSv1.2"]})),
        ],
    );
}

#[test]
fn checks_without_a_port_take_that_of_the_http_service() {
    let text = "
        [http_service]
        internal_port = 8080
        [checks.a]
        type = 'http'
        headers = [{ name = 'X', value = 1 }]
        [checks.b]
        type = 'tcp'
        port = 9
    ";
    parts(
        text,
        "app",
        &[
            ("/checks/a/port", json!(8080)),
            ("/checks/a/headers", json!([{"name": "X", "values": ["1"]}])),
            ("/checks/b/port", json!(9)),
        ],
    );
}
