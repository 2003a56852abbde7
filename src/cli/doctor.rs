//! `snowbird doctor`

use std::time::{Duration, SystemTime};

use serde_json::json;

use super::Context;
use super::args::AppArgs;
use super::exit::Failure;
use super::fly_toml::app_named;
use super::platform::Fly;
use super::push::{fly_credentials, registry, repository, transport};
use crate::error::{Account, Explain};
use crate::fly::wire::App;
use crate::fly::{AppName, Error, TokenKind};
use crate::image::Reference;
use crate::nix::{About, Builds, Nix};

/// A token that runs out within this time is told.
const SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a check has found.
struct Finding {
    check: &'static str,
    outcome: Outcome,
    message: String,
    hint: Option<String>,
}

enum Outcome {
    Ok,
    Warning,
    /// With the code word of the failure.
    Failed(&'static str),
}

impl Finding {
    fn ok(check: &'static str, message: String) -> Self {
        Self { check, outcome: Outcome::Ok, message, hint: None }
    }

    fn warning(check: &'static str, message: impl Into<String>, hint: Option<&str>) -> Self {
        let hint = hint.map(str::to_owned);
        Self { check, outcome: Outcome::Warning, message: message.into(), hint }
    }

    fn failed(check: &'static str, account: &Account) -> Self {
        let told: Vec<_> = [&account.message].into_iter().chain(&account.causes).cloned().collect();
        Self {
            check,
            outcome: Outcome::Failed(account.code),
            message: told.join(": "),
            hint: account.hint.clone(),
        }
    }

    fn of_error(check: &'static str, error: &dyn Explain) -> Self {
        Self::failed(check, &Account::of(error))
    }

    fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::Ok => "ok",
            Outcome::Warning => "warning",
            Outcome::Failed(_) => "failed",
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{:<8} {}: {}", self.word(), self.check, self.message);
        if let Some(hint) = &self.hint {
            text.push_str("\n         hint: ");
            text.push_str(hint);
        }
        text
    }

    fn json(&self) -> serde_json::Value {
        let code = match self.outcome {
            Outcome::Failed(code) => Some(code),
            _ => None,
        };
        json!({
            "check": self.check, "status": self.word(), "code": code, "message": self.message,
            "hint": self.hint,
        })
    }
}

/// Writes findings as they come, and knows the first failure.
struct Report<'a> {
    context: &'a Context,
    failures: Vec<(&'static str, &'static str)>,
}

impl Report<'_> {
    fn add(&mut self, finding: &Finding) -> Result<(), Failure> {
        if let Outcome::Failed(code) = finding.outcome {
            self.failures.push((finding.check, code));
        }
        self.context.output.result(&finding.text(), &finding.json())
    }
}

/// Checks all that a deploy needs.
pub(super) async fn run(context: &Context, args: AppArgs) -> Result<(), Failure> {
    let mut report = Report { context, failures: Vec::new() };
    tokio::select! {
        checked = check(context, &args, &mut report) => checked?,
        () = context.cancel.cancelled() => return Err(Failure::interrupted()),
    }
    let Some((_, code)) = report.failures.first() else { return Ok(()) };
    let names: Vec<_> = report.failures.iter().map(|(check, _)| *check).collect();
    Err(Failure::standing_for(code, &format!("something is wrong: {}", names.join(", "))))
}

async fn check(context: &Context, args: &AppArgs, report: &mut Report<'_>) -> Result<(), Failure> {
    report.add(&nix(context).await)?;
    let token_file = args.fly.token_file.as_deref();
    let fly = match Fly::at(context, token_file, args.sandbox.as_deref()).await {
        Ok(fly) => fly,
        Err(failure) => return report.add(&Finding::failed("token", failure.account())),
    };
    report.add(&token(&fly).await)?;
    let name = match app_named(context, &args.fly, &args.config) {
        Ok(name) => name,
        Err(failure) => return report.add(&Finding::failed("app", failure.account())),
    };
    let app = fly.client().app(&name).await;
    report.add(&app_finding(&fly, &name, app.as_ref()).await)?;
    report.add(&registry_finding(context, &fly, &name, app.ok().as_ref()).await)
}

