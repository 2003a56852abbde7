//! A rollout from the first look to the last machine.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::event::{Event, Reporter};
use crate::fly::config::Strategy;
use crate::fly::{AppName, Client};

use super::crew::{Crew, Stop};
use super::current::inspect_for;
use super::going_back::{self, go_back};
use super::journal::{Fate, Journal, Standing};
use super::lease::Leases;
use super::machine_checks::MachineChecks;
use super::plan::{Change, Existing, LeftAlone, Plan, plan};
use super::record::Record;
use super::watch::Watch;
use super::{
    Current, Error, Failure, OnFailure, Settings, Target, bluegreen, canary, immediate, provision,
    release_command, rolling,
};

/// How long a user who has interrupted waits until what must not stay is gone.
const TIDY_WITHIN: Duration = Duration::from_secs(2);

/// What shall run where.
#[derive(Debug, Clone)]
pub struct Request {
    /// The app.
    pub app: AppName,
    /// What its machines shall be like.
    pub target: Target,
    /// Reference of the image, by digest.
    pub image: String,
    /// How to go about it.
    pub settings: Settings,
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
    /// Where the app can be reached from the Internet, if it can.
    pub url: Option<String>,
}

/// Says what [`run`] would do. Changes nothing.
///
/// # Errors
///
/// Fails when the platform does not tell, and when what is wanted does not fit what there is.
pub async fn preview(client: &Client, request: &Request) -> Result<Plan, Error> {
    let Request { app, target, image, settings } = request;
    let current = inspect_for(client, app, target).await?;
    Ok(plan(&current, target, image, settings)?)
}

/// Looks at an app before there is an image for it, and says at once if what is wanted does not
/// fit what there is. Changes nothing.
///
/// # Errors
///
/// As [`preview`].
pub async fn foresee(
    client: &Client,
    app: &AppName,
    target: &Target,
    settings: &Settings,
) -> Result<Current, Error> {
    let current = inspect_for(client, app, target).await?;
    plan(&current, target, "not built yet", settings)?;
    Ok(current)
}

/// Brings the app's machines to the image and what is wanted of them.
///
/// The machines are listed here, not taken from an earlier look: an image takes its time to
/// be built. Nothing is recorded or leased when nothing is to change.
///
/// # Errors
///
/// After [`Error::RolledBack`] all machines run what they ran before. [`Error::Unhealthy`]
/// and [`Error::Interrupted`] tell which machines run what, and [`Error::LeftOver`] which are
/// too many; after every other error no machine was changed.
///
/// # Cancel safety
///
/// To stop it, cancel `cancel`: it ends at the next await, destroys the machines that must not
/// stay, lets go of the leases and records the interruption, within about four seconds.
/// Dropping it leaves leases that end by themselves.
pub async fn run(
    client: &Client,
    request: Request,
    reporter: Arc<dyn Reporter>,
    cancel: CancellationToken,
) -> Result<Outcome, Error> {
    let Request { app, target, image, settings } = &request;
    let current = tokio::select! {
        biased;
        () = cancel.cancelled() => {
            return Err(Error::Interrupted { standing: Standing::default() });
        }
        current = inspect_for(client, app, target) => current?,
    };
    let machines = current.machines.len();
    reporter.report(Event::AppFound { app: app.to_string(), machines });
    let mut plan = plan(&current, target, image, settings)?;
    tell(&plan, settings, &*reporter);
    let url = target.config().and_then(|config| config.url(app));
    let outcome = outcome(&plan, url.filter(|_| client.is_public()));
    if plan.is_empty() {
        return Ok(outcome);
    }

    let leases = Leases::new(client, app, &settings.patience);
    let within = settings.patience.wait_for_leases;
    if let Err(error) = leases.acquire(&plan.leased(), within, &*reporter, &cancel).await {
        leases.release().await;
        return Err(error);
    }
    let journal = Journal::new(current.machines.iter().map(|machine| machine.id.as_str()));
    let parts = Parts { client, request: &request, reporter: &*reporter, leases: &leases };
    let work = parts.deploy(&current, &mut plan, &journal, &cancel);
    let done = Box::pin(leases.during(work)).await;
    let (status, text) = match &done.result {
        Ok(()) => ("complete", None),
        Err(error @ Error::LeftOver { .. }) => ("complete", Some(error.to_string())),
        Err(error @ Error::Interrupted { .. }) => ("interrupted", Some(error.to_string())),
        Err(error) => ("failed", Some(error.to_string())),
    };
    let close = async {
        if let Some(record) = &done.record {
            record.close(status, text).await;
        }
    };
    tokio::join!(leases.release(), close);
    let version = done.record.as_ref().and_then(Record::version);
    done.result.map(|()| Outcome { version, ..outcome })
}

