//! `snowbird logs`

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::Context;
use super::app::App;
use super::args::LogsArgs;
use super::exit::Failure;
use super::output::Reader;
use crate::event::Event;
use crate::fly::{Error, LogLine, LogPage};

/// How often new lines are asked for.
const INTERVAL: Duration = Duration::from_secs(1);

/// How often in a row the platform may fail to tell of new lines.
const ATTEMPTS: u32 = 30;

/// Shows what machines wrote, and with `--follow` what they write.
pub(super) async fn run(context: &Context, args: LogsArgs) -> Result<(), Failure> {
    let app = App::of(context, &args.app).await?;
    let client = app.fly.client();
    let page = async |token: Option<&str>| match &args.machine {
        Some(machine) => client.log_page(&app.name, machine, token).await,
        None => client.app_log_page(&app.name, token).await,
    };
    let first = tokio::select! {
        first = page(None) => first.map_err(failure)?,
        () = context.cancel.cancelled() => return Err(Failure::interrupted()),
    };
    if show(context, &first)? == Reader::Gone || !args.follow {
        return Ok(());
    }
    let follow = async {
        let mut token = first.next_token;
        let mut failed = 0;
        loop {
            sleep(INTERVAL).await;
            match page(token.as_deref()).await {
                Ok(next) => {
                    failed = 0;
                    if show(context, &next)? == Reader::Gone {
                        return Ok(());
                    }
                    token = next.next_token;
                }
                Err(error) if error.is_transient() && failed < ATTEMPTS => {
                    failed += 1;
                    context.reporter.report(Event::Retrying {
                        what: "read the logs".to_owned(),
                        reason: error.to_string(),
                        attempt: failed,
                        after_ms: 1000,
                    });
                }
                Err(error) => return Err(failure(error)),
            }
        }
    };
    tokio::select! {
        ended = app.fly.during(follow) => ended,
        () = context.cancel.cancelled() => Ok(()),
    }
}

fn show(context: &Context, page: &LogPage) -> Result<Reader, Failure> {
    for line in &page.lines {
        let LogLine { timestamp, message, level, machine, region } = line;
        let text = format!("{timestamp} {machine} {region} [{level}] {message}");
        let value = json!({
            "timestamp": timestamp, "machine": machine, "region": region, "level": level,
            "message": message,
        });
        if context.output.result_line(&text, &value)? == Reader::Gone {
            return Ok(Reader::Gone);
        }
    }
    Ok(Reader::There)
}

fn failure(error: Error) -> Failure {
    let refused = matches!(error, Error::Unauthorized(_));
    let failure = Failure::of(error);
    if !refused {
        return failure;
    }
    failure.hint("a deploy token may not read logs: use the token of a user or an organization")
}
