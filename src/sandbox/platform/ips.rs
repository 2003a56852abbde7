//! Addresses of apps.

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Call, Outcome, Refusal};
use super::lookup::{app, app_mut};
use crate::sandbox::app::{App, Ip};
use crate::sandbox::machine::timestamp;

pub(in crate::sandbox) fn view(app: &App, ip: &Ip) -> Value {
    let network = ip.network.as_ref();
    json!({
        "ip": ip.address,
        "region": ip.region,
        "service_name": ip.service_name,
        "shared": ip.shared,
        "egress": ip.egress,
        "network": network.map(|name| json!({"name": name, "org_slug": app.organization})),
        "created_at": timestamp(ip.created_at_ms),
    })
}

pub(super) fn list(call: &Call<'_>, name: &str) -> Outcome {
    let state = call.core.state();
    let app = app(&state, name)?;
    let ips: Vec<_> = app.ips.iter().map(|ip| view(app, ip)).collect();
    Ok(Answer::ok(json!({"ips": ips})))
}

/// Addresses that documentation may use, of RFC 5737 and RFC 3849; private ones are of a
/// network that nobody routes.
fn address(kind: &str, app: u64, n: usize) -> Option<String> {
    Some(match kind {
        "shared_v4" => "198.51.100.1".to_owned(),
        "v4" => format!("192.0.2.{}", n % 256),
        "egress_v4" => format!("203.0.113.{}", n % 256),
        "v6" => format!("2001:db8:{app:x}::{n:x}"),
        "egress_v6" => format!("2001:db8:{app:x}:e::{n:x}"),
        "private_v6" => format!("fdaa:0:{app:x}::{n:x}"),
        _ => return None,
    })
}

/// Assigns an address, or a pair of them for `egress_pair`.
pub(super) fn assign(call: &Call<'_>, name: &str) -> Outcome {
    #[derive(Deserialize)]
    struct Assign {
        #[serde(rename = "type")]
        kind: String,
        #[serde(default)]
        region: String,
        #[serde(default)]
        network: String,
        #[serde(default)]
        service_name: String,
    }
    let Assign { kind, region, network, service_name } = call.json()?;
    let mut state = call.core.state();
    let app = app_mut(&mut state, name)?;
    if kind == "shared_v4" && app.ips.iter().any(|ip| ip.shared) {
        return Err(Refusal::unprocessable("the app has a shared address already"));
    }
    let kinds: &[&str] = match kind.as_str() {
        "egress_pair" => &["egress_v4", "egress_v6"],
        kind => &[kind],
    };
    let mut made = Vec::new();
    for kind in kinds {
        let address = address(kind, app.number, app.ips.len() + 1)
            .ok_or_else(|| Refusal::invalid(format!("unknown type of address: {kind}")))?;
        app.ips.push(Ip {
            address,
            region: if region.is_empty() { "global".into() } else { region.clone() },
            service_name: service_name.clone(),
            shared: *kind == "shared_v4",
            egress: kind.starts_with("egress"),
            network: (*kind == "private_v6").then(|| network.clone()),
            created_at_ms: call.now_ms,
        });
        made.extend(app.ips.last().cloned());
    }
    let mut told = made.first().map(|ip| view(app, ip)).unwrap_or_default();
    if let ([v4, v6], Some(members)) = (made.as_slice(), told.as_object_mut()) {
        members.insert("ip".into(), Value::Null);
        members.insert("ip_pair".into(), json!({"v4": v4.address, "v6": v6.address}));
    }
    Ok(Answer::ok(told))
}

pub(super) fn remove(call: &Call<'_>, name: &str, address: &str) -> Outcome {
    let mut state = call.core.state();
    let ips = &mut app_mut(&mut state, name)?.ips;
    let before = ips.len();
    ips.retain(|ip| ip.address != address);
    if ips.len() == before {
        return Err(Refusal::not_found("ip address"));
    }
    Ok(Answer::no_content())
}