/// What a deploy under leases came to.
struct Done<'a> {
    record: Option<Record<'a>>,
    result: Result<(), Error>,
}

/// What all parts of a deploy share.
#[derive(Clone, Copy)]
struct Parts<'a> {
    client: &'a Client,
    request: &'a Request,
    reporter: &'a dyn Reporter,
    leases: &'a Leases<'a>,
}

impl<'a> Parts<'a> {
    /// Records the release, takes the steps, and goes back where one fails.
    async fn deploy(
        self,
        current: &Current,
        plan: &mut Plan,
        journal: &Journal,
        cancel: &CancellationToken,
    ) -> Done<'a> {
        let interrupted = || Err(Error::Interrupted { standing: journal.standing() });
        let record = tokio::select! {
            biased;
            () = cancel.cancelled() => return Done { record: None, result: interrupted() },
            record = self.record() => record,
        };
        let Request { app, target, image, settings } = self.request;
        let crew = Crew {
            watch: Watch {
                client: self.client,
                app,
                reporter: self.reporter,
                patience: &settings.patience,
            },
            leases: self.leases,
            record: &record,
            journal,
            settings,
            machine_checks: MachineChecks { config: target.config(), image },
            halt: CancellationToken::new(),
        };
        let result = tokio::select! {
            biased;
            () = cancel.cancelled() => interrupted(),
            result = self.steps(&crew, current, plan) => result,
        };
        if result.is_err() {
            // What the platform cannot be asked for in time ends by itself, or is found next time.
            let wake = async {
                if matches!(result, Err(Error::Interrupted { .. })) {
                    going_back::wake_those_without_another(&crew, plan).await;
                }
            };
            let tidied = timeout(TIDY_WITHIN, async { tokio::join!(tidy(&crew), wake) }).await;
            tracing::debug!(in_time = tidied.is_ok(), "passing machines were destroyed");
        }
        Done { record: Some(record), result }
    }

    async fn record(self) -> Record<'a> {
        let Request { app, target, image, settings } = self.request;
        let definition = match target {
            Target::Config(config) => config.definition().clone(),
            // The release goes on with what the last one had.
            Target::ImageAlone => match self.client.current_definition(app).await {
                Ok(Some(definition)) => definition,
                Ok(None) => Value::Object(serde_json::Map::new()),
                Err(error) => {
                    tracing::debug!(%error, "the last release's definition is not known");
                    Value::Object(serde_json::Map::new())
                }
            },
        };
        let strategy = settings.strategy;
        Record::open(self.client, self.reporter, app, definition, image, strategy).await
    }

    async fn steps(self, crew: &Crew<'_>, current: &Current, plan: &mut Plan) -> Result<(), Error> {
        let Request { app, target, image, settings } = self.request;
        if let Some(config) = target.config().filter(|_| settings.release_command) {
            release_command::run(crew, current, config, image).await?;
        }
        provision::addresses(self.client, app, current, plan, self.reporter).await;
        provision::volumes(self.client, app, plan, image, self.reporter).await?;
        let plan = &*plan;
        let done = match settings.strategy {
            Strategy::Rolling => rolling::run(crew, plan).await,
            Strategy::Immediate => immediate::run(crew, plan).await,
            Strategy::Canary => canary::run(crew, plan).await,
            Strategy::Bluegreen => self.bluegreen(crew, plan).await?,
        };
        let failure = match done {
            Ok(()) => {
                let left = crew.clear_away(superseded(crew, plan)).await;
                return if left.is_empty() { Ok(()) } else { Err(Error::LeftOver { left }) };
            }
            Err(Stop::Failed(failure)) => failure,
            // Nothing halts but a failure, which comes first.
            Err(Stop::Halted) => return Ok(()),
        };
        Err(failed(crew, plan, failure).await)
    }

    async fn bluegreen(self, crew: &Crew<'_>, plan: &Plan) -> Result<Result<(), Stop>, Error> {
        match self.client.can_bluegreen(&self.request.app).await {
            Ok(true) => {}
            Ok(false) => {
                let app = self.request.app.to_string();
                return Err(Error::BluegreenForbidden { app });
            }
            // Where it is not, the platform refuses to make the machines.
            Err(error) => tracing::debug!(%error, "it is not known if bluegreen is allowed"),
        }
        Ok(bluegreen::run(crew, plan).await)
    }
}

