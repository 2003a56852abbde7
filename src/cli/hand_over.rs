//! `snowbird deploy --via flyctl`

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde_json::json;
use ulid::Ulid;

use super::Context;
use super::args::RequestArgs;
use super::exit::{Exit, Failure};
use super::fly_toml;
use super::image::{Known, look_up};
use super::platform::Fly;
use super::request::{files, image, open};
use crate::deploy::{Destination, Image, ImageRequest, Origin, build_and_push};
use crate::event::Event;
use crate::fly::AppName;
use crate::fly::config::{AppConfig, MaxUnavailable};
use crate::image::{Digest, Reference, Tag};
use crate::push::Platform;
use crate::registry::Registry;
use crate::rollout::{self, Flyctl, FlyctlError, HandOver, check_digest};

/// Builds and pushes, has flyctl deploy, sees whether it did, and prints the image by digest.
pub(super) async fn run(context: &Context, args: &RequestArgs) -> Result<(), Failure> {
    let flyctl = Flyctl::find(context.env.os("PATH")).map_err(Failure::of)?;
    let apps = apps(context, args)?;
    let Some(first) = apps.first() else { return Ok(()) };
    let fly = open(context, args, &apps.iter().map(|app| &app.name).collect::<Vec<_>>()).await?;
    let image = image(context, args, first.config.as_ref(), &fly, &first.name)?;
    let deploy = Deploy { context, args, fly: &fly, flyctl: &flyctl, apps: &apps };
    let given = Box::pin(fly.during(deploy.run(image))).await?;
    let names: Vec<_> = apps.iter().map(|app| json!({ "app": app.name.to_string() })).collect();
    let shown = given.by_digest().to_string();
    context.output.result(&shown, &json!({ "image": shown, "apps": names, "via": "flyctl" }))
}

/// An app that is handed over.
struct App {
    name: AppName,
    /// Where its configuration is; without one, flyctl takes that of the last release.
    file: Option<PathBuf>,
    /// What was read to know its name.
    config: Option<AppConfig>,
}

/// Returns the apps. Where the name was typed, the configuration is left to flyctl, which may
/// understand more of it.
fn apps(context: &Context, args: &RequestArgs) -> Result<Vec<App>, Failure> {
    let mut apps = Vec::new();
    for file in files(args)? {
        let (name, config) = match (&args.fly.app, &file) {
            (Some(app), _) => (app.clone(), None),
            (None, Some(path)) => {
                let config = fly_toml::read(context, path).map_err(|failure| {
                    failure.hint("name the app with `--app`: then the file is left to flyctl")
                })?;
                (fly_toml::app_of(&config, None)?, Some(config))
            }
            (None, None) => continue,
        };
        apps.push(App { name, file, config });
    }
    Ok(apps)
}

/// What flyctl is given to deploy.
struct Given {
    /// By a tag, if it was pushed here.
    reference: Reference,
    /// What the machines must run then, if that is known.
    digest: Option<Digest>,
}

impl Given {
    fn by_digest(&self) -> Reference {
        self.digest.map_or_else(|| self.reference.clone(), |d| self.reference.with_digest(d))
    }
}

#[derive(Clone, Copy)]
struct Deploy<'a> {
    context: &'a Context,
    args: &'a RequestArgs,
    fly: &'a Fly,
    flyctl: &'a Flyctl,
    apps: &'a [App],
}

