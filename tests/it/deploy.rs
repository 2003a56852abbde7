//! Rollouts against the sandbox.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use snowbird::deploy::{self, Image, ImageRequest, Origin};
use snowbird::error::Explain as _;
use snowbird::event::{Event, MachineStep, Recorder, Reporter};
use snowbird::fly::config::AppConfig;
use snowbird::fly::{AppName, Client, Endpoints, Token, wire};
use snowbird::http::{Clients, Retry};
use snowbird::image::ManifestFormat;
use snowbird::layer::Encoding;
use snowbird::push::{Format, Reuse};
use snowbird::registry::{Registry, Transport};
use snowbird::rollout::{self, Error, Outcome, Request, Settings};
use snowbird::sandbox::{Behavior, Options, Pace, Sandbox};
use tokio_util::sync::CancellationToken;

const ONE: &str =
    "ghcr.io/acme/web@sha256:1111111111111111111111111111111111111111111111111111111111111111";
const TWO: &str =
    "ghcr.io/acme/web@sha256:2222222222222222222222222222222222222222222222222222222222222222";
const CHECKED: &str = "
    primary_region = 'fra'
    [http_service]
    internal_port = 8080
    [[http_service.checks]]
    interval = '10s'
    timeout = '2s'
    path = '/'
";

struct World {
    sandbox: Sandbox,
    client: Client,
    app: AppName,
    reporter: Arc<Recorder>,
}

impl World {
    async fn new() -> Self {
        let sandbox = Sandbox::start(Options {
            apps: vec!["web".into()],
            rate_limits: true,
            pace: Pace::every(Duration::from_millis(50)),
            ..Options::default()
        })
        .await
        .unwrap();
        let reporter = Arc::new(Recorder::default());
        let client = Client::new(
            Clients::new(None).unwrap(),
            Endpoints::new(&sandbox.url(), &sandbox.url(), &sandbox.url()).unwrap(),
            Token::parse("fo1_test").unwrap(),
            Retry::new(Arc::<Recorder>::clone(&reporter)),
        );
        Self { sandbox, client, app: "web".parse().unwrap(), reporter }
    }

    async fn deploy(&self, text: &str, image: &str) -> Result<Outcome, Error> {
        self.deploy_until(text, image, 20, CancellationToken::new()).await
    }

    async fn deploy_until(
        &self,
        text: &str,
        image: &str,
        within_seconds: u64,
        cancel: CancellationToken,
    ) -> Result<Outcome, Error> {
        let (config, _) = AppConfig::parse(text, Path::new("fly.toml")).unwrap();
        let request = Request {
            app: self.app.clone(),
            config,
            image: image.into(),
            settings: Settings {
                wait_timeout: Duration::from_secs(within_seconds),
                watch_without_checks: Duration::from_millis(300),
                ..Settings::DEFAULT
            },
        };
        let reporter: Arc<Recorder> = Arc::clone(&self.reporter);
        rollout::run(&self.client, request, reporter, cancel).await
    }

