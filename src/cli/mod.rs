//! All that a user touches: arguments, environment, output, exit codes.
//!
//! Nothing below this module prints, reads the environment or knows `clap`. A command is
//! one file here that turns what was typed into a request of the library.

mod app;
mod apps;
mod args;
mod config;
mod credentials;
mod deploy;
mod docs;
mod doctor;
mod env;
mod exit;
mod fly_toml;
mod hand_over;
mod image;
mod logs;
mod output;
mod plan;
mod platform;
mod push;
mod releases;
mod report;
mod request;
mod rollback;
mod sandbox;
mod signals;
mod standing;
mod status;
mod table;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use tokio_util::sync::CancellationToken;

use args::{Args, Command};
use env::Env;
pub use exit::Exit;
use exit::Failure;
use output::Output;

use crate::error::Explain;
use crate::event::Reporter;
use crate::http::Clients;

/// What every command gets.
struct Context {
    env: Env,
    output: Output,
    reporter: Arc<dyn Reporter>,
    /// Fires on the first Ctrl-C or SIGTERM.
    cancel: CancellationToken,
}

impl Context {
    /// Makes the HTTP clients, with the certificate authorities that a Nix shell names.
    fn clients(&self) -> Result<Clients, Failure> {
        Clients::new(self.env.certificates()?.as_deref()).map_err(Failure::of)
    }

    /// Waits for what may simply be dropped, unless the user interrupts it.
    async fn unless_cancelled<T, E: Explain>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            result = work => result.map_err(Failure::of),
            () = self.cancel.cancelled() => Err(Failure::interrupted()),
        }
    }
}

/// Runs the program with the process's arguments and environment.
pub fn main() -> ExitCode {
    let args = Args::parse();
    let env = Env::read();
    output::start_tracing(&env);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            Output::new(false).error(&Failure::unforeseen(&error.to_string()));
            return Exit::Unforeseen.into();
        }
    };
    let exit = runtime.block_on(run(args, env));
    // A thread that is stuck in a read must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(50));
    exit.into()
}

async fn run(args: Args, env: Env) -> Exit {
    let output = Output::new(args.output.json);
    let progress = args.output.progress(&env);
    let (reporter, display) = report::start(progress, output.clone());
    let cancel = CancellationToken::new();
    let _signals = signals::watch(cancel.clone(), &output);
    let context = Context { env, output: output.clone(), reporter, cancel };
    let result = run_command(&context, args.command).await;
    drop(display);
    match result {
        Ok(exit) => exit,
        Err(failure) => {
            output.error(&failure);
            failure.exit()
        }
    }
}

async fn run_command(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Deploy(args) => Box::pin(deploy::run(context, *args)).await?,
        Command::Plan(args) => return Box::pin(plan::run(context, *args)).await,
        Command::Push(args) => push::run(context, *args).await?,
        Command::Releases(args) => releases::run(context, args).await?,
        Command::Rollback(args) => Box::pin(rollback::run(context, *args)).await?,
        Command::Logs(args) => logs::run(context, args).await?,
        Command::Status(args) => status::run(context, args).await?,
        Command::Apps(command) => apps::run(context, command).await?,
        Command::Doctor(args) => doctor::run(context, args).await?,
        Command::Config(command) => config::run(context, command)?,
        Command::Sandbox(args) => sandbox::run(context, args).await?,
        Command::Completions { shell } => docs::completions(shell)?,
        Command::Man => docs::man()?,
    }
    Ok(Exit::Done)
}