/// Undoes what was done, and says what has become of it.
async fn failed(crew: &Crew<'_>, plan: &Plan, failure: Failure) -> Error {
    let mut left = tidy(crew).await;
    let machines = crew.journal.touched();
    if machines == 0 && left.is_empty() {
        return match failure {
            Failure::Fly(error) => Error::Fly(error),
            failure => {
                Error::RolledBack { failure: Box::new(failure), restored_machines: Vec::new() }
            }
        };
    }
    let failure = Box::new(failure);
    if crew.settings.on_failure == OnFailure::Stay {
        return Error::Unhealthy { failure, standing: crew.journal.standing(), left };
    }
    let reason = failure.to_string();
    crew.watch.reporter.report(Event::GoingBack { reason, machines });
    let going_back::Outcome { restored, left: not_restored } = go_back(crew, plan).await;
    left.extend(not_restored);
    if left.is_empty() {
        return Error::RolledBack { failure, restored_machines: restored };
    }
    Error::Unhealthy { failure, standing: crew.journal.standing(), left }
}

/// Destroys the machines that must not outlive the deploy; returns those that do.
async fn tidy(crew: &Crew<'_>) -> Vec<LeftAlone> {
    let passing = crew.journal.take_passing();
    let destroyed = join_all(passing.iter().map(async |machine| {
        let (client, app) = (crew.watch.client, crew.watch.app);
        let destroyed = client.destroy_machine(app, machine, None).await;
        let reason = destroyed.err()?.to_string();
        Some(LeftAlone { machine: machine.clone(), reason })
    }));
    destroyed.await.into_iter().flatten().collect()
}

/// Returns the machines that the app does not need any more.
fn superseded<'p>(crew: &'p Crew<'_>, plan: &'p Plan) -> impl Iterator<Item = &'p Existing> {
    let replaced =
        |from: &&Existing| matches!(crew.journal.fate(&from.id), Fate::Replaced(Some(_)));
    plan.all_changes().map(Change::from).filter(replaced).chain(&plan.destroys)
}

fn tell(plan: &Plan, settings: &Settings, reporter: &dyn Reporter) {
    for left in &plan.left_alone {
        reporter.report(Event::Warning {
            code: "rollout.machine-left-alone",
            message: format!("machine {} is left as it is: {}", left.machine, left.reason),
        });
    }
    if plan.is_empty() {
        return;
    }
    let replaces = plan.all_changes().filter(|c| matches!(c, Change::Replace(_))).count();
    reporter.report(Event::RolloutPlanned {
        strategy: settings.strategy.to_string(),
        creates: creates(plan),
        updates: plan.all_changes().count() - replaces,
        replaces,
        destroys: plan.destroys.len(),
        unchanged: plan.unchanged.len(),
    });
}

fn creates(plan: &Plan) -> usize {
    plan.creates.iter().map(|create| 1 + usize::from(create.spare.is_some())).sum()
}

fn outcome(plan: &Plan, url: Option<String>) -> Outcome {
    let changed = creates(plan) + plan.all_changes().count();
    Outcome { version: None, changed, unchanged: plan.unchanged.len(), url }
}