    /// Adds machines of the group `app` that run `image`, beside the one that is there.
    async fn add_machines(&self, text: &str, image: &str, count: usize) {
        let (config, _) = AppConfig::parse(text, Path::new("fly.toml")).unwrap();
        for number in 0..count {
            let request = wire::CreateMachine {
                config: config.machine_config("app", image, None).unwrap(),
                ..wire::CreateMachine::default()
            };
            let id = format!("extra-{number}");
            self.client.create_machine(&self.app, request, &id).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    fn images(&self) -> Vec<String> {
        let machines = self.sandbox.machines("web");
        machines.into_iter().filter_map(|m| m.config).map(|config| config.image).collect()
    }
}

#[tokio::test]
async fn a_first_deploy_makes_a_machine_and_the_same_again_changes_nothing() {
    let world = World::new().await;
    let outcome = world.deploy(CHECKED, ONE).await.unwrap();
    assert_eq!((outcome.version, outcome.changed, outcome.unchanged), (Some(1), 1, 0));
    assert_eq!(outcome.url, None, "a sandbox is not on the Internet");
    let machines = world.sandbox.machines("web");
    assert_eq!(machines.len(), 1);
    assert_eq!(machines[0].region, "fra");
    let metadata = &machines[0].config.as_ref().unwrap().metadata;
    assert_eq!(metadata["fly_platform_version"], "v2");
    assert_eq!(metadata["fly_release_version"], "1");
    assert_eq!(world.sandbox.releases("web")[0].status, "complete");

    let outcome = world.deploy(CHECKED, ONE).await.unwrap();
    assert_eq!((outcome.version, outcome.changed, outcome.unchanged), (None, 0, 1));
    assert_eq!(world.sandbox.releases("web").len(), 1);
}

#[tokio::test]
async fn three_machines_are_updated_one_after_the_other_and_all_leases_are_let_go() {
    let world = World::new().await;
    world.deploy(CHECKED, ONE).await.unwrap();
    world.add_machines(CHECKED, ONE, 2).await;
    let outcome = world.deploy(CHECKED, TWO).await.unwrap();
    assert_eq!((outcome.changed, outcome.version), (3, Some(2)));
    assert_eq!(world.images(), [TWO; 3]);
    assert_eq!(world.sandbox.leases("web"), 0);
    let events = world.reporter.events();
    let done = |event: &&Event| matches!(event, Event::Machine { step: MachineStep::Done, .. });
    assert_eq!(events.iter().filter(done).count(), 4);
}

#[tokio::test]
async fn a_crash_at_start_is_told_in_seconds_with_its_code_and_stops_the_rollout() {
    let world = World::new().await;
    world.deploy(CHECKED, ONE).await.unwrap();
    world.add_machines(CHECKED, ONE, 2).await;
    let crash = Behavior::CrashAtStart { exit_code: 3, oom_killed: false };
    world.sandbox.set_behavior("web", crash);
    let begun = Instant::now();
    let error = world.deploy(CHECKED, TWO).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(error.code(), "rollout.unhealthy");
    let Error::Unhealthy { reason, changed, unchanged, .. } = error else { unreachable!() };
    assert_eq!(reason, "its process exited with code 3");
    assert_eq!((changed.len(), unchanged.len()), (1, 2));
    assert_eq!(world.sandbox.leases("web"), 0);
    let logged = |event: &Event| matches!(event, Event::MachineLog { .. });
    assert!(world.reporter.events().iter().any(logged));
    assert_eq!(world.sandbox.releases("web").iter().filter(|r| r.status == "failed").count(), 1);
}

#[tokio::test]
async fn checks_that_never_pass_end_with_the_timeout() {
    let world = World::new().await;
    world.sandbox.set_behavior("web", Behavior::ChecksNeverPass);
    let cancel = CancellationToken::new();
    let error = world.deploy_until(CHECKED, ONE, 3, cancel).await.unwrap_err();
    let Error::Unhealthy { reason, .. } = error else { panic!("{error:?}") };
    assert_eq!(reason, "0 of 1 health checks pass after 3s");
}

#[tokio::test]
async fn a_machine_that_another_leases_is_left_alone_and_the_holder_told() {
    let world = World::new().await;
    world.deploy(CHECKED, ONE).await.unwrap();
    let machine = world.sandbox.machines("web")[0].id.clone();
    let ttl = Duration::from_secs(60);
    world.client.lease_machine(&world.app, &machine, ttl, None, "another").await.unwrap();
    let error = world.deploy(CHECKED, TWO).await.unwrap_err();
    assert_eq!(error.code(), "rollout.lease-held");
    assert!(error.to_string().contains(&machine), "{error}");
    assert_eq!(world.images(), [ONE]);
    assert_eq!(world.sandbox.releases("web").len(), 1);
}

#[tokio::test]
async fn an_interrupted_rollout_lets_go_of_its_leases_and_says_how_far_it_came() {
    let world = World::new().await;
    world.deploy(CHECKED, ONE).await.unwrap();
    world.add_machines(CHECKED, ONE, 1).await;
    world.sandbox.set_behavior("web", Behavior::ChecksNeverPass);
    let cancel = CancellationToken::new();
    let stop = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel.cancel();
        Instant::now()
    };
    let deploy = world.deploy_until(CHECKED, TWO, 60, cancel.clone());
    let (result, cancelled) = tokio::join!(deploy, stop);
    assert!(cancelled.elapsed() < Duration::from_secs(2));
    let Err(Error::Interrupted { changed, unchanged }) = result else { panic!("{result:?}") };
    assert_eq!((changed.len(), unchanged.len()), (1, 1));
    assert_eq!(world.sandbox.leases("web"), 0);
    let releases = world.sandbox.releases("web");
    assert_eq!(releases.iter().filter(|r| r.status == "interrupted").count(), 1);
}

#[tokio::test]
async fn stopped_machines_get_the_configuration_and_stay_stopped() {
    let world = World::new().await;
    let (config, _) = AppConfig::parse(CHECKED, Path::new("fly.toml")).unwrap();
    let request = wire::CreateMachine {
        config: config.machine_config("app", ONE, None).unwrap(),
        skip_launch: true,
        ..wire::CreateMachine::default()
    };
    world.client.create_machine(&world.app, request, "stopped").await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.deploy(CHECKED, TWO).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let machines = world.sandbox.machines("web");
    assert_eq!(world.images(), [TWO]);
    assert_eq!(machines[0].state, "stopped");
}

#[tokio::test]
async fn faults_that_pass_do_not_fail_a_healthy_rollout() {
    let world = World::new().await;
    world.deploy(CHECKED, ONE).await.unwrap();
    let machine = world.sandbox.machines("web")[0].id.clone();
    let path = format!("/v1/apps/web/machines/{machine}");
    for fault in [
        format!("POST {path}#2=lost"),
        format!("GET {path}/wait=status:502"),
        format!("GET {path}#3=status:500"),
        "POST /api/v1/releases=status:403".to_owned(),
    ] {
        world.sandbox.inject(fault.parse().unwrap());
    }
    let outcome = world.deploy(CHECKED, TWO).await.unwrap();
    assert_eq!((outcome.version, outcome.changed), (None, 1));
    assert_eq!(world.images(), [TWO]);
    let warned =
        |event: &Event| matches!(event, Event::Warning { code: "fly.release-not-recorded", .. });
    assert!(world.reporter.events().iter().any(warned));
}

#[tokio::test]
async fn a_strategy_that_is_not_done_here_is_refused_before_anything_is_built() {
    let world = World::new().await;
    let reporter: Arc<dyn Reporter> = Arc::<Recorder>::clone(&world.reporter);
    let registry = Registry::new(
        world.sandbox.address().to_string().parse().unwrap(),
        Transport::PlainHttp,
        None,
        "web".parse().unwrap(),
        Clients::new(None).unwrap(),
        Arc::clone(&reporter),
    );
    // There is no such image: to look for it would be another error.
    let image = ImageRequest {
        origin: Origin::File { path: "/nowhere".into(), nix: None },
        tags: Vec::new(),
        format: Format::new(ManifestFormat::Oci, Encoding::ZSTD).unwrap(),
        image_name: None,
        reuse: Reuse::Images,
        memo: None,
    };
    let text = "[deploy]\nstrategy = 'bluegreen'\n";
    let request = deploy::Request {
        image: Image::Build { request: image, registry: registry.unwrap() },
        app: world.app.clone(),
        config: AppConfig::parse(text, Path::new("fly.toml")).unwrap().0,
        settings: Settings::DEFAULT,
    };
    let cancel = CancellationToken::new();
    let result = deploy::deploy(&world.client, request, &reporter, &cancel).await;
    assert_eq!(result.unwrap_err().code(), "rollout.strategy-unsupported");
}
