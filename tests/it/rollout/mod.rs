//! Rollouts against the sandbox, through the library.

mod adversity;
mod bluegreen;
mod canary;
mod going_back;
mod immediate;
mod interruption;
mod leases;
mod rolling;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use snowbird::event::{Event, MachineStep, Recorder};
use snowbird::fly::config::{AppConfig, Strategy};
use snowbird::fly::{AppName, Client, Endpoints, Token, wire};
use snowbird::http::{Clients, Retry};
use snowbird::rollout::{self, Error, NewGroups, Outcome, Patience, Request, Settings, Target};
use snowbird::sandbox::{Options, Pace, Sandbox};
use tokio_util::sync::CancellationToken;

pub(crate) const ONE: &str =
    "ghcr.io/acme/web@sha256:1111111111111111111111111111111111111111111111111111111111111111";
pub(crate) const TWO: &str =
    "ghcr.io/acme/web@sha256:2222222222222222222222222222222222222222222222222222222222222222";

/// A fly.toml with a service and a check.
pub(crate) const CHECKED: &str = "
    primary_region = 'fra'
    [http_service]
    internal_port = 8080
    [[http_service.checks]]
    interval = '10s'
    timeout = '2s'
    path = '/'
";

/// A sandbox with the app `web`, and a client of it.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
    pub(crate) app: AppName,
    pub(crate) reporter: Arc<Recorder>,
    pub(crate) settings: Settings,
    pub(crate) cancel: CancellationToken,
}

impl World {
    /// Starts a sandbox that takes no more requests than Fly does, and whose machines are twenty
    /// times as fast.
    pub(crate) async fn new() -> Self {
        Self::with(Options { rate_limits: true, ..Options::default() }).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let sandbox = Sandbox::start(Options {
            apps: vec!["web".into()],
            pace: Pace::every(Duration::from_millis(50)),
            ..options
        })
        .await
        .unwrap();
        let reporter = Arc::new(Recorder::default());
        let url = sandbox.url();
        let client = Client::new(
            Clients::new(None).unwrap(),
            Endpoints::new(&url, &url, &url).unwrap(),
            Token::parse("fo1_test").unwrap(),
            Retry::new(Arc::<Recorder>::clone(&reporter)),
        );
        let settings = Settings {
            new_groups: NewGroups::OneMachine,
            patience: Patience {
                wait_timeout: Duration::from_secs(20),
                without_checks: Duration::from_millis(300),
                switch_pause: Duration::from_millis(50),
                ..Patience::DEFAULT
            },
            ..Settings::default()
        };
        let (app, cancel) = ("web".parse().unwrap(), CancellationToken::new());
        Self { sandbox, client, app, reporter, settings, cancel }
    }

    /// Brings the app to `text` and `image`.
    pub(crate) async fn deploy(&self, text: &str, image: &str) -> Result<Outcome, Error> {
        let (config, _) = AppConfig::parse(text, Path::new("fly.toml")).unwrap();
        let settings = Settings {
            strategy: config.strategy(),
            max_unavailable: config.max_unavailable(),
            ..self.settings.clone()
        };
        let request = Request {
            app: self.app.clone(),
            target: Target::Config(Box::new(config)),
            image: image.into(),
            settings,
        };
        let reporter: Arc<Recorder> = Arc::clone(&self.reporter);
        rollout::run(&self.client, request, reporter, self.cancel.clone()).await
    }

    /// Deploys `text` with image [`ONE`] to so many machines of the group `app`.
    pub(crate) async fn running(text: &str, machines: usize) -> Self {
        let world = Self::new().await;
        world.deploy(text, ONE).await.unwrap();
        world.add_machines(text, ONE, machines - 1).await;
        world
    }

    /// Adds machines of the group `app` that run `image`, beside the one that is there.
    pub(crate) async fn add_machines(&self, text: &str, image: &str, count: usize) {
        let (config, _) = AppConfig::parse(text, Path::new("fly.toml")).unwrap();
        for number in 0..count {
            let request = wire::CreateMachine {
                config: config.machine_config("app", image, None).unwrap(),
                region: Some("fra".into()),
                ..wire::CreateMachine::default()
            };
            let id = format!("extra-{number}");
            self.client.create_machine(&self.app, request, &id).await.unwrap();
        }
        let started = || {
            let machines = self.machines();
            machines
                .iter()
                .all(|m| m.state == "started" && m.checks.iter().all(|c| c.status == "passing"))
        };
        while !started() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns the machines that are not destroyed.
    pub(crate) fn machines(&self) -> Vec<wire::Machine> {
        let mut machines = self.sandbox.machines("web");
        machines.retain(|machine| !matches!(machine.state.as_str(), "destroyed" | "destroying"));
        machines
    }

    /// Returns the IDs of the machines that are not destroyed.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.machines().into_iter().map(|machine| machine.id).collect()
    }

    /// Returns the images of the machines that are not destroyed.
    pub(crate) fn images(&self) -> Vec<String> {
        let machines = self.machines().into_iter();
        machines.map(|machine| machine.known_config().unwrap().image.clone()).collect()
    }

    /// Returns how often a release ended so.
    pub(crate) fn releases(&self, status: &str) -> usize {
        let releases = self.sandbox.releases("web");
        releases.iter().filter(|release| release.status == status).count()
    }

    /// Checks that nobody holds a lease, and that all machines run `image`.
    #[track_caller]
    pub(crate) fn assert_runs(&self, image: &str) {
        assert_eq!(self.sandbox.leases("web"), 0, "a lease is left");
        let images = self.images();
        assert!(!images.is_empty() && images.iter().all(|i| i == image), "{:#?}", self.machines());
    }

    /// Returns how many machines came to a step.
    pub(crate) fn steps(&self, is: impl Fn(&MachineStep) -> bool) -> usize {
        let of = |event: &Event| matches!(event, Event::Machine { step, .. } if is(step));
        self.reporter.events().iter().filter(|event| of(event)).count()
    }
}

/// Returns `text` with another strategy.
pub(crate) fn with_strategy(text: &str, strategy: Strategy) -> String {
    format!("{text}\n[deploy]\nstrategy = '{strategy}'\n")
}