impl Deploy<'_> {
    async fn run(self, image: Image) -> Result<Given, Failure> {
        let given = match image {
            Image::Build { request, registry } => self.push(request, &registry).await?,
            Image::Ready(reference) => self.look_up(reference).await?,
        };
        for app in self.apps {
            self.hand_over(app, &given).await?;
        }
        Ok(given)
    }

    /// Builds and pushes under a tag of its own.
    async fn push(self, mut request: ImageRequest, to: &Registry) -> Result<Given, Failure> {
        let Self { context, apps, fly, .. } = self;
        let looked_at =
            try_join_all(apps.iter().map(|app| rollout::inspect(fly.client(), &app.name)));
        let looked_at = context.unless_cancelled(looked_at).await?;
        let images = looked_at.iter().flat_map(rollout::Current::images);
        let previous = images.filter_map(|image| image.parse().ok()).collect();
        let has_identity = match &request.origin {
            Origin::Nix { .. } => request.image_name.is_none(),
            Origin::File { .. } => request.identity().is_some(),
        };
        // As flyctl calls what it pushes.
        let name = format!("deployment-{}", Ulid::generate());
        let unique: Tag = name.parse().map_err(|e| Failure::unforeseen(&format!("{e}")))?;
        if !has_identity {
            request.tags.push(unique.clone());
        }
        let to = Destination { registry: to, previous, platform: Platform::LinuxAmd64 };
        let pushed = build_and_push(&request, to, &context.reporter, &context.cancel).await;
        let pushed = pushed.map_err(Failure::of)?;
        let tag = pushed.identity.unwrap_or(unique);
        Ok(Given { reference: pushed.reference.with_tag(tag), digest: pushed.reference.digest })
    }

    /// Finds out what an image is that was there already.
    async fn look_up(self, reference: Reference) -> Result<Given, Failure> {
        let Some(first) = self.apps.first() else {
            return Ok(Given { digest: reference.digest, reference });
        };
        match look_up(self.context, self.fly, &first.name, &reference).await? {
            Known::There(digest) => Ok(Given { reference, digest: Some(digest) }),
            // flyctl finds out for itself.
            Known::Untold | Known::Gone => Ok(Given { digest: reference.digest, reference }),
        }
    }

    async fn hand_over(self, app: &App, given: &Given) -> Result<(), Failure> {
        let Self { context, args, fly, flyctl, .. } = self;
        let image = given.reference.to_string();
        context.reporter.report(Event::HandedOver {
            app: app.name.to_string(),
            image: image.clone(),
            program: flyctl.program().display().to_string(),
        });
        let sandbox = args.sandbox.is_some();
        let mut flags = flags(args);
        if sandbox {
            // Its apps have no names on the Internet.
            flags.push("--dns-checks=false".into());
        }
        let hand_over = HandOver {
            app: &app.name,
            config: app.file.as_deref(),
            image: &image,
            flags: &flags,
            variables: &if sandbox { variables(context, fly)? } else { Vec::new() },
            token: fly.token(),
        };
        // What it writes is no result of ours.
        let stdout = Stdio::from(std::io::stderr());
        let deployed = flyctl.deploy(&hand_over, stdout, &context.cancel).await;
        deployed.map_err(failure)?;
        let Some(digest) = &given.digest else { return Ok(()) };
        let (digest, scope) = (digest.to_string(), args.rollout.scope.scope());
        let checked = check_digest(fly.client(), &app.name, &digest, &scope);
        context.unless_cancelled(checked).await
    }
}

fn failure(error: FlyctlError) -> Failure {
    let code = error.exit_code();
    let failure = Failure::of(error);
    match code {
        Some(code) => failure.ending_with(Exit::Flyctl(code)),
        None => failure,
    }
}

/// Returns what leads flyctl to a sandbox, and keeps it from everything else.
fn variables(context: &Context, fly: &Fly) -> Result<Vec<(&'static str, String)>, Failure> {
    let host = fly.registry_host(context)?;
    let url = format!("http://{host}");
    Ok(vec![
        ("FLY_API_BASE_URL", url.clone()),
        ("FLY_FLAPS_BASE_URL", url.clone()),
        ("FLY_UIEX_BASE_URL", url),
        ("FLY_REGISTRY_HOST", host.to_string()),
        ("FLY_SEND_METRICS", "0".to_owned()),
        ("FLY_NO_INCIDENTS_CHECK", "1".to_owned()),
        ("FLY_TRACE_COLLECTOR_URL", "127.0.0.1".to_owned()),
    ])
}

