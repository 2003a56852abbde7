//! Leases. The answers are wrapped, as the platform's own client expects them.

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Call, Outcome, Refusal};
use super::lookup::{living, machine, machine_mut};
use crate::fly::wire::Lease;
use crate::sandbox::machine::Host;

/// How long a lease lasts when nothing is said, in seconds.
const DEFAULT_TTL_S: u64 = 60;

fn wrapped(lease: &Lease) -> Value {
    json!({"status": "success", "data": lease})
}

pub(super) fn get(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    let state = call.core.state();
    let lease = machine(&state, name, id)?.live_lease(call.now_ms);
    let lease = lease.ok_or_else(|| Refusal::not_found("lease"))?;
    Ok(Answer::ok(wrapped(&lease.view(call.nonce() == Some(&lease.nonce)))))
}

pub(super) fn take(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    #[derive(Deserialize)]
    struct Take {
        #[serde(default)]
        description: String,
        ttl: Option<u64>,
    }
    let Take { description, ttl } = call.json()?;
    let ttl_s = match call.query("ttl") {
        Some(text) => {
            text.parse().map_err(|error| Refusal::invalid(format!("invalid ttl: {error}")))?
        }
        None => ttl.unwrap_or(DEFAULT_TTL_S),
    };
    if ttl_s == 0 {
        return Err(Refusal::invalid("invalid ttl: it must be at least 1"));
    }
    let mut state = call.core.state();
    if living(&state, name, id)?.host != Host::Ok {
        return Err(Refusal::host_is_lost());
    }
    let machine = machine_mut(&mut state, name, id)?;
    let lease = machine.take_lease(call.nonce(), ttl_s, description, call.now_ms)?;
    Ok(Answer::created(wrapped(&lease.view(true))))
}

pub(super) fn release(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    let mut state = call.core.state();
    machine_mut(&mut state, name, id)?.drop_lease(call.nonce(), call.now_ms)?;
    Ok(Answer::ok(json!({"status": "success", "data": {"ok": true}})))
}