async fn nix(context: &Context) -> Finding {
    let found = match Nix::find(context.env.os("PATH")) {
        Ok(nix) => nix,
        Err(error) => return Finding::of_error("nix", &error),
    };
    match found.about().await {
        Ok(about) => nix_finding(&about),
        Err(error) => Finding::of_error("nix", &error),
    }
}

fn nix_finding(about: &About) -> Finding {
    let About { version, system, .. } = about;
    if !about.is_new_enough {
        let message = format!("Nix {version} is too old to be asked");
        return Finding::warning("nix", message, Some("update it to 2.8 or newer"));
    }
    match about.builds {
        Builds::Here => Finding::ok("nix", format!("Nix {version} builds x86_64-linux here")),
        Builds::Elsewhere => {
            Finding::ok("nix", format!("Nix {version} builds x86_64-linux on another machine"))
        }
        Builds::Nobody => Finding::warning(
            "nix",
            format!("Nix {version} on {system} has nobody to build x86_64-linux"),
            Some(
                "what a binary cache has can be deployed all the same; for the rest, add a builder \
                 to `builders` in nix.conf",
            ),
        ),
    }
}

async fn token(fly: &Fly) -> Finding {
    let access = fly.client().access().await;
    let message = access.to_string();
    if access.is_over() {
        return Finding {
            check: "token",
            outcome: Outcome::Failed("fly.token-over"),
            message,
            hint: Some("make another with `fly tokens create deploy`".to_owned()),
        };
    }
    if access.is_refused && access.facts.kind != TokenKind::User {
        return Finding {
            check: "token",
            outcome: Outcome::Failed("fly.unauthorized"),
            message: format!("{message}, is not accepted"),
            hint: Some("make another with `fly tokens create deploy`".to_owned()),
        };
    }
    if access.facts.read_only {
        let hint = "make one that may deploy with `fly tokens create deploy`";
        return Finding::warning("token", message, Some(hint));
    }
    if access.facts.is_over(SystemTime::now() + SOON) {
        let hint = "make another with `fly tokens create deploy` before it does";
        return Finding::warning("token", message, Some(hint));
    }
    Finding::ok("token", message)
}

async fn app_finding(fly: &Fly, name: &AppName, app: Result<&App, &Error>) -> Finding {
    let app = match app {
        Ok(app) => app,
        Err(error) => return Finding::of_error("app", error),
    };
    let machines = match fly.client().machines(name).await {
        Ok(machines) => machines.len(),
        Err(error) => return Finding::of_error("app", &error),
    };
    let plural = if machines == 1 { "" } else { "s" };
    let status = if app.status.is_empty() { "there" } else { &app.status };
    let organization = match app.organization.slug.as_str() {
        "" => String::new(),
        slug => format!(" of organization `{slug}`"),
    };
    Finding::ok(
        "app",
        format!("`{name}`{organization} is {status}, with {machines} machine{plural}"),
    )
}

async fn registry_finding(
    context: &Context,
    fly: &Fly,
    name: &AppName,
    app: Option<&App>,
) -> Finding {
    let made = fly.registry_host(context).and_then(|host| {
        let transport = transport(&host, false);
        let to = Reference::new(host, repository(name.as_str())?);
        registry(context, &to, transport, Some(fly_credentials(fly.token())))
    });
    let registry = match made {
        Ok(registry) => registry,
        Err(failure) => return Finding::failed("registry", failure.account()),
    };
    if let Err(error) = registry.contact().await {
        return Finding::of_error("registry", &error);
    }
    if let Some(app) = app
        && let Err(error) = fly.client().check_access(app).await
    {
        return Finding::of_error("registry", &error);
    }
    Finding::ok("registry", format!("`{}` accepts the token", registry.host()))
}
