//! Which keys fly.toml has, and what becomes of those that are not converted.

use toml::{Table, Value};

use super::locate::line_of;
use super::{Error, Warning};

/// What may stand at a place.
enum Keys {
    /// A value, or anything whatever.
    Any,
    /// A table of these, or a list of such tables.
    Table(&'static [(&'static str, Keys)]),
    /// A table whose keys are free, or a list.
    Named(&'static Keys),
    /// Something that deploys here don't do: what it would.
    Refused(&'static str),
    /// Something that has no effect here: why.
    Idle(&'static str),
}

use Keys::{Any, Idle, Named, Refused};

const BUILDS: &str = "the image is built by Nix";
const TESTS: &str = "it runs test machines during a deploy";

const TLS: Keys = Keys::Table(&[("alpn", Any), ("versions", Any), ("default_self_signed", Any)]);

const CONCURRENCY: Keys = Keys::Table(&[("type", Any), ("soft_limit", Any), ("hard_limit", Any)]);

const CHECK: Keys = Keys::Table(&[
    ("name", Any),
    ("port", Any),
    ("type", Any),
    ("interval", Any),
    ("timeout", Any),
    ("grace_period", Any),
    ("method", Any),
    ("path", Any),
    ("protocol", Any),
    ("tls_skip_verify", Any),
    ("tls_server_name", Any),
    ("headers", Any),
    ("processes", Any),
]);

const VM: Keys = Keys::Table(&[
    ("size", Any),
    ("memory", Any),
    ("processes", Any),
    ("cpu_kind", Any),
    ("cpus", Any),
    ("memory_mb", Any),
    ("max_memory_mb", Any),
    ("gpus", Any),
    ("gpu_kind", Any),
    ("host_dedication_id", Any),
    ("persist_rootfs", Any),
    ("kernel_args", Any),
]);

const MOUNT: Keys = Keys::Table(&[
    ("source", Any),
    ("destination", Any),
    ("initial_size", Any),
    ("snapshot_retention", Any),
    ("scheduled_snapshots", Any),
    ("auto_extend_size_threshold", Any),
    ("auto_extend_size_increment", Any),
    ("auto_extend_size_limit", Any),
    ("processes", Any),
]);

const METRICS: Keys =
    Keys::Table(&[("port", Any), ("path", Any), ("https", Any), ("processes", Any)]);

const PORT: Keys = Keys::Table(&[
    ("port", Any),
    ("start_port", Any),
    ("end_port", Any),
    ("handlers", Any),
    ("force_https", Any),
    ("tls_options", TLS),
    ("http_options", Any),
    ("proxy_proto_options", Any),
]);

const HTTP_SERVICE: Keys = Keys::Table(&[
    ("internal_port", Any),
    ("force_https", Any),
    ("auto_stop_machines", Any),
    ("auto_start_machines", Any),
    ("min_machines_running", Any),
    ("processes", Any),
    ("concurrency", CONCURRENCY),
    ("tls_options", TLS),
    ("http_options", Any),
    ("checks", CHECK),
    ("machine_checks", Refused(TESTS)),
]);

const SERVICE: Keys = Keys::Table(&[
    ("protocol", Any),
    ("internal_port", Any),
    ("auto_stop_machines", Any),
    ("auto_start_machines", Any),
    ("min_machines_running", Any),
    ("ports", PORT),
    ("concurrency", CONCURRENCY),
    ("tcp_checks", CHECK),
    ("http_checks", CHECK),
    ("processes", Any),
    ("machine_checks", Refused(TESTS)),
]);

const FILE: Keys = Keys::Table(&[
    ("guest_path", Any),
    ("raw_value", Any),
    ("secret_name", Any),
    ("local_path", Refused("it copies a file from here; put the file into the image")),
    ("processes", Idle("files are written in every process group")),
]);

const DEPLOY: Keys = Keys::Table(&[
    ("strategy", Any),
    ("max_unavailable", Any),
    ("wait_timeout", Any),
    ("release_command", Refused("it runs a command before the deploy")),
    ("release_command_timeout", Any),
    ("release_command_vm", Any),
    ("seed_command", Any),
]);

const BUILD: Keys = Keys::Table(&[
    ("image", Any),
    ("builder", Idle(BUILDS)),
    ("args", Idle(BUILDS)),
    ("buildpacks", Idle(BUILDS)),
    ("settings", Idle(BUILDS)),
    ("builtin", Idle(BUILDS)),
    ("dockerfile", Idle(BUILDS)),
    ("ignorefile", Idle(BUILDS)),
    ("build-target", Idle(BUILDS)),
    ("build_target", Idle(BUILDS)),
    ("compression", Idle("it is chosen by a flag")),
    ("compression_level", Idle("it is chosen by a flag")),
    ("compose", Refused("it runs several containers in a machine")),
]);

const EXPERIMENTAL: Keys = Keys::Table(&[
    ("cmd", Any),
    ("entrypoint", Any),
    ("exec", Any),
    ("kill_timeout", Any),
    ("metrics_port", Any),
    ("metrics_path", Any),
    ("auto_rollback", Any),
    ("enable_consul", Any),
    ("enable_etcd", Any),
    ("lazy_load_images", Any),
    ("attached", Any),
    ("machine_config", Refused("it gives parts of the machine's configuration as JSON")),
]);

const FILE_KEYS: Keys = Keys::Table(&[
    ("app", Any),
    ("primary_region", Any),
    ("kill_signal", Any),
    ("kill_timeout", Any),
    ("swap_size_mb", Any),
    ("console_command", Any),
    ("host_dedication_id", Any),
    ("env", Any),
    ("processes", Any),
    ("http_service", HTTP_SERVICE),
    ("services", SERVICE),
    ("checks", Named(&CHECK)),
    ("vm", VM),
    ("compute", VM),
    ("computes", VM),
    ("mounts", MOUNT),
    ("mount", MOUNT),
    ("metrics", METRICS),
    ("metric", METRICS),
    ("restart", Keys::Table(&[("policy", Any), ("retries", Any), ("processes", Any)])),
    ("files", FILE),
    (
        "statics",
        Keys::Table(&[
            ("guest_path", Any),
            ("url_prefix", Any),
            ("tigris_bucket", Any),
            ("index_document", Any),
        ]),
    ),
    ("deploy", DEPLOY),
    ("build", BUILD),
    ("experimental", EXPERIMENTAL),
    ("machine_config", Refused("it gives parts of the machine's configuration as JSON")),
    ("machine_checks", Refused(TESTS)),
    ("container", Refused("it runs several containers in a machine")),
]);

/// Looks at every key of the file: a warning for each that has no effect, an error for the
/// first that asks for something that is not done here.
pub(super) fn look(text: &str, path: &str) -> Result<Vec<Warning>, Error> {
    let Ok(document) = text.parse::<Table>() else {
        return Ok(Vec::new());
    };
    let mut look = Look { text, path, warnings: Vec::new() };
    look.value("", &Value::Table(document), &FILE_KEYS)?;
    Ok(look.warnings)
}

struct Look<'a> {
    text: &'a str,
    path: &'a str,
    warnings: Vec<Warning>,
}

impl Look<'_> {
    fn value(&mut self, key: &str, value: &Value, keys: &Keys) -> Result<(), Error> {
        match (keys, value) {
            (Keys::Table(_) | Named(_), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let keys = if let Named(inner) = keys { inner } else { keys };
                    self.value(&format!("{key}[{index}]"), item, keys)?;
                }
                Ok(())
            }
            (Keys::Table(known), Value::Table(table)) => {
                for (name, value) in table {
                    let key = join(key, name);
                    match known.iter().find(|(known, _)| known == name) {
                        Some((_, keys)) => self.value(&key, value, keys)?,
                        None => self.warn(
                            "config.unknown-key",
                            &key,
                            "is not known to fly.toml and has no effect",
                        ),
                    }
                }
                Ok(())
            }
            (Named(inner), Value::Table(table)) => {
                for (name, value) in table {
                    self.value(&join(key, name), value, inner)?;
                }
                Ok(())
            }
            (Refused(reason), value) if !is_empty(value) => Err(Error::Unsupported {
                path: self.path.to_owned(),
                line: line_of(self.text, key),
                key: key.to_owned(),
                reason: (*reason).to_owned(),
            }),
            (Idle(reason), value) if !is_empty(value) => {
                self.warn("config.key-without-effect", key, &format!("has no effect: {reason}"));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn warn(&mut self, code: &'static str, key: &str, text: &str) {
        self.warnings.push(Warning {
            code,
            message: match line_of(self.text, key) {
                Some(line) => format!("`{}` line {line}: `{key}` {text}", self.path),
                None => format!("`{}`: `{key}` {text}", self.path),
            },
        });
    }
}

fn join(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Table(table) => table.is_empty(),
        _ => false,
    }
}
