//! The commands around a rollout, through the program.

mod logs;
mod plan;
mod releases;
mod rollback;
mod several_apps;
mod via_flyctl;

use serde_json::Value;

use crate::support::world::Outcome;
use crate::support::{Archive, Fly, Kind, World};

/// A web server with a check, and a group that serves nothing.
const TWO_GROUPS: &str = "
app = 'web'
primary_region = 'fra'

[env]
GREETING = 'hello'

[processes]
app = ''
cron = 'crond -f'

[http_service]
internal_port = 8080
processes = ['app']

[[http_service.checks]]
interval = '10s'
timeout = '2s'
path = '/'
";

/// An image that is in no registry that is asked.
const IMAGE: &str =
    "ghcr.io/acme/web@sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// Flags of a deploy that makes few machines, and does not watch those without checks.
const QUICKLY: &[&str] = &["--ha=false", "--smoke-checks=false", "-q"];

/// A Fly with one machine a group that runs [`IMAGE`].
fn deployed() -> (Fly, World) {
    let (fly, world) = (Fly::start(), World::new());
    world.file("fly.toml", TWO_GROUPS);
    world.run(&[&["deploy", "--image", IMAGE, &*fly.flag()], QUICKLY].concat()).ok();
    (fly, world)
}

/// Deploys an image that says `text`, to one machine a group.
#[track_caller]
fn deploy(fly: &Fly, world: &World, text: &str) -> Outcome {
    let path = Archive::small(text).write(world, Kind::Plain);
    world.run(&[&["deploy", path.to_str().unwrap(), &*fly.flag()], QUICKLY].concat()).ok()
}

/// Returns the result of a run with `--json`.
#[track_caller]
fn result(outcome: &Outcome) -> Value {
    serde_json::from_str(outcome.line()).unwrap()
}

/// Returns the images that the machines of an app run, each once.
fn images(fly: &Fly, app: &str) -> Vec<String> {
    let machines = fly.machines(app).into_iter();
    let mut images: Vec<_> = machines.map(|machine| machine.config.unwrap().image).collect();
    images.sort();
    images.dedup();
    images
}