/// Returns the flags that flyctl knows too, as far as they were typed.
fn flags(args: &RequestArgs) -> Vec<OsString> {
    let RequestArgs { overrides, rollout, release_command, new_machines, yes, .. } = args;
    let mut flags: Vec<String> = Vec::new();
    let mut give = |name: &str, value: Option<String>| {
        flags.extend(value.map(|value| format!("--{name}={value}")));
    };
    let millis = |duration: Duration| format!("{}ms", duration.as_millis());
    let list = |items: &[String]| (!items.is_empty()).then(|| items.join(","));
    let set = |flag: bool| flag.then(|| "true".to_owned());
    let unset = |flag: bool| (!flag).then(|| "false".to_owned());

    for (name, value) in &overrides.variables {
        give("env", Some(format!("{name}={value}")));
    }
    give("primary-region", overrides.primary_region.clone());
    for (flag, files) in [
        ("file-local", &overrides.local_files),
        ("file-literal", &overrides.literal_files),
        ("file-secret", &overrides.secret_files),
    ] {
        for (path, content) in files {
            give(flag, Some(format!("{path}={content}")));
        }
    }
    let vm = &overrides.vm;
    give("vm-size", vm.vm_size.clone());
    give("vm-cpus", vm.vm_cpus.map(|cpus| cpus.to_string()));
    give("vm-cpu-kind", vm.vm_cpu_kind.clone());
    give("vm-memory", vm.vm_memory.clone());
    give("vm-max-memory", vm.vm_max_memory.clone());
    give("host-dedication-id", vm.host_dedication_id.clone());
    give("process-groups", list(&rollout.scope.groups));
    give("regions", list(&rollout.scope.regions));
    give("exclude-regions", list(&rollout.scope.excluded_regions));
    give("only-machines", list(&rollout.scope.machines));
    give("exclude-machines", list(&rollout.scope.excluded_machines));
    give("strategy", rollout.strategy.map(|strategy| strategy.word().to_owned()));
    let max_unavailable = rollout.max_unavailable.map(|number| match number {
        MaxUnavailable::Count(count) => count.to_string(),
        MaxUnavailable::Part(part) => part.to_string(),
    });
    give("max-unavailable", max_unavailable);
    give("max-concurrent", rollout.max_concurrent.map(|number| number.to_string()));
    give("wait-timeout", rollout.wait_timeout.map(millis));
    give("lease-timeout", rollout.lease_timeout.map(millis));
    give("detach", set(rollout.detach));
    give("smoke-checks", unset(rollout.smoke_checks));
    give("signal", rollout.signal.clone());
    give("skip-release-command", set(release_command.skip_release_command));
    let timeout = release_command.release_command_timeout.map(|timeout| match timeout {
        Duration::ZERO => "none".to_owned(),
        timeout => millis(timeout),
    });
    give("release-command-timeout", timeout);
    give("ha", unset(new_machines.ha));
    give("update-only", set(new_machines.update_only));
    give("no-public-ips", set(new_machines.no_public_ips));
    give("flycast", set(new_machines.flycast));
    give("volume-initial-size", new_machines.volume_initial_size.map(|size| size.to_string()));
    give("yes", set(*yes));
    flags.into_iter().map(OsString::from).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        request: RequestArgs,
    }

    fn handed_on(typed: &str) -> Vec<String> {
        let line = Line::try_parse_from(["x"].into_iter().chain(typed.split(' '))).unwrap();
        flags(&line.request).into_iter().map(|flag| flag.into_string().unwrap()).collect()
    }

    #[test]
    fn what_was_not_typed_is_left_to_flyctl() {
        assert_eq!(handed_on("--app=web"), Vec::<String>::new());
        assert_eq!(handed_on("--ha --smoke-checks=true --rebuild --tag=v1"), Vec::<String>::new());
    }

    #[test]
    fn what_was_typed_is_handed_on_under_flyctls_names() {
        let typed = "-e A=1 -e B=x,y --primary-region fra \
                     --file-local /a=b --file-literal /c=d --file-secret /e=F --vm-size performance-1x \
                     --vm-cpus 2 --vm-cpu-kind shared --vm-memory 1gb --vm-max-memory 2gb \
                     --host-dedication-id h1 --process-group web,cron --region ams \
                     --exclude-regions syd --only-machines e1 --exclude-machines e2 \
                     --strategy bluegreen --max-unavailable 0.5 --max-concurrent 3 \
                     --wait-timeout 90 --lease-timeout 20s --detach --smoke-checks=false -s SIGTERM \
                     --skip-release-command --release-command-timeout none --ha=false --update-only \
                     --flycast --volume-initial-size 3 -y";
        let expected = [
            "--env=A=1",
            "--env=B=x,y",
            "--primary-region=fra",
            "--file-local=/a=b",
            "--file-literal=/c=d",
            "--file-secret=/e=F",
            "--vm-size=performance-1x",
            "--vm-cpus=2",
            "--vm-cpu-kind=shared",
            "--vm-memory=1gb",
            "--vm-max-memory=2gb",
            "--host-dedication-id=h1",
            "--process-groups=web,cron",
            "--regions=ams",
            "--exclude-regions=syd",
            "--only-machines=e1",
            "--exclude-machines=e2",
            "--strategy=bluegreen",
            "--max-unavailable=0.5",
            "--max-concurrent=3",
            "--wait-timeout=90000ms",
            "--lease-timeout=20000ms",
            "--detach=true",
            "--smoke-checks=false",
            "--signal=SIGTERM",
            "--skip-release-command=true",
            "--release-command-timeout=none",
            "--ha=false",
            "--update-only=true",
            "--flycast=true",
            "--volume-initial-size=3",
            "--yes=true",
        ];
        let typed = typed.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(handed_on(&typed), expected);
    }
}
