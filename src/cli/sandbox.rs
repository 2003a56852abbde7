//! `snowbird sandbox`

use std::net::SocketAddr;

use serde_json::json;

use super::Context;
use super::args::SandboxArgs;
use super::credentials::secret_file;
use super::exit::Failure;
use crate::http::Secret;
use crate::sandbox::{Options, Sandbox, Storage};

/// The token that sandboxes accept. It guards nothing, so it is no secret.
pub(super) const TOKEN: &str = "sandbox";

/// Serves until Ctrl-C.
pub(super) async fn run(context: &Context, args: SandboxArgs) -> Result<(), Failure> {
    let token = match &args.token_file {
        Some(file) => secret_file(context, file)?,
        None => Secret::new(TOKEN),
    };
    let sandbox = Sandbox::start(Options {
        address: args.listen,
        tokens: vec![token.expose().to_owned()],
        auto_create_apps: args.apps.is_empty(),
        apps: args.apps,
        rate_limits: args.rate_limits,
        retry_after: args.retry_after,
        storage: args.state.map_or(Storage::Memory, Storage::Folder),
        ..Options::default()
    })
    .await
    .map_err(Failure::of)?;
    for fault in args.faults {
        sandbox.inject(fault);
    }
    for (place, machines) in args.capacity {
        sandbox.set_room(place, Some(machines));
    }
    let (url, address) = (sandbox.url(), sandbox.address());
    let token_line = match &args.token_file {
        Some(file) => format!("export SNOWBIRD_TOKEN_FILE={}", file.display()),
        None => format!("export FLY_API_TOKEN={TOKEN}"),
    };
    let text = format!(
        "export FLY_FLAPS_BASE_URL={url}\nexport FLY_API_BASE_URL={url}\n\
         export FLY_UIEX_BASE_URL={url}\nexport FLY_REGISTRY_HOST={address}\n{token_line}"
    );
    context.output.result(&text, &json!({ "url": url, "registry": address.to_string() }))?;
    context.output.line(&format!("sandbox listens on {url}; Ctrl-C ends it"));
    context.cancel.cancelled().await;
    sandbox.stop().await.map_err(Failure::of)
}

/// Starts a sandbox for one run.
pub(super) async fn start_for_run(app: &str) -> Result<Sandbox, Failure> {
    let options = Options {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        tokens: vec![TOKEN.to_owned()],
        apps: vec![app.to_owned()],
        ..Options::default()
    };
    Sandbox::start(options).await.map_err(Failure::of)
}
