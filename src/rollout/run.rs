//! A rollout from the first look to the last machine.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::event::{Event, Reporter};
use crate::fly::config::{AppConfig, Strategy};
use crate::fly::{AppName, Client};

use super::Error;
use super::current::machines;
use super::health::Watch;
use super::lease::Leases;
use super::plan::{Plan, Step, plan};
use super::record::Record;
use super::rolling::{Rolling, Standing};

/// What shall run where.
#[derive(Debug, Clone)]
pub struct Request {
    /// The app.
    pub app: AppName,
    /// Its configuration.
    pub config: AppConfig,
    /// Reference of the image, by digest.
    pub image: String,
    /// How patient to be.
    pub settings: Settings,
}

/// How patient a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a machine may take to become healthy.
    pub wait_timeout: Duration,
    /// How long a lease lives unless it is refreshed.
    pub lease_ttl: Duration,
    /// How long a machine without health checks is watched after its start.
    pub watch_without_checks: Duration,
}

impl Settings {
    /// Five minutes and 13 seconds, as the platform's own client has them. Its ten seconds
    /// for machines without checks are halved: an exit is seen by its event.
    pub const DEFAULT: Self = Self {
        wait_timeout: Duration::from_secs(300),
        lease_ttl: Duration::from_secs(13),
        watch_without_checks: Duration::from_secs(5),
    };
}

/// What a rollout has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Number of the release, if one was recorded.
    pub version: Option<u64>,
    /// Machines that were created or updated.
    pub changed: usize,
    /// Machines that ran this already.
    pub unchanged: usize,
    /// Where the app can be reached, if it has a public HTTP service.
    pub url: Option<String>,
}

/// Tells whether a configuration asks for what is done here, before anything is built for it.
///
/// # Errors
///
/// [`Error::StrategyUnsupported`].
pub fn check(config: &AppConfig) -> Result<(), Error> {
    match config.strategy() {
        Strategy::Rolling => Ok(()),
        strategy => Err(Error::StrategyUnsupported(strategy)),
    }
}

/// Brings the app's machines to the image and the configuration.
///
/// The machines are listed here, not taken from an earlier look: an image takes its time to
/// be built. Nothing is recorded or leased when nothing is to change.
///
/// # Errors
///
/// [`Error::Unhealthy`] and [`Error::Interrupted`] tell which machines run what; after
/// every other error no machine was changed.
///
/// # Cancel safety
///
/// To stop it, cancel `cancel`: it ends at the next await, lets go of the leases and
/// records the interruption, within about four seconds. Dropping it leaves leases that end
/// by themselves.
pub async fn run(
    client: &Client,
    request: Request,
    reporter: Arc<dyn Reporter>,
    cancel: CancellationToken,
) -> Result<Outcome, Error> {
    let Request { app, config, image, settings } = &request;
    check(config)?;
    let idle = Standing::default();
    let machines = stoppable(&cancel, &idle, machines(client, app)).await?;
    reporter.report(Event::AppFound { app: app.to_string(), machines: machines.len() });
    let plan = plan(&machines, config, image)?;
    for machine in &plan.unreachable {
        reporter.report(Event::Warning {
            code: "rollout.machine-unreachable",
            message: format!("machine {machine} is left as it is: its host cannot be reached"),
        });
    }
    let mut outcome = outcome(&plan, config.url(app));
    if plan.is_empty() {
        return Ok(outcome);
    }

    let leased = leased(&plan);
    let leases = Leases::new(client, app, settings.lease_ttl);
    if let Err(error) = leases.acquire(&leased, &cancel).await {
        leases.release().await;
        return Err(error);
    }
    let standing = Standing::new(machines.iter().map(|machine| machine.id.as_str()));
    let opened = stoppable(&cancel, &standing, async {
        Ok(Record::open(client, &*reporter, app, config, image).await)
    });
    let record = match opened.await {
        Ok(record) => record,
        Err(error) => {
            leases.release().await;
            return Err(error);
        }
    };
    outcome.version = record.version();
    let rolling = Rolling {
        watch: Watch {
            client,
            app,
            reporter: &*reporter,
            within: settings.wait_timeout,
            without_checks: settings.watch_without_checks,
        },
        leases: &leases,
        record: &record,
        max_unavailable: config.max_unavailable(),
        standing: &standing,
    };
    let done =
        stoppable(&cancel, &standing, Box::pin(leases.during(rolling.run(&plan.steps)))).await;
    let (status, text) = match &done {
        Ok(()) => ("complete", None),
        Err(error @ Error::Interrupted { .. }) => ("interrupted", Some(error.to_string())),
        Err(error) => ("failed", Some(error.to_string())),
    };
    tokio::join!(leases.release(), record.close(status, text));
    done.map(|()| outcome)
}

/// Runs `work` until it ends or the user wants no more.
async fn stoppable<T>(
    cancel: &CancellationToken,
    standing: &Standing,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => {
            let (changed, unchanged) = standing.now();
            Err(Error::Interrupted { changed, unchanged })
        }
        result = work => result,
    }
}

fn leased(plan: &Plan) -> Vec<&str> {
    plan.steps
        .iter()
        .filter_map(|step| match step {
            Step::Update(update) => Some(update.machine.as_str()),
            Step::Destroy { machine, .. } => Some(machine.as_str()),
            Step::Unchanged { .. } | Step::Create { .. } => None,
        })
        .collect()
}

fn outcome(plan: &Plan, url: Option<String>) -> Outcome {
    let mut outcome = Outcome { version: None, changed: 0, unchanged: 0, url };
    for step in &plan.steps {
        match step {
            Step::Unchanged { .. } => outcome.unchanged += 1,
            Step::Create { .. } | Step::Update(_) => outcome.changed += 1,
            Step::Destroy { .. } => {}
        }
    }
    outcome
}
